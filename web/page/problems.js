// What each code means to a visitor: the text in the language's `reasons`, and what the first button does.
//
// `open`: Meta's window once more. `again`: the same step once more. `reload`: read how far it is. `ask`: nothing
// here can help. `elsewhere`: another browser. A code that is not here is explained as `other`, and tried again.

/** Codes of the API and of the browser module. */
export const PROBLEMS = {
  invalid_json: ["ours", "ask"],
  invalid_request: ["ours", "ask"],
  body_too_large: ["ours", "ask"],
  unsupported_media_type: ["ours", "ask"],
  idempotency_key_reused: ["ours", "ask"],
  meta_configuration: ["ours", "ask"],
  not_found: ["ours", "ask"],
  internal_error: ["again", "again"],
  unavailable: ["again", "again"],
  meta_unavailable: ["again", "open"],
  exchange_in_progress: ["busy", "reload"],
  tenant_limit: ["crowded", "again"],
  code_expired: ["popup", "open"],
  code_already_used: ["popup", "open"],
  code_invalid: ["popup", "open"],
  not_authorized_yet: ["popup", "open"],
  waba_ambiguous: ["not_granted", "open"],
  waba_not_granted: ["not_granted", "open"],
  waba_blocked: ["blocked", "open"],
  waba_locked: ["locked", "open"],
  number_ambiguous: ["other", "reload"],
  number_not_in_waba: ["not_in", "open"],
  number_taken: ["taken", "open"],
  number_banned: ["banned", "again"],
  number_deleted: ["deleted", "again"],
  number_moved: ["moved", "open"],
  number_not_verified: ["not_verified", "again"],
  nothing_to_retry: ["closed", "reload"],
  signup_closed: ["closed", "reload"],
  popup_blocked: ["popup_blocked", "open"],
  popup_closed: ["window_closed", "open"],
  cancelled: ["window_closed", "open"],
  reported_error: ["reported", "open"],
  no_answer: ["no_answer", "open"],
  sdk_blocked: ["sdk_blocked", "reload"],
  framed: ["framed", "elsewhere"],
  in_app_browser: ["in_app", "elsewhere"],
  opener_policy: ["no_answer", "elsewhere"],
  offline: ["offline", "again"],
  token_expired: ["other", "reload"],
  flow_missing: ["ours", "ask"],
  signup_expired: ["closed", "reload"],
  number_failed: ["refused", "reload"],
};

/** Why a number stopped: `FAILURES` of the service. `again`: the retry of the service. */
export const FAILURES = {
  client_taken: ["details", "ask"],
  client_not_found: ["details", "ask"],
  client_rejected: ["details", "ask"],
  submission_rejected: ["refused", "again"],
  stray_channel: ["ours", "again"],
  partner_configuration: ["ours", "again"],
  partner_unavailable: ["again", "again"],
  permission_missing: ["consent", "again"],
  channel_missing: ["again", "again"],
  channel_never_came: ["slow", "again"],
  channel_stuck: ["slow", "again"],
  channel_dead: ["ended", "ask"],
  key_rejected: ["ours", "again"],
  webhook_rejected: ["ours", "again"],
  messaging_unknown: ["ours", "again"],
  cancellation_rejected: ["ours", "ask"],
  reactivation_rejected: ["ended", "ask"],
  internal_error: ["again", "again"],
};

/** Codes after which a link leads nowhere, and the texts of `dead` that say so. */
export const DEAD = ["link_expired", "link_revoked", "link_used", "unauthenticated"];

/** The screens of Meta's window at which a customer may have stopped. */
export const STOPPED_AT = {
  BUSINESS_ACCOUNT_SELECTION: "business",
  WABA_PHONE_PROFILE_PICKER: "account",
  WHATSAPP_BUSINESS_PROFILE_SETUP: "profile",
  PHONE_NUMBER_SETUP: "number",
  PHONE_NUMBER_VERIFICATION: "verification",
  PERMISSIONS: "permissions",
};

/** States of a number as four steps: how many are behind it. */
export const STEPS = ["shared", "handed", "setup", "final"];
export const BEHIND = {
  pending: 1,
  submitting: 1,
  submitted: 2,
  created: 2,
  ready: 2,
  running: 2,
  live: 3,
  connecting: 3,
  connected: 4,
};
