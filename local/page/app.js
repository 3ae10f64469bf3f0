/** Walks through one signup: sign in, open, Meta's popup, numbers, watch it connect. */

import { Api, ApiError, local } from "./api.js";
import {
  $, drawChoices, drawEarlier, drawNumbers, drawSignup, drawTimeline, hideError, isSettled, mark, showError, submitted,
} from "./view.js";

const STEPS = ["sign-in", "open", "popup", "numbers", "connect"];

const state = { run: null, api: null, signup: null, claimed: null, watching: null, openKey: null };

function show(signup) {
  state.signup = signup;
  drawSignup(signup);
  drawTimeline(signup);
  const on = whereToGoOn(signup);
  for (const [index, step] of STEPS.entries()) {
    const at = STEPS.indexOf(on);
    if (step !== "connect") mark(step, index < at ? "done" : index === at ? "active" : "waiting");
  }
  if (on === "numbers") drawNumbersToSubmit(signup);
  if (on === "connect") drawProgress(signup);
  else mark("connect", "waiting", "");
}

function whereToGoOn(signup) {
  if (!state.api) return "sign-in";
  if (!signup || signup.status === "expired") return "open";
  if (!signup.waba) return "popup";
  return submitted(signup).length ? "connect" : "numbers";
}

function drawNumbersToSubmit(signup) {
  const numbers = signup.numbers ?? [];
  drawChoices($("numbers-to-submit"), "checkbox", "number", numbers.map((number) => ({
    value: number.phone_number_id,
    text: number.display_phone_number || number.phone_number_id,
    about: number.verified_name,
    checked: numbers.length === 1 || number.phone_number_id === state.claimed,
  })));
}

function drawProgress(signup) {
  drawNumbers(signup, sendMessage);
  const numbers = submitted(signup);
  const failed = numbers.some((number) => number.status === "failed");
  $("retry").hidden = !failed;
  if (failed || signup.status === "attention") mark("connect", "failed", "");
  else if (numbers.every((number) => number.status === "connected")) {
    mark("connect", "done", numbers.length > 1 ? "All numbers are connected." : "The number is connected.");
  } else mark("connect", "active", "");
}

/** Runs an action of a button or form: one at a time, its error shown. */
async function act(control, action) {
  hideError();
  control.disabled = true;
  try {
    await action();
  } catch (error) {
    if (error.name !== "AbortError") showError(error);
  } finally {
    control.disabled = false;
  }
}

function onSubmit(id, action) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    act(form.querySelector("button[type=submit]"), () => action(new FormData(form), form));
  });
}

async function listEarlier() {
  drawEarlier(await state.api.list(), (id) => act($("another"), () => resume(id)));
}

async function resume(id) {
  stopWatching();
  state.claimed = null;
  // A fresh read rather than the entry of the list, which may be older.
  const signup = await state.api.read(id);
  tellOutcomes(signup);
  show(signup);
  if (submitted(signup).length && !isSettled(signup)) watch();
}

function tellOutcomes(signup) {
  mark("open", "done", `Signup ${signup.id} for ${signup.client?.name ?? signup.client?.id ?? "the client"}.`);
  if (signup.waba) tellAccount(signup);
  const numbers = submitted(signup);
  if (numbers.length) mark("numbers", "done", `${numbers.length} of ${signup.numbers.length} submitted.`);
}

function tellAccount(signup) {
  const { name, id, proof } = signup.waba;
  mark("popup", "done", `${name ?? "Account"} (${id}) is the customer's. Proof: ${proof}.`);
  $("choose-account").hidden = true;
}

function stopWatching() {
  state.watching?.abort();
  state.watching = null;
}

function watch() {
  stopWatching();
  const watching = new AbortController();
  state.watching = watching;
  state.api.watch(state.signup.id, {
    until: isSettled,
    show: (signup) => { hideTrouble(); show(signup); },
    trouble: showTrouble,
    signal: watching.signal,
  }).then(listEarlier).catch((error) => {
    if (error.name !== "AbortError") showError(error);
  });
}

function showTrouble(error) {
  mark("connect", "active", `${error.message} Trying again.`);
}

function hideTrouble() {
  mark("connect", "active", "");
}

// --- sign in ---------------------------------------------------------------------------------------

onSubmit("sign-in", async (fields) => {
  stopWatching();
  const { token, tenant } = await local("token", { tenant: fields.get("tenant").trim() });
  state.api = new Api(state.run.api_url, token);
  $("tenant-shown").textContent = `Tenant ${tenant}`;
  $("tenant-shown").hidden = false;
  mark("sign-in", "done", `Signed in as ${tenant}.`);
  $("another").hidden = false;
  show(null);
  await listEarlier();
});

