/*
 * Stands in for Facebook's JavaScript SDK: FB.init and FB.login, as far as Embedded Signup needs them, with what the
 * real one checks. The server puts a function around this file and gives it `settings`:
 * {sdk: "works" | "stub" | "silent", closed: "callback" | "silent"}.
 */
"use strict";

const base = new URL(document.currentScript.src).origin;
const META = "https://www.facebook.com";
const CLOSED = { authResponse: null, status: "unknown" };
const WATCH_MS = 250;
const GRACE_MS = 500;
const BETWEEN_MS = 400;
let initialised = null;
let current = null;

/** The real SDK refuses an async callback, and says so in these words. */
function requirePlainFunction(callback) {
  const kind = Object.prototype.toString.call(callback).slice(8, -1).toLowerCase();
  if (kind !== "function") throw new Error(`Expression is of type ${kind}, not function`);
}

function init(options = {}) {
  if (!/^v\d+\.\d+$/.test(options.version ?? "")) throw new Error("init not called with valid version");
  if (initialised) console.warn("FB.init has already been called - this could indicate a problem");
  initialised = options;
}

function login(callback, options = {}) {
  requirePlainFunction(callback);
  if (settings.sdk === "silent") return;
  if (settings.sdk === "stub") {
    // What a privacy tool leaves: a window with nothing in it, and an answer that says nothing.
    window.open("about:blank", "_blank", "width=600,height=700");
    setTimeout(() => callback({ status: "unknown" }), BETWEEN_MS);
    return;
  }
  if (!initialised) {
    console.error("FB.login() called before FB.init().");
    return;
  }
  openWindow(callback, options);
}

function openWindow(callback, options) {
  const id = Math.random().toString(36).slice(2);
  const request = { id, origin: location.origin, app_id: String(initialised.appId ?? ""), ...options };
  const address = `${base}/${initialised.version}/dialog/oauth#${encodeURIComponent(JSON.stringify(request))}`;
  const popup = window.open(address, "_blank", "popup,width=620,height=820");
  // As with the real one, a window that the browser blocks gives no callback at all.
  if (!popup) return;
  current?.forget();
  const session = { id, popup, told: false, timer: 0, forget: () => clearInterval(session.timer) };
  session.answer = (response) => {
    if (session.told) return;
    session.told = true;
    session.forget();
    callback(response);
  };
  session.timer = setInterval(() => {
    if (!popup.closed) return;
    session.forget();
    // A code that is on its way when the window goes is still taken.
    if (settings.closed === "callback") setTimeout(() => session.answer(CLOSED), GRACE_MS);
  }, WATCH_MS);
  current = session;
}

/** What the window says comes to the page as if Meta had sent it, whatever the simulator's own origin is. */
function tell(popup, data) {
  window.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(data), origin: META, source: popup }));
}

window.addEventListener("message", (event) => {
  const session = current;
  if (event.origin !== base || !session || event.source !== session.popup || event.data?.id !== session.id) return;
  session.forget();
  event.data.steps.forEach((step, index) => setTimeout(() => {
    if (step.message) tell(session.popup, step.message);
    else session.answer(step.answer);
  }, index * BETWEEN_MS));
});

const nothing = () => {};
const later = (callback) => setTimeout(() => callback?.(CLOSED), 0);
window.FB = {
  init,
  login,
  getLoginStatus: later,
  logout: later,
  AppEvents: { logPageView: nothing, logEvent: nothing },
  Event: { subscribe: nothing, unsubscribe: nothing },
  XFBML: { parse: nothing },
};
// The real one calls it once it is ready, never while the script still runs.
setTimeout(() => window.fbAsyncInit?.(), 0);
