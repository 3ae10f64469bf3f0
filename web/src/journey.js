// The journey: what is next, wherever it is, and whichever way leads through Meta's signup.

import { client, random } from "./api.js";
import { Failed, OUTCOMES } from "./failures.js";
import { follow } from "./progress.js";
import { pause } from "./waiting.js";

const CODE_LIVES = 28_000; // of its 30 seconds, ms
const LATE = 1_000; // ms for the window's message behind the code, where it would settle a choice
const STOPPED = {};

/**
 * What leads through Meta's signup.
 *
 * @typedef {object} Way
 * @property {() => string | null} hindrance why it cannot work here
 * @property {(config: object) => Promise<void>} load what a click needs, besides the signup
 * @property {(signup: object, attempt: number, told: object) => object} open within the click: see `openPopup`
 * @property {boolean} [leaves] it takes this page's place, so that leaving it means nothing
 * @property {Back} [back] what this page has come back with
 *
 * @typedef {{code?: string, body?: object, said?: object, attempt?: number}} Back the body that its code is sent with,
 *   or how it ended without one
 */

/**
 * @param {import("../onramp").Options} options
 * @param {Way} way
 * @returns {import("../onramp").Journey}
 */
export function journey(options, way) {
  const listeners = {};
  let status = "preparing";
  let signup = null;
  let loaded = false; // what a click needs
  let run = 0; // what was begun before does not count any more
  let attempt = way.back?.attempt ?? 0;
  let popup = null;
  let held = null; // a code that has not been answered, with what goes along
  let ended = way.back?.code ? way.back : null;
  let { anyway } = options;
  let key = options.idempotencyKey ?? random();
  const emit = (event, detail) => [...(listeners[event] ?? [])].forEach((told) => told(detail));
  const works = (step, heard = null) => {
    status = "working";
    emit("progress", { step, signup: heard });
  };
  const api = client(options, () => emit("progress", { step: "offline", signup: null }));

  /** Do something that takes its time; what was done before is dropped. */
  async function go(work) {
    const mine = ++run;
    const while_ = async (promise) => {
      try {
        return await promise;
      } finally {
        if (mine !== run) throw STOPPED;
      }
    };
    try {
      await work(while_);
    } catch (error) {
      if (error !== STOPPED && mine === run) fail(error);
    }
  }

  function fail(error) {
    const { failure } = error instanceof Failed ? error : new Failed("unavailable");
    if (!(error instanceof Failed)) console.error(error);
    status = "failed";
    emit("failed", failure);
  }

  // --- before the click

  async function prepare(while_) {
    status = "preparing";
    const hindrance = !anyway && way.hindrance();
    if (hindrance) throw new Failed(hindrance);
    const config = api.config();
    config.catch(() => {});
    const heard = await while_(api.start(key));
    signup = heard.told;
    if (signup.status !== "open") return goOn(while_, heard);
    if (!signup.launch) throw new Failed("flow_missing");
    await while_(way.load(await while_(config)).catch((error) => {
      const outcome = OUTCOMES[error.failure?.code];
      if (outcome) api.tell({ outcome });
      throw error;
    }));
    loaded = true;
    if (ended) return end();
    status = "ready";
    return emit("ready", { signup });
  }

  /** What this page has come back with: a code goes at once, before anything else is asked. */
  function comeBack(while_) {
    if (!way.back.body) return prepare(while_);
    // The page was asked for when the code was there.
    held = { body: way.back.body, until: performance.timeOrigin + CODE_LIVES };
    return exchange(while_, held.body);
  }

  /** It came back without a code: told once there is somebody to tell, and a click leads out again. */
  function end() {
    const { code, said } = ended;
    ended = null;
    const outcome = OUTCOMES[code];
    if (outcome) {
      told(outcome, said);
      emit("closed", { attempt, outcome });
    }
    throw new Failed(code, null, said);
  }

  /** Whatever answer has come: what is next follows from the signup. */
  async function goOn(while_, { told, after }) {
    signup = told;
    if (signup.status === "authorized") return submit(while_, {});
    if (signup.status === "onboarding") {
      works("onboarding", signup);
      const last = await follow(api, after || 2, (now) => {
        signup = now;
        if (now.status === "onboarding") works("onboarding", now);
      }, while_);
      return goOn(while_, { told: last, after: 30 });
    }
    if (signup.status === "connected") {
      status = "connected";
      return emit("connected", { signup });
    }
    if (signup.status === "expired") throw new Failed("signup_expired");
    if (signup.status === "open") return prepare(while_);
    works("onboarding", signup);
    throw new Failed("number_failed");
  }

  // --- within the click

  function login() {
    popup?.forget();
    const mine = (attempt += 1);
    held = null;
    run += 1;
    status = "opened";
    const at = way.open(signup, mine, {
      code(code) {
        held = { body: { code }, until: Date.now() + CODE_LIVES };
        removeEventListener("pagehide", leave);
        go((while_) => exchange(while_, held.body));
      },
      ended(code, said) {
        told(OUTCOMES[code], said);
        emit("closed", { attempt: mine, outcome: OUTCOMES[code] });
        fail(new Failed(code, null, said));
      },
    });
    popup = at;
    if (!way.leaves) addEventListener("pagehide", leave);
    emit("opened", { attempt });
  }

  function told(outcome, { current_step, error_code, session_id } = {}) {
    removeEventListener("pagehide", leave);
    const word = (value) => (value == null ? undefined : String(value).slice(0, 200));
    api.tell({ outcome, step: word(current_step), error_code: word(error_code), session_id: word(session_id) });
  }

  const leave = () => told("abandoned", popup.said);

  // --- behind it

  /** @param {{code: string, redirect_uri?: string} | {waba_id: string}} body */
  async function exchange(while_, body) {
    works("exchanging");
    // At once, with what the window has said if it has: the code dies while one waits.
    const { session } = popup ?? {};
    const sent = body.code && session ? { ...body, session_info: session } : body;
    let heard;
    try {
      heard = await while_(api.post("/code", sent, held?.until));
    } catch (error) {
      return refused(while_, error, sent);
    }
    held = null;
    return goOn(while_, heard);
  }

  async function refused(while_, error, sent) {
    const { code, problem } = error.failure ?? {};
    if (error.failure && !error.passing && code !== "token_expired") held = null;
    // Another tab was faster, or another code.
    if (code === "signup_closed") return goOn(while_, await while_(api.look()));
    if (code !== "waba_ambiguous") throw error;
    if (popup && sent.code && !sent.session_info) {
      if (!popup.session) await while_(pause(LATE));
      // The same code again: its token is there, Meta is not asked twice.
      if (popup?.session) return exchange(while_, { code: sent.code });
    }
    return choice("waba", problem, error, (waba_id) => go((then) => exchange(then, { waba_id })));
  }

  async function submit(while_, body) {
    works("submitting");
    try {
      return await goOn(while_, await while_(api.post("/numbers", body)));
    } catch (error) {
      const { code, problem } = error.failure ?? {};
      if (code === "not_authorized_yet") signup = (await while_(api.look())).told;
      if (code !== "number_ambiguous") throw error;
      return choice("number", problem, error, (ids) =>
        go((then) => submit(then, { phone_number_ids: [].concat(ids) })));
    }
  }

  /** Ask a person; nobody can choose among nothing. */
  function choice(kind, problem, error, then) {
    const { candidates } = problem;
    if (!candidates?.length) throw error;
    status = "choosing";
    const asked = run;
    emit("choice", { kind, candidates, choose: (chosen) => void (asked === run && then(chosen)) });
  }

  /** Numbers that have failed begin again. */
  async function retry(while_) {
    works("submitting");
    let heard;
    try {
      heard = await while_(api.post("/retry", {}));
    } catch (error) {
      if (error.failure?.code !== "nothing_to_retry") throw error;
      heard = await while_(api.look());
      signup = heard.told;
      if (signup.status === "attention") throw error;
      // Somebody else was faster: another tab, an operator, an event.
    }
    return goOn(while_, heard);
  }

  /** What a click does, once nothing is under way. */
  function open() {
    if (status === "opened") return popup.focus();
    if (!["ready", "failed", "closed"].includes(status)) return undefined;
    if (held && Date.now() < held.until) return go((while_) => exchange(while_, held.body));
    if (signup?.status === "open" && loaded) return login();
    if (signup?.status === "attention" && status === "failed") return go(retry);
    if (signup?.status === "expired" && options.signup) {
      api.forget();
      key = random();
      signup = null;
    }
    if (signup && signup.status !== "open" && api.known()) {
      return go(async (while_) => goOn(while_, await while_(api.start(key))));
    }
    anyway = true;
    return go(async (while_) => {
      await prepare(while_);
      if (way.leaves && status === "ready") login(); // a window would need another click
    });
  }

  function close() {
    if (status === "opened") {
      told("abandoned", popup.said);
      emit("closed", { attempt, outcome: "abandoned" });
    }
    run += 1;
    status = "closed";
    popup?.forget();
    popup?.close();
    popup = null;
  }

  // Later, so that what is made and dropped in one breath asks nothing, and listeners miss nothing.
  Promise.resolve().then(() => status === "preparing" && !run && go(way.back ? comeBack : prepare));
  return {
    open: () => void open(),
    close,
    get status() {
      return status;
    },
    get signup() {
      return signup;
    },
    on(event, told_) {
      (listeners[event] ??= new Set()).add(told_);
      return () => listeners[event].delete(told_);
    },
  };
}
