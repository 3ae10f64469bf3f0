// One click and its window, from FB.login to a code or to how it ended without one.

import { messageOf } from "./origin.js";
import { framed } from "./surroundings.js";

const LOOK = 200; // ms between looks at the window
const GRACE = 1_500; // ms for a code or a message that is still on its way
const SILENCE = 5_000; // ms without a window, a callback, or anything else that happens
const BLANK = 15_000; // ms for a window that was opened empty to become Meta's

/**
 * Open Meta's window: synchronously, within the click.
 *
 * @param {{config_id: string, extras: object}} launch
 * @param {{code: (code: string) => void, ended: (code: string, said: object) => void}} told `code` may still come after
 *   `ended`, until the attempt is forgotten
 */
export function openPopup(launch, told) {
  const began = Date.now();
  let over = false; // it was told how it ended
  let forgotten = false;
  let answered = 0; // when the callback, or the end of the window, was seen
  let called = false; // the callback has come, without a code
  /** @type {Window | null | undefined} undefined: none was asked for */
  let popup;
  let empty = false; // it was opened without an address
  let foreign = false; // it has shown a page of another origin
  let message = null;

  function hear(event) {
    const said = messageOf(event);
    // A finish is not undone by what comes behind it.
    if (said && !finished()) message = said;
  }
  const finished = () => /^FINISH/.test(message?.event);

  function end(code) {
    if (over) return;
    over = true;
    clearInterval(timer);
    told.ended(code, message?.data ?? {});
  }

  function look() {
    if (answered) return Date.now() - answered > GRACE && judge();
    const waited = Date.now() - began;
    if (!popup) return waited > SILENCE && document.hasFocus() && end("no_answer");
    if (popup.closed) return (answered = Date.now());
    glance();
    return empty && !foreign && waited > BLANK && end("sdk_blocked");
  }

  function glance() {
    try {
      foreign ||= popup.location.href !== "about:blank";
    } catch {
      foreign = true;
    }
  }

  async function judge() {
    clearInterval(timer);
    const { event, data } = message ?? {};
    if (event === "ERROR" || data?.error_code || data?.error_message) return end("reported_error");
    if (event === "CANCEL") return end("cancelled");
    if (finished()) return end("no_answer"); // its code is lost
    if (called && empty && !foreign) {
      popup.close();
      return end("sdk_blocked");
    }
    return end(!called && (await cutOff()) ? "opener_policy" : "popup_closed");
  }

  function answer(given) {
    const code = given?.authResponse?.code;
    if (forgotten) return;
    if (code) {
      forgotten = over = true; // whatever it says besides
      clearInterval(timer);
      told.code(code);
    } else if (!called) {
      called = true;
      answered = Date.now();
      if (popup && !popup.closed) glance();
    }
  }

  const timer = setInterval(look, LOOK);
  addEventListener("message", hear);

  // Who opens the window is the SDK; the window itself is seen on its way.
  const open = window.open;
  let thrown = false;
  try {
    window.open = function (address, ...more) {
      empty = !address || address === "about:blank";
      return (popup = open.call(window, address, ...more));
    };
    // A plain function: the SDK throws at an async one.
    window.FB.login(function (given) { answer(given); }, {
      config_id: launch.config_id,
      response_type: "code",
      override_default_response_type: true,
      extras: launch.extras,
    });
  } catch {
    thrown = true;
  } finally {
    window.open = open;
  }
  // Later, so that who opens it has its `opened` first.
  if (thrown) setTimeout(end, 0, "sdk_blocked");
  else if (popup === null) setTimeout(end, 0, framed() ? "framed" : "popup_blocked");

  return {
    /** The finish that the window has told of, if it has. */
    get session() {
      return finished() ? message : null;
    },
    /** Meta's words, for what is told of an end. */
    get said() {
      return message?.data ?? {};
    },
    focus() {
      popup?.focus();
    },
    /** Nothing of it counts any more. */
    forget() {
      forgotten = over = true;
      clearInterval(timer);
      removeEventListener("message", hear);
    },
    close() {
      popup?.close();
    },
  };
}

/** Whether this page's own policy cuts its windows off: then they seem closed while they are open. */
async function cutOff() {
  try {
    const { headers } = await fetch(location.href, { method: "HEAD" });
    return /^same-origin\b(?!-)/.test(headers.get("Cross-Origin-Opener-Policy"));
  } catch {
    return false;
  }
}
