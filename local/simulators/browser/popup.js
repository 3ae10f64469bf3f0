/*
 * The window: a person plays the customer, step by step. What comes of it is sent to the page that opened it, or, where
 * a page has led here itself, back to that page's address.
 */

const STEPS = [...document.querySelectorAll("form[data-step]")].map((form) => form.dataset.step);
const $ = (id) => document.getElementById(id);
const request = readRequest();
const state = { at: 0, judged: null, customers: [] };

function readRequest() {
  if (location.search) return readQuery(Object.fromEntries(new URLSearchParams(location.search)));
  try {
    return JSON.parse(decodeURIComponent(location.hash.slice(1))) ?? {};
  } catch {
    return {};
  }
}

/** The dialog by its address: every value is text there. */
function readQuery({ client_id, extras, override_default_response_type: override, ...given }) {
  let read = extras;
  try {
    read = JSON.parse(extras);
  } catch { /* stays as it was given */ }
  return {
    ...given, app_id: client_id, override_default_response_type: override === "true",
    ...(extras === undefined ? {} : { extras: read }), led_here: true,
  };
}

/** Leads back as Meta does, its odd fragment included. */
function leadBack(answer) {
  const page = new URL(request.redirect_uri);
  const told = { ...answer, ...(request.state === undefined ? {} : { state: request.state }) };
  for (const [name, value] of Object.entries(told)) page.searchParams.set(name, value);
  page.hash = "_=_";
  location.assign(page.href);
}

const DENIED = {
  error: "access_denied", error_code: "200", error_description: "Permissions error", error_reason: "user_denied",
};
const FAILED = { error: "server_error", error_code: "1", error_description: "An error occurred." };

async function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error ?? `The simulator answered ${answer.status}.`);
  return told;
}

function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// --- what is filled in ------------------------------------------------------------------------------

const formOf = (step) => document.querySelector(`form[data-step="${step}"]`);
const fields = () => Object.assign({}, ...STEPS.map((step) => Object.fromEntries(new FormData(formOf(step)))));
const customer = () => state.customers.find((item) => item.business_id === fields().business);
const waba = () => [...(customer()?.wabas ?? []), ...(customer()?.decoys ?? [])].find(({ id }) => id === fields().waba);

function radio(name, value, text, about, checked) {
  const input = element("input", { type: "radio", name, value });
  input.checked = checked;
  return element("label", {}, input, element("span", { text }, ...(about ? [element("small", { text: about })] : [])));
}

function list(id, ...choices) {
  $(id).replaceChildren($(id).querySelector("legend"), ...choices);
}

function drawBusinesses() {
  list("businesses", radio("business", "", "A new portfolio", "", true), ...state.customers.toReversed().map((item) =>
    radio("business", item.business_id, item.business_name, `Portfolio ${item.business_id}`, false)));
}

/** Shows what belongs to the business that is chosen, and takes from the form what does not. */
function followBusiness() {
  const known = customer();
  const accounts = known ? [...known.wabas, ...known.decoys] : [];
  list("wabas", ...accounts.map((item, index) => radio("waba", item.id, item.name, `Account ${item.id}`, index === 0)));
  $("wabas").hidden = !known;
  for (const id of ["new-business", "new-wabas"]) toggle($(id), !known);
  followWaba();
}

function followWaba() {
  const known = waba()?.numbers ?? [];
  list("numbers", ...known.map((item, index) =>
    radio("number", item.id, item.display_phone_number, item.verified_name, index === 0)),
  radio("number", "", "A new number", "", !known.length));
  $("numbers").hidden = !known.length;
  followNumber();
}

function followNumber() {
  toggle($("new-numbers"), !fields().number);
}

/** A hidden field takes part in nothing: neither in what is sent nor in what is checked. */
function toggle(holder, shown) {
  holder.hidden = !shown;
  for (const field of holder.querySelectorAll("input, select")) field.disabled = !shown;
}

const PREFILLED = {
  business_name: ["business", "name"], email: ["business", "email"], website: ["business", "website"],
  display_name: ["phone", "displayName"], category: ["phone", "category"], description: ["phone", "description"],
};

