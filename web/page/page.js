// The hosted page: from a signup link to a connected number.

import { el, icon } from "./dom.js";
import { begin } from "./journey.js";
import { addressOf, current, fromAddress, settle } from "./links.js";
import { DEAD } from "./problems.js";
import * as screens from "./screens.js";
import * as service from "./service.js";
import { apple, cramped, watchConnection } from "./surroundings.js";
import { LANGUAGES, LOCALES, always, choose, preferred, speak, t } from "./texts.js";
import { paint } from "./theme.js";

const RETURN_SECONDS = 15;
const AGAIN_MS = 5000;
const COEXISTENCE = /coexist/i;

const place = (id) => document.getElementById(id);
const main = place("main");
const live = place("live");

const link = current();
const state = { page: {}, signup: null, journey: null, shown: null, repaint: null, countdown: 0, language: "en" };

/** What the screens need to know, and what their buttons do. */
const context = {
  get partner() {
    return state.page.name || hostOf(state.signup?.link?.success_url) || location.hostname;
  },
  get name() {
    return state.signup?.client?.user_name?.split(" ")[0] ?? null;
  },
  get coexistence() {
    const launch = state.signup?.launch;
    return COEXISTENCE.test(`${launch?.flow} ${launch?.extras?.featureType ?? ""}`) ||
      launch?.extras?.featureType === "whatsapp_business_app_onboarding";
  },
  get successUrl() {
    return screens.safe(state.signup?.link?.success_url);
  },
  get failureUrl() {
    return screens.safe(state.signup?.link?.failure_url);
  },
  get supportUrl() {
    const address = state.page.support_url;
    return /^(https:|mailto:)/i.test(address ?? "") ? address : null;
  },
  get address() {
    return addressOf(link.token);
  },
  get opens() {
    return Boolean(state.journey) && state.signup?.status === "open";
  },
  refreshUrl: null,
  ready: false,
  get computer() {
    return matchMedia("(pointer: fine) and (min-width: 56rem)").matches;
  },
  get apple() {
    return apple();
  },
  // FB.login has to be called within the click itself: nothing may wait before this.
  open: () => state.journey.open(),
  cancel: () => {
    state.journey.close();
    prepare();
  },
  choose: (chosen) => state.journey.choose(chosen),
  retry,
  act,
  anyway: () => prepare({ anyway: true }),
  leave: () => go(context.successUrl),
  giveUp: () => {
    state.journey?.close();
    go(context.failureUrl);
  },
  stay: () => stopCountdown(null),
};

function hostOf(address) {
  try {
    return new URL(address).hostname;
  } catch {
    return null;
  }
}

const go = (address) => address && location.assign(address);

// --- showing ----------------------------------------------------------------------------------------

const DRAWN = { window: "window_" };

/** Show a screen. What it was made of is kept, to draw it again in another language. */
function show(name, ...made) {
  const before = state.shown;
  const node = screens[DRAWN[name] ?? name](context, ...made);
  state.shown = { name, node };
  state.repaint = () => show(name, ...made);
  main.replaceChildren(node);
  // A screen that replaces another one has the focus at its heading, so that it is read. The first one has
  // not: a page that has just been loaded is read from its beginning.
  const heading = node.querySelector("h1");
  if (before && before.name !== name) {
    heading.focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }
  document.title = `${heading.textContent} · ${context.partner}`;
}

function say(text) {
  if (text) live.textContent = text;
}

/** The partner's name, the languages, and who helps. */
function frame() {
  const { name, logo_url: logo } = state.page;
  const image = screens.safe(logo) && el("img", { src: logo, alt: name || context.partner });
  // A logo that does not come is no broken picture.
  image?.addEventListener("error", () => image.replaceWith(name || context.partner));
  place("brand").replaceChildren(image || name || context.partner);
  const skip = place("skip");
  skip.hidden = false;
  skip.textContent = t("skip");

  const options = Object.entries(LANGUAGES).map(([code, own]) =>
    el("option", { value: code, selected: code === state.language, lang: code }, own),
  );
  const select = el("select", { id: "languages", onchange: (event) => changeLanguage(event.target.value) }, options);
  const languages = place("language");
  languages.hidden = false;
  const held = languages.contains(document.activeElement);
  languages.replaceChildren(el("label", { htmlFor: "languages", class: "unseen" }, t("language")), select);
  if (held) select.focus();

  const help = context.supportUrl && el("a", { href: context.supportUrl }, t("support"));
  place("foot").replaceChildren(el("p", {}, icon("lock"), t("secure")), ...(help ? [el("p", {}, help)] : []));
}

async function changeLanguage(language) {
  try {
    await speak(language);
  } catch {
    return frame(); // it did not come: the one that is spoken stays
  }
  state.language = language;
  choose(language);
  frame();
  return state.repaint?.();
}

/** Speak a language; English when its file does not come. */
async function talk(language) {
  always({ partner: context.partner });
  try {
    await speak(language);
    state.language = language;
  } catch (error) {
    if (language === "en") throw error;
    await talk("en");
  }
  tellConnection(navigator.onLine === false);
}

// --- the course of it -------------------------------------------------------------------------------

