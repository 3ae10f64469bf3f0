// Where the page is opened, as far as that decides whether Meta's window can open at all.

/** Apps that show pages inside themselves, by what they add to their browser's name. */
const APPS = new RegExp(
  "\\b(FBAN|FBAV|FB_IAB|Instagram|Line/|LinkedInApp|MicroMessenger|Snapchat|Twitter|WhatsApp|TikTok|" +
    "musical_ly|BytedanceWebview|Pinterest)|; wv\\)",
  "i",
);
const APPLE = /iPhone|iPad|iPod/;

/** `app` inside another app, `installed` on Apple's home screen, null in a browser. */
export function cramped(agent = navigator.userAgent) {
  if (APPS.test(agent)) return "app";
  const alone = navigator.standalone === true || matchMedia("(display-mode: standalone)").matches;
  return alone && apple(agent) ? "installed" : null;
}

/** Whether this is one of Apple's phones and tablets, whose browsers are all Safari underneath. */
export function apple(agent = navigator.userAgent) {
  return APPLE.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1);
}

/** Calls `told` with whether the device is offline: now if it is, and whenever that changes. */
export function watchConnection(told) {
  addEventListener("offline", () => told(true));
  addEventListener("online", () => told(false));
  if (navigator.onLine === false) told(true);
}
