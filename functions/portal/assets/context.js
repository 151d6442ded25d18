// What the parts of the component share: texts, the service, the query and its names, links into the portal, and how errors are
// shown. A new context replaces the old one when the language or an attribute changes.

import { h } from "./elements.js";
import { ApiError, NetworkError } from "./service.js";

/** @typedef {import("./language.js").Words} Words */
/** @typedef {import("./query.js").Query} Query */
/** @typedef {import("./service.js").Service} Service */
// Described here, because scripts that name each other would not be named by their content.
/** @typedef {{open: (kind: "target" | "customer" | "actor", id: string, name?: string | null, type?: string | null) => void, close: () => void}} History */
/** @typedef {{isInAddress: boolean, address: (activity: Activity) => string, close: () => void}} Permalink */
/** An activity as the list answers it. @typedef {Record<string, any>} Activity */
/** An action of the catalogue, with its name and that of its kind. @typedef {{action: string, label: string, category: string, category_label: string}} KnownAction */

/** Names of ids that answers have shown. Ids differ in case only by accident, so case does not count. */
export class Names {
  /** @type {Map<string, string>} */ #known = new Map();

  /** @param {string} kind a filter's name, such as `customer` @param {string} id */
  get(kind, id) { return this.#known.get(`${kind} ${id.toLowerCase()}`); }

  /** @param {string} kind @param {string} id @param {string | null | undefined} name */
  set(kind, id, name) { if (name) this.#known.set(`${kind} ${id.toLowerCase()}`, name); }

  clear() { this.#known.clear(); }

  /** Keeps the names of an activity's customer, user and target. @param {Activity} activity */
  keep({ customer, actor, target }) {
    if (customer) this.set("customer", customer.id, customer.name);
    if (actor) this.set("actor", actor.id, actor.name);
    if (target?.id) this.set("target", target.id, target.name);
  }
}

export class Context {
  #host;
  #query;
  #subscriptionsUrl;
  #retryWhenOnline = /** @type {(() => void) | null} */ (null);

  /**
   * @param {{
   *   words: Words, service: Service, names: Names, fixed: ReadonlyMap<string, readonly string[]>, partner: string, partnerZone: string | null,
   *   subscriptionsUrl: string, query: () => Query, change: (query: Query) => void, rights?: ReturnType<Service["rights"]>,
   * }} host `query` returns what the list shows; `change` shows another query
   */
  constructor(host) {
    this.#host = host;
    this.words = host.words;
    this.service = host.service;
    this.names = host.names;
    /** Filters that the portal sets by attributes. Every query has them, and no part offers them. One without values does not apply to the list. */
    this.fixed = host.fixed;
    /** The address of the API and the partner, a key for what the browser remembers. */
    this.partner = host.partner;
    /** The time zone that the partner works in, if the portal sets it. */
    this.partnerZone = host.partnerZone;
    this.change = host.change;
    /** What the token allows, for what the page offers; it resolves soon. @type {ReturnType<Service["rights"]>} */
    this.rights = host.rights ?? this.service.rights().catch(() => ({ isRestricted: false, mayManage: false, mayOversee: false }));
    /** The dialog with the history of an object. @type {History | null} */
    this.history = null;
    /** Links to single activities. @type {Permalink | null} */
    this.permalink = null;
    /** The catalogue of actions. @type {Map<string, {label: string, category: string}>} */
    this.actions = new Map();
    this.#query = host.query;
    this.#subscriptionsUrl = host.subscriptionsUrl;
  }

  /** Returns a context with some parts replaced, for a list of its own. It has no histories and no links. @param {Partial<ConstructorParameters<typeof Context>[0]>} parts */
  with(parts) {
    return new Context({ ...this.#host, rights: this.rights, ...parts });
  }

  get query() { return this.#query(); }
  /** The time zone in which dates are read and shown. */
  get zone() { return this.query.timeZone; }

  /** Takes the catalogue of actions. @param {KnownAction[]} known */
  setActions(known) {
    for (const { action, label, category, category_label: kind } of known) {
      this.actions.set(action, { label, category });
      this.names.set("action", action, label);
      this.names.set("action", `${category}.*`, kind);
    }
  }

  /** An action in words; an unknown one is shown by its id. @param {string} action */
  label(action) { return this.actions.get(action)?.label ?? action; }

  /** @param {string} status */
  status(status) { return this.words.has(`status_${status}`) ? this.words.say(`status_${status}`) : status; }

  /** The address of a customer's subscriptions, or of one of them; null if the portal sets none. @param {string} customer @param {string} [subscription] */
  subscriptions(customer, subscription) {
    const pattern = this.#subscriptionsUrl;
    // No link for an id of dots, because dots in a path lead to another page.
    if (!/^https?:\/\//i.test(pattern) || [customer, subscription].some((each) => each !== undefined && /^\.{0,2}$/.test(each))) return null;
    const one = encodeURIComponent(subscription ?? "");
    const link = pattern.replaceAll("{customer}", () => encodeURIComponent(customer)).replaceAll("{subscription}", () => one);
    return one && !pattern.includes("{subscription}") ? `${link}#${one}` : link;
  }

  /** Shows an error and what to do next. @param {HTMLElement} place @param {unknown} error @param {() => void} again */
  showError = (place, error, again) => {
    const known = error instanceof ApiError || error instanceof NetworkError;
    if (!known) console.error(error);
    const status = error instanceof ApiError ? error.status : 0;
    const key = error instanceof NetworkError ? "offline"
      : this.words.has(`error${status}`) ? `error${status}`
      : status >= 500 || !known ? "errorOurs" : "errorOther";
    const paragraph = h("p", {}, this.words.say(key));
    if (key === "errorOther" && error instanceof Error && error.message) paragraph.append(" ", h("span", { lang: "en" }, error.message));
    const trace = error instanceof ApiError && status !== 401 && error.trace;
    this.showMessage(place, [paragraph, ...(trace ? [h("p", { class: "quiet" }, this.words.say("reference", { trace }))] : [])], status === 403 ? null : again);
    this.#retryWhenOnline = error instanceof NetworkError ? () => place.querySelector("button")?.click() : null;
  };

  /** @param {HTMLElement} place @param {Node[]} message @param {(() => void) | null} again what the button does; without it there is no button */
  showMessage(place, message, again) {
    const retry = () => { this.#retryWhenOnline = null; place.replaceChildren(); again?.(); };
    place.replaceChildren(h("div", { class: "alert" }, ...message, again && h("button", { type: "button", onclick: retry }, this.words.say("retry"))));
  }

  /** Tries again what failed without a connection. */
  retry() { this.#retryWhenOnline?.(); }
}
