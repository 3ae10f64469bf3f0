/** Draws states. Everything from outside goes in as text, never as markup. */

export const $ = (id) => document.getElementById(id);

/** The way of a number, in order. */
export const WAY = [
  "pending", "submitting", "submitted", "created", "ready", "running", "live", "connecting", "connected",
];
const STOPPED = new Set(["failed", "restricted", "cancelled"]);

const EVENTS = {
  "signup.opened": "Signup opened",
  "signup.authorized": "Ownership of the account proved",
};

/** Makes an element: attributes by name, `text` for its text, then children. */
export function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Numbers of a signup that were submitted; the others are those that Meta lists in the account. */
export function submitted(signup) {
  return (signup.numbers ?? []).filter((number) => number.status !== "listed");
}

/** Whether nothing of the signup changes by itself any more. */
export function isSettled(signup) {
  const numbers = submitted(signup);
  return numbers.length > 0 && numbers.every((n) => n.status === "connected" || STOPPED.has(n.status));
}

/** Marks a step `waiting`, `active`, `done` or `failed`, and says what came of it. */
export function mark(step, state, outcome) {
  const item = document.querySelector(`[data-step="${step}"]`);
  item.dataset.state = state;
  if (state === "active") item.setAttribute("aria-current", "step");
  else item.removeAttribute("aria-current");
  if (outcome !== undefined) item.querySelector("[data-outcome]").textContent = outcome;
}

/** Shows an error with everything that helps to find its cause. */
export function showError(error) {
  const problem = error.problem ?? {};
  $("notice-title").textContent = problem.title ?? "Something went wrong";
  $("notice-detail").textContent = error.message;
  const errors = (problem.errors ?? []).map((e) => [e.field ?? "field", e.message ?? ""]);
  drawFacts($("notice-facts"), [
    ["Code", problem.code],
    ["Status", error.status || undefined],
    ["Try again", problem.retryable === undefined ? undefined : problem.retryable ? "yes" : "no"],
    ["Request", problem.request_id],
    ...errors,
  ]);
  $("notice").hidden = false;
  $("notice").focus();
}

/** Takes the error away. */
export function hideError() {
  $("notice").hidden = true;
}

/** Fills a definition list; pairs without a value are left out. */
export function drawFacts(list, pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  list.replaceChildren(
    ...shown.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: String(value) })]),
  );
}

/** Replaces what a holder has; the focus stays on the button that has the same `data-key`. */
export function redraw(holder, children) {
  const key = holder.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  holder.replaceChildren(...children);
  if (key !== undefined) holder.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Draws the facts of a signup. */
export function drawSignup(signup) {
  $("no-signup").hidden = Boolean(signup);
  drawFacts($("signup-facts"), !signup ? [] : [
    ["Status", signup.status],
    ["Id", signup.id],
    ["Customer", signup.client?.name],
    ["360dialog client", signup.client?.id],
    ["Plan", signup.plan_tier],
    ["Account", signup.waba && `${signup.waba.name ?? ""} (${signup.waba.id})`],
    ["Proof", signup.waba?.proof],
  ]);
}

/** Draws the timeline, the newest entry first, with the time since the one before. */
export function drawTimeline(signup) {
  const entries = signup?.timeline ?? [];
  $("no-timeline").hidden = entries.length > 0;
  const names = new Map((signup?.numbers ?? []).map((n) => [n.phone_number_id, n.display_phone_number]));
  const rows = entries.map((entry, index) => {
    const before = index ? Date.parse(entries[index - 1].at) : Date.parse(entry.at);
    // Two functions write at once, each by its own clock.
    const seconds = Math.max(0, Date.parse(entry.at) - before) / 1000;
    const about = [names.get(entry.phone_number_id), entry.detail].filter(Boolean).join(" · ");
    const text = element("span", { text: told(entry.event) });
    if (about) text.append(element("small", { text: about }));
    const time = element("time", {
      datetime: entry.at, title: new Date(entry.at).toLocaleString(), text: `+${seconds.toFixed(2)} s`,
    });
    return element("li", {}, time, text);
  });
  $("timeline").replaceChildren(...rows.reverse());
}

function told(event) {
  if (EVENTS[event]) return EVENTS[event];
  const [subject, ...rest] = event.split(".");
  return rest.length ? `${subject[0].toUpperCase()}${subject.slice(1)} ${rest.join(" ").replaceAll("_", " ")}` : event;
}

/** Draws each submitted number with its way; `onMessage` is called with a channel's id. */
export function drawNumbers(signup, onMessage) {
  $("live").replaceChildren(...submitted(signup).map((number) => drawNumber(number, onMessage)));
}

function drawNumber(number, onMessage) {
  const kind = number.status === "connected" ? "good" : STOPPED.has(number.status) ? "bad" : "busy";
  const head = element("div", { class: "number-head" },
    element("strong", { text: number.display_phone_number || number.phone_number_id }),
    element("span", { class: "chip", "data-kind": kind, text: number.status }),
    element("small", { text: [number.verified_name, number.channel_id].filter(Boolean).join(" · ") }),
  );
  const block = element("div", {}, head, drawTrack(number));
  if (number.failure) {
    block.append(element("p", { class: "failure", text: `${number.failure.title} (${number.failure.code})` }));
  } else if (number.next_attempt_at) {
    const at = new Date(number.next_attempt_at).toLocaleTimeString();
    block.append(element("p", { class: "number-note", text: `Next step at ${at}.` }));
  }
  if (number.status === "connected") {
    const button = element("button", { type: "button", class: "quiet", text: "Send a test message" });
    const said = element("p", { class: "number-note", role: "status" });
    button.addEventListener("click", () => onMessage(number.channel_id, button, said));
    block.append(button, said);
  }
  return block;
}

function drawTrack(number) {
  const reached = Math.max(...number.steps.map((step) => WAY.indexOf(step.status)), 0);
  const stopped = STOPPED.has(number.status);
  const label = `${number.status}: step ${reached + 1} of ${WAY.length}`;
  return element("ol", { class: "track", "aria-label": label }, ...WAY.map((name, index) => {
    const over = index < reached || number.status === "connected";
    const state = over ? "done" : index > reached ? "ahead" : stopped ? "failed" : "now";
    return element("li", { "data-state": state, title: name, text: name });
  }));
}

/** Draws radio buttons or check boxes. */
export function drawChoices(holder, type, name, choices) {
  holder.replaceChildren(...choices.map(({ value, text, about, checked }) => {
    const input = element("input", { type, name, value });
    input.checked = Boolean(checked);
    return element("label", {}, input, element("span", { text: `${text} ` }, element("small", { text: about ?? "" })));
  }));
}

/** Draws the list of the tenant's signups. */
export function drawEarlier(signups, onChoose) {
  $("no-earlier").hidden = signups.length > 0;
  $("no-earlier").textContent = "None yet.";
  $("earlier").replaceChildren(...signups.map((signup) => {
    const button = element("button", { type: "button", class: "quiet" },
      element("span", { text: signup.client?.name ?? signup.id }), element("span", { text: signup.status }));
    button.addEventListener("click", () => onChoose(signup.id));
    return element("li", {}, button);
  }));
}
