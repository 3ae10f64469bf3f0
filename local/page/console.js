/** The console: what the upstreams have, a switch for all that can happen, and what Onramp makes of it. */

import { Api, ApiError, local } from "./api.js";
import { drawTenantNumbers } from "./numbers.js";
import { requestOf } from "./requests.js";
import { drawSwitches } from "./switches.js";
import {
  channelsOf, digitsOf, drawChannels, drawMeta, drawTraffic, isLiving, newest, numbersOf, Upstreams, wabasOf,
} from "./upstreams.js";
import { $, drawTimeline, element, hideError, showError } from "./view.js";

const PACE = 2000;
const PICKERS = { number: "phone_number_id", waba: "waba_id", channel: "channel_id", client: "client_id" };

const page = {
  api: null, upstreams: null, table: null, state: null, numbers: null, timeline: null,
  chosen: { phone_number_id: "", waba_id: "", channel_id: "", client_id: "" },
  showSwitches: () => {}, drawn: new Map(), reading: null,
};

// --- what is chosen --------------------------------------------------------------------------------

/** Chooses one thing, and with it what belongs to it. */
function choose(kind, id) {
  const { chosen } = page;
  chosen[PICKERS[kind]] = id;
  if (kind === "number") {
    chosen.waba_id = numbersOf(page.state).find(({ number }) => number.id === id)?.waba.id ?? chosen.waba_id;
    const channels = channelsOf(page.state, id).toReversed();
    chosen.channel_id = (channels.find(isLiving) ?? channels[0])?.id ?? "";
  }
  if (kind === "waba") {
    const numbers = wabasOf(page.state).find(({ waba }) => waba.id === id)?.waba.numbers ?? [];
    if (!numbers.some((number) => number.id === chosen.phone_number_id)) chosen.phone_number_id = numbers[0]?.id ?? "";
  }
  if (kind !== "client") followClient();
  page.timeline = null;
  draw();
  refresh();
}

function followClient() {
  const channel = page.state.dialog.channels.find(({ id }) => id === page.chosen.channel_id);
  if (channel) page.chosen.client_id = channel.client_id;
}

/** Lets go of what is gone, and takes the first number and its channel when nothing is chosen. */
function settle() {
  const { chosen, state } = page;
  const ids = {
    phone_number_id: numbersOf(state).map(({ number }) => number.id),
    waba_id: wabasOf(state).map(({ waba }) => waba.id),
    channel_id: state.dialog.channels.map(({ id }) => id),
    client_id: state.dialog.clients.map(({ id }) => id),
  };
  // Onramp may have numbers that the simulators have forgotten.
  ids.phone_number_id.unshift(...(page.numbers ?? []).map((number) => number.phone_number_id));
  for (const [name, known] of Object.entries(ids)) if (!known.includes(chosen[name])) chosen[name] = "";
  chosen.phone_number_id ||= ids.phone_number_id.at(-1) ?? "";
  const at = numbersOf(state).find(({ number }) => number.id === chosen.phone_number_id);
  chosen.waba_id ||= at?.waba.id ?? ids.waba_id.at(-1) ?? "";
  chosen.channel_id ||= channelsOf(state, chosen.phone_number_id).findLast(isLiving)?.id ?? "";
  if (!chosen.client_id) followClient();
}

/** What the switches can name: values of what is chosen, and what the upstreams show of it. */
function view() {
  const { chosen, state } = page;
  const number = numbersOf(state).find((item) => item.number.id === chosen.phone_number_id)?.number;
  const owner = wabasOf(state).find(({ waba }) => waba.id === chosen.waba_id);
  const others = wabasOf(state).filter(({ waba }) => waba.id !== chosen.waba_id);
  const channel = state.dialog.channels.find(({ id }) => id === chosen.channel_id);
  const business_id = owner?.customer.business_id ?? "";
  return {
    known: { ...chosen, digits: digitsOf(number?.display_phone_number), business_id },
    names: {
      business: owner?.customer.business_name,
      number: number?.display_phone_number, channel: channel?.id, client: chosen.client_id,
      customer: owner && `${owner.customer.business_name} (WABA ${owner.waba.id})`,
    },
    lists: {
      wabas: others.map(({ waba }) => [`${waba.name} (${waba.id})`, waba.id]),
      deliveries: newest(state).map(({ event, outcome, id }) => [`${event}, ${outcome}`, id]),
    },
    state: { ...state, number, customer: owner?.customer, channel },
  };
}

