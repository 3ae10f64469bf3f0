// Who speaks: only Meta's own windows are believed to be Meta's, and even those only claim.

/**
 * Whether an origin is Meta's. The host itself is compared: an ending alone would let evilfacebook.com in.
 * @param {string} origin
 */
export function isMeta(origin) {
  try {
    const { protocol, hostname } = new URL(origin);
    return protocol === "https:" && /^(.+\.)?facebook\.com$/.test(hostname);
  } catch {
    return false;
  }
}

/**
 * The message of the signup's window, or null: other frames send other things.
 * @param {MessageEvent} event
 * @returns {{type: string, event: string, data?: any} | null}
 */
export function messageOf({ origin, data }) {
  if (!isMeta(origin)) return null;
  try {
    const said = JSON.parse(data);
    return said?.type === "WA_EMBEDDED_SIGNUP" ? said : null;
  } catch {
    return null;
  }
}
