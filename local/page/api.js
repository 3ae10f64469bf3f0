/** Calls to Onramp's API, as a front end makes them. */

/** An answer that is an error, with the fields of `application/problem+json`. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

// How long a signup is left alone of which the API names no time to come back.
const SETTLED_SECONDS = 5;
const TROUBLE_SECONDS = 3;

/** A pause in milliseconds that `end()` ends early. */
class Pause {
  end = () => {};

  wait(milliseconds, signal) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, milliseconds);
      this.end = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      }, { once: true });
    });
  }
}

async function read(response) {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return { title: `The server answered ${response.status}`, detail: text.slice(0, 300) };
  }
}

async function answered(request) {
  let response;
  try {
    response = await request();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "unreachable", title: "No answer", detail: "The server cannot be reached." });
  }
  if (response.ok || response.status === 304) return response;
  throw new ApiError(response.status, await read(response));
}

/** What the page's own server does: being the identity provider and the tenant's server, looking into queues. */
export async function local(path, body) {
  const options = body === undefined
    ? {}
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return read(await answered(() => fetch(`/local/${path}`, options)));
}

/** Onramp's API for one tenant. */
export class Api {
  constructor(base, token) {
    this.base = base;
    this.authorization = { Authorization: `Bearer ${token}` };
  }

  async call(method, path, { body, headers = {}, signal } = {}) {
    const options = { method, headers: { ...this.authorization, ...headers }, signal, cache: "no-store" };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers["Content-Type"] = "application/json";
    }
    return answered(() => fetch(this.base + path, options));
  }

  async #signup(method, path, options) {
    return read(await this.call(method, path, options));
  }

  open(request, key) {
    return this.#signup("POST", "/v1/signups", { body: request, headers: { "Idempotency-Key": key } });
  }

  sendCode(id, body) {
    return this.#signup("POST", `/v1/signups/${encodeURIComponent(id)}/code`, { body });
  }

  /** Opens a signup and makes a link to it: `{id, url, signup_id, …}`. */
  makeLink(request, key) {
    return this.#signup("POST", "/v1/signup-links", { body: request, headers: { "Idempotency-Key": key } });
  }

  /** What everybody is told: the flows, among other things. */
  config() {
    return this.#signup("GET", "/v1/config");
  }

  submit(id, phoneNumberIds) {
    const body = phoneNumberIds ? { phone_number_ids: phoneNumberIds } : {};
    return this.#signup("POST", `/v1/signups/${encodeURIComponent(id)}/numbers`, { body });
  }

  read(id) {
    return this.#signup("GET", `/v1/signups/${encodeURIComponent(id)}`);
  }

  retry(id) {
    return this.#signup("POST", `/v1/signups/${encodeURIComponent(id)}/retry`, { body: {} });
  }

  /** `retry`, `cancel`, `reactivate` or `check` of a number; answers the number. */
  actOn(phoneNumberId, action) {
    return this.#signup("POST", `/v1/numbers/${encodeURIComponent(phoneNumberId)}/${action}`, { body: {} });
  }

  async list() {
    const body = await read(await this.call("GET", "/v1/signups?limit=10"));
    return body.signups;
  }

  /**
   * Reads a signup again and again until the signal is aborted, as often as `Retry-After` allows and no oftener;
   * `show` gets every new state, `trouble` what stands in the way of reading. `pause.end()` reads at once, for what
   * a person has just done.
   */
  async watch(id, { show, trouble, signal, pause }) {
    let etag = null;
    for (;;) {
      let seconds = TROUBLE_SECONDS;
      try {
        const headers = etag ? { "If-None-Match": etag } : {};
        const response = await this.call("GET", `/v1/signups/${encodeURIComponent(id)}`, { headers, signal });
        seconds = Number(response.headers.get("Retry-After")) || SETTLED_SECONDS;
        if (response.status === 304) {
          // Unread, even an empty body counts as a request that failed.
          await response.text();
        } else {
          etag = response.headers.get("ETag");
          show(await read(response));
        }
        trouble(null);
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status > 0 && error.status < 500)) throw error;
        trouble(error);
      }
      await pause.wait(seconds * 1000, signal);
      while (document.hidden) await pause.wait(1000, signal);
    }
  }
}

export { Pause };
