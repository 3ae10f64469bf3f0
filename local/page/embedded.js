/** The browser module within the console: what it tells, the button that opens Meta's window, its choices. */

import { $ } from "./dom.js";
import { act, drawChoices, forgive, isChosen } from "./forms.js";

const ADDRESS = "/module/onramp.js";
const SAID = {
  opened: "Meta's window is open. Play the customer in it.",
  progress: "The code is taken. The numbers are on their way.",
  connected: "Connected.",
  closed: "The customer closed the window.",
};
const ASKS = {
  waba: ["Which account shall be used?", "radio", "Choose an account first."],
  number: ["Which numbers shall be connected?", "checkbox", "Choose at least one number first."],
};

/** The module for a signup, or nothing when there is none. */
export class Embedded {
  /** `page` has `run` and `token`; `moved` is called whenever something has happened. */
  constructor(page, moved) {
    this.page = page;
    this.moved = moved;
    this.session = null;
    $("embedded-open").addEventListener("click", () => this.session?.open());
    $("embedded-close").addEventListener("click", () => this.leave());
    $("embedded-choice").addEventListener("submit", (event) => this.#chosen(event));
  }

  /** Prepares the module for a signup that is open. Throws an Error when the module cannot be loaded. */
  async begin(signup) {
    this.leave();
    const { connect } = await import(ADDRESS).catch(() => ({}));
    if (!connect) throw new Error("The browser module is not built: run make web, then reload this page.");
    const { api_url: api } = this.page.run;
    const session = connect({ api, token: () => this.page.token, signupId: signup.id });
    this.session = session;
    $("embedded").hidden = false;
    $("embedded-title").textContent = `On this page: ${signup.client?.name ?? signup.id}`;
    this.#say("Facebook's SDK is being loaded.");
    this.#offer(false, "");
    // What a session says that was left has no place in the next one.
    const on = (event, told) => session.on(event, (detail) => this.session === session && told(detail ?? {}));
    on("ready", () => this.#ready());
    for (const [event, text] of Object.entries(SAID)) {
      on(event, () => {
        this.#offer(event === "opened", "Show Meta's window");
        this.#happened(text);
      });
    }
    on("choice", (choice) => this.#ask(choice));
    on("failed", ({ message, code, retryable }) => {
      this.#happened(`${message ?? ""} (${code})`.trim());
      this.#offer(retryable, "Try again");
    });
    if (session.status === "ready") this.#ready();
  }

  /** Lets go of it. */
  leave() {
    this.session?.close();
    this.session = null;
    $("embedded").hidden = true;
    $("embedded-choice").hidden = true;
  }

  #say(text) {
    $("embedded-said").textContent = text;
  }

  #ready() {
    this.#say("Ready. The click opens Meta's window.");
    this.#offer(true, "Continue with Meta");
    $("embedded-open").focus();
  }

  /** `open` is the way on, whatever came before. */
  #offer(isOffered, text) {
    $("embedded-open").hidden = !isOffered;
    $("embedded-open").textContent = text;
  }

  #happened(text) {
    this.#say(text);
    this.moved();
  }

  #ask({ kind, candidates, choose }) {
    const form = $("embedded-choice");
    const [legend, type, empty] = ASKS[kind] ?? ASKS.number;
    form.querySelector("legend").textContent = legend;
    drawChoices(form.querySelector("fieldset"), type, "chosen", candidates.map((item) => ({
      value: item.waba_id ?? item.phone_number_id ?? item.id,
      text: item.name ?? item.display_phone_number ?? item.waba_id ?? item.phone_number_id,
      about: item.verified_name ?? item.waba_id ?? "",
    })));
    this.asked = { type, empty, choose };
    form.hidden = false;
    form.querySelector("input").focus();
  }

  #chosen(event) {
    event.preventDefault();
    const form = event.currentTarget;
    if (!isChosen(form, "chosen", this.asked.empty)) return;
    const values = new FormData(form).getAll("chosen");
    const { type, choose } = this.asked;
    act(form.querySelector("button"), "Choice", async () => {
      await choose(type === "radio" ? values[0] : values);
      forgive(form);
      form.hidden = true;
      $("embedded-title").focus();
    });
  }
}
