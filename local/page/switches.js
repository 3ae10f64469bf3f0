/** Draws the switches of `switches.json`, each as a small form. */

import { at, applies, choicesOf, typed } from "./requests.js";
import { element } from "./dom.js";

/**
 * Draws all groups once; what changes later is only values and what is enabled.
 *
 * `flip(item, fields)` is called with a switch and the values of its fields. Returns a function that takes
 * `{state, known, lists}` and shows what holds now.
 */
export function drawSwitches(holder, { groups, switches, subjects }, flip, open = 0) {
  const updates = [];
  holder.replaceChildren(...groups.map((group, index) => {
    const drawn = switches.filter((item) => item.group === group.id).map((item) => {
      const { form, update } = drawSwitch(item, subjects, flip);
      updates.push(update);
      return form;
    });
    const details = element("details", { class: "group", id: `group-${group.id}` },
      element("summary", {}, element("span", { text: group.title }), element("small", { text: String(drawn.length) })),
      element("p", { class: "empty", text: group.about }), ...drawn);
    details.open = index === open;
    return details;
  }));
  return (view) => updates.forEach((update) => update(view));
}

/**
 * Draws the drills: switches thrown with everything filled in, and a word on what to look for.
 *
 * `flip(item, button, fields, drill)` is called with the switch. Returns a function that shows what can be thrown now.
 */
export function drawDrills(holder, { drills, switches, subjects }, flip) {
  const buttons = drills.map((drill) => {
    const item = switches.find(({ id }) => id === drill.switch);
    const about = element("small");
    const button = element("button", { type: "button", class: "drill", id: `drill-${item.id}` },
      element("span", { text: drill.title }), about);
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") flip(item, button, () => drill.fields, drill);
    });
    return { button, update: (view) => {
      const usable = applies(item, subjects, view.known);
      button.setAttribute("aria-disabled", String(!usable));
      about.textContent = !usable ? `needs a ${item.of}` : item.of ? view.names[item.of] ?? "" : "for everybody";
    } };
  });
  holder.replaceChildren(...buttons.map(({ button }) => button));
  return (view) => buttons.forEach(({ update }) => update(view));
}

function drawSwitch(item, subjects, flip) {
  const controls = (item.fields ?? []).map((field) => drawField(item, field));
  const danger = item.method === "DELETE" || ["remove", "reset"].includes(item.id);
  const button = element("button", {
    type: "submit", class: danger ? "quiet danger" : "quiet", "aria-label": `${verb(item)}: ${item.title}`,
    text: verb(item),
  });
  const needs = element("small", { class: "needs", tabindex: "-1" });
  const shape = controls.length ? "switch" : "switch plain";
  const form = element("form", { class: shape, id: `switch-${item.id}`, "aria-label": item.title },
    element("h3", { text: item.title }), element("p", { class: "soft", text: item.about }),
    element("div", { class: "controls" }, ...controls.map((control) => control.label), button), needs);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return needs.focus();
    return flip(item, button, () => Object.fromEntries(controls.map((control) => [control.name, control.value()])));
  });
  const update = (view) => {
    const usable = applies(item, subjects, view.known);
    for (const control of controls) control.update(view);
    // Not disabled: a button that is would drop the keyboard's focus, and could not say what is missing.
    button.setAttribute("aria-disabled", String(!usable || controls.some((control) => control.empty())));
    needs.textContent = lacking(item, usable, controls, view.names);
  };
  return { form, update };
}

/** What a switch is about, or what it lacks. */
function lacking(item, usable, controls, names) {
  const empty = controls.find((control) => control.empty());
  if (empty) return `Nothing to choose for “${empty.text}” yet.`;
  if (!item.of) return "";
  return usable ? about(item.of, names) : `Choose a ${item.of} above first.`;
}

function verb(item) {
  return item.body && item.fields?.some((field) => field.reads) ? "Set" : "Do it";
}

function about(subject, names) {
  return `For the ${subject} ${names[subject] ?? ""}.`;
}

function drawField(item, field) {
  const name = `${item.id}-${field.name}`;
  return field.kind === "choice" ? drawSelect(field, name) : drawInput(field, name);
}

function drawInput(field, name) {
  const { placeholder = "" } = field;
  const input = element("input", { name, autocomplete: "off", spellcheck: "false", placeholder });
  if (field.kind === "number") input.setAttribute("inputmode", "decimal");
  input.value = field.value ?? "";
  const follow = following(field, input, (value) => { input.value = value ?? ""; });
  const label = element("label", {}, element("span", { text: field.label }), input);
  const value = () => {
    const wanted = typed(field, input.value);
    follow.forget();
    return wanted;
  };
  return { name: field.name, text: field.label, label, value, update: follow.update, empty: () => false };
}

function drawSelect(field, name) {
  const select = element("select", { name });
  let choices = [];
  const offer = (wanted) => {
    if (JSON.stringify(wanted) === JSON.stringify(choices)) return;
    const before = select.value && JSON.stringify(choices[select.value]?.[1]);
    choices = wanted;
    select.replaceChildren(
      ...choices.map(([label], index) => element("option", { value: String(index), text: String(label) })),
    );
    pick(before);
  };
  const pick = (json) => {
    const index = choices.findIndex(([, value]) => JSON.stringify(value) === json);
    if (index >= 0) select.value = String(index);
  };
  const follow = following(field, select, (value) => {
    const json = JSON.stringify(value ?? null);
    // A value that is none of the choices is shown all the same.
    const isKnown = choices.some(([, known]) => JSON.stringify(known) === json);
    if (!isKnown) offer([...choices, [shown(value), value ?? null]]);
    pick(json);
  });
  if (!field.choices_from) offer(choicesOf(field, {}));
  const label = element("label", {}, element("span", { text: field.label }), select);
  const update = (view) => {
    if (field.choices_from) offer(choicesOf(field, view.lists));
    follow.update(view);
  };
  const value = () => {
    follow.forget();
    return choices[select.value]?.[1];
  };
  return { name: field.name, text: field.label, label, value, update, empty: () => !choices.length };
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

/** Keeps a control at what the upstream shows, unless a person is changing it. */
function following(field, control, set) {
  let last;
  let touched = false;
  control.addEventListener("input", () => { touched = true; });
  return {
    forget: () => { touched = false; last = undefined; },
    update: ({ state }) => {
      if (!field.reads || touched || control === document.activeElement) return;
      const value = at(state, field.reads);
      const json = JSON.stringify(value);
      if (value === undefined || json === last) return;
      last = json;
      set(value);
    },
  };
}
