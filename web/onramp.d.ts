/**
 * The browser module of Onramp: from a click to a connected WhatsApp number.
 *
 * `connect` prepares before the click (opens the signup, loads Meta's SDK); `open` opens Meta's window within it.
 * Nothing else has to be called: the code, the number's submission and its progress are the module's work.
 */

/** Begin a journey, or go on with one. */
export function connect(options: Options): Journey;

/** What a journey is made of: `api`, and either `token` with `signup` or `signupId`, or `link`. */
export interface Options {
  /** The API's address, the stack's output `ApiUrl`. */
  api: string;
  /**
   * The token of your user. A function is asked before each call, and with `true` when a new one is wanted: after a
   * 401, or after a call without an answer, which may be a 401 that the browser hides.
   */
  token?: string | ((renew: boolean) => string | Promise<string>);
  /** The token of a signup link, in place of `token`: `<link id>.<secret>`. */
  link?: string;
  /** With `link`: what tells this browser from others. One is made and kept in `localStorage` unless given. */
  visit?: string;
  /** The body of `POST /v1/signups`, for a new signup. */
  signup?: SignupBody;
  /** A signup that was opened before: the journey goes on where it is, also after a reload. */
  signupId?: string;
  /** With `signup`: the same key gives the same signup for 24 hours. A new one for each `connect` unless given. */
  idempotencyKey?: string;
  /** Language of Meta's window, such as `es_ES`; `en_US` unless given. */
  locale?: string;
  /** How long Meta's SDK may take to load, in milliseconds; 10,000 unless given. */
  sdkTimeout?: number;
  /** Prepare also where Meta's window is known not to work: inside other apps, in a sandboxed frame. */
  anyway?: boolean;
}

/**
 * For `connectByRedirect` of `onramp-redirect.js`, which leaves the page for Meta's dialog in place of a window.
 * Experimental. The page begins anew when it is come back to: give it `signupId`, `idempotencyKey` with `signup`, or
 * `link`, so that it finds the same signup again.
 */
export interface RedirectOptions extends Omit<Options, "locale" | "sdkTimeout"> {
  /**
   * The page that Meta leads back to: one of `redirect_uris` of `GET /v1/config`, letter by letter. This page without
   * query and fragment unless given.
   */
  redirectUri?: string;
}

export interface Journey {
  /**
   * Open Meta's window. To be called within a click, with nothing awaited before it. Where no window is needed any more
   * it goes on with what is next: after a failure this one call is the way on, whatever failed. A second click while
   * the window is open, or while something is under way, does nothing but show that window.
   */
  open(): void;
  /** Stop: Meta's window is closed, nothing is asked any more. `open` goes on from there. */
  close(): void;
  /** How far it is. */
  readonly status: Status;
  /** The signup as last heard, null before. Keep its `id` to go on after a reload. */
  readonly signup: Signup | null;
  /** Listen; returns what ends that. */
  on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => void): () => void;
}

/** `working`: a call is under way that a click would only disturb. */
export type Status = "preparing" | "ready" | "opened" | "working" | "choosing" | "connected" | "failed" | "closed";

export interface Events {
  /** `open` opens Meta's window now. */
  ready: { signup: Signup };
  /** Meta's window was asked for; `attempt` counts the clicks. */
  opened: { attempt: number };
  /**
   * Something is under way, or waits for the connection and goes on by itself (`offline`). `signup` when it has been
   * heard how far it is, else null.
   */
  progress: { step: "exchanging" | "submitting" | "onboarding" | "offline"; signup: Signup | null };
  /** A person has to choose. */
  choice: Choice;
  /** All submitted numbers are connected. */
  connected: { signup: Signup };
  /** It does not go on by itself. */
  failed: Failure;
  /** Meta's window has ended without a code; `failed` follows, unless `close` was called. */
  closed: { attempt: number; outcome: Outcome };
}

export type Choice =
  | { kind: "waba"; candidates: { waba_id: string; name: string | null }[]; choose(wabaId: string): void }
  | {
      kind: "number";
      candidates: { phone_number_id: string; display_phone_number: string; verified_name?: string | null }[];
      choose(phoneNumberIds: string | string[]): void;
    };

export interface Failure {
  /** A code of the module's own, or that of the API's problem. Words may be added. */
  code: ModuleCode | RedirectCode | ApiCode | (string & {});
  /** Whether `open` may lead on. */
  retryable: boolean;
  /** In English, for the customer: the API's `customer_detail`, or the module's own. Translate it by `code`. */
  message: string;
  /** What to offer. */
  action: Action;
  /** What Meta's window said last, for its support. */
  meta: { error_code: string | null; session_id: string | null; step: string | null };
  /** The API's problem, if it is one: `detail`, `request_id`, `refresh_url`, …; null else. */
  problem: Problem | null;
}

/**
 * `open`: another click opens Meta's window again. `again`: the same step once more, by `open` or after something was
 * mended. `sign_in`: a new token, then `open`. `reload`: something blocks Meta's script; once it is allowed, reload.
 * `elsewhere`: another browser. `new_tab`: this page, outside of its frame. `support`: nothing here can help.
 */
