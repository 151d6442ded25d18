// The activity log as a custom element:
//
//   <script type="module" src="https://…/live/activity-log.js"></script>
//   <activity-log api="https://…/live" partner="contoso" locale="fr"
//                 subscriptions-url="https://portal.example/customers/{customer}/subscriptions"></activity-log>
//
// and, in script, `element.getToken = async () => "…"`: it starts when it has that. Without `locale`, the browser decides.
// With the attribute `url-state`, range and filters are in the page's address.
// The event `daybook-unauthorized` says that the token is missing or no longer good; `element.reload()` tries again.

import { details } from "./details.js";
import { cardTable, cell, h, isBusy, name, setBusy } from "./elements.js";
import { Exports } from "./exports.js";
import { isTimeZone, language, ownTimeZone, texts, Words } from "./language.js";
import { Refusal, Service, Unreachable } from "./service.js";

/** The limit of the service. */
const MAX_DAYS = 366;
/** A page that a filter leaves nearly empty is followed by the next one, up to so many requests a click. */
const ENOUGH_ROWS = 50;
const MAX_REQUESTS = 8;

const sheet = new CSSStyleSheet();
let styled = /** @type {Promise<void> | null} */ (null);

/** Loads the style sheet, once for all elements of the page. */
function style() {
  styled ??= fetch(new URL("activity-log.css", import.meta.url))
    .then((response) => (response.ok ? response.text() : Promise.reject(new Error(`activity-log.css: ${response.status}`))))
    .then((css) => { sheet.replaceSync(css); })
    .catch((error) => { styled = null; throw error; });
  return styled;
}

