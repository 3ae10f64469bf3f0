/** What runs underneath: the way of the work with its counters, the queues, the bus, the webhooks, the troubles. */

import { $, chip, clock, drawFacts, element, keyed, record, redraw } from "./dom.js";
import { isLiving } from "./upstreams.js";

const SHOWN = 40;
const DEAD = ["JobsDlq", "EventsDlq", "SchedulesDlq", "StreamDlq"];
const QUEUES = {
  Jobs: "Work for one number at a time", Events: "Accepted webhooks",
  JobsDlq: "Dead letters of Jobs", EventsDlq: "Dead letters of Events",
  SchedulesDlq: "Runs of the schedule that failed", StreamDlq: "Facts that never reached the bus",
};

/** The stations of a signup's way, each with a number, what it says, and whether it troubles. */
export function stations({ board, state, signups }) {
  const { queues = {}, bus = [] } = board ?? {};
  const { budget, channels, deliveries } = state?.dialog ?? { budget: {}, channels: [], deliveries: [] };
  const waiting = deliveries.filter(({ outcome }) => outcome === "pending").length;
  const sent = deliveries.filter(({ outcome }) => outcome === "delivered").length;
  const lost = deliveries.filter(({ outcome }) => outcome === "dropped").length;
  return [
    { id: "signups", name: "Signups", value: signups.length, about: "of this tenant", to: "start" },
    {
      id: "jobs", name: "Jobs", value: queues.Jobs ?? 0, about: "in the queue", dead: queues.JobsDlq,
      to: "queues-panel",
    },
    {
      id: "budget", name: "360dialog", value: `${budget.in_window ?? 0}/${budget.calls ?? 0}`,
      about: `calls in ${budget.window_seconds ?? 0} s`, share: (budget.in_window ?? 0) / (budget.calls || 1),
      to: "channels-panel",
    },
    { id: "channels", name: "Channels", value: channels.filter(isLiving).length, about: "alive", to: "channels-panel" },
    {
      id: "webhooks", name: "Webhooks", value: sent, about: waiting ? `${waiting} on their way` : "accepted",
      lost, to: "events-panel",
    },
    {
      id: "events", name: "Events", value: queues.Events ?? 0, about: "in the queue", dead: queues.EventsDlq,
      to: "queues-panel",
    },
    { id: "bus", name: "Bus", value: bus.length, about: "newest events", dead: queues.StreamDlq, to: "bus-panel" },
  ];
}

/** Draws the stations once and then only what has changed, with a beat. */
export function drawPipe(holder, list) {
  if (!holder.children.length) holder.append(...list.map(drawStation));
  list.forEach((station, index) => {
    const node = holder.children[index];
    const [value, about, badge] = ["b", "small", "em"].map((name) => node.querySelector(name));
    const text = String(station.value);
    if (value.textContent !== text) {
      value.textContent = text;
      node.classList.remove("beat");
      // Read between the two, so that the beat starts anew.
      void node.offsetWidth;
      node.classList.add("beat");
    }
    about.textContent = station.about;
    const trouble = station.dead ? `${station.dead} dead` : station.lost ? `${station.lost} lost` : "";
    badge.textContent = trouble;
    badge.hidden = !trouble;
    node.dataset.kind = station.dead ? "bad" : station.share >= 1 ? "busy" : "plain";
    node.querySelector("progress").value = Math.min(1, station.share ?? 0);
  });
}

function drawStation({ id, name, to, share }) {
  return element("li", { class: "station", id: `station-${id}` },
    element("a", { href: `#${to}` }, element("span", { text: name }), element("b", { text: "0" }),
      element("small"),
      element("progress", { max: "1", value: "0", hidden: share === undefined, "aria-label": "Budget used" }),
      element("em", { class: "badge", hidden: true })));
}

/** Draws the depths of the queues; `redrive(name, button)` puts dead letters back. */
export function drawQueues(holder, queues, redrive) {
  redraw(holder, Object.entries(QUEUES).map(([name, about]) => {
    const depth = queues[name] ?? 0;
    const isDead = DEAD.includes(name);
    const button = ["JobsDlq", "EventsDlq"].includes(name) && depth > 0 && element("button", {
      type: "button", class: "quiet small", "data-key": `redrive-${name}`, text: "Put them back",
      "aria-label": `Put the letters of ${name} back`,
    });
    if (button) button.addEventListener("click", () => redrive(name, button));
    return element("li", { class: "row" },
      element("span", {}, element("span", { text: name }), element("small", { text: about })), button,
      element("b", {
        class: "depth", "data-kind": depth && isDead ? "bad" : depth ? "busy" : "still", text: String(depth),
      }));
  }));
}

