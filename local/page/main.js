/** The console: start a signup, see it work, break it, watch it heal. */

import { Api, local, Pause } from "./api.js";
import {
  drawBudget, drawBus, drawPipe, drawQueues, drawTroubles, drawWebhooks, healing, stations, troublesOf,
} from "./board.js";
import { $, element } from "./dom.js";
import { Embedded } from "./embedded.js";
import { act, hideError, isChosen, onSubmit, say, showError } from "./forms.js";
import { submitted } from "./numbers.js";
import { requestOf } from "./requests.js";
import { decisionOf, drawDecision, drawSignups, drawStage } from "./stage.js";
import * as start from "./start.js";
import { drawDrills, drawSwitches } from "./switches.js";
import * as subjects from "./subjects.js";
import { drawChannels, drawMeta, Upstreams } from "./upstreams.js";

const PACE = 2000;
const LIST_EVERY = 2;
const KEPT = "onramp-console";

const page = {
  run: null, token: null, tenant: null, api: null, upstreams: null, embedded: null,
  state: null, board: null, signups: [], signup: null, signupId: null, candidates: new Map(),
  chosen: { phone_number_id: "", waba_id: "", channel_id: "", client_id: "" },
  watching: null, pause: new Pause(), reading: null, drawn: new Map(), showSwitches: () => {},
  view: () => subjects.view(page),
};

// --- what outlives a reload -------------------------------------------------------------------------