/** The calendar day of an instant in a zone, as inputs write it. @param {Date} instant @param {string} zone */
function dayIn(instant, zone) {
  const parts = new Intl.DateTimeFormat("en", { timeZone: zone, calendar: "iso8601", year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(instant);
  const part = (/** @type {string} */ type) => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}`;
}

/** One calendar month before a day; the last day of that month where it is shorter. @param {string} day */
function monthBefore(day) {
  const [year, month, date] = day.split("-").map(Number);
  const last = new Date(Date.UTC(year, month - 1, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 2, Math.min(date, last))).toISOString().slice(0, 10);
}

/** A day as the address has it, if it is one. @param {string | null} text */
function asDay(text) {
  if (!/^\d{4}-\d\d-\d\d$/.test(text ?? "")) return null;
  const date = new Date(`${text}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== text ? null : text;
}

/** What the list shows: days, both included, in a time zone; and filters. @typedef {{from: string, to: string, time_zone: string, customer: string, q: string}} Question */

class ActivityLog extends HTMLElement {
  static observedAttributes = ["api", "partner", "locale", "subscriptions-url"];

  /** @type {(() => Promise<string | null | undefined>) | null} */ #getToken = null;
  /** Ends with what is shown: answers to it are dropped then. */
  #life = new AbortController();
  #isStarting = false;
  /** What the list shows; it outlives a change of language. @type {Question | null} */
  #question = null;
  /** Grows with every question: answers to earlier ones are dropped. */
  #round = 0;
  #shown = 0;
  /** @type {string | null} */ #cursor = null;
  /** @type {Words} */ #words = new Words("en", {});
  /** @type {Service | null} */ #service = null;
  /** Names of actions. @type {Promise<Map<string, string>>} */ #labels = Promise.resolve(new Map());
  /** @type {Record<string, any>} */ #parts = {};

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
  }

  /** Gives a token, or null where there is none; asked before every request. */
  get getToken() { return this.#getToken; }
  set getToken(callback) {
    this.#getToken = callback;
    this.reload();
  }

  connectedCallback() {
    // A page may have set it before this script came, on the element itself.
    if (Object.hasOwn(this, "getToken")) {
      const callback = this.getToken;
      delete (/** @type {any} */ (this).getToken);
      this.getToken = callback;
    }
    this.reload();
  }

  disconnectedCallback() { this.#life.abort(); }

  /** @param {string} _name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(_name, before, after) {
    if (before !== after) this.reload();
  }

  /** Starts anew, as soon as everything needed is there; changes that come together start it once. */
  reload() {
    if (this.#isStarting) return;
    this.#isStarting = true;
    queueMicrotask(() => {
      this.#isStarting = false;
      this.#life.abort();
      if (!this.isConnected || !this.#getToken || !this.hasAttribute("api") || !this.getAttribute("partner")) return;
      this.#life = new AbortController();
      this.#start(this.#life.signal);
    });
  }

  /** @param {AbortSignal} signal */
  async #start(signal) {
    const locale = language(this.getAttribute("locale"));
    try {
      const [loaded] = await Promise.all([texts(locale), style()]);
      if (signal.aborted) return;
      this.#words = new Words(locale, loaded);
    } catch (error) {
      console.error(error);
      if (signal.aborted) return;
      // Without the texts there is no other language to say it in.
      this.#root.replaceChildren(h("p", { role: "alert" }, "The activity log could not be loaded. ",
        h("button", { type: "button", onclick: () => this.reload() }, "Try again")));
      return;
    }
    this.lang = locale;
    this.#question ??= this.#questionOfAddress();
    this.#service = new Service({
      root: new URL(this.getAttribute("api") || ".", document.baseURI).href,
      partner: this.getAttribute("partner") ?? "", locale, signal,
      token: () => this.#getToken?.() ?? Promise.resolve(null),
      unauthorized: () => this.dispatchEvent(new CustomEvent("daybook-unauthorized", { bubbles: true, composed: true })),
    });
    // Without names, actions are shown by their own texts.
    this.#labels = this.#service.actions().then((known) => new Map(known.map(({ action, label }) => [action, label])), () => new Map());
    this.#build();
    if (this.hasAttribute("url-state")) {
      addEventListener("popstate", () => {
        this.#question = this.#questionOfAddress();
        this.#build();
        this.#load(true);
        this.#parts.exports.list();
      }, { signal });
    }
    this.#load(true);
    this.#parts.exports.list();
  }

  get #root() { return /** @type {ShadowRoot} */ (this.shadowRoot); }
  get #asked() { return /** @type {Question} */ (this.#question); }
  get #zone() { return this.#asked.time_zone; }

  /** @param {string} key @param {Record<string, string | number>} [values] */
  #say(key, values) { return this.#words.say(key, values); }

  // The question

  /** @returns {Question} */
  #questionOfAddress() {
    const given = this.hasAttribute("url-state") ? new URLSearchParams(location.search) : new URLSearchParams();
    const zone = given.get("tz");
    const time_zone = isTimeZone(zone) ? zone : ownTimeZone();
    const today = dayIn(new Date(), time_zone);
    const to = asDay(given.get("to")) ?? today;
    return {
      from: asDay(given.get("from")) ?? monthBefore(to),
      to,
      time_zone,
      customer: given.get("customer") ?? "",
      q: given.get("q") ?? "",
    };
  }

  /** Puts the question into the address, so that a link, a reload and the way back show the same. */
  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const { from, to, time_zone: tz, customer, q } = this.#asked;
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries({ from, to, tz, customer, q })) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const address = `${location.pathname}?${query}${location.hash}`;
    if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
  }

  /** The question as the service takes it. */
  #parameters() { return Object.fromEntries(Object.entries(this.#asked).filter(([, value]) => value)); }

  // The page

  #build() {
    const say = (/** @type {string} */ key) => this.#say(key);
    const own = ownTimeZone();
    const input = (/** @type {string} */ key, /** @type {keyof Question} */ name, /** @type {Record<string, any>} */ properties) =>
      h("label", { class: key }, say(key), h("input", { ...properties, name, value: this.#asked[name] }));
    const zones = [...new Set([own, "UTC", this.#zone])];
    const zone = h("select", { name: "time_zone" }, ...zones.map((each) =>
      h("option", { value: each, selected: each === this.#zone }, each === own ? this.#say("mine", { zone: each }) : each)));
    const form = h("form", { novalidate: true, "aria-label": say("filters"), onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      input("from", "from", { type: "date", required: true, "aria-describedby": "range-fault" }),
      input("to", "to", { type: "date", required: true, "aria-describedby": "range-fault" }),
      h("label", {}, say("timeZone"), zone),
      input("customerId", "customer", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 128 }),
      input("search", "q", { type: "search", maxlength: 256, "aria-describedby": "search-hint" }),
      h("button", { class: "primary" }, say("show")),
      h("p", { id: "range-fault", class: "fault", role: "alert" }),
      h("p", { id: "search-hint", class: "quiet" }, say("searchHint")));
    const caption = h("caption");
    const { table, body } = cardTable("log", ["details", "dateTime", "customer", "action", "user"].map(say), caption);
    const exports = new Exports({
      service: /** @type {Service} */ (this.#service), words: this.#words, zone: () => this.#zone, question: () => this.#parameters(),
      alert: (place, error, again) => this.#alert(place, error, again),
    });
    this.#parts = {
      form, table, caption, exports,
      rows: body,
      fault: form.querySelector("#range-fault"),
      status: h("p", { role: "status" }),
      trouble: h("div", { role: "alert" }),
      more: h("button", { type: "button", hidden: true, onclick: () => this.#load(false) }, say("more")),
    };
    const { status, trouble, more } = this.#parts;
    this.#root.replaceChildren(h("h1", {}, say("title")), form, exports.bar, table, status, trouble, h("div", { class: "bar" }, more), exports.section);
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { form, fault } = this.#parts;
    const value = (/** @type {string} */ name) => form.elements.namedItem(name).value.trim();
    const [from, to] = [asDay(value("from")), asDay(value("to"))];
    const days = from && to ? (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1 : 0;
    const wrong = !from ? ["from", "dayMissing"] : !to ? ["to", "dayMissing"] : days < 1 ? ["to", "rangeReversed"] : days > MAX_DAYS ? ["from", "rangeTooLong"] : null;
    for (const name of ["from", "to"]) form.elements.namedItem(name).setAttribute("aria-invalid", String(wrong?.[0] === name));
    fault.textContent = wrong ? this.#say(wrong[1], { days: MAX_DAYS }) : "";
    if (!from || !to || wrong) {
      form.elements.namedItem(wrong?.[0]).focus();
      return;
    }
    this.#question = { from, to, time_zone: value("time_zone"), customer: value("customer"), q: value("q") };
    this.#writeAddress();
    this.#load(true);
  }

  /** Says what went wrong and what to do next. @param {HTMLElement} place @param {unknown} error @param {() => void} again */
  #alert(place, error, again) {
    const known = error instanceof Refusal || error instanceof Unreachable;
    if (!known) console.error(error);
    const status = error instanceof Refusal ? error.status : 0;
    const key = error instanceof Unreachable ? "offline"
      : this.#words.has(`error${status}`) ? `error${status}`
      : status >= 500 || !known ? "errorOurs" : "errorOther";
    const paragraph = h("p", {}, this.#say(key));
    if (key === "errorOther" && error instanceof Error && error.message) paragraph.append(" ", h("span", { lang: "en" }, error.message));
    const trace = error instanceof Refusal && status !== 401 && error.trace;
    place.replaceChildren(h("div", { class: "alert" }, paragraph,
      trace ? h("p", { class: "quiet" }, this.#say("reference", { trace })) : null,
      status === 403 ? null : h("button", { type: "button", onclick: () => { place.replaceChildren(); again(); } }, this.#say("retry"))));
  }

  // The list

  /** Shows the first page of the question, or the next one. @param {boolean} anew */
  async #load(anew) {
    const service = /** @type {Service} */ (this.#service);
    const { rows, status, trouble, more, caption, table } = this.#parts;
    if (!anew && isBusy(more)) return;
    const round = anew ? ++this.#round : this.#round;
    const isCurrent = () => round === this.#round && !service.signal.aborted;
    if (anew) {
      this.#cursor = null;
      this.#shown = 0;
      rows.replaceChildren();
      more.hidden = true;
      caption.textContent = this.#say("caption", { from: this.#words.day(this.#asked.from), to: this.#words.day(this.#asked.to), zone: this.#zone });
    }
    trouble.replaceChildren();
    setBusy(more, true);
    table.setAttribute("aria-busy", "true");
    status.textContent = this.#say("loading");
    let added = 0;
    try {
      const parameters = new URLSearchParams(this.#parameters());
      /** @type {HTMLElement | null} */ let first = null;
      for (let requests = 0; requests < MAX_REQUESTS && added < ENOUGH_ROWS && (requests === 0 || this.#cursor); requests += 1) {
        if (this.#cursor) parameters.set("cursor", this.#cursor);
        const [page, labels] = await Promise.all([service.activities(parameters), this.#labels]);
        if (!isCurrent()) return;
        const fresh = page.activities.map((/** @type {any} */ activity) => this.#row(activity, labels));
        rows.append(...fresh);
        first ??= fresh[0] ?? null;
        added += fresh.length;
        this.#shown += fresh.length;
        this.#cursor = page.next_cursor;
        status.textContent = this.#say("stillLoading", { count: this.#words.number(this.#shown) });
      }
      status.textContent = this.#summary();
      // At the end the button goes away: the focus goes to what it brought.
      const held = this.#root.activeElement === more;
      more.hidden = !this.#cursor;
      if (held && more.hidden) first?.querySelector("button")?.focus();
    } catch (error) {
      if (!isCurrent()) return;
      status.textContent = this.#shown > 0 ? this.#words.count("shown", this.#shown) : "";
      more.hidden = true;
      this.#alert(trouble, error, () => this.#load(anew && added === 0));
    } finally {
      if (isCurrent()) {
        setBusy(more, false);
        table.removeAttribute("aria-busy");
      }
    }
  }

  #summary() {
    if (this.#shown === 0) return this.#say(this.#cursor ? "noneYet" : "none");
    const count = this.#words.count("shown", this.#shown);
    return this.#cursor ? `${count} ${this.#say("andMore")}` : `${count} ${this.#say("andThatIsAll")}`;
  }

  /** @param {any} activity @param {Map<string, string>} labels */
  #row(activity, labels) {
    const say = (/** @type {string} */ key) => this.#say(key);
    const label = labels.get(activity.action) ?? activity.action;
    const time = this.#words.time(activity.occurred_at, this.#zone);
    const toggle = h("button", {
      type: "button", class: "toggle", "aria-expanded": "false", "aria-label": this.#say("showDetails", { action: label, time }),
      onclick: () => this.#toggle(row, toggle, activity),
    });
    const known = this.#words.has(`status_${activity.status}`) ? say(`status_${activity.status}`) : activity.status;
    const state = activity.status === "succeeded" ? null : h("span", { class: `state ${activity.status}` }, known);
    const row = h("tr", { role: "row", class: "row" },
      h("td", { role: "cell" }, toggle),
      cell(say("dateTime"), h("time", { datetime: activity.occurred_at }, time)),
      cell(say("customer"), ...this.#customer(activity.customer)),
      cell(say("action"), label, state && " ", state),
      cell(say("user"), name(activity.actor.name || activity.actor.id)));
    return row;
  }

  /** @param {any} customer */
  #customer(customer) {
    if (!customer) return [h("span", { class: "quiet" }, this.#say("noCustomer"))];
    const shown = customer.name || customer.id;
    const link = this.#subscriptions(customer.id);
    return [name(shown), link && " ", link && h("a", {
      // The page holds the session: it stays open.
      href: link, target: "_blank", rel: "noopener noreferrer", class: "quiet", "aria-label": this.#say("subscriptionsOf", { customer: shown }),
    }, this.#say("subscriptions"))];
  }

  /** Where a customer's subscriptions are, if the portal says so. @param {string} customer */
  #subscriptions(customer) {
    const pattern = this.getAttribute("subscriptions-url") ?? "";
    // As a step of a path, dots would lead elsewhere.
    if (!/^https?:\/\//i.test(pattern) || /^\.{1,2}$/.test(customer)) return null;
    return pattern.replaceAll("{customer}", () => encodeURIComponent(customer));
  }

  /** @param {HTMLElement} row @param {HTMLElement} toggle @param {any} activity */
  #toggle(row, toggle, activity) {
    const isOpen = toggle.getAttribute("aria-expanded") === "true";
    toggle.setAttribute("aria-expanded", String(!isOpen));
    const next = /** @type {HTMLElement | null} */ (row.nextElementSibling);
    if (next?.classList.contains("opened")) {
      next.hidden = isOpen;
      return;
    }
    const place = h("td", { role: "cell", colspan: "5" });
    row.after(h("tr", { role: "row", class: "opened" }, place));
    this.#open(place, activity);
  }

  /** @param {HTMLElement} place @param {any} activity */
  async #open(place, activity) {
    const service = /** @type {Service} */ (this.#service);
    place.replaceChildren(h("p", { role: "status" }, this.#say("loading")));
    try {
      const whole = activity.has_details ? await service.activity(activity.url) : activity;
      place.replaceChildren(...details(this.#words, whole, this.#zone));
    } catch (error) {
      if (service.signal.aborted) return;
      this.#alert(place, error, () => this.#open(place, activity));
    }
  }
}

customElements.define("activity-log", ActivityLog);
