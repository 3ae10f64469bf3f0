// The way without a window, for places where windows die: this page leaves for Meta's dialog, and is come back to.
// Experimental: docs/front-end.md, "Without a popup", says why.

import { idOf, random } from "./api.js";
import { Failed, TABLE } from "./failures.js";
import { journey } from "./journey.js";
import { framed } from "./surroundings.js";

const KEPT = "onramp-redirect"; // in sessionStorage: this tab's, gone with it
const MARK = "onramp-"; // what a state of ours begins with: a page's own login comes back with a state, too
const ANSWERS = ["code", "state", "error", "error_code", "error_description", "error_message", "error_reason",
  "granted_scopes", "denied_scopes"];
const LEFT = "You have left Meta's signup before its end. Nothing is lost: please try again.";

// Of this module alone; the other one has its own copy.
Object.assign(TABLE, {
  popup_closed: [true, "open", LEFT],
  cancelled: [true, "open", LEFT],
  reported_error: [true, "open", "Meta has reported an error. You can try again."],
  state_refused: [true, "open", "This page cannot tell where that answer has come from. Please try again."],
  redirect_not_listed: [false, "support", "This page is not prepared for this way. Please tell those who run it."],
  storage_blocked: [true, "reload", "Your browser keeps nothing for this page. Please allow it, then reload."],
});

const read = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
};

/**
 * What this page was come back to with, taken out of its address and out of what is kept before anything else: an
 * answer counts once, and a reload finds none.
 *
 * @param {import("../onramp").RedirectOptions} options
 * @returns {(import("./journey.js").Back & {signup?: string}) | undefined}
 */
function comeBack({ link, signupId }) {
  const address = new URL(location.href);
  const given = Object.fromEntries(ANSWERS.map((name) => [name, address.searchParams.get(name)]));
  const kept = read();
  const { code, state, error } = given;
  // Without one of ours on its way it is somebody else's `code`, such as a voucher's.
  if ((code ?? error) === null || !(state === null ? kept : state.startsWith(MARK))) return undefined;
  for (const name of ANSWERS) address.searchParams.delete(name);
  // Facebook puts #_=_ behind it.
  history.replaceState(history.state, "", address.href.replace(/#(_=_)?$/, ""));
  try {
    sessionStorage.removeItem(KEPT);
  } catch {
    // then nothing was kept either
  }
  const mine = kept && state === kept.state && kept.link === idOf(link) &&
    [undefined, null, kept.signup].includes(signupId);
  if (!mine) return { code: "state_refused" };
  const { signup, attempt, redirect_uri } = kept;
  if (code) return { body: { code, redirect_uri }, signup, attempt };
  const denied = error === "access_denied" || given.error_reason === "user_denied";
  const said = { error_code: denied ? null : given.error_code ?? error };
  return { code: denied ? "cancelled" : "reported_error", said, signup, attempt };
}

/** Meta's dialog for a signup; all that `FB.login` would be given, in an address. */
function dialog({ app_id, dialog_url }, { config_id, extras }, redirect_uri, state) {
  const address = new URL(dialog_url);
  const asked = { client_id: app_id, redirect_uri, config_id, response_type: "code",
    override_default_response_type: "true", extras: JSON.stringify(extras), state };
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  return address.href;
}

/**
 * As `connect`, but `open` leaves this page. Call it as soon as the page is there, before anything else looks at its
 * address: it takes Meta's answer out of it.
 *
 * @param {import("../onramp").RedirectOptions} options
 * @returns {import("../onramp").Journey}
 */
export function connectByRedirect(options) {
  const back = comeBack(options);
  const link = idOf(options.link);
  const page = options.redirectUri ?? location.origin + location.pathname;
  let config;
  return journey({ ...options, signupId: options.link ? undefined : options.signupId ?? back?.signup }, {
    leaves: true,
    back,
    hindrance: () => (framed() ? "framed" : null), // Meta's dialog refuses to be framed
    async load(given) {
      config = given;
      if (!config.redirect_uris.includes(page)) throw new Failed("redirect_not_listed");
      try {
        sessionStorage.setItem(`${KEPT}-tried`, "");
        sessionStorage.removeItem(`${KEPT}-tried`);
      } catch {
        throw new Failed("storage_blocked");
      }
    },
    open({ id, launch }, attempt, { ended }) {
      const state = MARK + random();
      // Back by the browser's button to a page that was kept alive: as a window that was closed.
      const shown = ({ persisted }) => persisted && ended("popup_closed", {});
      addEventListener("pageshow", shown);
      const forget = () => removeEventListener("pageshow", shown);
      const leave = () => location.assign(dialog(config, launch, page, state));
      if (framed()) setTimeout(ended, 0, "framed", {});
      else {
        sessionStorage.setItem(KEPT, JSON.stringify({ state, signup: id, link, attempt, redirect_uri: page }));
        leave();
      }
      // Who clicks again is still here: the way out was stopped.
      return { session: null, said: {}, focus: leave, forget, close: forget };
    },
  });
}