function keep() {
  const { tenant, signupId } = page;
  sessionStorage.setItem(KEPT, JSON.stringify({ tenant, signupId, candidates: [...page.candidates] }));
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

// --- the tenant and the signup ----------------------------------------------------------------------

async function signIn(wanted) {
  const { token, tenant } = await local("token", { tenant: wanted });
  leaveSignup();
  if (page.tenant && page.tenant !== tenant) page.candidates.clear();
  Object.assign(page, { token, tenant, api: new Api(page.run.api_url, token), signups: [] });
  keep();
  await readSignups();
  return `signed in as ${tenant}`;
}

function leaveSignup() {
  page.watching?.abort();
  Object.assign(page, { watching: null, signup: null, signupId: null });
  page.embedded.leave();
  draw();
}

/** Watches a signup, and nothing of the one before it. */
function watchSignup(id) {
  page.watching?.abort();
  const watching = new AbortController();
  Object.assign(page, { watching, signupId: id, signup: null });
  keep();
  draw();
  const isCurrent = () => page.watching === watching;
  page.api.watch(id, {
    show: (signup) => isCurrent() && showSignup(signup),
    trouble: (error) => {
      if (isCurrent()) $("stage-trouble").textContent = error ? `${error.message} Trying again.` : "";
    },
    signal: watching.signal,
    pause: page.pause,
  }).catch((error) => {
    if (error.name === "AbortError" || !isCurrent()) return;
    if (error.status === 401) renew(id);
    else showError(error);
  });
}

/** A token lives an hour; a console may stay open for longer. */
async function renew(id) {
  try {
    const { token } = await local("token", { tenant: page.tenant });
    Object.assign(page, { token, api: new Api(page.run.api_url, token) });
    watchSignup(id);
  } catch (error) {
    showError(error);
  }
}

function showSignup(signup) {
  const before = submitted(page.signup).length;
  page.signup = signup;
  if (signup.waba) page.candidates.delete(signup.id);
  const [first] = submitted(signup);
  if (first && !before) subjects.choose(page, "number", first.phone_number_id);
  draw();
}

/** Something was done: what shows it is read at once. */
function moved() {
  page.pause.end();
  refresh();
}

// --- drawing ----------------------------------------------------------------------------------------

/** Draws a part only when what it shows has changed, so that nobody loses the place they read at. */
function part(name, value, drawPart) {
  const json = JSON.stringify(value ?? null);
  if (page.drawn.get(name) === json) return;
  page.drawn.set(name, json);
  drawPart();
}

function draw() {
  const { signup, signups, signupId, state, board } = page;
  part("signups", [signups, signupId], () => drawSignups(signups, signupId, watchSignup));
  part("stage", signup, () => drawStage(signup, ON_NUMBER));
  drawDecision(signup, decisionOf(signup, page.candidates.get(signup?.id)));
  drawPipe($("pipe"), stations(page));
  if (board) {
    part("queues", board.queues, () => drawQueues($("queues"), board.queues, redrive));
    part("bus", board.bus, () => drawBus($("bus"), board.bus));
  }
  if (state) drawUpstreams(state);
}

function drawUpstreams(state) {
  const { chosen } = page;
  const { dialog, customers } = state;
  part("webhooks", dialog.deliveries, () => drawWebhooks($("events"), dialog.deliveries));
  part("meta", [customers, chosen], () => drawMeta($("customers"), state, chosen, choose));
  part("channels", [dialog.channels, chosen], () => drawChannels($("channels"), state, chosen, choose));
  part("budget", [dialog.budget, dialog.duplicate_submissions], () => drawBudget($("budget"), dialog));
  $("customers-empty").hidden = customers.length > 0;
  $("channels-empty").hidden = dialog.channels.length > 0;
  const troubles = troublesOf(state);
  part("troubles", troubles, () => drawTroubles(troubles));
  subjects.drawPickers(page, part);
  page.showSwitches(page.view());
}

// --- reading ----------------------------------------------------------------------------------------

async function readUpstreams() {
  page.state = await page.upstreams.read();
  subjects.settle(page);
}

async function readBoard() {
  page.board = await local("board");
}

async function readSignups() {
  const { api } = page;
  if (!api) return;
  const signups = await api.list();
  // Another tenant may have signed in meanwhile.
  if (api === page.api) page.signups = signups;
}

/** Reads everything around the signup; a second call while it runs waits for the same. */
function refresh(reads = [readUpstreams, readBoard, readSignups]) {
  page.reading ??= Promise.allSettled(reads.map((read) => read())).then((parts) => {
    page.reading = null;
    const missed = parts.find(({ status, reason }) => status === "rejected" && reason.status !== 401);
    if (missed) say(`Not read: ${missed.reason.message}`);
    draw();
  });
  return page.reading;
}

async function keepReading() {
  for (let turn = 0; ; turn += 1) {
    const reads = [readUpstreams, readBoard, ...(turn % LIST_EVERY ? [] : [readSignups])];
    if (!document.hidden) await refresh(reads);
    await new Promise((go) => setTimeout(go, PACE));
  }
}

// --- doing ------------------------------------------------------------------------------------------

function choose(kind, id) {
  subjects.choose(page, kind, id);
  draw();
}

/** Runs what a button of the console is for, and reads what came of it. */
function doing(button, what, action) {
  return act(button, what, action).then(async () => {
    // What was being read may be older than what was done.
    await page.reading;
    moved();
  });
}

/** Throws a switch; a drill has a title of its own, and says what to look for. */
function flip(item, button, fields, { title = item.title, says } = {}) {
  doing(button, title, async () => {
    const { known, state } = page.view();
    const answer = await page.upstreams.send(requestOf(item, fields(), known, state));
    if (item.id.startsWith("new_customer")) await showCustomer(answer);
    return says;
  });
}

async function showCustomer({ wabas: [waba] = [] }) {
  await page.reading;
  await refresh();
  if (waba) choose(waba.numbers.length ? "number" : "waba", waba.numbers[0]?.id ?? waba.id);
}

function redrive(name, button) {
  doing(button, `Letters of ${name}`, async () => `${(await local(`queues/${name}/redrive`, {})).moved} put back`);
}

const ON_NUMBER = {
  act: (number, action, button) => doing(button, `${action} of ${number.display_phone_number}`, async () => {
    const { status, attention, wish } = await page.api.actOn(number.phone_number_id, action);
    return `taken, ${[status, attention, wish && `wish: ${wish.action}`].filter(Boolean).join(", ")}`;
  }),
  message: (number, button) => doing(button, `Message from ${number.display_phone_number}`, async () => {
    const { status, key_ends_with: end } = await local("message", { channel_id: number.channel_id });
    return `the channel answered ${status} to the key that ends in ${end}`;
  }),
};

const EMPTY = { waba: "Choose an account first.", number: "Choose at least one number first." };

function decide(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const { signup } = page;
  const decision = decisionOf(signup, page.candidates.get(signup?.id));
  if (!decision || !isChosen(form, decision.kind, EMPTY[decision.kind])) return;
  const values = new FormData(form).getAll(decision.kind);
  doing(form.querySelector("button"), "Choice", async () => {
    const answer = decision.kind === "waba" ? await page.api.sendCode(signup.id, { waba_id: values[0] })
      : await page.api.submit(signup.id, values);
    // Another signup may have been chosen meanwhile.
    if (page.signupId === signup.id) showSignup(answer);
    return "taken";
  });
}

function heal() {
  doing($("heal"), "Heal everything", async () => {
    await page.ready;
    for (const request of healing(page.state)) await page.upstreams.send(request);
    return "everybody behaves again; what waited goes on by itself, at the latest at the next sweep";
  });
}

// --- start ------------------------------------------------------------------------------------------

function listen() {
  onSubmit($("tenant"), "Tenant", async (fields) => {
    await page.ready;
    const told = await signIn(String(fields.get("tenant")).trim());
    draw();
    return told;
  });
  start.listen(page, {
    begins: () => page.embedded.leave(),
    opened: (id) => watchSignup(id),
    embed: (signup) => page.embedded.begin(signup),
    ambiguous: (id, candidates) => {
      page.candidates.set(id, candidates);
      keep();
      draw();
    },
    moved,
  });
  $("decide").addEventListener("submit", decide);
  $("heal").addEventListener("click", heal);
  $("notice-close").addEventListener("click", () => {
    hideError();
    $("stage").focus();
  });
  for (const button of document.querySelectorAll("[data-task]")) {
    const { task } = button.dataset;
    button.addEventListener("click", () => doing(button, `The ${task}`, async () => {
      await page.ready;
      await local("schedule", { task });
      return "has run; what it woke is under way";
    }));
  }
  for (const kind of Object.keys(subjects.PICKERS)) {
    $(`choose-${kind}`).addEventListener("change", (event) => choose(kind, event.target.value));
  }
}

async function offerFlows() {
  const { flows = ["standard"] } = await page.api.config();
  const select = $("new").elements.flow;
  select.replaceChildren(...flows.map((name) => element("option", { text: name })));
}

async function begin() {
  page.run = await local("run");
  const table = await (await fetch("switches.json")).json();
  page.upstreams = new Upstreams(page.run.admin);
  const shows = [drawDrills($("drills"), table, flip), drawSwitches($("groups"), table, flip, -1)];
  page.showSwitches = (view) => shows.forEach((show) => show(view));
  const { tenant, signupId, candidates = [] } = kept();
  page.candidates = new Map(candidates);
  const field = $("tenant").elements.tenant;
  // A person may have typed another one meanwhile.
  field.value ||= tenant ?? page.run.tenant;
  await signIn(tenant ?? page.run.tenant);
  if (signupId) watchSignup(signupId);
  await readUpstreams();
  await offerFlows().catch(() => {});
}

// A person may be faster than the first answers: what is done before them waits for them.
page.embedded = new Embedded(page, moved);
start.suggest();
listen();
page.ready = begin();
page.ready.then(keepReading, showError);
