/** Calls to Onramp's API, as a front end makes them. */

/** An answer that is an error, with the fields of `application/problem+json`. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/** Waits in milliseconds; rejects when the signal is aborted. */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
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

/** What the page's own server does: being the identity provider, Meta's popup, the tenant's server. */
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

  submit(id, phoneNumberIds) {
    const body = { phone_number_ids: phoneNumberIds };
    return this.#signup("POST", `/v1/signups/${encodeURIComponent(id)}/numbers`, { body });
  }

  read(id) {
    return this.#signup("GET", `/v1/signups/${encodeURIComponent(id)}`);
  }

  retry(id) {
    return this.#signup("POST", `/v1/signups/${encodeURIComponent(id)}/retry`, { body: {} });
  }

  /** The tenant's numbers, at most 100. */
  async numbers() {
    return (await read(await this.call("GET", "/v1/numbers?limit=100"))).numbers;
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
   * Polls a signup until `until` says so or the signal is aborted; `show` gets every new state.
   * A lost connection is no reason to stop: it is told once and tried again.
   */
  async watch(id, { until, show, trouble, signal }) {
    let etag = null;
    for (;;) {
      let seconds = 2;
      try {
        const headers = etag ? { "If-None-Match": etag } : {};
        const response = await this.call("GET", `/v1/signups/${encodeURIComponent(id)}`, { headers, signal });
        seconds = Math.min(5, Math.max(0.3, Number(response.headers.get("Retry-After")) || 1));
        if (response.status === 304) {
          // Unread, even an empty body counts as a request that failed.
          await response.text();
        } else {
          etag = response.headers.get("ETag");
          const signup = await read(response);
          show(signup);
          if (until(signup)) return signup;
        }
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status > 0 && error.status < 500)) throw error;
        trouble(error);
      }
      await pause(seconds * 1000, signal);
    }
  }
}