// --- drawing ---------------------------------------------------------------------------------------

/** Draws a part only when what it shows has changed, so that nobody loses the place they read at. */
function part(name, value, drawPart) {
  const json = JSON.stringify(value);
  if (page.drawn.get(name) === json) return;
  page.drawn.set(name, json);
  drawPart();
}

function draw() {
  const { chosen, state, numbers } = page;
  if (state) {
    const { customers, dialog } = state;
    part("meta", [customers, chosen], () => drawMeta($("customers"), state, chosen, choose));
    part("channels", [dialog.channels, chosen], () => drawChannels($("channels"), state, chosen, choose));
    const traffic = [dialog.budget, dialog.faults, state.meta.faults, newest(state), dialog.duplicate_submissions];
    part("traffic", [...traffic, dialog.clients.length, dialog.channels.length], () => {
      drawTraffic($("traffic"), $("events"), state);
    });
    $("no-customers").hidden = customers.length > 0;
    $("no-channels").hidden = dialog.channels.length > 0;
    $("no-events").hidden = dialog.deliveries.length > 0;
    drawPickers();
    page.showSwitches(view());
    drawPopup();
  }
  if (numbers) {
    part("numbers", [numbers, chosen], () => {
      drawTenantNumbers($("numbers"), numbers, chosen.phone_number_id, ON_NUMBER);
    });
    $("no-numbers").hidden = numbers.length > 0;
    $("no-numbers").textContent = "None yet.";
  }
  part("timeline", page.timeline, () => drawTimeline(page.timeline));
}

function drawPickers() {
  const { state } = page;
  const of = (items) => items.toReversed();
  const options = {
    number: of(numbersOf(state)).map(({ number }) => [number.id, `${number.display_phone_number} (${number.id})`]),
    waba: of(wabasOf(state)).map(({ waba }) => [waba.id, `${waba.name} (${waba.id})`]),
    channel: of(state.dialog.channels).map((channel) => [channel.id, `${channel.id}, ${channel.phone_number}`]),
    client: of(state.dialog.clients).map((client) => [client.id, `${client.id}, ${client.email}`]),
  };
  for (const [kind, choices] of Object.entries(options)) {
    const select = $(`choose-${kind}`);
    part(`choose-${kind}`, choices, () => select.replaceChildren(
      element("option", { value: "", text: choices.length ? "none" : "none yet" }),
      ...choices.map(([value, text]) => element("option", { value, text })),
    ));
    select.value = page.chosen[PICKERS[kind]];
  }
}

function drawPopup() {
  const { names, known } = view();
  const button = $("popup").querySelector("button");
  if (!button.hasAttribute("aria-busy")) button.disabled = !page.api || !known.business_id;
  const what = `A new signup of this tenant, in which ${names.customer} shares ${names.number ?? "its account"}.`;
  $("popup-about").textContent = !page.api ? "Sign in first." : !known.business_id ? "Choose a number first."
    : `${what} For a number that came before it is a reconnect.`;
}

// --- reading ---------------------------------------------------------------------------------------

async function readOnramp() {
  if (!page.api) return;
  const { api } = page;
  const numbers = await api.numbers();
  // Another tenant may have signed in meanwhile.
  if (api !== page.api) return;
  page.numbers = numbers;
  const number = numbers.find((item) => item.phone_number_id === page.chosen.phone_number_id);
  const signup = number?.signup_id ? await api.read(number.signup_id) : null;
  const told = (signup?.timeline ?? []).filter(({ phone_number_id: id }) => !id || id === number.phone_number_id);
  if (api === page.api) page.timeline = signup && { numbers: signup.numbers, timeline: told };
}

async function readUpstreams() {
  page.state = await page.upstreams.read();
  settle();
}

/** Reads everything once; a second call while it runs waits for the same. What cannot be read stays as it was. */
function refresh() {
  page.reading ??= Promise.allSettled([readUpstreams(), readOnramp()]).then((parts) => {
    page.reading = null;
    const missed = parts.find(({ status }) => status === "rejected");
    if (missed) say(`Not read: ${missed.reason.message}`);
    draw();
  });
  return page.reading;
}

async function keepReading() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((go) => setTimeout(go, PACE));
  }
}

// --- doing -----------------------------------------------------------------------------------------

