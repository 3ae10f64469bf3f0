/** Without a window (experimental): Meta's signup in this page's place. `docs/front-end.md` says when, and why not. */

import type { Journey, RedirectOptions } from "./onramp";

/**
 * Begin a journey, go on with one, or take up the answer that Meta has led back with. To be called as soon as the page
 * is there, before anything else reads its address: the answer is taken out of it. Its `open` leaves the page.
 */
export function connectByRedirect(options: RedirectOptions): Journey;
