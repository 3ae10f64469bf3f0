// What a visitor sees, one screen for each state. A screen is a node; who shows it is page.js.

import { el, icon, square } from "./dom.js";
import { BEHIND, FAILURES, PROBLEMS, STEPS, STOPPED_AT } from "./problems.js";
import { qr } from "./qr.js";
import { has, t } from "./texts.js";

const LONGEST_CODE = 64;

/** The partner, WhatsApp, and what is between them: `idle`, `busy`, `done` or `stuck`. */
function bridge(partner, mood) {
  const initial = [...partner.trim()][0]?.toUpperCase() ?? "";
  const dots = Array.from({ length: 5 }, () => el("i"));
  const badge = mood === "done" && el("span", { class: "badge" }, icon("check"));
  return el(
    "div",
    { class: "bridge", "data-mood": mood, "aria-hidden": "true" },
    el("span", { class: "tile" }, initial),
    el("span", { class: "wire" }, dots),
    el("span", { class: "tile chat" }, icon("chat"), badge),
  );
}

const heading = (text) => el("h1", { tabIndex: -1 }, text);

/** A screen: what it says, a panel beside it, and below both, where a phone and a keyboard come last, what to do. */
function screen(name, lead, aside, ...act) {
  const acts = act.some(Boolean) && el("div", { class: "act" }, act);
  const kind = aside ? (acts ? "screen wide" : "screen") : "screen alone";
  return el("div", { class: kind, "data-screen": name }, el("div", { class: "lead" }, lead), aside, acts);
}

const first = (text, onclick) => el("button", { class: "first", type: "button", onclick }, text);
const second = (text, onclick) => el("button", { class: "second", type: "button", onclick }, text);
const plain = (text, onclick) => el("button", { class: "plain", type: "button", onclick }, text);

/** A button that is busy stays where the focus is, and says what it does. */
export function busy(button, text) {
  button.setAttribute("aria-disabled", "true");
  button.textContent = text;
}

