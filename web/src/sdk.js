// Meta's SDK: loaded before the click, within a time, or not at all.

import { Failed } from "./failures.js";

/** Whether it can be called at once. What only notes calls for later would open the window after the click. */
const here = () => window.FB?.login && !window.FB.__buffer;

/** @type {string | undefined} what it was initialised with */
let initialised;

/**
 * @param {{app_id: string, graph_version: string, sdk_url: string}} config
 * @param {string | undefined} locale such as `es_ES`
 * @param {number} [patience] in milliseconds
 */
export async function loadSdk({ app_id: appId, graph_version: version, sdk_url: url }, locale, patience = 10_000) {
  if (!here()) await load(/^[a-z]{2,3}_[A-Z]{2}$/.test(locale) ? url.replace("/en_US/", `/${locale}/`) : url, patience);
  const with_ = `${appId} ${version}`;
  if (initialised === with_) return;
  try {
    window.FB.init({ appId, version, autoLogAppEvents: true, xfbml: true });
  } catch {
    throw new Failed("sdk_blocked");
  }
  initialised = with_;
}

const load = (src, patience) => new Promise((done, failed) => {
  const script = document.createElement("script");
  const before = window.fbAsyncInit;
  const end = () => {
    clearTimeout(timer);
    window.fbAsyncInit = before;
    if (here()) return done();
    script.remove();
    return failed(new Failed("sdk_blocked"));
  };
  const timer = setTimeout(end, patience);
  window.fbAsyncInit = () => { before?.(); end(); };
  Object.assign(script, { src, async: true, onerror: end, onload: () => here() && end() });
  document.head.append(script);
});
