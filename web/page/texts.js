// What is said, in one language at a time: its file is loaded alone.

/** The languages there are, by their own names. */
export const LANGUAGES = { en: "English", es: "Español", pt: "Português", de: "Deutsch" };
/** Facebook's name for each, for the window of Meta. */
export const LOCALES = { en: "en_US", es: "es_LA", pt: "pt_BR", de: "de_DE" };
const KEY = "onramp-language";

let texts = {};
let common = {};

/** What a person has chosen here before; null when nothing was. */
export function chosen() {
  try {
    const language = localStorage.getItem(KEY);
    return language in LANGUAGES ? language : null;
  } catch {
    return null;
  }
}

/** Keep a choice, where the browser keeps anything. */
export function choose(language) {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // It holds for this page then.
  }
}

/** The language to begin with: chosen, else the link's, else the browser's first that there is. */
export function preferred(linked) {
  const wanted = [chosen(), linked, ...(navigator.languages ?? []).map((name) => name.slice(0, 2).toLowerCase())];
  return wanted.find((language) => language in LANGUAGES) ?? "en";
}

/** Load a language and speak it from now on. Rejects when the file does not come. */
export async function speak(language) {
  const answer = await fetch(new URL(`lang-${language}.json`, import.meta.url), { credentials: "omit" });
  if (!answer.ok) throw new Error(`no texts: ${answer.status}`);
  texts = await answer.json();
  document.documentElement.lang = language;
  document.title = t("title");
}

/** Words that stand for every text's `{name}`, such as the partner's name. */
export function always(values) {
  common = { ...common, ...values };
}

const found = (path) => path.split(".").reduce((place, key) => place?.[key], texts);

/** Whether there is such a text. */
export const has = (path) => typeof found(path) === "string" || Array.isArray(found(path));

/** A text by its path, with `{name}` filled in; a list of texts where there is one. */
export function t(path, values = {}) {
  const text = found(path);
  const fill = (part) => part.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? common[name] ?? whole);
  if (Array.isArray(text)) return text.map(fill);
  return fill(text ?? path);
}
