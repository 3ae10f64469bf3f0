/** Small pieces of drawing. Everything from outside goes in as text, never as markup. */

export const $ = (id) => document.getElementById(id);

/** Makes an element: attributes by name, `text` for its text, then children; what is nothing is left out. */
export function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Fills a definition list; pairs without a value are left out. */
export function drawFacts(list, pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  list.replaceChildren(
    ...shown.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: String(value) })]),
  );
  return list;
}

export const facts = (pairs) => drawFacts(element("dl", { class: "facts" }), pairs);

/** Where the keyboard is within a holder, so that it can be there again once the holder is drawn anew. */
function focusIn(holder) {
  const active = document.activeElement;
  return holder.contains(active) ? active.dataset.key ?? active.closest("[data-key]")?.dataset.key : undefined;
}

function focusAgain(holder, key) {
  if (key === undefined) return;
  const found = holder.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (found?.matches("button, a, input, summary") ? found : found?.querySelector("summary, button, a"))
    ?.focus({ preventScroll: true });
}

/** Replaces what a holder has; the focus stays at what has the same `data-key`. */
export function redraw(holder, children) {
  const key = focusIn(holder);
  holder.replaceChildren(...children);
  focusAgain(holder, key);
}

/**
 * Draws a list whose items come and change: those that are as they were keep their element, so that nobody loses
 * the place they read at. `draw(item)` makes an element; `key(item)` names it.
 */
export function keyed(holder, items, key, draw) {
  const focus = focusIn(holder);
  const before = new Map([...holder.children].map((child) => [child.dataset.key, child]));
  const isFirst = !holder.dataset.drawn;
  const children = items.map((item) => {
    const version = JSON.stringify(item);
    const known = before.get(String(key(item)));
    if (known?.version === version) return known;
    const made = draw(item);
    made.dataset.key = key(item);
    made.version = version;
    if (known?.open) made.open = true;
    if (!known && !isFirst) made.dataset.fresh = "";
    return made;
  });
  holder.dataset.drawn = "yes";
  const isSame = children.length === holder.children.length;
  if (isSame && children.every((child, at) => child === holder.children[at])) return;
  holder.replaceChildren(...children);
  focusAgain(holder, focus);
}

/** A row that opens on the whole record, as JSON. */
export function record(summary, whole) {
  const shown = typeof whole === "string" ? pretty(whole) : JSON.stringify(whole, null, 2);
  const details = element("details", { class: "record" }, element("summary", {}, ...summary));
  // Made when it is opened: most never are.
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(element("pre", { text: shown, tabindex: "0" }));
  });
  return details;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A time of day, to the second. */
export function clock(value) {
  if (value === null || value === undefined || value === "") return null;
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? String(value) : date.toLocaleTimeString([], { hour12: false });
}

export const chip = (text, kind = "busy") => element("span", { class: "chip", "data-kind": kind, text });