/** Draws how the partner budget has held. */
export function drawBudget(list, { budget, duplicate_submissions: twice }) {
  drawFacts(list, [
    ["Calls of the Partner API", `${budget.requests}, ${budget.refused} refused`],
    ["Most in a window", `${budget.max_in_any_window} of ${budget.calls} in ${budget.window_seconds} s`],
    ["Second submissions", twice],
  ]);
}

/** Draws what was put on the bus, the newest first. */
export function drawBus(holder, bus) {
  $("bus-empty").hidden = bus.length > 0;
  keyed(holder, bus.slice(-SHOWN).reverse(), (event) => event.id, (event) => record([
    element("span", { class: "name", text: event["detail-type"] ?? "event" }),
    element("small", { text: event.detail?.phone_number_id ?? event.detail?.signup_id ?? "" }),
    element("time", { text: clock(event.time) }),
  ], event));
}

/** Draws the webhooks, the newest first, with what became of each. */
export function drawWebhooks(holder, deliveries) {
  $("events-empty").hidden = deliveries.length > 0;
  keyed(holder, deliveries.slice(-SHOWN).reverse(), (item) => item.id, (item) => record([
    element("span", { class: "name", text: item.event }),
    element("small", { text: [item.subject, ...item.faults].filter(Boolean).join(" · ") }),
    chip(item.outcome, item.outcome === "delivered" ? "good" : item.outcome === "dropped" ? "bad" : "busy"),
    element("time", { text: clock(item.made_at) }),
  ], { body: parsed(item.body), attempts: item.attempts, faults: item.faults }));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// --- troubles ---------------------------------------------------------------------------------------

// What a customer does when nobody touched a switch.
const USUAL = {
  token: "valid", token_type: "SYSTEM_USER", solution: true, owner_mismatch: false, owner_hidden: false,
  waba_error: null,
  revoked_waba_ids: [],
};

/** Everything that is switched on, in words: a newcomer sees what was broken. */
export function troublesOf({ meta, dialog, customers }) {
  return [
    ...faultsOf("360dialog", dialog.faults), ...faultsOf("Meta", meta.faults),
    ...Object.entries(dialog.webhook_faults).filter(([name, value]) => value > 0 && !name.endsWith("seconds"))
      .map(([name, value]) => `webhooks: ${name} ${value}`),
    ...changed("360dialog", dialog.options, dialog.usual_options), ...changed("Meta", meta.options, meta.usual_options),
    ...customers.flatMap(({ business_name: name, behaviour }) => changed(name, behaviour, USUAL)),
  ];
}

function faultsOf(who, faults) {
  return faults.filter((fault) => fault.times === null || fault.hits < fault.times)
    .map((fault) => `${who}: ${fault.kind}${fault.times === null ? "" : ` × ${fault.times - fault.hits}`}`);
}

function changed(who, now, usual = {}) {
  return Object.entries(usual).filter(([name, value]) => JSON.stringify(now[name]) !== JSON.stringify(value))
    .map(([name]) => `${who}: ${name} ${JSON.stringify(now[name])}`);
}

/** The requests that put everything right again. */
export function healing({ customers }) {
  const odd = customers.filter(({ business_name: name, behaviour }) => changed(name, behaviour, USUAL).length);
  return [
    ...["meta", "dialog"].flatMap((on) => ["/admin/faults", "/admin/options"].map((path) => ({
      on, method: "DELETE", path,
    }))),
    { on: "dialog", method: "DELETE", path: "/admin/webhook-faults" },
    ...odd.map((item) => ({ on: "meta", method: "PATCH", path: `/admin/customers/${item.business_id}`, body: USUAL })),
  ];
}

/** Draws what is switched on. */
export function drawTroubles(list) {
  $("troubles-none").hidden = list.length > 0;
  $("heal").dataset.on = String(list.length > 0);
  $("trouble-count").textContent = list.length ? `${list.length} switched on` : "all well";
  $("trouble-count").dataset.kind = list.length ? "bad" : "good";
  redraw($("troubles"), list.map((text) => element("li", {}, chip(text, "bad"))));
}