export type Action = "open" | "again" | "sign_in" | "reload" | "elsewhere" | "new_tab" | "support";

export type ModuleCode =
  /** The browser has not let Meta's window open. */
  | "popup_blocked"
  /** It was closed before its end. */
  | "popup_closed"
  /** The customer left it; `meta.step` says where. */
  | "cancelled"
  /** The customer reported an error in it; `meta` has Meta's words. */
  | "reported_error"
  /** `FB.login` does nothing, or Meta's window has ended without its code. */
  | "no_answer"
  /** `Cross-Origin-Opener-Policy: same-origin` of this page cuts Meta's window off. */
  | "opener_policy"
  /** Meta's SDK does not load, or something stands in its place. */
  | "sdk_blocked"
  /** The page is in a frame out of which no window opens. */
  | "framed"
  /** The page is shown by another app, or is an installed app on Apple's phones. */
  | "in_app_browser"
  /** The API does not answer, or not in its own words. */
  | "unavailable"
  /** The API takes the token no more, also a new one. */
  | "token_expired"
  /** The signup has expired; with `signup` given `open` makes a new one. */
  | "signup_expired"
  /** The signup's flow is configured no more. */
  | "flow_missing"
  /** A number needs attention: `signup.numbers[].failure` says why. `open` retries what can be retried. */
  | "number_failed";

/** What only `connectByRedirect` can fail with. */
export type RedirectCode =
  /** An answer of Meta's that this tab has not asked for, or has had: its code was dropped. */
  | "state_refused"
  /** The page is none of `redirect_uris`. */
  | "redirect_not_listed"
  /** `sessionStorage` does not work, without which an answer cannot be told from a forged one. */
  | "storage_blocked";

/** Codes of the API that end a step; `docs/reference.md` has all of them. */
export type ApiCode =
  | "code_expired"
  | "code_already_used"
  | "code_invalid"
  | "waba_ambiguous"
  | "waba_not_granted"
  | "waba_blocked"
  | "waba_locked"
  | "not_authorized_yet"
  | "number_ambiguous"
  | "number_not_in_waba"
  | "number_taken"
  | "number_not_verified"
  | "number_banned"
  | "number_deleted"
  | "number_moved"
  | "meta_unavailable"
  | "meta_configuration"
  | "invalid_request"
  | "not_found"
  | "nothing_to_retry"
  | "tenant_limit"
  | "link_expired"
  | "link_revoked"
  | "link_used"
  | "unauthenticated"
  | "internal_error";

/** What is told to the API of a window without a code. */
export type Outcome = "closed" | "cancelled" | "blocked" | "reported_error" | "sdk_blocked" | "no_answer" | "abandoned";

export interface SignupBody {
  client?: { name: string; email: string; user_name: string };
  client_id?: string;
  plan_tier?: string;
  reference?: string;
  flow?: string;
  prefill?: Record<string, unknown>;
}

/** The parts of a signup that a page shows; the API's document has all of it. */
export interface Signup {
  id: string;
  status: "open" | "expired" | "authorized" | "onboarding" | "connected" | "attention" | (string & {});
  reference: string | null;
  numbers: SignupNumber[];
  launch?: { flow: string; config_id: string; extras: Record<string, unknown> } | null;
  link?: {
    id: string;
    language: string | null;
    success_url: string | null;
    failure_url: string | null;
    expires_at: string;
  };
  expires_at: string;
  [member: string]: unknown;
}

export interface SignupNumber {
  phone_number_id: string;
  display_phone_number: string;
  verified_name: string | null;
  status: string;
  channel_id: string | null;
  failure: { code: string; title: string; retryable: boolean; action: string; at: string } | null;
  [member: string]: unknown;
}

export interface Problem {
  code: string;
  detail?: string;
  customer_detail?: string;
  request_id?: string;
  refresh_url?: string;
  [member: string]: unknown;
}

/**
 * `<onramp-connect api="…" link="…" signup-id="…" locale="…">Connect WhatsApp</onramp-connect>`
 *
 * A button, and below it what there is to say or to choose. It begins once it has `api`, and `link` or `token` with
 * `signup` or `signup-id`. Its events are those of the journey, as `CustomEvent`s with the same `detail`; who cancels
 * one shows it by himself. Parts: `button`, `status`, `choices`, `choice`, `link`. Properties of its style:
 * `--onramp-accent`, `--onramp-on-accent`, `--onramp-error`, `--onramp-radius`.
 */
export class OnrampConnectElement extends HTMLElement {
  api: string | null;
  link: string | null;
  locale: string | null;
  signupId: string | null;
  token: Options["token"];
  signup: Options["signup"];
  idempotencyKey: Options["idempotencyKey"];
  /** What it says besides the failures' messages, to translate it. */
  texts: Partial<Record<"busy" | "offline" | "opened" | "waba" | "number" | "connected" | "address", string>>;
  /** Texts of failures by code, in place of `message`. */
  failures: Record<string, string>;
  /** The journey it has begun. */
  readonly journey: Journey | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "onramp-connect": OnrampConnectElement;
  }
  interface Window {
    /** By the script tag, `onramp.global.js`. */
    Onramp?: { connect: typeof connect };
  }
}