function say(text) {
  if ($("said").textContent !== text) $("said").textContent = text;
}

/** Runs what a button is for: once at a time, what came of it said, a problem shown. */
async function act(button, what, action) {
  // Busy rather than disabled: a disabled button would lose the keyboard's focus.
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  hideError();
  try {
    say(`${new Date().toLocaleTimeString()}  ${what}: ${(await action()) || "done"}.`);
  } catch (error) {
    say("");
    showError(error);
  } finally {
    button.removeAttribute("aria-busy");
    // What was being read may be older than what was done.
    await page.reading;
    refresh();
  }
}

function flip(item, button, fields) {
  act(button, item.title, async () => {
    const { known, state } = view();
    const answer = await page.upstreams.send(requestOf(item, fields(), known, state));
    if (item.id.startsWith("new_customer")) await showCustomer(answer);
  });
}

async function showCustomer({ wabas }) {
  await page.reading;
  await refresh();
  const [waba] = wabas ?? [];
  if (!waba) return;
  if (waba.numbers.length) choose("number", waba.numbers[0].id);
  else choose("waba", waba.id);
}

const ON_NUMBER = {
  choose: (number) => choose("number", number.phone_number_id),
  act: (number, action, button) => act(button, `${action} of ${number.display_phone_number}`, async () => {
    const { status, attention, wish } = await page.api.actOn(number.phone_number_id, action);
    return `taken, ${[status, attention, wish && `wish: ${wish.action}`].filter(Boolean).join(", ")}`;
  }),
  message: (number, button) => act(button, `Message from ${number.display_phone_number}`, async () => {
    const { status, key_ends_with: end } = await local("message", { channel_id: number.channel_id });
    return `the channel answered ${status} to the key that ends in ${end}`;
  }),
};

/** One signup from the beginning to the submission, by the customer that is chosen. */
async function signUp({ email, message, tail }) {
  const { known, names } = view();
  const client = { name: names.business ?? "Example", email, user_name: "Alex Example" };
  const signup = await page.api.open({ client }, crypto.randomUUID());
  const { business_id, waba_id, phone_number_id } = known;
  const wanted = { business_id, waba_id, code_tail: tail, ...(phone_number_id ? { phone_number_id } : {}) };
  const shared = await page.upstreams.send({ on: "meta", method: "POST", path: "/admin/codes", body: wanted });
  const code = { code: shared.code, ...(message === "arrives" ? { session_info: shared.session_info } : {}) };
  await page.api.sendCode(signup.id, code).catch((error) => {
    if (!(error instanceof ApiError) || error.problem.code !== "waba_ambiguous") throw error;
    return page.api.sendCode(signup.id, { waba_id });
  });
  const { status } = await page.api.submit(signup.id, phone_number_id ? [phone_number_id] : undefined);
  return `signup ${signup.id} is ${status}`;
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = $("sign-in").elements.tenant.value.trim();
  act(event.submitter ?? $("sign-in").querySelector("button"), "Sign in", async () => {
    const { token, tenant } = await local("token", { tenant: wanted });
    page.api = new Api(page.run.api_url, token);
    page.numbers = null;
    return `numbers of ${tenant} are shown`;
  });
});

$("popup").addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData($("popup")));
  act($("popup").querySelector("button"), "Popup", () => signUp(fields));
});

for (const button of document.querySelectorAll("[data-task]")) {
  const { task } = button.dataset;
  button.addEventListener("click", () => act(button, `The ${task}`, async () => {
    await local("schedule", { task });
    return "has run; what it woke is under way";
  }));
}

for (const kind of Object.keys(PICKERS)) {
  $(`choose-${kind}`).addEventListener("change", (event) => choose(kind, event.target.value));
}

$("notice-close").addEventListener("click", hideError);

// --- start -----------------------------------------------------------------------------------------

try {
  page.run = await local("run");
  page.table = await (await fetch("switches.json")).json();
  page.upstreams = new Upstreams(page.run.admin);
  page.showSwitches = drawSwitches($("groups"), page.table, flip);
  $("sign-in").elements.tenant.value = page.run.tenant;
  $("sign-in").querySelector("button").disabled = false;
  $("popup").elements.email.value = `owner-${crypto.randomUUID().slice(0, 6)}@example.com`;
  keepReading();
} catch (error) {
  showError(error);
}