function prefill({ prefill: setup = {}, coexistence }) {
  for (const [name, path] of Object.entries(PREFILLED)) {
    const value = path.reduce((whole, part) => whole?.[part], setup);
    if (typeof value !== "string" || !value) continue;
    const field = document.querySelector(`[name="${name}"]`);
    field.value = value;
    field.dataset.prefilled = "";
  }
  const business = document.querySelector("[name=business_name]");
  business.value ||= `Example Bakery ${request.id?.slice(0, 4) ?? ""}`.trim();
  const shown = document.querySelector("[name=display_name]");
  shown.value ||= business.value;
  if (coexistence) document.querySelector("[value=FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING]").checked = true;
}

// --- steps ------------------------------------------------------------------------------------------

/** Whether a step is asked at all, by what was chosen before it. */
function isAsked(step) {
  const { kind, number } = fields();
  if (kind === "FINISH_ONLY_WABA") return !["PHONE_NUMBER_SETUP", "PHONE_NUMBER_VERIFICATION"].includes(step);
  if (number) return !["WHATSAPP_BUSINESS_PROFILE_SETUP", "PHONE_NUMBER_VERIFICATION"].includes(step);
  return true;
}

function show(at, focus = true) {
  state.at = at;
  const step = STEPS[at];
  for (const name of STEPS) formOf(name).hidden = name !== step;
  formOf(step).id = formOf(step).id || `step-${at}`;
  $("continue").setAttribute("form", formOf(step).id);
  $("continue").textContent = step === "PERMISSIONS" ? "Finish" : "Continue";
  $("back").hidden = at === 0;
  $("skip").hidden = step === "PERMISSIONS";
  $("cancel").textContent = `Cancel at ${step}`;
  $("mistake").textContent = "";
  $("track").replaceChildren(...STEPS.map((name, index) => element("li", {
    "data-state": index < at ? "done" : index === at ? "now" : "ahead",
    ...(index === at ? { "aria-current": "step" } : {}),
  }, element("span", { text: name }))));
  if (step === "PERMISSIONS") drawSummary();
  if (focus) formOf(step).querySelector("h1").focus();
}

const KINDS = {
  FINISH: "a number for the platform", FINISH_ONLY_WABA: "the account alone",
  FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING: "a number that stays in the app, too",
  FINISH_GRANT_ONLY_API_ACCESS: "access to what is there",
};

function drawSummary() {
  const given = fields();
  const number = waba()?.numbers.find(({ id }) => id === given.number);
  const accounts = customer() ? waba()?.name : `${given.accounts} new`;
  const numbers = given.kind === "FINISH_ONLY_WABA" ? "none" : number?.display_phone_number
    ?? `${given.count} new, ${given.verified.toLowerCase().replace("_", " ")}`;
  const facts = {
    Portfolio: customer()?.business_name ?? given.business_name, Accounts: accounts, Numbers: numbers,
    Connected: KINDS[given.kind],
  };
  $("summary").replaceChildren(...Object.entries(facts).flatMap(([name, value]) =>
    [element("dt", { text: name }), element("dd", { text: String(value ?? "") })]));
}

function move(by) {
  let at = state.at + by;
  while (STEPS[at] && !isAsked(STEPS[at])) at += by;
  if (STEPS[at]) show(at);
}

// --- what comes of it -------------------------------------------------------------------------------

function newCustomer(given) {
  const number = (index) => ({
    verified_name: given.display_name,
    code_verification_status: given.verified,
    name_status: given.name_status,
    listed_after_seconds: Number(given.late ?? 0),
    ...(index === 0 && given.display ? { display_phone_number: given.display } : {}),
  });
  const count = given.kind === "FINISH_ONLY_WABA" ? 0 : Number(given.count);
  const account = (index) => ({
    name: `${given.business_name} account${index ? ` ${index + 1}` : ""}`,
    numbers: Array.from({ length: count }, (_, at) => number(at + index)),
  });
  return send("POST", "/admin/signups", {
    business_name: given.business_name, finish: given.kind, grants: given.grants, decoys: Number(given.decoys),
    wabas: Array.from({ length: Number(given.accounts) }, (_, index) => account(index)), ...codeOf(given),
  });
}

function codeOf({ code_tail, code_lifetime }) {
  return {
    code_tail, ...(code_lifetime ? { code_lifetime: Number(code_lifetime) } : {}),
    ...(request.led_here ? { redirect_uri: request.redirect_uri } : {}),
  };
}

