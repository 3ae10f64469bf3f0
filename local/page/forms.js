/** Forms: one action at a time, errors at their field, a focus that stays. */

import { ApiError } from "./api.js";
import { $, drawFacts, element } from "./dom.js";

/** Says what came of something, to everybody: also to those who do not see it. */
export function say(text) {
  if ($("said").textContent !== text) $("said").textContent = text;
}

/** Shows an error that belongs to no field, with everything that helps to find its cause. */
export function showError(error) {
  const problem = error.problem ?? {};
  $("notice-title").textContent = problem.title ?? "Something went wrong";
  $("notice-detail").textContent = error.message;
  drawFacts($("notice-facts"), [
    ["Code", problem.code],
    ["Status", error.status || undefined],
    ["Try again", problem.retryable === undefined ? undefined : problem.retryable ? "yes" : "no"],
    ["Request", problem.request_id],
    ...(problem.errors ?? []).map(({ field, message }) => [field ?? "field", message ?? ""]),
  ]);
  $("notice").hidden = false;
  $("notice").focus();
}

export function hideError() {
  $("notice").hidden = true;
}

/**
 * Runs what a button is for: once at a time, what came of it said, a problem shown. `misplaced(error)` may show an
 * error at its field, and says so by true.
 */
export async function act(button, what, action, misplaced = () => false) {
  // Busy rather than disabled: a disabled button would lose the keyboard's focus.
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  hideError();
  try {
    const told = await action();
    if (told !== false) say(`${what}: ${(told || "done").replace(/\.$/, "")}.`);
  } catch (error) {
    say("");
    if (error.name !== "AbortError" && !misplaced(error)) showError(error);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// --- errors at fields -------------------------------------------------------------------------------

/** Puts texts below the fields that they are about, and the focus into the first; takes the others away. */
export function showAtFields(form, texts) {
  let first = null;
  for (const field of form.elements) {
    if (!field.name) continue;
    const text = texts[field.name];
    place(field, text);
    if (text && !first) first = field;
  }
  first?.focus();
  return Boolean(first);
}

function place(field, text) {
  const id = `wrong-${field.form.id}-${field.name}`;
  const holder = field.closest("fieldset[data-choice]") ?? field.closest("label");
  let note = $(id);
  if (!text) {
    note?.remove();
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
    return;
  }
  if (!note) {
    note = element("p", { class: "wrong", id });
    holder.append(note);
  }
  note.textContent = text;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", id);
}

/** What is missing before anything is sent: texts by the name of the field. */
export function missing(form) {
  const texts = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.validity.valid) continue;
    texts[field.name] = field.validity.valueMissing ? field.dataset.missing ?? "Needed." : field.dataset.wrong
      ?? field.validationMessage;
  }
  return texts;
}

/** Shows the errors of a 422 at their fields; `names` are the fields by the API's names. False: not all have one. */
export function showRefused(form, error, names) {
  if (!(error instanceof ApiError) || !error.problem.errors?.length) return false;
  const texts = {};
  for (const { field, message } of error.problem.errors) {
    const name = names[field];
    if (!name || !form.elements[name]) return false;
    texts[name] = `${message[0].toUpperCase()}${message.slice(1)}.`;
  }
  return showAtFields(form, texts);
}

/** Runs an action at each submission of a form that nothing is missing in. */
export function onSubmit(form, what, action, names = {}) {
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (showAtFields(form, missing(form))) return;
    // Whatever key or button submitted it, it is the form's one button that is busy.
    const button = form.querySelector("button[type=submit]");
    act(button, what, () => action(new FormData(form), form), (error) => showRefused(form, error, names));
  });
  form.addEventListener("input", ({ target }) => {
    if (target.name && target.hasAttribute("aria-invalid")) place(target, null);
  });
}

/** Draws radio buttons or check boxes into a form's fieldset. None is chosen: that is the person's part. */
export function drawChoices(fieldset, type, name, choices) {
  const legend = fieldset.querySelector("legend");
  fieldset.replaceChildren(legend, ...choices.map(({ value, text, about }) =>
    element("label", { class: "choice" }, element("input", { type, name, value }),
      element("span", { text }, about && element("small", { text: about })))));
}

/** Says what to do when nothing is chosen. True when something is. */
export function isChosen(form, name, text) {
  const fields = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)];
  if (fields.some((field) => field.checked)) return true;
  place(fields[0], text);
  fields[0].focus();
  return false;
}

/** Takes the word about an empty choice away. */
export function forgive(form) {
  for (const field of form.querySelectorAll("[aria-invalid]")) place(field, null);
}
