// What can go wrong, in the words of a customer: whether `open` may lead on, what to offer, what to say.

const CLOSED = "Meta's window was closed before the end. Nothing is lost: please try again.";

/** @type {Record<string, [boolean, string, string?]>} whether `open` may lead on, what to offer, what to say */
export const TABLE = {
  popup_blocked: [true, "open", "Your browser has blocked Meta's window. Please allow it, then try again."],
  popup_closed: [true, "open", CLOSED],
  cancelled: [true, "open", CLOSED],
  reported_error: [true, "open", "Meta has noted your problem. You can try again."],
  no_answer: [true, "open", "Meta's window does not answer. Please close it, then try again."],
  opener_policy: [false, "support", "This page cannot hear Meta's window. Please tell those who run it."],
  sdk_blocked: [true, "reload", "Something blocks Meta's script. Please allow it, or use another browser."],
  framed: [false, "new_tab", "Meta's window does not open from here. Please open this page in a tab of its own."],
  in_app_browser: [false, "elsewhere", "Meta's window does not work inside an app. Please open your browser instead."],
  unavailable: [true, "again", "The service does not answer. Please try again in a moment."],
  token_expired: [true, "sign_in", "Please sign in again."],
  signup_expired: [true, "again", "This took too long. Please start again."],
  flow_missing: [false, "support", "This way to connect is no longer offered. Please ask for help."],
  number_failed: [true, "again", "A number could not be connected."],
};

for (const code of ("code_expired code_already_used code_invalid waba_ambiguous waba_not_granted waba_blocked " +
  "waba_locked not_authorized_yet number_not_in_waba meta_unavailable").split(" ")) TABLE[code] = [true, "open"];
for (const why of "banned deleted moved not_verified taken ambiguous".split(" ")) {
  TABLE[`number_${why}`] = [true, "again"];
}

/** What the API is told of how Meta's signup ended, by the code of the failure. */
export const OUTCOMES = {
  popup_blocked: "blocked",
  framed: "blocked",
  popup_closed: "closed",
  cancelled: "cancelled",
  reported_error: "reported_error",
  sdk_blocked: "sdk_blocked",
  no_answer: "no_answer",
  opener_policy: "no_answer",
};

/** An error whose `failure` is told as it is. */
export class Failed extends Error {
  /**
   * @param {string} code
   * @param {object | null} [problem] the API's
   * @param {{error_code?: unknown, session_id?: unknown, current_step?: unknown}} [said] by Meta's window
   */
  constructor(code, problem = null, said = {}) {
    const word = (value) => (value == null ? null : String(value));
    const [retryable, action, message] = TABLE[code] ?? (problem?.retryable ? [true, "again"] : [false, "support"]);
    super(code);
    this.failure = {
      code,
      retryable,
      message: problem?.customer_detail ?? message ?? TABLE.unavailable[2],
      action,
      meta: { error_code: word(said.error_code), session_id: word(said.session_id), step: word(said.current_step) },
      problem,
    };
  }
}