/** Read whose page it is and how far the link is, then show that. */
async function start() {
  const config = service.config().catch(() => null);
  const whole = link?.whole ? read() : Promise.resolve(null);
  const [told, signup] = await Promise.all([config, whole.catch((error) => error)]);
  state.page = told?.page ?? {};
  paint(state.page);
  if (!(signup instanceof Error)) state.signup = signup;
  await talk(preferred(state.signup?.link?.language));
  frame();
  if (!link) return show("dead", "none");
  if (!link.whole) return show("dead", "unauthenticated");
  if (signup instanceof Error) return refused(signup);
  return arrive();
}

const bearer = () => `${link.token}.${link.visit}`;
const read = () => service.read(bearer());

/** What to show of a signup as it was read. */
function arrive() {
  const { status } = state.signup;
  if (status === "expired") return show("dead", "expired");
  if (status === "connected") return done();
  const kind = status === "open" ? cramped() : null;
  if (kind) return show("elsewhere", kind);
  return prepare();
}

/** Get the journey ready, or go on with it where it is. */
function prepare({ anyway = false } = {}) {
  context.ready = false;
  state.journey?.close();
  state.journey = begin(
    { api: service.address, link: link.token, visit: link.visit, locale: LOCALES[state.language], anyway },
    {
      ready: () => {
        context.ready = true;
        state.shown?.node.ready?.();
      },
      opened: () => show("window"),
      checking: () => show("checking"),
      choice: (kind, candidates) => show("choice", kind, candidates),
      moved,
      failed,
    },
  );
  if (state.signup.status === "open") show("welcome");
  else moved(state.signup);
}

/** The signup has moved on, or was read for the first time. */
function moved(signup) {
  state.signup = { ...signup, link: signup.link ?? state.signup?.link };
  always({ partner: context.partner });
  if (signup.status === "connected") return done();
  if (signup.status === "attention") return show("attention", state.signup);
  if (signup.status === "authorized") return state.shown?.name === "choice" ? undefined : show("checking");
  if (signup.status !== "onboarding") return undefined;
  if (state.shown?.name !== "progress") return show("progress", state.signup);
  state.repaint = () => show("progress", state.signup);
  return say(state.shown.node.update(state.signup));
}

function done() {
  settle(link.token, true);
  show("connected", state.signup);
  if (context.successUrl) startCountdown();
}

function failed(failure) {
  const { code } = failure;
  if (DEAD.includes(code)) return refused(new service.Refused(code, failure.problem));
  if (code === "signup_expired") return show("dead", "expired");
  if (code === "in_app_browser") return show("elsewhere", cramped() ?? "app");
  // What has stopped, and why, is on the screen already.
  if (code === "number_failed" && state.shown?.name === "attention") return undefined;
  return show("problem", failure);
}

/** The API refuses the link, or does not answer. */
function refused(error) {
  if (DEAD.includes(error.code)) {
    settle(link.token);
    context.refreshUrl = screens.safe(error.problem?.refresh_url);
    return show("dead", error.code);
  }
  return show("problem", { code: error.code ?? "other", meta: {} });
}

/** What the first button of a problem does. Meta's window has to open within the click: nothing waits before. */
function act(action) {
  if (action === "elsewhere") return show("elsewhere", "other");
  if (action === "reload") return location.reload();
  // The module knows what is next, whatever has failed.
  return state.journey ? state.journey.open() : resume();
}

/** Look how far it is, and go on from there. */
async function resume() {
  show("checking");
  try {
    const signup = await read();
    state.signup = { ...signup, link: signup.link ?? state.signup?.link };
    arrive();
  } catch (error) {
    refused(error);
  }
}

/** Numbers that have failed are tried again. */
async function retry() {
  try {
    state.signup = { ...(await service.retry(bearer())), link: state.signup.link };
    prepare();
  } catch (error) {
    // Somebody else was faster, in another tab.
    if (error.code === "nothing_to_retry") await resume();
    else refused(error);
  }
}

// --- back to the partner ----------------------------------------------------------------------------

function startCountdown() {
  let left = RETURN_SECONDS;
  state.shown.node.count(left);
  say(t("connected.soon", { seconds: left }));
  clearInterval(state.countdown);
  state.countdown = setInterval(() => {
    // Nobody is taken away from a page that they do not see.
    if (document.hidden) return;
    left -= 1;
    state.shown.node.count?.(left);
    if (left > 0) return;
    clearInterval(state.countdown);
    context.leave();
  }, 1000);
}

function stopCountdown() {
  clearInterval(state.countdown);
  state.shown.node.count(null);
  say(t("connected.stayed"));
  state.shown.node.querySelector("h1").focus();
}

// --- the connection ---------------------------------------------------------------------------------

function tellConnection(offline) {
  const bar = place("offline");
  bar.replaceChildren(...(offline ? [el("strong", {}, t("offline.title")), el("span", {}, t("offline.text"))] : []));
}

/** Begin; and again, when not even the texts come, for as long as that takes. */
function first() {
  start().catch(() => setTimeout(first, AGAIN_MS));
}

/** Another link in this tab loads nothing by itself: begin anew with it. */
function anotherLink() {
  // The way past the top of the page is none, and out of the address bar a reload does not take it for one.
  if (location.hash === place("skip").hash) fromAddress();
  else if (location.hash) location.reload();
}

addEventListener("hashchange", anotherLink);
watchConnection((offline) => state.shown && tellConnection(offline));
first();