async function knownCustomer(known, given) {
  await send("PATCH", `/admin/customers/${known.business_id}`, { grants: given.grants });
  let { number } = given;
  if (!number && given.kind !== "FINISH_ONLY_WABA") {
    const made = await send("POST", `/admin/wabas/${given.waba}/numbers`, {
      verified_name: given.display_name, code_verification_status: given.verified, name_status: given.name_status,
      listed_after_seconds: Number(given.late ?? 0), ...(given.display ? { display_phone_number: given.display } : {}),
    });
    number = made.id;
  }
  return send("POST", "/admin/codes", {
    business_id: known.business_id, waba_id: given.waba, event: given.kind,
    ...(number ? { phone_number_id: number } : {}), ...codeOf(given),
  });
}

async function finish() {
  const given = fields();
  const known = customer();
  const { code, session_info } = await (known ? knownCustomer(known, given) : newCustomer(given));
  if (request.led_here) return leadBack({ code });
  const authResponse = state.judged.gives_code ? { code, userID: null, expiresIn: null }
    : { accessToken: "EAAsimulated", userID: "1", expiresIn: 5183999, signedRequest: "" };
  const message = { message: session_info };
  const answer = { answer: { authResponse, status: "connected" } };
  tell({
    "message-first": [message, answer], "code-first": [answer, message],
    "code-only": [answer], "message-only": [message],
  }[given.order]);
}

const EMPTY = { answer: { authResponse: null, status: "unknown" } };
const told = (event, data) => ({ message: { type: "WA_EMBEDDED_SIGNUP", event, data, version: "3" } });

function report() {
  tell([told("CANCEL", {
    error_message: "The phone number could not be verified.", error_code: "524126",
    session_id: crypto.randomUUID(), timestamp: String(Math.floor(Date.now() / 1000)),
  }), EMPTY]);
}

/** Sends what the page shall see, in order, and goes. */
function tell(steps) {
  if (request.led_here) {
    leadBack(steps.some(({ message }) => message?.event === "ERROR") ? FAILED : DENIED);
    return;
  }
  if (!opener) {
    complain("This window has lost the page that opened it, as with Cross-Origin-Opener-Policy: same-origin.");
    return;
  }
  opener.postMessage({ id: request.id, steps }, request.origin || "*");
  // The page's side has to have taken it before the window goes.
  setTimeout(() => window.close(), 200);
}

function complain(text) {
  $("mistake").textContent = text;
}

async function once(button, action) {
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    complain(error.message);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// --- listening --------------------------------------------------------------------------------------

for (const step of STEPS) {
  formOf(step).addEventListener("submit", (event) => {
    event.preventDefault();
    if (step === "PERMISSIONS") once($("continue"), finish);
    else move(1);
  });
}
$("back").addEventListener("click", () => move(-1));
$("skip").addEventListener("click", () => once($("skip"), finish));
$("cancel").addEventListener("click", () => tell([told("CANCEL", { current_step: STEPS[state.at] }), EMPTY]));
$("report").addEventListener("click", report);
$("fail").addEventListener("click", () => tell([told("ERROR", { error_message: "An error occurred." }), EMPTY]));
$("businesses").addEventListener("change", followBusiness);
$("wabas").addEventListener("change", followWaba);
$("numbers").addEventListener("change", followNumber);
for (const button of document.querySelectorAll("[data-close]")) {
  // A page that was led here goes back as by the browser's own button.
  button.addEventListener("click", () => (request.led_here ? history.back() : window.close()));
}

try {
  const { id, origin, ...given } = request;
  $("given").textContent = JSON.stringify({ ...given, origin }, null, 2);
  state.judged = await send("POST", "/popup/launch", request);
  $("notes").replaceChildren(...state.judged.notes.map((text) => element("li", { text })));
  if (state.judged.problem) {
    $("problem").textContent = state.judged.problem;
    $("refused").hidden = false;
    $("refused").querySelector("h1").focus();
  } else {
    $("flow").textContent = `${state.judged.flow} flow`;
    state.customers = (await send("GET", "/admin/customers")).customers;
    drawBusinesses();
    prefill(state.judged);
    followBusiness();
    $("walk").hidden = false;
    show(0, false);
    document.querySelector("[name=business_name]").focus();
  }
} catch (error) {
  $("problem").textContent = error.message;
  $("refused").hidden = false;
}
