// How far a signup is, asked as often as the API says, and by nobody who does not look.

import { Failed } from "./failures.js";
import { offline, pause, seen } from "./waiting.js";

/**
 * Follow a signup to where nothing is under way any more.
 *
 * @param {ReturnType<import("./api.js").client>} api
 * @param {number} after seconds until the first question
 * @param {(signup: import("../onramp").Signup) => void} told of each change
 * @param {<T>(promise: Promise<T>) => Promise<T>} while_ throws once nobody wants to know
 */
export async function follow(api, after, told, while_) {
  let etag;
  let last;
  for (let lost = 0; after; ) {
    await while_(pause(after * 1000));
    await while_(seen());
    try {
      const heard = await while_(api.look(etag));
      lost = 0;
      ({ after } = heard);
      if (heard.status !== 304) {
        ({ etag, told: last } = heard);
        told(last);
      }
    } catch (error) {
      if (!error.passing) throw error;
      lost = error.lost && !offline() ? lost + 1 : 0;
      // A network that is away for minutes ends nothing. One that carries everything but our token does.
      if (lost > 2 && (await while_(api.hidden()))) throw new Failed("token_expired");
      after = error.after || Math.min(2 ** (lost + 1), 30);
    }
  }
  return last;
}
