// <onramp-connect>: a button, and below it what there is to say or to choose.

import { connect } from "./onramp.js";

const TEXTS = {
  busy: "One moment …",
  offline: "There is no connection to the internet.",
  opened: "Please go on in Meta's window.",
  waba: "Which WhatsApp account?",
  number: "Which number?",
  connected: "Connected.",
  address: "Open in a new tab",
};
const STYLE = `:host{display:inline-block;font:inherit}:host([hidden]){display:none}
button{font:inherit;font-weight:600;min-height:2.75em;padding:.5em 1.25em;border:1px solid var(--onramp-accent,#0b7a4b);
border-radius:var(--onramp-radius,.5em);cursor:pointer;background:var(--onramp-accent,#0b7a4b);
color:var(--onramp-on-accent,#fff)}
button:disabled{opacity:.6;cursor:default}
button:focus-visible{outline:3px solid;outline-offset:2px;outline-color:var(--onramp-accent,#0b7a4b)}
p,div{margin:.75em 0 0}p:empty{margin:0}p[data-failed]{color:var(--onramp-error,#b3261e)}
div button{display:block;margin-top:.5em;background:none;color:inherit;text-align:start}`;
const EVENTS = ["ready", "opened", "progress", "choice", "connected", "failed", "closed"];
const ATTRIBUTES = { api: "api", link: "link", locale: "locale", "signup-id": "signupId" };
const PROPERTIES = ["token", "signup", "idempotencyKey"];

function make(name, part, text = "") {
  const node = document.createElement(name);
  node.part = part;
  node.textContent = text;
  return node;
}

/** Made when it is registered: where there is no document, such as on a server, the module can still be loaded. */
function element() {
  class OnrampConnectElement extends HTMLElement {
    static observedAttributes = Object.keys(ATTRIBUTES);

    constructor() {
      super();
      this.journey = null;
      this.texts ??= {}; // set before this was an element of its own
      this.failures ??= {};
      const root = this.attachShadow({ mode: "open", delegatesFocus: true });
      const sheet = new CSSStyleSheet(); // no inline style: a strict policy would refuse it
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.button = make("button", "button");
      this.button.append(document.createElement("slot"));
      this.button.disabled = true;
      this.button.onclick = () => this.journey.open();
      this.state = make("p", "status");
      this.state.setAttribute("role", "status");
      this.more = make("div", "choices");
      root.append(this.button, this.state, this.more);
    }

    connectedCallback() {
      for (const name of [...PROPERTIES, ...Object.values(ATTRIBUTES)]) {
        if (!Object.hasOwn(this, name)) continue;
        const value = this[name];
        delete this[name];
        this[name] = value;
      }
      this.begin();
    }

    attributeChangedCallback() {
      this.begin();
    }

    disconnectedCallback() {
      // Not when it is only moved.
      Promise.resolve().then(() => {
        if (this.isConnected) return;
        this.journey?.close();
        this.journey = null;
      });
    }

    begin() {
      const { api, link, token, signup, signupId, idempotencyKey, isConnected } = this;
      const enough = api && (link || (token && (signup || signupId)));
      if (!isConnected || this.journey || !enough) return;
      const locale = this.locale ?? undefined;
      this.journey = connect({ api, link, token, signup, signupId, idempotencyKey, locale });
      for (const name of EVENTS) this.journey.on(name, (detail) => this.tell(name, detail));
    }

    /** Show it, unless somebody else does. */
    tell(name, detail) {
      const options = { detail, bubbles: true, composed: true, cancelable: true };
      this.button.disabled = !["ready", "failed", "opened", "closed"].includes(this.journey?.status);
      if (this.dispatchEvent(new CustomEvent(name, options))) this[`on_${name}`]?.(detail);
    }

    say(text, failed = false) {
      this.state.textContent = text;
      this.state.toggleAttribute("data-failed", failed);
      this.more.replaceChildren();
    }

    text(name) {
      return this.texts[name] ?? TEXTS[name];
    }

    on_ready() {
      this.say("");
    }

    on_opened() {
      this.say(this.text("opened"));
    }

    on_progress({ step }) {
      this.say(this.text(step === "offline" ? step : "busy"));
    }

    on_connected() {
      this.say(this.text("connected"));
    }

    on_failed({ code, action, message }) {
      this.say(this.failures[code] ?? message, true);
      if (action !== "elsewhere" && action !== "new_tab") return;
      const link = Object.assign(make("a", "link", this.text("address")), { href: location.href, target: "_blank" });
      this.more.append(link);
    }

    /** Buttons, none of them chosen before. */
    on_choice({ kind, candidates, choose }) {
      this.say(this.text(kind));
      for (const one of candidates) {
        const id = one.waba_id ?? one.phone_number_id;
        const names = [one.display_phone_number, one.verified_name ?? one.name].filter(Boolean);
        const button = make("button", "choice", names.join(" · ") || id);
        button.onclick = () => choose(id);
        this.more.append(button);
      }
      this.more.firstChild.focus();
    }
  }

  for (const [attribute, name] of Object.entries(ATTRIBUTES)) {
    Object.defineProperty(OnrampConnectElement.prototype, name, {
      get() {
        return this.getAttribute(attribute);
      },
      set(value) {
        if (value == null) this.removeAttribute(attribute);
        else this.setAttribute(attribute, value);
      },
    });
  }
  for (const name of PROPERTIES) {
    Object.defineProperty(OnrampConnectElement.prototype, name, {
      get() {
        return this[`_${name}`];
      },
      set(value) {
        this[`_${name}`] = value;
        this.begin();
      },
    });
  }
  return OnrampConnectElement;
}

const NAME = "onramp-connect";
if (globalThis.customElements && !customElements.get(NAME)) customElements.define(NAME, element());
