// Where the page is shown, as far as that decides whether Meta's window can work.

/** Apps that show pages inside themselves, by what they add to their browser's name. */
const APPS = new RegExp(
  "\\b(FBAN|FBAV|FB_IAB|Instagram|Line/|LinkedInApp|MicroMessenger|Snapchat|Twitter|WhatsApp|TikTok|" +
    "musical_ly|BytedanceWebview|Pinterest)|; wv\\)",
  "i",
);

/** Whether the page stands in a frame. */
export const framed = () => top !== self;

/** A frame that says by itself that no window of its own may do what Meta's has to. */
function sandboxed() {
  if (!framed()) return false;
  if (origin === "null") return true;
  try {
    const sandbox = frameElement?.getAttribute("sandbox");
    return sandbox != null && !/allow-popups-to-escape-sandbox/.test(sandbox);
  } catch {
    return false; // a frame of somebody else's: what it may do shows at the click
  }
}

/** An installed app on Apple's phones and tablets has no windows that could talk to it. */
const installed = () => navigator.standalone === true;

/**
 * Why Meta's window cannot work here, null where it can.
 * @returns {string | null}
 */
export function obstacle() {
  if (APPS.test(navigator.userAgent) || installed()) return "in_app_browser";
  return sandboxed() ? "framed" : null;
}
