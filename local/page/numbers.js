/** Draws the numbers of a signup: how far each is on its way, what troubles it, and what can be asked of it. */

import { chip, clock, element, facts, redraw } from "./dom.js";

/** The way of a number, in order. */
export const WAY = [
  "pending", "submitting", "submitted", "created", "ready", "running", "live", "connecting", "connected",
];
/** The calls of a number, by the last part of their path. */
export const ACTIONS = [
  ["retry", "Retry"], ["check", "Check"], ["cancel", "Cancel"], ["reactivate", "Reactivate"],
];
const STOPPED = new Set(["failed", "restricted", "cancelled"]);

/** Numbers of a signup that were submitted; the others are those that Meta lists in the account. */
export function submitted(signup) {
  return (signup?.numbers ?? []).filter((number) => number.status !== "listed");
}

/** Draws the numbers; `on` has `act(number, action, button)` and `message(number, button)`. */
export function drawNumbers(holder, signup, on) {
  redraw(holder, submitted(signup).map((number) => drawNumber(number, on)));
}

function drawNumber(number, on) {
  const name = number.display_phone_number || number.phone_number_id;
  const head = element("div", { class: "head" }, element("strong", { class: "digits", text: name }),
    chip(number.status, kindOf(number)), number.attention && chip(number.attention, "bad"),
    element("small", { text: number.verified_name ?? "" }));
  const buttons = ACTIONS.map(([action, label]) => {
    const button = pushed(number, action, label, name);
    button.addEventListener("click", () => on.act(number, action, button));
    return button;
  });
  if (number.channel_id) {
    const message = pushed(number, "message", "Test message", name);
    message.addEventListener("click", () => on.message(number, message));
    buttons.push(message);
  }
  return element("li", { class: "number" }, head, drawTrack(number),
    number.failure && element("p", { class: "wrong", text: `${number.failure.title} (${number.failure.code})` }),
    facts(factsOf(number)), element("div", { class: "buttons" }, ...buttons));
}

function kindOf({ status }) {
  return status === "connected" ? "good" : STOPPED.has(status) ? "bad" : "busy";
}

function pushed(number, key, label, name) {
  return element("button", {
    type: "button", class: "quiet small", "data-key": `${key}-${number.phone_number_id}`,
    "aria-label": `${label}: ${name}`, text: label,
  });
}

function drawTrack(number) {
  const reached = Math.max(...(number.steps ?? []).map((step) => WAY.indexOf(step.status)), 0);
  const stopped = STOPPED.has(number.status);
  const label = `${number.status}: step ${reached + 1} of ${WAY.length}`;
  return element("ol", { class: "track", "aria-label": label }, ...WAY.map((name, index) => {
    const over = index < reached || number.status === "connected";
    const state = over ? "done" : index > reached ? "ahead" : stopped ? "failed" : "now";
    // Where it has stopped, the way says as what.
    const text = state === "failed" ? number.status : name;
    return element("li", { "data-state": state, title: name }, element("span", { text }));
  }));
}

/** What is shown of a number: pairs of a label and a text. */
export function factsOf(number) {
  const { attention, failure, restriction, wish, waits_for: waits } = number;
  return [
    ["Channel", number.channel_id],
    ["At Meta", joined(number.verification, named(number.name_status), number.phone_number_id)],
    ["Attention", attention && joined(attention, number.attention_code)],
    ["Restriction", restriction && joined(restriction.code, restriction.violation_type, span(restriction))],
    ["Ending since", clock(number.ending_at)],
    ["Wish", wish && joined(wish.action, clock(wish.at), wish.refused && `refused: ${wish.refused}`)],
    ["Waits for", waits && joined(waits.title ?? waits.code, waits.since && `since ${clock(waits.since)}`)],
    ["What helps", waits?.action ?? failure?.action],
    ["Checked", clock(number.checked_at)],
    ["Next attempt", clock(number.next_attempt_at)],
  ];
}

const named = (status) => status && `name ${status}`;

function joined(...parts) {
  return parts.filter(Boolean).join(" · ");
}

function span({ at, until }) {
  return joined(at && `since ${clock(at)}`, until && `until ${clock(until)}`);
}
