/** What the switches are about: one number, account, channel and client, which belong together. */

import { $, element } from "./dom.js";
import { channelsOf, digitsOf, isLiving, newest, numbersOf, wabasOf } from "./upstreams.js";

export const PICKERS = { number: "phone_number_id", waba: "waba_id", channel: "channel_id", client: "client_id" };

/** Chooses one thing, and with it what belongs to it. */
export function choose(page, kind, id) {
  const { chosen, state } = page;
  chosen[PICKERS[kind]] = id;
  if (!state) return;
  if (kind === "number") {
    chosen.waba_id = numbersOf(state).find(({ number }) => number.id === id)?.waba.id ?? chosen.waba_id;
    const channels = channelsOf(state, id).toReversed();
    chosen.channel_id = (channels.find(isLiving) ?? channels[0])?.id ?? "";
  }
  if (kind === "waba") {
    const numbers = wabasOf(state).find(({ waba }) => waba.id === id)?.waba.numbers ?? [];
    if (!numbers.some((number) => number.id === chosen.phone_number_id)) chosen.phone_number_id = numbers[0]?.id ?? "";
  }
  if (kind !== "client") followClient(page);
}

function followClient({ state, chosen }) {
  const channel = state.dialog.channels.find(({ id }) => id === chosen.channel_id);
  if (channel) chosen.client_id = channel.client_id;
}

/** Lets go of what is gone, and takes the newest number and its channel when nothing is chosen. */
export function settle(page) {
  const { chosen, state } = page;
  const ids = {
    phone_number_id: numbersOf(state).map(({ number }) => number.id),
    waba_id: wabasOf(state).map(({ waba }) => waba.id),
    channel_id: state.dialog.channels.map(({ id }) => id),
    client_id: state.dialog.clients.map(({ id }) => id),
  };
  // Onramp may have numbers that the simulators have forgotten.
  ids.phone_number_id.unshift(...(page.signup?.numbers ?? []).map((number) => number.phone_number_id));
  for (const [name, known] of Object.entries(ids)) if (!known.includes(chosen[name])) chosen[name] = "";
  chosen.phone_number_id ||= ids.phone_number_id.at(-1) ?? "";
  const at = numbersOf(state).find(({ number }) => number.id === chosen.phone_number_id);
  chosen.waba_id ||= at?.waba.id ?? ids.waba_id.at(-1) ?? "";
  const before = chosen.channel_id;
  chosen.channel_id ||= channelsOf(state, chosen.phone_number_id).findLast(isLiving)?.id ?? "";
  if (!chosen.client_id || before !== chosen.channel_id) followClient(page);
}

/** What the switches can name: values of what is chosen, and what the upstreams show of it. */
export function view({ chosen, state }) {
  const number = numbersOf(state).find((item) => item.number.id === chosen.phone_number_id)?.number;
  const owner = wabasOf(state).find(({ waba }) => waba.id === chosen.waba_id);
  const others = wabasOf(state).filter(({ waba }) => waba.id !== chosen.waba_id);
  const channel = state.dialog.channels.find(({ id }) => id === chosen.channel_id);
  const business_id = owner?.customer.business_id ?? "";
  return {
    known: { ...chosen, digits: digitsOf(number?.display_phone_number), business_id },
    names: {
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

/** Draws the pickers; `part` draws only what has changed. */
export function drawPickers({ state, chosen }, part) {
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
    select.value = chosen[PICKERS[kind]];
  }
}
