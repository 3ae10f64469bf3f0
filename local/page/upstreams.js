/** What the simulated upstreams have: read, arranged by what the switches are about, drawn. */

import { ApiError } from "./api.js";
import { drawFacts, element, redraw } from "./dom.js";

const DELIVERIES_SHOWN = 12;

/** The admin routes of both simulators, which pages of any origin may call. */
export class Upstreams {
  /** `addresses`: base URLs by `meta` and `dialog`. */
  constructor(addresses) {
    this.addresses = addresses;
  }

  /** Sends a request as `requestOf` makes it; an ApiError when it is refused. */
  async send({ on, method, path, body }) {
    const options = { method, cache: "no-store" };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers = { "Content-Type": "application/json" };
    }
    let response;
    try {
      response = await fetch(this.addresses[on] + path, options);
    } catch {
      throw new ApiError(0, { code: "unreachable", title: "No answer", detail: "The simulator cannot be reached." });
    }
    const text = await response.text();
    const answer = parsed(text);
    if (response.ok) return answer;
    const detail = answer.error ?? (text.slice(0, 300) || `It answered ${response.status}.`);
    throw new ApiError(response.status, { title: "The simulator refused", detail });
  }

  /** Reads everything: `{meta, dialog, customers}`. */
  async read() {
    const [meta, dialog, { customers }] = await Promise.all([
      this.send({ on: "meta", method: "GET", path: "/admin/state" }),
      this.send({ on: "dialog", method: "GET", path: "/admin/state" }),
      this.send({ on: "meta", method: "GET", path: "/admin/customers" }),
    ]);
    return { meta, dialog, customers };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Digits of a number as Meta writes it. */
export function digitsOf(text) {
  return String(text ?? "").replaceAll(/[^0-9]/g, "");
}

/** Every WABA, with its customer; one that the customer shared earlier is one, too. */
export function wabasOf({ customers }) {
  return customers.flatMap((customer) => [...customer.wabas, ...customer.decoys].map((waba) => ({ customer, waba })));
}

/** Every number at Meta, with its WABA and its customer. */
export function numbersOf(state) {
  return wabasOf(state).flatMap(({ customer, waba }) => waba.numbers.map((number) => ({ customer, waba, number })));
}

/** The channels of a number: those that Meta's id binds to it, whatever they show. */
export function channelsOf({ dialog }, phoneNumberId) {
  return dialog.channels.filter((channel) => channel.phone_number_id === phoneNumberId);
}

/** Whether a channel is neither ended nor removed. */
export function isLiving(channel) {
  return !channel.ended;
}

// --- drawing ---------------------------------------------------------------------------------------

/** Draws customers with their accounts and numbers; `choose` gets a phone number id or a WABA's. */
export function drawMeta(holder, state, chosen, choose) {
  redraw(holder, wabasOf(state).reverse().map(({ customer, waba }) => {
    const rows = waba.numbers.map((number) => drawMetaNumber(number, chosen, choose));
    if (!rows.length) rows.push(element("li", { class: "empty", text: "No number yet." }));
    const odd = oddities(customer.behaviour);
    return element("li", { class: "card" },
      element("h3", { text: waba.name }),
      element("p", { class: "soft", text: `WABA ${waba.id} of business ${customer.business_id}` }),
      ...(odd ? [element("p", { class: "wrong", text: odd })] : []),
      element("ul", { class: "rows" }, ...rows),
      choice("waba", waba.id, waba.id === chosen.waba_id, `Choose the account ${waba.name}`, choose),
    );
  }));
}

function drawMetaNumber(number, chosen, choose) {
  const words = [number.code_verification_status, number.status, number.name_status && `name ${number.name_status}`];
  if (number.listed === false) words.push("not listed");
  else if (number.listed_from * 1000 > Date.now()) words.push(`listed from ${when(number.listed_from)}`);
  return element("li", { class: "row" },
    element("span", {}, element("strong", { text: number.display_phone_number }),
      element("small", { text: [...words, number.id].filter(Boolean).join(" · ") })),
    choice("number", number.id, number.id === chosen.phone_number_id, `Choose ${number.display_phone_number}`, choose),
  );
}

// What a customer does when nobody touched a switch.
const USUAL = { token: "valid", token_type: "SYSTEM_USER", solution: true, owner_mismatch: false, owner_hidden: false };

function oddities(behaviour) {
  const odd = Object.entries(USUAL)
    .filter(([name, value]) => behaviour[name] !== undefined && behaviour[name] !== value)
    .map(([name]) => `${name}: ${behaviour[name]}`);
  if (behaviour.waba_error) odd.push(`reads of the WABA answer ${behaviour.waba_error}`);
  if (behaviour.revoked_waba_ids?.length) odd.push("no longer granted: " + behaviour.revoked_waba_ids.join(", "));
  return odd.join(" · ");
}

function choice(kind, id, isChosen, label, choose) {
  const button = element("button", {
    type: "button", class: "quiet small", "aria-pressed": String(isChosen), "aria-label": label,
    "data-key": `${kind}-${id}`, text: isChosen ? "Chosen" : "Choose",
  });
  button.addEventListener("click", () => choose(kind, id));
  return button;
}

/** Draws the channels, the newest first. */
export function drawChannels(holder, state, chosen, choose) {
  redraw(holder, state.dialog.channels.toReversed().map((channel) => {
    const facts = element("dl", { class: "facts" });
    drawFacts(facts, channelFacts(channel));
    const living = isLiving(channel);
    return element("li", { class: "card" },
      element("div", { class: "head" },
        element("strong", { text: channel.id }),
        element("span", {
          class: "chip", "data-kind": living ? channel.state === "live" ? "good" : "busy" : "bad",
          text: channel.removed ? "removed" : living ? channel.state : "ended",
        }),
        choice("channel", channel.id, channel.id === chosen.channel_id, `Choose the channel ${channel.id}`, choose),
      ),
      facts,
    );
  }));
}

function channelFacts(channel) {
  const own = channel.external_id === "" ? "missing" : channel.external_id ?? "as the option says";
  return [
    ["Number", `${channel.phone_number} (${channel.phone_number_id})`],
    ["WABA", channel.waba_external_id],
    ["external_id", own],
    ["Client", channel.client_id],
    ["Status", [channel.status, channel.hub_status].join(" · ")],
    ["Account", channel.fb_account_status],
    ["Restricted until", when(channel.restricted_until)],
    ["Key", keyOf(channel)],
    ["Webhook", channel.webhook_url ?? "none"],
    ["Error", channel.error === null ? null : JSON.stringify(channel.error)],
    ["End asked for", when(channel.cancellation_requested_at)],
    ["Cancelled", when(channel.cancelled_at)],
    ["Terminated", when(channel.terminated_at)],
    ["Permitted", channel.permission_granted ? "yes" : null],
    ["Nobody's", channel.foreign ? "not submitted here" : null],
  ];
}

function keyOf({ live_key_sha256: lives, keys_made: made, keys_made_in_hub: inHub, ended }) {
  if (!made) return "none";
  const works = lives && !ended ? "works" : "dead";
  return `${works}, ${made} made${inHub ? `, ${inHub} of them in the Hub` : ""}`;
}

function when(value) {
  if (value === null || value === undefined) return null;
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? String(value) : date.toLocaleString();
}

/** The newest events, the last one first. */
export function newest({ dialog }) {
  return dialog.deliveries.slice(-DELIVERIES_SHOWN).toReversed();
}
