// The link that brought a visitor here: out of the address bar at once, and kept until it is settled.
//
// A token is `<link id>.<secret>`. What is kept beside it belongs to this browser alone: the visit that goes on
// with a link once it is spent.

const KEY = "onramp-links";
const FORM = /^[A-Za-z0-9]{1,64}\.[A-Za-z0-9_-]{43}$/;
const KEPT_DAYS = 60; // a link lives 30 days at most, and 30 more it shows how far its numbers are
const DAY = 86_400_000;

/** A store that forgets with the page, for browsers that keep nothing. */
const memory = new Map();
const forgetful = { getItem: (key) => memory.get(key) ?? null, setItem: (key, value) => memory.set(key, value) };

/** What outlives the tab, or with `session` what does not. */
function store(session = false) {
  try {
    const kept = session ? sessionStorage : localStorage;
    kept.setItem(`${KEY}-try`, "1");
    kept.removeItem(`${KEY}-try`);
    return kept;
  } catch {
    return forgetful;
  }
}

function read(kept) {
  try {
    const links = JSON.parse(kept.getItem(KEY) ?? "[]");
    const fresh = (link) => FORM.test(link?.token) && Date.now() - link.at < KEPT_DAYS * DAY;
    return Array.isArray(links) ? links.filter(fresh) : [];
  } catch {
    return [];
  }
}

const write = (kept, links) => kept.setItem(KEY, JSON.stringify(links.slice(0, 8)));
const idOf = (token) => token.slice(0, token.indexOf("."));

/** A text without its percent escapes; with them when they stand for nothing, and then it is no link. */
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The token in the fragment, taken out of the address bar and so out of the history; null when there is none. */
export function fromAddress() {
  const token = plain(location.hash.slice(1).replace(/%(?![0-9a-f]{2})/gi, ""));
  if (!location.hash) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return token || null;
}

/** The link to go on with: the one of the address, else the last that was open here; null when there is none. */
export function current(token = fromAddress()) {
  const kept = store();
  const links = [...read(kept), ...read(store(true))];
  if (token && !FORM.test(token)) return { token, visit: null, whole: false };
  const before = token ? links.find((link) => idOf(link.token) === idOf(token)) : links[0];
  if (!token && !before) return null;
  const link = { token: token ?? before.token, visit: before?.visit ?? visit(), at: Date.now() };
  write(kept, [link, ...read(kept).filter((other) => idOf(other.token) !== idOf(link.token))]);
  return { ...link, whole: true };
}

/** Nothing is left to be done with a link: forget it; with `shown` when this tab is closed, for a reload of it. */
export function settle(token, shown = false) {
  const kept = store();
  const links = read(kept);
  if (shown) write(store(true), links.filter((link) => link.token === token));
  write(kept, links.filter((link) => link.token !== token));
}

/** The address to open elsewhere. */
export const addressOf = (token) => `${location.origin}${location.pathname}#${token}`;

/** A text that nobody can guess. */
function visit() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_");
}
