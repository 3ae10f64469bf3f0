// The API, with the patience that its calls need: each of them may be sent again.

import { Failed } from "./failures.js";
import { offline, online, pause } from "./waiting.js";

const PASSING = [429, 500, 502, 503, 504];
const PATIENCE = 20_000;
const NO_ANSWER = 30_000;

/** A link's id, which may be kept; its secret is not. */
export const idOf = (link) => link?.split(".")[0] ?? null;

/** The text that tells this browser from others with the same link, kept over reloads. */
function visitOf(link) {
  const name = `onramp-visit-${idOf(link)}`;
  const made = random();
  try {
    const kept = localStorage.getItem(name);
    if (!kept) localStorage.setItem(name, made);
    return kept ?? made;
  } catch {
    return made; // a browser that keeps nothing
  }
}

/** A text that nobody can guess. */
export const random = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * @param {import("../onramp").Options} options
 * @param {() => void} waits told when a call waits for the connection
 */
export function client({ api, token, link, visit, signup, signupId }, waits) {
  const base = api.replace(/\/+$/, "");
  let id = signupId;
  let bearer = link && `${link}.${visit ?? visitOf(link)}`;
  const here = (action) => (link ? "/v1/linked-signup" : `/v1/signups/${id}`) + action;

  /** One call; null when there is no answer. */
  async function send(method, path, body, headers, keepalive) {
    try {
      return await fetch(base + path, {
        method,
        headers: {
          ...(path !== "/v1/config" && { Authorization: `Bearer ${bearer}` }),
          ...(body && { "Content-Type": "application/json" }),
          ...headers,
        },
        body: body && JSON.stringify(body),
        keepalive,
        credentials: "omit",
        cache: "no-store",
        signal: keepalive ? undefined : AbortSignal.timeout?.(NO_ANSWER),
      });
    } catch {
      return null;
    }
  }

  const config = () => send("GET", "/v1/config");

  /** One call with a token that lives, if there is one. */
  async function authorized(...call) {
    if (link || call[1] === "/v1/config") return send(...call);
    for (let renew = false; ; renew = true) {
      try {
        bearer = typeof token === "function" ? await token(renew) : token;
      } catch {
        throw new Failed("token_expired");
      }
      const answer = await send(...call);
      if (answer?.ok || renew || typeof token !== "function" || offline()) return answer;
      // No answer may be the gateway's own 401: without CORS headers a browser hides it.
      if (answer && answer.status !== 401) return answer;
    }
  }

  async function read(answer) {
    const text = await answer.text().catch(() => null);
    if (text === null) return null; // cut off in the middle
    let told = null;
    try {
      told = JSON.parse(text);
    } catch {
      // 304 and 204 have none; the gateway's own answers need not be ours
    }
    return { status: answer.status, told, etag: answer.headers.get("ETag"),
      after: Number(answer.headers.get("Retry-After")) || 0 };
  }

  /** One call; throws what it is refused with, with `passing` when it may be sent again, `lost` without an answer. */
  async function ask(...call) {
    const answer = await authorized(...call);
    const heard = answer && (await read(answer));
    const { status, told, after } = heard ?? {};
    if (heard && (status < 300 || status === 304)) return heard;
    const expired = status === 401 && !link;
    const code = expired ? "token_expired" : told?.code ?? "unavailable";
    const failed = new Failed(code, told?.code ? told : null);
    const passing = !heard || (told?.code ? told.retryable : PASSING.includes(status));
    throw Object.assign(failed, { lost: !heard, passing, after });
  }

  /** Whether only calls with a token stay without an answer. */
  const hidden = async () => !link && !offline() && Boolean((await config())?.ok);

  /** Send it until it is answered, `until` (ms since 1970) at most; what waits for the connection is sent once more. */
  async function persist(method, path, body, headers, until = Date.now() + PATIENCE) {
    let outages = 0;
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask(method, path, body, headers);
      } catch (error) {
        if (!error.passing) throw error;
        if (error.lost && tries > 2 && path !== "/v1/config" && (await hidden())) throw new Failed("token_expired");
        if (error.failure.code === "meta_unavailable" && (outages += 1) > 1) throw error;
        if (offline()) {
          waits();
          await online();
        } else {
          const ms = error.after * 1000 || Math.min(500 * 2 ** tries, 8_000);
          if (Date.now() + ms > until) throw error;
          await pause(ms);
        }
      }
    }
  }

  const remember = (heard) => {
    id = heard.told.id ?? id;
    return heard;
  };

  return {
    config: async () => (await persist("GET", "/v1/config")).told,
    /** The signup that there is, or a new one. */
    async start(key) {
      if (link || id) return remember(await persist("GET", here("")));
      return remember(await persist("POST", "/v1/signups", signup ?? {}, { "Idempotency-Key": key }));
    },
    /** Once, without patience: who follows has his own. */
    look: (etag) => ask("GET", here(""), undefined, etag && { "If-None-Match": etag }),
    hidden,
    post: (action, body, until) => persist("POST", here(action), body, undefined, until),
    /** Tell what became of a window: perhaps the last thing that this page does, so nothing is awaited. */
    tell(body) {
      if (bearer && (link || id)) send("POST", here("/outcome"), body, undefined, true);
    },
    /** The next `start` opens another signup. */
    forget() {
      id = undefined;
    },
    known: () => Boolean(link || id),
  };
}
