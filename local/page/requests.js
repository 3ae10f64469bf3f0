/** From a switch of `switches.json` to the request it makes. Touches no document, so that tests can run it. */

/** The value below a dotted path, undefined when there is none. */
export function at(whole, path) {
  return path.split(".").reduce((value, name) => value?.[name], whole);
}

/**
 * Fills a template: a text `$name` becomes the value of that name (`$name.0` a part of it), of whatever type.
 * What has no value is left out; null and an empty text are values.
 */
export function fill(template, values) {
  if (typeof template === "string" && template.startsWith("$")) return at(values, template.slice(1));
  if (Array.isArray(template)) return template.map((item) => fill(item, values)).filter(isGiven);
  if (template === null || typeof template !== "object") return template;
  const filled = Object.entries(template).map(([name, value]) => [name, fill(value, values)]);
  return Object.fromEntries(filled.filter(([, value]) => isGiven(value)));
}

function isGiven(value) {
  return value !== undefined;
}

/** Fills `{name}` in a path. */
export function fillPath(path, values) {
  return path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(values[name] ?? "")));
}

/**
 * The request of a switch: `{on, method, path, body}`, without a body when it has none.
 *
 * `fields` are the values of its own fields, `subjects` those of what is chosen. `state` is what the upstreams
 * show: a route that replaces a whole record gets the rest of it as it is.
 */
export function requestOf({ on, method, path, body, whole }, fields, subjects, state) {
  const values = { ...subjects, ...fields };
  const request = { on, method, path: fillPath(path, values) };
  if (body !== undefined) request.body = { ...(whole ? at(state, whole) : {}), ...fill(body, values) };
  return request;
}

/**
 * The choices of a field as `[label, value]` each, without a value for what is left out; those of a list that
 * is known only now come from `lists`.
 */
export function choicesOf(field, lists) {
  const choices = field.choices_from ? lists[field.choices_from] ?? [] : field.choices;
  return choices.map((choice) => Array.isArray(choice) ? choice : [choice, choice]);
}

/** The value of a number or text field from what was typed. Throws an Error for a number that is none. */
export function typed(field, text) {
  const given = text.trim();
  if (!given) return field.empty;
  if (field.kind !== "number") return given;
  const value = Number(given);
  if (!Number.isFinite(value) || (field.whole && !Number.isInteger(value))) {
    throw new Error(`${field.label}: a ${field.whole ? "whole " : ""}number is needed.`);
  }
  return value;
}

/** Whether all that a switch is about has been chosen. */
export function applies({ of }, subjects, known) {
  return !of || subjects[of].every((name) => Boolean(known[name]));
}
