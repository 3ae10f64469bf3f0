// The few calls of the API that the page makes itself; the journey's own are the browser module's.

const API = new URL("..", import.meta.url); // this file is at <api>/signup/service.js
const PATIENCE = 15_000;

/** What the API refuses: `code`, `retryable`, and the problem as it came. */
export class Refused extends Error {
  constructor(code, problem) {
    super(code);
    this.code = code;
    this.retryable = problem?.retryable ?? true;
    this.problem = problem;
  }
}

/** The API's address, without a slash at its end. */
export const address = API.href.replace(/\/$/, "");

async function call(method, path, bearer) {
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  if (method === "POST") headers["Content-Type"] = "application/json";
  let answer;
  try {
    const body = method === "POST" ? "{}" : undefined;
    const signal = AbortSignal.timeout?.(PATIENCE);
    answer = await fetch(new URL(path, API), { method, headers, body, signal, credentials: "omit", cache: "no-store" });
  } catch {
    throw new Refused(navigator.onLine === false ? "offline" : "unavailable");
  }
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  throw new Refused(told?.code ?? (answer.status === 401 ? "unauthenticated" : "unavailable"), told);
}

/** What everybody is told: whose page it is, and its colours. */
export const config = () => call("GET", "v1/config");

/** The link's signup. Opening it spends nothing. */
export const read = (bearer) => call("GET", "v1/linked-signup", bearer);

/** Runs what has failed again. */
export const retry = (bearer) => call("POST", "v1/linked-signup/retry", bearer);
