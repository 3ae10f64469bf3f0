// A tenant's front end in TypeScript: types generated from the contract, calls by openapi-fetch.
// Writes what it has seen as JSON; `tests/clients/test_clients.py` compares it. It does not wait between two
// questions: its server lets the time pass.

import createClient from "openapi-fetch";
import type { components, paths } from "./onramp.d.ts";

type Problem = components["schemas"]["ProblemAnswer"];
type SignupView = components["schemas"]["SignupView"];

declare const process: { argv: string[] };
declare const console: { log(text: string): void };

const [, , baseUrl = "", tenant = "", popupCode = ""] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${tenant}` } });

// Everything a caller can be told is typed: a word that the contract does not have would not compile.
function next(signup: SignupView): "wait" | "ask" | "done" {
  switch (signup.status) {
    case "onboarding":
      return "wait";
    case "open":
    case "authorized":
    case "attention":
      return "ask";
    case "connected":
    case "expired":
      return "done";
  }
}

function candidates(problem: Problem): string[] {
  return (problem.candidates ?? []).map((one) =>
    "phone_number_id" in one ? one.phone_number_id : one.waba_id,
  );
}

function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("something is missing");
  return value;
}

const config = await client.GET("/v1/config");

// --- led by a link

const made = await client.POST("/v1/signup-links", {
  body: {
    client: { name: "Linked", email: "linked@example.com", user_name: "Lin" },
    prefill: { business: { address: { country: "DE" } } },
    language: "de",
    success_url: "https://app.example.com/done?plan=2",
  },
});
const link = present(made.data);
const linkToken = present(link.url?.split("#")[1]);
const visitor = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${linkToken}.${"v".repeat(16)}` } });
const linked = present((await visitor.GET("/v1/linked-signup")).data);
const gaveUp = await visitor.POST("/v1/linked-signup/outcome", {
  body: { outcome: "cancelled", step: "PHONE_NUMBER_VERIFICATION" },
});
const links = await client.GET("/v1/signup-links", { params: { query: { status: "open" } } });
const revoked = await client.POST("/v1/signup-links/{link_id}/revoke", { params: { path: { link_id: link.id } } });
const dead = await visitor.GET("/v1/linked-signup");
const deadCode = dead.error && "code" in dead.error && dead.error.code;

// --- authorized

const opening = {
  params: { header: { "Idempotency-Key": "once" } },
  body: {
    client: { name: "Example", email: "o'neill@example.com", user_name: "Ann" },
    plan_tier: "premium" as const,
  },
};
const opened = await client.POST("/v1/signups", opening);
const signup = present(opened.data);
const again = await client.POST("/v1/signups", opening);
const path = { signup_id: signup.id };

const exchanged = await client.POST("/v1/signups/{signup_id}/code", {
  params: { path },
  body: { code: popupCode, session_info: { event: "FINISH" } },
});
const authorized = present(exchanged.data);

// --- connected

const ambiguous = await client.POST("/v1/signups/{signup_id}/numbers", { params: { path } });
if (ambiguous.response.status !== 409 || !ambiguous.error || !("code" in ambiguous.error)) {
  throw new Error("not ambiguous");
}
const ids = candidates(ambiguous.error);
const chosen = present(ids[0]);
const submitted = await client.POST("/v1/signups/{signup_id}/numbers", {
  params: { path },
  body: { phone_number_ids: [chosen] },
});

let current = present(submitted.data);
while (next(current) === "wait") {
  current = present((await client.GET("/v1/signups/{signup_id}", { params: { path } })).data);
}

// --- looked up

const read = await client.GET("/v1/signups/{signup_id}", { params: { path } });
const unchanged = await client.GET("/v1/signups/{signup_id}", {
  params: { path, header: { "If-None-Match": read.response.headers.get("etag") ?? "" } },
});
const list = await client.GET("/v1/signups", { params: { query: { status: "connected", limit: 5 } } });
const numbers = await client.GET("/v1/numbers");
const number = present(
  (await client.GET("/v1/numbers/{phone_number_id}", { params: { path: { phone_number_id: chosen } } })).data,
);
const key = await client.GET("/v1/channels/{channel_id}/api-key", {
  params: { path: { channel_id: present(number.channel_id) } },
});

// --- refused

const invalid = await client.POST("/v1/signups", { body: { client_id: "no/id" } });
if (!invalid.error || !("errors" in invalid.error)) throw new Error("not refused");
const missing = await client.GET("/v1/numbers/{phone_number_id}", {
  params: { path: { phone_number_id: "404" } },
});
const whole = await client.POST("/v1/numbers/{phone_number_id}/retry", {
  params: { path: { phone_number_id: chosen } },
});
const nobody = await client.GET("/v1/signups", { headers: { Authorization: null } });

console.log(
  JSON.stringify({
    app: [config.data?.app_id, config.data?.flows],
    link: [link.status, linked.link.language, linked.link.success_url?.split("&")[0], linked.launch?.flow],
    gave_up: gaveUp.response.status,
    links: links.data?.links.map((one) => one.id === link.id),
    revoked: [revoked.data?.status, dead.response.status, deadCode],
    opened: [signup.status, signup.client.email, signup.plan_tier, again.data?.id === signup.id],
    location: opened.response.headers.get("location") === `/v1/signups/${signup.id}`,
    authorized: [authorized.status, authorized.waba?.proof, authorized.numbers.map((one) => one.status)],
    ambiguous: [ambiguous.error.code, ids, ambiguous.error.customer_detail !== ""],
    submitted: [submitted.response.status, submitted.data?.numbers[0]?.steps.map((step) => step.status)],
    connected: [current.status, current.numbers.map((one) => one.status), current.timeline.at(-1)?.event],
    unchanged: [unchanged.response.status, unchanged.response.headers.has("retry-after")],
    signups: [list.data?.signups.map((one) => one.id === signup.id), list.data?.cursor],
    numbers: numbers.data?.numbers.map((one) => one.phone_number_id),
    number: [number.failure, number.steps.at(-1)?.status],
    key: key.data?.api_key,
    invalid: [invalid.error.code, invalid.error.errors],
    missing: [missing.response.status, missing.error && "code" in missing.error && missing.error.code],
    whole: whole.error && "code" in whole.error && whole.error.code,
    nobody: [nobody.response.status, nobody.error],
  }),
);
