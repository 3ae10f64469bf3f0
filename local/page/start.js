/** Starts signups: by a link, with the browser module on this page, or at once, without any window. */

import { ApiError } from "./api.js";
import { $ } from "./dom.js";
import { onSubmit } from "./forms.js";

// Fields of the form by the API's names.
const NAMES = {
  "client.name": "name", "client.email": "email", "client.user_name": "user_name", plan_tier: "plan_tier", flow: "flow",
  language: "language",
};

/** The request that opens a signup, from what was filled in. What the customer is known by is prefilled at Meta. */
function requestOf({ name, email, user_name, plan_tier, flow }) {
  const prefill = { business: { name, email }, phone: { display_name: name } };
  return { client: { name, email, user_name }, ...(plan_tier ? { plan_tier } : {}), flow, prefill };
}

/**
 * Listens to the form. `page` has `ready` (a promise), then `api` and `upstreams`, and `view()`; `on` has
 * `begins()`, `opened(signupId)`, `embed(signup)`, `ambiguous(signupId, candidates)` and `moved()`.
 */
export function listen(page, on) {
  const form = $("new");
  const keys = new Keys();
  followWay(form);
  form.addEventListener("change", () => followWay(form));
  onSubmit(form, "Start", async (data) => {
    const fields = Object.fromEntries(data);
    const way = WAYS[fields.way];
    // What shows of the signup before is no part of this one.
    $("made-link").hidden = true;
    on.begins();
    return way({ page, on, fields, request: requestOf(fields), keys });
  }, NAMES);
  $("copy-link").addEventListener("click", () => navigator.clipboard?.writeText($("link-address").href));
}

/** An idempotency key for each request, the same until it worked: a second click opens no second signup. */
class Keys {
  #made = { json: null, key: null };

  of(request) {
    const json = JSON.stringify(request);
    if (this.#made.json !== json) this.#made = { json, key: crypto.randomUUID() };
    return this.#made.key;
  }

  spent() {
    this.#made = { json: null, key: null };
  }
}

/** Fields of another way are neither shown nor sent. */
function followWay(form) {
  const { way } = Object.fromEntries(new FormData(form));
  for (const label of form.querySelectorAll("[data-way]")) {
    label.hidden = label.dataset.way !== way;
    label.querySelector("select").disabled = label.hidden;
  }
}

/** Suggests a customer who differs from the one before. */
export function suggest() {
  const mark = crypto.randomUUID().slice(0, 4);
  const { elements } = $("new");
  elements.name.value = `Example Bakery ${mark}`;
  elements.email.value = `owner-${mark}@example.com`;
  elements.user_name.value = "Alex Example";
}

const WAYS = { link: byLink, module: onThisPage, instant: withoutWindows };

async function byLink({ page, on, fields, request, keys }) {
  // Opened within the click, or the browser would block it; its address is known only later.
  const left = Math.max(0, window.screenX + window.outerWidth - 520);
  const view = window.open("", "_blank", `popup,width=480,height=860,left=${left},top=${window.screenY + 60}`);
  const back = `${location.origin}/returned.html`;
  const wanted = {
    ...request, success_url: back, failure_url: back, ...(fields.language ? { language: fields.language } : {}),
  };
  try {
    await page.ready;
    const link = await page.api.makeLink(wanted, keys.of(wanted));
    keys.spent();
    if (view) view.location.replace(link.url);
    show(link.url, Boolean(view));
    suggest();
    on.opened(link.signup_id);
    return view ? "the hosted page is open beside this one" : "the link is made; the browser blocked its window";
  } catch (error) {
    view?.close();
    throw error;
  }
}

function show(url, isOpen) {
  const anchor = $("link-address");
  anchor.href = url;
  anchor.textContent = url.replace(/(#.{10}).*/, "$1…");
  $("made-link").hidden = false;
  if (!isOpen) anchor.focus();
}

async function onThisPage({ page, on, request, keys }) {
  await page.ready;
  const signup = await page.api.open(request, keys.of(request));
  keys.spent();
  suggest();
  on.opened(signup.id);
  await on.embed(signup);
  return "the module has its signup";
}

/** A customer at Meta who has finished: a new one, or the one that is chosen for the switches. */
function customerAtMeta(page, { customer, accounts, count, name }) {
  const { known } = page.view();
  if (customer === "chosen") {
    if (!known.business_id) throw new Error("No customer is chosen for the switches yet.");
    const { business_id, waba_id, phone_number_id } = known;
    const body = { business_id, waba_id, ...(phone_number_id ? { phone_number_id } : {}) };
    return page.upstreams.send({ on: "meta", method: "POST", path: "/admin/codes", body });
  }
  const numbers = Array.from({ length: Number(count) }, () => ({ verified_name: name }));
  const wabas = Array.from({ length: Number(accounts) }, (_, index) => ({
    name: `${name}, account ${index + 1}`, numbers,
  }));
  const body = { business_name: name, wabas };
  return page.upstreams.send({ on: "meta", method: "POST", path: "/admin/signups", body });
}

async function withoutWindows({ page, on, fields, request, keys }) {
  await page.ready;
  const signup = await page.api.open(request, keys.of(request));
  keys.spent();
  on.opened(signup.id);
  const shared = await customerAtMeta(page, fields);
  suggest();
  const body = { code: shared.code, ...(fields.message === "arrives" ? { session_info: shared.session_info } : {}) };
  try {
    const authorized = await page.api.sendCode(signup.id, body);
    const ids = authorized.numbers.map((number) => number.phone_number_id);
    const chosen = fields.customer === "chosen" ? [page.view().known.phone_number_id] : ids;
    if (ids.length) await page.api.submit(signup.id, chosen);
  } catch (error) {
    if (!(error instanceof ApiError) || error.problem.code !== "waba_ambiguous") throw error;
    on.ambiguous(signup.id, error.problem.candidates ?? []);
    return "the customer shared several accounts; choose one";
  } finally {
    on.moved();
  }
  return "the numbers are on their way";
}