/** An address that may be opened: the service's own are https, and nothing else is followed. */
export function safe(address) {
  try {
    const url = new URL(address);
    return ["https:", "http:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

const giveUp = (context) => context.failureUrl && plain(t("actions.give_up"), context.giveUp);

// --- before the click -------------------------------------------------------------------------------

const POINTS = { admin: "admin", number: "number", app: "app", display: "display" };

/** Before the click: what it is about, and what has to be at hand. */
export function welcome(context) {
  const button = first(t(context.ready ? "welcome.button" : "welcome.preparing"), (event) => {
    if (context.ready) context.open(event);
  });
  if (!context.ready) button.setAttribute("aria-disabled", "true");
  const hint = el("p", { class: "small", id: "hint" }, t("welcome.hint"));
  button.setAttribute("aria-describedby", "hint");
  const names = Object.keys(POINTS).filter((name) => name !== (context.coexistence ? "number" : "app"));
  const points = names.filter((name) => !(context.coexistence && name === "display")).map((name) =>
    el(
      "li",
      { class: name === "display" ? "mind" : null },
      el("span", { class: "icon" }, icon(POINTS[name])),
      el("h3", {}, t(`before.${name}`)),
      el("p", {}, t(`before.${name}_text`)),
    ),
  );
  const lead = [
    bridge(context.partner, "idle"),
    context.name && el("p", { class: "hello" }, t("welcome.hello", { name: context.name })),
    heading(t("welcome.title")),
    el("p", { class: "say" }, t("welcome.lead")),
  ];
  const panel = el(
    "section",
    { class: "panel", "aria-labelledby": "before" },
    el("h2", { id: "before" }, t("before.title")),
    el("ul", { class: "points" }, points),
  );
  const node = screen("welcome", lead, panel, el("div", { class: "stick" }, button), hint, giveUp(context));
  node.classList.add("reach");
  node.ready = () => {
    context.ready = true;
    button.removeAttribute("aria-disabled");
    button.textContent = t("welcome.button");
  };
  return node;
}

/** Meta's window is open. */
export function window_(context) {
  const help = el(
    "details",
    {},
    el("summary", {}, t("window.hidden")),
    el("p", { class: "small" }, t("window.hidden_text")),
  );
  const lead = [
    bridge(context.partner, "busy"),
    heading(t("window.title")),
    el("p", { class: "say" }, t("window.text")),
    help,
    el("div", { class: "actions" }, second(t("window.cancel"), context.cancel)),
  ];
  return screen("window", lead);
}

/** What was shared is being proved, or sent. */
export function checking(context) {
  const text = el("p", { class: "say" }, t("checking.text"));
  return screen("checking", [bridge(context.partner, "busy"), heading(t("checking.title")), text]);
}

// --- a choice ---------------------------------------------------------------------------------------

/** A person chooses: one account, or some numbers. Nothing is chosen for them. */
export function choice(context, kind, candidates) {
  const one = kind === "waba";
  const wrong = el("p", { class: "wrong-text", id: "wrong", role: "alert" });
  const inputs = candidates.map((candidate) => {
    const value = one ? candidate.waba_id : candidate.phone_number_id;
    return el("input", { type: one ? "radio" : "checkbox", name: "choice", value });
  });
  const options = candidates.map((candidate, at) => {
    const [title, more] = one
      ? [candidate.name || t("choice.waba_unnamed"), t("choice.waba_id", { id: candidate.waba_id })]
      : [candidate.display_phone_number, candidate.verified_name];
    return el("label", { class: "option" }, inputs[at], el("strong", {}, title), more && el("span", {}, more));
  });
  const list = el("div", { class: "options" }, options);
  const set = el("fieldset", { role: one ? "radiogroup" : null, "aria-describedby": "wrong" });
  set.append(el("legend", {}, t(`choice.${kind}_legend`)), list);
  const button = el("button", { class: "first", type: "submit" }, t("choice.button"));

  const complain = (text) => {
    wrong.textContent = text;
    list.classList.toggle("wrong", Boolean(text));
    for (const node of one ? [set] : inputs) {
      if (text) node.setAttribute("aria-invalid", "true");
      else node.removeAttribute("aria-invalid");
    }
  };
  const form = el(
    "form",
    {
      class: "form",
      noValidate: true,
      onchange: () => complain(""),
      onsubmit: (event) => {
        event.preventDefault();
        if (button.getAttribute("aria-disabled")) return;
        const values = inputs.filter((input) => input.checked).map((input) => input.value);
        if (!values.length) {
          complain(t(`choice.${kind}_empty`));
          inputs[0].focus();
          return;
        }
        busy(button, t("choice.sending"));
        context.choose(one ? values[0] : values);
      },
    },
    set,
    wrong,
    el("div", { class: "actions" }, button, giveUp(context)),
  );
  const lead = [
    bridge(context.partner, "idle"),
    heading(t(`choice.${kind}_title`)),
    el("p", { class: "say" }, t(`choice.${kind}_text`)),
  ];
  return screen("choice", lead, el("section", { class: "panel", "aria-labelledby": "choose" }, form));
}

// --- numbers ----------------------------------------------------------------------------------------

const shownOf = (signup) => {
  const submitted = signup.numbers.filter((number) => number.status !== "listed");
  return submitted.length ? submitted : signup.numbers;
};

const statusText = (status) => t(has(`status.${status}`) ? `status.${status}` : "status.other");

/** What is said of a number now: its state, or what it has long waited for. */
export function sentence(number) {
  const waits = number.waits_for?.code;
  return waits && has(`waits.${waits}`) ? t(`waits.${waits}`) : statusText(number.status);
}

function stepsOf(number) {
  const behind = BEHIND[number.status] ?? 2;
  return STEPS.map((name, at) => [name, at < behind ? "done" : at === behind ? "now" : "later"]);
}

function stepList(number) {
  const items = stepsOf(number).map(([name, state]) =>
    el(
      "li",
      { class: state, "aria-current": state === "now" ? "step" : null },
      el("span", { class: "mark", "aria-hidden": "true" }, state === "done" && icon("check")),
      el("span", {}, t(`progress.${name}`), el("span", { class: "unseen" }, `, ${t(`progress.${state}`)}`)),
    ),
  );
  return el("ol", { class: "steps", "aria-label": t("progress.steps") }, items);
}

function stepBar(number) {
  const steps = stepsOf(number);
  const step = Math.min(steps.filter(([, state]) => state === "done").length + 1, steps.length);
  const said = el("span", { class: "unseen" }, t("progress.of", { step, steps: steps.length }));
  const bar = steps.map(([, state]) => el("i", { class: state }));
  return [el("div", { class: "bar", "aria-hidden": "true" }, bar), said];
}

function trouble(number, context) {
  const code = number.status === "restricted" ? "restricted" : number.failure?.code;
  const [reason, action] = code === "restricted" ? ["restricted", "ask"] : (FAILURES[code] ?? ["other", "ask"]);
  const [text, todo] = t(`reasons.${number.status === "cancelled" ? "ended" : reason}`);
  const again = number.status === "failed" && number.failure?.retryable && action === "again";
  const until = number.restriction?.until;
  const date = until && new Date(until).toLocaleDateString(document.documentElement.lang, { dateStyle: "long" });
  return {
    again,
    nodes: [
      el("p", { class: "how bad" }, text),
      el(
        "div",
        { class: "todo" },
        el("p", {}, todo),
        date && el("p", { class: "small" }, t("attention.until", { date })),
      ),
      again && context.support,
    ],
  };
}

const STUCK = new Set(["failed", "restricted", "cancelled"]);

function numberCard(number, alone, context) {
  const title = el("h2", {}, number.display_phone_number, number.verified_name && el("span", {}, number.verified_name));
  if (STUCK.has(number.status)) return el("li", { class: "number" }, title, trouble(number, context).nodes);
  if (number.status === "connected") {
    const tag = el("p", { class: "tag how" }, icon("check"), t("status.connected"));
    return el("li", { class: "number" }, title, tag);
  }
  const how = el("p", { class: "how" }, sentence(number));
  if (number.status === "listed") return el("li", { class: "number" }, title, how);
  return el("li", { class: "number" }, title, how, alone ? stepList(number) : stepBar(number));
}

const numberList = (numbers, context) =>
  el("ul", { class: "numbers" }, numbers.map((number) => numberCard(number, numbers.length === 1, context)));

/** Numbers are under way. `update` shows what has changed and gives what should be said aloud. */
export function progress(context, signup) {
  const many = shownOf(signup).length > 1;
  const panel = el("section", { class: "panel", "aria-label": t("progress.steps") });
  const lead = [
    bridge(context.partner, "busy"),
    heading(t(many ? "progress.title_many" : "progress.title")),
    el("p", { class: "say" }, t("progress.text")),
    el("p", { class: "small alive" }, t("progress.live")),
  ];
  const node = screen("progress", lead, panel);
  let said = new Map();
  node.update = (changed) => {
    const numbers = shownOf(changed);
    panel.replaceChildren(numberList(numbers, context));
    const now = new Map(numbers.map((number) => [number.display_phone_number, sentence(number)]));
    const news = [...now].filter(([name, text]) => said.get(name) !== text);
    said = now;
    return news.map(([name, text]) => (numbers.length > 1 ? `${name}: ${text}` : text)).join(" ");
  };
  node.update(signup);
  return node;
}

/** Some number stopped. */
export function attention(context, signup) {
  const numbers = shownOf(signup);
  const again = numbers.some((number) => STUCK.has(number.status) && trouble(number, context).again);
  const retry = again && first(t("attention.retry"), (event) => {
    if (event.target.getAttribute("aria-disabled")) return;
    busy(event.target, t("attention.retrying"));
    context.retry();
  });
  const lead = [
    bridge(context.partner, "stuck"),
    heading(t("attention.title")),
    el("p", { class: "say" }, t("attention.text")),
  ];
  const panel = el("section", { class: "panel", "aria-label": t("progress.steps") }, numberList(numbers, context));
  return screen("attention", lead, panel, el("div", { class: "actions" }, retry, help(context), giveUp(context)));
}

function help(context) {
  const address = context.supportUrl;
  return address && el("a", { class: "button second", href: address }, t("support"));
}

/** All is done. `stay` ends the countdown to the return address. */
export function connected(context, signup) {
  const numbers = shownOf(signup);
  const many = numbers.length > 1;
  const soon = el("p", { class: "small" });
  const stay = plain(t("connected.stay"), () => context.stay());
  const onward = context.successUrl && [
    el("div", { class: "actions" }, first(t("connected.continue"), context.leave), stay),
    soon,
  ];
  const lead = [
    bridge(context.partner, "done"),
    heading(t(many ? "connected.title_many" : "connected.title")),
    el("p", { class: "say" }, t("connected.text")),
    onward,
  ];
  const panel = el("section", { class: "panel", "aria-label": t("progress.steps") }, numberList(numbers, context));
  const node = screen("connected", lead.flat(), panel);
  node.count = (seconds) => {
    soon.textContent = seconds === null ? t("connected.stayed") : t("connected.soon", { seconds });
    if (seconds === null) stay.hidden = true;
  };
  return node;
}

// --- what went wrong --------------------------------------------------------------------------------

/** Reasons that another browser may not have. */
const ELSEWHERE = new Set(["sdk_blocked", "popup_blocked", "no_answer"]);
const LABELS = { open: "actions.open", again: "actions.again", reload: "actions.reload", elsewhere: "actions.copy" };

/** A failure explained, with what to do. `failure` is the module's. */
export function problem(context, failure) {
  const code = failure.code;
  const [reason, action] = PROBLEMS[code] ?? ["other", "again"];
  const [text, todo] = t(`reasons.${reason}`);
  const stopped = STOPPED_AT[failure.meta?.step];
  // Meta's window opens for a signup that waits for it, and for no other.
  const possible = action === "open" && !context.opens ? "again" : action;
  const label = LABELS[possible];
  const reported = failure.meta?.error_code ?? failure.meta?.session_id;
  const todos = [stopped ? t(`stopped_at.${stopped}`) : null, todo].filter(Boolean);
  const lead = [
    bridge(context.partner, "stuck"),
    heading(t("problem.title")),
    el("p", { class: "say" }, text),
  ];
  const other = action !== "elsewhere" && ELSEWHERE.has(reason);
  const actions = el(
    "div",
    { class: "actions" },
    label && first(t(label), (event) => context.act(possible, event)),
    action === "ask" && help(context),
    other && second(t("actions.copy"), () => context.act("elsewhere")),
    giveUp(context),
  );
  const panel = el(
    "section",
    { class: "panel why", "aria-labelledby": "todo" },
    el("div", { class: "todo" }, el("h2", { id: "todo" }, t("problem.todo")), todos.map((line) => el("p", {}, line))),
    reported && el("p", { class: "code" }, t("problem.meta", { code: String(reported).slice(0, LONGEST_CODE) })),
    el("p", { class: "code" }, ...named(t("problem.code", { code: "\0" }), String(code).slice(0, LONGEST_CODE))),
  );
  return screen("problem", lead, panel, actions);
}

function named(text, code) {
  const [before, behind] = text.split("\0");
  return [before, el("code", {}, code), behind];
}

/** A link that leads nowhere: `code` is one of `DEAD`, `none` or `expired`. */
export function dead(context, code) {
  const refresh = context.refreshUrl && el("a", { class: "button first", href: context.refreshUrl }, t("dead.refresh"));
  const lead = [
    bridge(context.partner, "stuck"),
    heading(t(`dead.${code}`)),
    el("p", { class: "say" }, t(`dead.${code}_text`)),
    code !== "none" && !refresh && el("p", { class: "say" }, t("dead.ask")),
    el("div", { class: "actions" }, refresh, help(context)),
  ];
  return screen("dead", lead);
}

/** A browser inside an app, or a page installed on the home screen: where Meta's window does not open. */
export function elsewhere(context, kind) {
  const field = el("input", { id: "address", type: "text", readOnly: true, value: context.address });
  const told = el("p", { class: "small", role: "status" });
  const copy = first(t("browser.copy"), async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(context.address);
      told.textContent = t("browser.copied");
    } catch {
      told.textContent = t("browser.copy_failed");
    }
  });
  field.addEventListener("focus", () => field.select());
  // A phone cannot read its own screen.
  const code = context.computer && qr(context.address);
  const steps = kind !== "other" && t(context.apple ? "browser.steps_ios" : "browser.steps_other");
  const lead = [
    bridge(context.partner, "idle"),
    heading(t("browser.title")),
    el("p", { class: "say" }, t(`browser.${kind}`)),
    steps && el("p", {}, steps),
  ];
  const panel = el(
    "section",
    { class: "panel address", "aria-labelledby": "copying" },
    el("p", { id: "copying" }, t("browser.or")),
    el("label", { htmlFor: "address" }, t("browser.link")),
    field,
    copy,
    told,
    code && el("p", {}, t("browser.phone")),
    code && square(code, t("browser.qr")),
    el("p", { class: "small" }, t("browser.private")),
  );
  return screen("elsewhere", lead, panel, plain(t("browser.anyway"), context.anyway));
}