// --- open ------------------------------------------------------------------------------------------

onSubmit("open", async (fields) => {
  const { name, email, user_name, plan_tier } = Object.fromEntries(fields);
  const request = { client: { name, email, user_name } };
  if (plan_tier) request.plan_tier = plan_tier;
  // The same key until it worked: clicking again after a lost answer opens no second signup.
  state.openKey ??= crypto.randomUUID();
  const signup = await state.api.open(request, state.openKey);
  state.openKey = null;
  state.claimed = null;
  tellOutcomes(signup);
  show(signup);
  await listEarlier();
});

// A key belongs to one request: what was changed is a new one.
$("open").addEventListener("input", () => { state.openKey = null; });

$("another").addEventListener("click", () => {
  stopWatching();
  hideError();
  for (const step of ["open", "popup", "numbers"]) mark(step, "waiting", "");
  $("choose-account").hidden = true;
  $("open-popup").hidden = false;
  suggestClient();
  show(null);
  $("open").elements.name.focus();
});

// --- Meta's popup ----------------------------------------------------------------------------------

$("open-popup").addEventListener("click", () => {
  hideError();
  $("popup-form").elements.business_name.value = state.signup.client?.name ?? "";
  $("popup").returnValue = "";
  $("popup").showModal();
});

$("popup").addEventListener("close", () => {
  const popup = $("popup");
  if (popup.returnValue !== "finish") {
    mark("popup", "active", "The customer closed the window. Nothing was shared.");
    return;
  }
  const fields = Object.fromEntries(new FormData($("popup-form")));
  act($("open-popup"), () => finishPopup(fields));
});

async function finishPopup({ business_name, numbers, finish, grants, decoys, message }) {
  const shared = await local("popup", {
    business_name,
    finish,
    grants,
    decoys: Number(decoys),
    wabas: [{ numbers: Array.from({ length: Number(numbers) }, () => ({})) }],
  });
  const body = { code: shared.code };
  if (message === "arrives") {
    body.session_info = shared.session_info;
    state.claimed = shared.session_info.data?.phone_number_id ?? null;
  }
  mark("popup", "active", "Handing in the code…");
  try {
    authorized(await state.api.sendCode(state.signup.id, body));
  } catch (error) {
    mark("popup", "active", "");
    if (!(error instanceof ApiError) || error.problem.code !== "waba_ambiguous") throw error;
    askForAccount(error.problem.candidates ?? []);
  }
}

function askForAccount(candidates) {
  drawChoices($("accounts"), "radio", "waba", candidates.map(({ waba_id, name }, index) => ({
    value: waba_id, text: name ?? waba_id, about: name ? waba_id : "", checked: index === 0,
  })));
  $("open-popup").hidden = true;
  $("choose-account").hidden = false;
  $("choose-account").querySelector("input")?.focus();
}

onSubmit("choose-account", async (fields) => {
  authorized(await state.api.sendCode(state.signup.id, { waba_id: fields.get("waba") }));
});

function authorized(signup) {
  tellAccount(signup);
  $("open-popup").hidden = false;
  show(signup);
}

// --- numbers and after -----------------------------------------------------------------------------

onSubmit("submit-numbers", async (fields) => {
  const ids = fields.getAll("number");
  if (!ids.length) throw new Error("Select at least one number.");
  const signup = await state.api.submit(state.signup.id, ids);
  mark("numbers", "done", `${ids.length} of ${signup.numbers.length} submitted.`);
  show(signup);
  watch();
});

$("retry").addEventListener("click", () => act($("retry"), async () => {
  show(await state.api.retry(state.signup.id));
  watch();
}));

async function sendMessage(channelId, button, said) {
  await act(button, async () => {
    const { status, key_ends_with: end, address } = await local("message", { channel_id: channelId });
    said.textContent = `${address} answered ${status}, with the key that ends in ${end}.`;
  });
}

// --- start -----------------------------------------------------------------------------------------

function suggestClient() {
  const mark = crypto.randomUUID().slice(0, 6);
  const fields = $("open").elements;
  fields.name.value = `Example Bakery ${mark}`;
  fields.email.value = `owner-${mark}@example.com`;
  fields.user_name.value = "Alex Example";
}

$("notice-close").addEventListener("click", hideError);

try {
  state.run = await local("run");
  $("sign-in").elements.tenant.value = state.run.tenant;
  suggestClient();
  show(null);
} catch (error) {
  showError(error);
}
