/** The chosen signup: its state, its numbers, what a person has to decide, and its timeline. */

import { $, chip, drawFacts, element, keyed } from "./dom.js";
import { drawChoices } from "./forms.js";
import { drawNumbers, submitted } from "./numbers.js";

const KINDS = { connected: "good", attention: "bad", expired: "bad" };
const TOLD = { "signup.opened": "Signup opened", "signup.authorized": "Ownership of the account proved" };

const BAD = /fail|restrict|refus|expired|dead|lost|cancel|denied|closed|blocked|error|drift|missing/;

/** Draws the signup, or that none is chosen. */
export function drawStage(signup, on) {
  $("stage-empty").hidden = Boolean(signup);
  $("stage-body").hidden = !signup;
  if (!signup) return;
  const { client, waba, launch } = signup;
  $("stage-name").textContent = client?.name ?? client?.id ?? signup.id;
  $("stage-status").replaceChildren(chip(signup.status, KINDS[signup.status] ?? "busy"));
  drawFacts($("stage-facts"), [
    ["Signup", signup.id],
    ["Flow", launch?.flow],
    ["Plan", signup.plan_tier],
    ["Reference", signup.reference],
    ["360dialog client", client?.id],
    ["Account", waba && `${waba.name ?? ""} (${waba.id})`],
    ["Proof", waba?.proof],
  ]);
  drawNumbers($("numbers"), signup, on);
  drawTimeline(signup);
}

/**
 * What a person has to decide about a signup: `{kind: "waba" | "number", choices}`, or nothing. `known` are the
 * accounts that the API offered for it.
 */
export function decisionOf(signup, known) {
  if (!signup) return null;
  if (!signup.waba && known?.length) {
    return { kind: "waba", choices: known.map(({ waba_id, name }) => ({
      value: waba_id, text: name ?? waba_id, about: name ? waba_id : "",
    })) };
  }
  const isOpen = signup.status === "authorized" && signup.waba && !submitted(signup).length && signup.numbers?.length;
  return !isOpen ? null : { kind: "number", choices: signup.numbers.map((number) => ({
    value: number.phone_number_id, text: number.display_phone_number || number.phone_number_id,
    about: [number.verified_name, number.verification].filter(Boolean).join(" · "),
  })) };
}

const ASKS = {
  waba: ["The customer shared several accounts. Which one?", "radio", "Use this account"],
  number: ["Which numbers shall be connected?", "checkbox", "Connect selected"],
};

/** Draws the decision, once for each signup: what was chosen for one never stands in another. */
export function drawDecision(signup, decision) {
  const form = $("decide");
  const drawn = decision ? JSON.stringify([signup.id, decision]) : "";
  if (form.dataset.drawn === drawn) return;
  const hadFocus = form.contains(document.activeElement);
  form.dataset.drawn = drawn;
  form.hidden = !decision;
  if (decision) {
    const [legend, type, label] = ASKS[decision.kind];
    form.querySelector("legend").textContent = legend;
    drawChoices(form.querySelector("fieldset"), type, decision.kind, decision.choices);
    form.querySelector("button").textContent = label;
  }
  // What is decided is gone, and the focus with it: to where the answer shows.
  if (hadFocus) $("stage-name").focus();
}

function drawTimeline(signup) {
  const names = new Map((signup.numbers ?? []).map((n) => [n.phone_number_id, n.display_phone_number]));
  const entries = (signup.timeline ?? []).map((entry, index, all) => ({ ...entry, index, before: all[index - 1]?.at }));
  $("timeline-empty").hidden = entries.length > 0;
  keyed($("timeline"), entries.reverse(), (entry) => `${signup.id}-${entry.index}`, (entry) => {
    // Two functions write at once, each by its own clock.
    const seconds = entry.before ? Math.max(0, Date.parse(entry.at) - Date.parse(entry.before)) / 1000 : 0;
    const about = [names.get(entry.phone_number_id), entry.detail].filter(Boolean).join(" · ");
    return element("li", { "data-kind": kindOf(entry.event) },
      element("span", { class: "what", text: told(entry.event) }, about && element("small", { text: about })),
      element("time", {
        datetime: entry.at, title: new Date(entry.at).toLocaleString(), text: `+${seconds.toFixed(2)} s`,
      }));
  });
}

function kindOf(event) {
  if (/connected$|authorized$|reinstated$/.test(event)) return "good";
  return BAD.test(event) ? "bad" : "plain";
}

function told(event) {
  if (TOLD[event]) return TOLD[event];
  const [subject, ...rest] = event.split(".");
  return rest.length ? `${subject[0].toUpperCase()}${subject.slice(1)} ${rest.join(" ").replaceAll("_", " ")}` : event;
}

/** Draws the tenant's newest signups. */
export function drawSignups(signups, chosenId, choose) {
  $("signups-empty").hidden = signups.length > 0;
  const items = signups.map(({ id, status, client }) => ({
    id, status, name: client?.name ?? id, chosen: id === chosenId,
  }));
  keyed($("signups"), items, ({ id }) => id, ({ id, status, name, chosen }) => {
    const button = element("button", { type: "button", class: "pick", "aria-pressed": String(chosen) },
      element("span", { text: name }), chip(status, KINDS[status] ?? "busy"));
    button.addEventListener("click", () => choose(id));
    return element("li", {}, button);
  });
}
