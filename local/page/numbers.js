/** Draws the tenant's numbers as Onramp shows them, with what can be asked of each. */

import { drawFacts, element, redraw } from "./view.js";

/** The calls of a number, by the last part of their path. */
export const ACTIONS = [
  ["retry", "Retry"], ["check", "Check"], ["cancel", "Cancel"], ["reactivate", "Reactivate"],
];
const BAD = new Set(["failed", "restricted", "cancelled"]);

/** Draws the numbers; `on` has `choose(number)`, `act(number, action, button)` and `message(number, button)`. */
export function drawTenantNumbers(holder, numbers, chosenId, on) {
  redraw(holder, numbers.map((number) => drawNumber(number, number.phone_number_id === chosenId, on)));
}

function drawNumber(number, isChosen, on) {
  const name = number.display_phone_number || number.phone_number_id;
  const head = element("div", { class: "number-head" }, element("strong", { text: name }), ...chips(number));
  const facts = element("dl", { class: "facts" });
  drawFacts(facts, factsOf(number));
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
  const choose = pushed(number, "choose", isChosen ? "Chosen" : "Choose", name);
  choose.setAttribute("aria-pressed", String(isChosen));
  choose.addEventListener("click", () => on.choose(number));
  return element("li", { class: "card", "data-chosen": String(isChosen) },
    head, facts, element("div", { class: "buttons" }, choose, ...buttons));
}

function pushed(number, key, label, name) {
  return element("button", {
    type: "button", class: "quiet small", "data-key": `${key}-${number.phone_number_id}`,
    "aria-label": `${label}: ${name}`, text: label,
  });
}

function chips(number) {
  const kind = number.status === "connected" ? "good" : BAD.has(number.status) ? "bad" : "busy";
  const chips = [element("span", { class: "chip", "data-kind": kind, text: number.status })];
  if (number.attention) chips.push(element("span", { class: "chip", "data-kind": "bad", text: number.attention }));
  return chips;
}

/** What is shown of a number: pairs of a label and a text. */
export function factsOf(number) {
  const { attention, failure, restriction, wish, waits_for: waits } = number;
  return [
    ["Phone number id", number.phone_number_id],
    ["Channel", number.channel_id],
    ["Verification", number.verification],
    ["Name", number.name_status],
    ["Attention", attention && joined(attention, number.attention_code)],
    ["Restriction", restriction && joined(restriction.code, restriction.violation_type, span(restriction))],
    ["Ending since", moment(number.ending_at)],
    ["Wish", wish && joined(wish.action, moment(wish.at), wish.refused && `refused: ${wish.refused}`)],
    ["Waits for", waits && joined(waits.title ?? waits.code, waits.since && `since ${moment(waits.since)}`)],
    ["What helps", waits?.action ?? failure?.action],
    ["Failure", failure && `${failure.title} (${failure.code})`],
    ["Checked", moment(number.checked_at)],
    ["Next attempt", moment(number.next_attempt_at)],
  ];
}

function joined(...parts) {
  return parts.filter(Boolean).join(" · ");
}

function span({ at, until }) {
  return joined(at && `since ${moment(at)}`, until && `until ${moment(until)}`);
}

function moment(text) {
  return text ? new Date(text).toLocaleString() : null;
}
