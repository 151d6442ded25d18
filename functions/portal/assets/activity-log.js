// The activity log as a custom element:
//
//   <script type="module" src="https://…/live/activity-log.js"></script>
//   <activity-log api="https://…/live" partner="contoso" locale="fr" time-zone="Europe/Paris"
//                 subscriptions-url="https://portal.example/customers/{customer}/subscriptions"></activity-log>
//
// and, in script, `element.getToken = async () => "…"`: it starts when it has that. Without `locale`, the browser decides;
// `time-zone` is the one that the partner works in. In `subscriptions-url`, `{subscription}` stands for one of them; where it
// does not, a link to one ends in its id as a fragment. With the attribute `url-state`, what is shown is in the page's address.
// The event `daybook-unauthorized` says that the token is missing or no longer good; `element.reload()` tries again.

import { asDay, dayIn, daysFrom, PERIODS } from "./calendar.js";
import { details } from "./details.js";
import { cardTable, cell, h, isBusy, name, setBusy } from "./elements.js";
import { Exports } from "./exports.js";
import { isTimeZone, language, ownTimeZone, texts, Words } from "./language.js";
import { Rows } from "./rows.js";
import { Refusal, Service, Unreachable } from "./service.js";

/** The limit of the service. */
const MAX_DAYS = 366;
/** A page that a filter leaves nearly empty is followed by the next one, up to so many requests at a time. */
const ENOUGH_ROWS = 50;
const MAX_REQUESTS = 8;
/** After so long, the page says that it takes long. */
const SLOW_MS = 4_000;
/** So many customers and users of the list are offered as filters. */
const MAX_OFFERED = 500;
const STATUSES = ["succeeded", "failed", "declined", "in_progress"];

const sheet = new CSSStyleSheet();
let styled = /** @type {Promise<void> | null} */ (null);

/** Loads the style sheet, once for all elements of the page. */
function style() {
  styled ??= fetch(new URL("./activity-log.css", import.meta.url))
    .then((response) => (response.ok ? response.text() : Promise.reject(new Error(`activity-log.css: ${response.status}`))))
    .then((css) => { sheet.replaceSync(css); })
    .catch((error) => { styled = null; throw error; });
  return styled;
}

/** What the list shows: days, both included, in a time zone; filters, empty where there is none; and its order.
 * @typedef {{from: string, to: string, time_zone: string, customer: string, actor: string, action: string, status: string, q: string, order: string}} Question */
/** The filters, by their names in the API. */
const FILTERS = /** @type {const} */ (["q", "customer", "actor", "action", "status"]);

class ActivityLog extends HTMLElement {
  static observedAttributes = ["api", "partner", "locale", "time-zone", "subscriptions-url"];

  /** @type {(() => Promise<string | null | undefined>) | null} */ #getToken = null;
  /** Ends with what is shown: answers to it are dropped then. */
  #life = new AbortController();
  #isStarting = false;
  /** What the list shows; it outlives a change of language. @type {Question | null} */
  #question = null;
  /** Which of the views is shown. */
  #view = "log";
  /** Grows with every question: answers to earlier ones are dropped. */
  #round = 0;
  /** @type {string | null} */ #cursor = null;
  #completeThrough = "";
  /** Whether scrolling on loads more; after a search that found little, a click does. */
  #isEndless = false;
  /** Activities that are open, with what is shown of them. @type {Map<string, HTMLElement>} */ #open = new Map();
  /** @type {Map<string, string>} */ #labels = new Map();
  /** @type {Words} */ #words = new Words("en", new Map());
  /** @type {Service | null} */ #service = null;
  /** Names by ids of the customers and the users that the list has shown, for the filters. */
  #seen = { customer: /** @type {Map<string, string>} */ (new Map()), actor: /** @type {Map<string, string>} */ (new Map()) };
  /** Parts of the page that change. @type {Record<string, any>} */ #parts = {};

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
    if (!this.#question) this.#readAddress();
    // Another partner's are none of this one's.
    for (const seen of Object.values(this.#seen)) seen.clear();
    this.#service = new Service({
      root: new URL(this.getAttribute("api") || ".", document.baseURI).href,
      partner: this.getAttribute("partner") ?? "", locale, signal,
      token: () => this.#getToken?.() ?? Promise.resolve(null),
      unauthorized: () => this.dispatchEvent(new CustomEvent("daybook-unauthorized", { bubbles: true, composed: true })),
    });
    this.#build();
    if (this.hasAttribute("url-state")) {
      addEventListener("popstate", () => {
        this.#readAddress();
        this.#build();
        this.#load(true);
      }, { signal });
    }
    addEventListener("beforeprint", () => this.#parts.rows.fillAll(), { signal });
    addEventListener("online", () => this.#parts.again?.(), { signal });
    // Without names, actions are shown by their own texts.
    const named = this.#service.actions().then((known) => { this.#labels = new Map(known.map(({ action, label }) => [action, label])); this.#offerActions(known); }, () => {});
    await this.#load(true, named);
    if (!signal.aborted) this.#parts.exports.list();
  }

  get #root() { return /** @type {ShadowRoot} */ (this.shadowRoot); }
  get #asked() { return /** @type {Question} */ (this.#question); }
  get #zone() { return this.#asked.time_zone; }
  /** The zone that the partner works in, if the host says it. */
  get #partnerZone() {
    const zone = this.getAttribute("time-zone");
    return isTimeZone(zone) ? zone : null;
  }

  /** @param {string} key @param {Record<string, string | number>} [values] */
  #say(key, values) { return this.#words.say(key, values); }

  // The question

  #readAddress() {
    const given = this.hasAttribute("url-state") ? new URLSearchParams(location.search) : new URLSearchParams();
    const zone = given.get("tz");
    const time_zone = isTimeZone(zone) ? zone : this.#partnerZone ?? ownTimeZone();
    const [from, to] = PERIODS.recent(asDay(given.get("to")) ?? dayIn(new Date(), time_zone));
    this.#view = given.get("view") === "exports" ? "exports" : "log";
    this.#question = {
      from: asDay(given.get("from")) ?? from, to, time_zone,
      customer: given.get("customer") ?? "", actor: given.get("user") ?? "", action: given.get("action") ?? "", status: given.get("status") ?? "",
      q: given.get("q") ?? "", order: given.get("order") === "asc" ? "asc" : "desc",
    };
  }

  /** Puts the question into the address, so that a link, a reload and the way back show the same. */
  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const { from, to, time_zone: tz, customer, actor: user, action, status, q, order } = this.#asked;
    const query = new URLSearchParams(location.search);
    const state = { from, to, tz, customer, user, action, status, q, order: order === "asc" ? order : "", view: this.#view === "log" ? "" : this.#view };
    for (const [key, value] of Object.entries(state)) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const address = `${location.pathname}?${query}${location.hash}`;
    if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
  }

  /** The question as the service takes it. */
  #parameters() { return Object.fromEntries(Object.entries(this.#asked).filter(([, value]) => value)); }

  /** Filters in words, for who exports. */
  #filterWords() {
    const { q, customer, actor, action, status } = this.#asked;
    const named = (/** @type {"customer" | "actor"} */ key, /** @type {string} */ id) => this.#seen[key].get(id) || id;
    return [q && this.#say("quoted", { text: q }), named("customer", customer), named("actor", actor), action && this.#label(action), status && this.#status(status)].filter(Boolean).join(", ");
  }

  /** @param {string} action */
  #label(action) { return this.#labels.get(action) ?? action; }
  /** @param {string} status */
  #status(status) { return this.#words.has(`status_${status}`) ? this.#say(`status_${status}`) : status; }

  /** @param {Partial<Question>} change */
  #ask(change) {
    this.#question = { ...this.#asked, ...change };
    this.#writeAddress();
    this.#fillForm();
    this.#load(true);
  }

  // The page

  #build() {
    const say = (/** @type {string} */ key) => this.#say(key);
    const field = (/** @type {string} */ key, /** @type {Node} */ input, /** @type {string} */ kind = "") => h("label", { class: `field ${kind}` }, h("span", {}, say(key)), input);
    const input = (/** @type {string} */ key, /** @type {keyof Question} */ name, /** @type {Record<string, any>} */ properties, /** @type {string} */ kind = "") =>
      field(key, h("input", { ...properties, name }), kind);
    const choice = (/** @type {string} */ name, /** @type {Node[]} */ options, /** @type {any} */ properties = {}) => h("select", { ...properties, name }, ...options);
    const option = (/** @type {string} */ value, /** @type {string} */ text) => h("option", { value }, text);
    const picker = (/** @type {"customer" | "actor"} */ name) => ({
      type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 256, list: `seen-${name}`, placeholder: say("pickHint"),
    });
    const day = { type: "date", required: true, "aria-describedby": "range-fault" };
    const quick = h("div", { class: "quick", role: "group", "aria-label": say("quickPeriods") }, ...Object.keys(PERIODS).map((key) =>
      h("button", { type: "button", "data-period": key, onclick: () => this.#quick(key) }, say(`quick_${key}`))));
    const form = h("form", { novalidate: true, role: "search", "aria-label": say("filters"), onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      quick,
      input("from", "from", day), input("to", "to", day),
      field("timeZone", choice("time_zone", this.#zones(), { onchange: (/** @type {any} */ event) => this.#ask({ time_zone: event.target.value }) }), "zone"),
      input("search", "q", { type: "search", maxlength: 256, placeholder: say("searchHint") }, "wide"),
      // Where there is little room, these wait for a click.
      h("button", { type: "button", class: "plain filters", "aria-expanded": "false", onclick: () => this.#showFilters(!form.classList.contains("all")) }, say("moreFilters")),
      input("customerFilter", "customer", picker("customer"), "extra"), input("userFilter", "actor", picker("actor"), "extra"),
      h("datalist", { id: "seen-customer" }), h("datalist", { id: "seen-actor" }),
      field("action", choice("action", [option("", say("anyAction"))]), "wide extra"),
      field("status", choice("status", [option("", say("anyStatus")), ...STATUSES.map((each) => option(each, this.#status(each)))]), "extra"),
      field("order", choice("order", ["desc", "asc"].map((each) => option(each, say(`order_${each}`))), { onchange: (/** @type {any} */ event) => this.#ask({ order: event.target.value }) }), "extra"),
      h("div", { class: "buttons" }, h("button", { class: "primary" }, say("show")),
        h("button", { type: "button", class: "plain clear", onclick: () => this.#clear() }, say("clearFilters"))),
      h("p", { id: "range-fault", class: "fault", role: "alert" }));
    const caption = h("caption");
    const { table } = cardTable("log", ["dateTime", "customer", "action", "user", "status"].map(say), caption);
    table.querySelector("tbody")?.remove();
    const exports = new Exports({
      service: /** @type {Service} */ (this.#service), words: this.#words, zone: () => this.#zone,
      question: () => { const { order, ...asked } = this.#parameters(); return asked; },
      filters: () => this.#filterWords(), partner: `${this.getAttribute("api")} ${this.getAttribute("partner")}`, partnerZone: this.#partnerZone ?? ownTimeZone(),
      alert: (place, error, again) => this.#alert(place, error, again),
    });
    const view = (/** @type {string} */ key) => h("button", { type: "button", "data-view": key, onclick: () => { this.#view = key; this.#writeAddress(); this.#showView(); } }, say(`view_${key}`));
    this.#parts = {
      form, table, caption, exports,
      rows: new Rows(table, (/** @type {any} */ activity, number) => this.#rows(activity, number)),
      fault: form.querySelector("#range-fault"),
      status: h("p", { class: "count", role: "status" }),
      slow: h("p", { class: "slow", role: "status" }),
      trouble: h("div", { role: "alert" }),
      more: h("button", { type: "button", hidden: true, onclick: () => this.#load(false) }, say("more")),
      skeleton: h("div", { class: "skeleton", "aria-hidden": "true", hidden: true }, ...Array.from({ length: 8 }, () => h("div"))),
      views: h("nav", { class: "views", "aria-label": say("views") }, view("log"), view("exports")),
    };
    const { status, slow, trouble, more, skeleton, views } = this.#parts;
    const foot = h("div", { class: "foot" }, slow, trouble, h("div", { class: "bar" }, more));
    this.#parts.log = h("div", { class: "view" }, form, status, table, skeleton, foot);
    const sentinel = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && this.#isEndless) this.#load(false);
    }, { rootMargin: "1200px 0px" });
    sentinel.observe(foot);
    this.#service?.signal.addEventListener("abort", () => { sentinel.disconnect(); this.#parts.rows.clear(); });
    this.#parts.sentinel = () => { sentinel.unobserve(foot); sentinel.observe(foot); };
    this.#root.replaceChildren(h("header", { class: "top" }, h("h1", {}, say("title")), views, exports.button), exports.bar, this.#parts.log, exports.section, exports.dialog);
    this.#offerActions([]);
    this.#offerSeen([]);
    this.#fillForm();
    this.#showView();
  }

  #showView() {
    const { views, log, exports } = this.#parts;
    for (const each of views.children) each.setAttribute("aria-current", each.dataset.view === this.#view ? "page" : "false");
    log.hidden = this.#view !== "log";
    exports.section.hidden = this.#view !== "exports";
    if (this.#view === "exports") exports.showSchedule();
    else exports.leave();
  }

  /** The zones to choose from: the partner's, the browser's, UTC, and one that the address may have brought. */
  #zones() {
    const zones = new Map([["UTC", "UTC"], [this.#zone, this.#zone]]);
    const own = ownTimeZone();
    zones.set(own, this.#say("zone_mine", { zone: own }));
    if (this.#partnerZone) zones.set(this.#partnerZone, this.#say("zone_partner", { zone: this.#partnerZone }));
    return [...zones].reverse().map(([zone, text]) => h("option", { value: zone }, text));
  }

  /** @param {{action: string, label: string}[]} known */
  #offerActions(known) {
    const select = this.#parts.form.elements.namedItem("action");
    const { action } = this.#asked;
    const sorted = known.map((each) => [each.action, each.label]).sort(([, a], [, b]) => a.localeCompare(b, this.#words.locale));
    if (action && !known.some((each) => each.action === action)) sorted.unshift([action, action]);
    select.replaceChildren(select.options[0], ...sorted.map(([value, text]) => h("option", { value }, text)));
    select.value = action;
  }

  /** Offers the customers and users of these activities, and of those before, as filters. @param {any[]} activities */
  #offerSeen(activities) {
    for (const key of /** @type {const} */ (["customer", "actor"])) {
      const seen = this.#seen[key];
      const before = seen.size;
      for (const { [key]: each } of activities) {
        if (each && seen.size < MAX_OFFERED && !seen.has(each.id)) seen.set(each.id, each.name ?? "");
      }
      if (seen.size === before && activities.length > 0) continue;
      const options = [...seen].sort(([, a], [, b]) => a.localeCompare(b, this.#words.locale));
      this.#parts.form.querySelector(`#seen-${key}`).replaceChildren(...options.map(([id, text]) => h("option", { value: id }, text || id)));
    }
  }

  /** Shows the question in the form. */
  #fillForm() {
    const { form } = this.#parts;
    for (const [key, value] of Object.entries(this.#asked)) form.elements.namedItem(key).value = value;
    for (const each of form.elements) each.removeAttribute("aria-invalid");
    this.#parts.fault.textContent = "";
    const { from, to } = this.#asked;
    const today = dayIn(new Date(), this.#zone);
    for (const each of form.querySelectorAll("[data-period]")) {
      const [first, last] = PERIODS[each.dataset.period](today);
      each.setAttribute("aria-pressed", String(first === from && last === to));
    }
    form.querySelector(".clear").hidden = !FILTERS.some((key) => this.#asked[key]);
    // No filter works unseen.
    if (this.#asked.order === "asc" || FILTERS.some((key) => key !== "q" && this.#asked[key])) this.#showFilters(true);
  }

  /** @param {boolean} all */
  #showFilters(all) {
    const { form } = this.#parts;
    form.classList.toggle("all", all);
    form.querySelector(".filters").setAttribute("aria-expanded", String(all));
  }

  /** @param {string} key */
  #quick(key) {
    const [from, to] = PERIODS[key](dayIn(new Date(), this.#zone));
    this.#ask({ ...this.#typed(), from, to });
  }

  #clear() {
    this.#ask({ customer: "", actor: "", action: "", status: "", q: "" });
    this.#parts.form.elements.namedItem("q").focus();
  }

  /** What the form's filters say. Ids are what the service compares; where somebody typed the name of one, that is meant. */
  #typed() {
    const typed = Object.fromEntries(FILTERS.map((key) => [key, this.#parts.form.elements.namedItem(key).value.trim()]));
    for (const key of /** @type {const} */ (["customer", "actor"])) {
      const text = typed[key].toLocaleLowerCase();
      if (!text || this.#seen[key].has(typed[key])) continue;
      const named = [...this.#seen[key]].filter(([, name]) => name.toLocaleLowerCase() === text);
      if (named.length === 1) [[typed[key]]] = named;
    }
    return typed;
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { form, fault } = this.#parts;
    const value = (/** @type {string} */ name) => form.elements.namedItem(name).value.trim();
    const [from, to] = [asDay(value("from")), asDay(value("to"))];
    const days = from && to ? daysFrom(from, to) : 0;
    const wrong = !from ? ["from", "dayMissing"] : !to ? ["to", "dayMissing"] : days < 1 ? ["to", "rangeReversed"] : days > MAX_DAYS ? ["from", "rangeTooLong"] : null;
    for (const name of ["from", "to"]) form.elements.namedItem(name).setAttribute("aria-invalid", String(wrong?.[0] === name));
    fault.textContent = wrong ? this.#say(wrong[1], { days: MAX_DAYS }) : "";
    if (!from || !to || wrong) {
      form.elements.namedItem(wrong?.[0]).focus();
      return;
    }
    this.#ask({ ...this.#typed(), from, to, time_zone: value("time_zone"), order: value("order") });
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
    this.#tell(place, [paragraph, ...(trace ? [h("p", { class: "quiet" }, this.#say("reference", { trace }))] : [])], status === 403 ? null : again);
    // What the network broke goes on by itself when it is back.
    this.#parts.again = error instanceof Unreachable ? () => place.querySelector("button")?.click() : null;
  }

  /** @param {HTMLElement} place @param {Node[]} message @param {(() => void) | null} again what to do next, where that is possible */
  #tell(place, message, again) {
    const retry = () => { this.#parts.again = null; place.replaceChildren(); again?.(); };
    place.replaceChildren(h("div", { class: "alert" }, ...message, again && h("button", { type: "button", onclick: retry }, this.#say("retry"))));
  }

  // The list

  /** Shows the first page of the question, or the next one. @param {boolean} anew @param {Promise<void>} [named] resolves with the actions' names */
  async #load(anew, named) {
    const service = /** @type {Service} */ (this.#service);
    const { rows, status, slow, trouble, more, caption, table, skeleton } = this.#parts;
    if (!anew && (isBusy(more) || !this.#cursor)) return;
    const round = anew ? ++this.#round : this.#round;
    const isCurrent = () => round === this.#round && !service.signal.aborted;
    if (anew) {
      this.#cursor = null;
      this.#open.clear();
      rows.clear();
      skeleton.hidden = false;
      table.hidden = true;
      more.hidden = true;
      const period = this.#say("caption", { from: this.#words.day(this.#asked.from), to: this.#words.day(this.#asked.to), zone: this.#zone });
      const filters = this.#filterWords();
      caption.textContent = filters ? `${period} · ${this.#say("exportFilters", { filters })}` : period;
    }
    trouble.replaceChildren();
    this.#isEndless = false;
    setBusy(more, true);
    table.setAttribute("aria-busy", "true");
    if (anew) status.textContent = this.#say("loading");
    const stopping = new AbortController();
    const patience = setTimeout(() => {
      if (isCurrent()) slow.replaceChildren(this.#say("slow"), " ", h("button", { type: "button", onclick: () => stopping.abort() }, this.#say("stop")));
    }, SLOW_MS);
    let added = 0;
    try {
      const parameters = new URLSearchParams(this.#parameters());
      /** @type {HTMLElement | null} */ let first = null;
      for (let requests = 0; requests < MAX_REQUESTS && added < ENOUGH_ROWS && (requests === 0 || this.#cursor); requests += 1) {
        if (this.#cursor) parameters.set("cursor", this.#cursor);
        const [page] = await Promise.all([service.activities(parameters, stopping.signal), named]);
        if (!isCurrent()) return;
        first = rows.append(page.activities) ?? first;
        this.#offerSeen(page.activities);
        added += page.activities.length;
        this.#cursor = page.next_cursor;
        this.#completeThrough = page.complete_through;
        if (rows.count > 0) { skeleton.hidden = true; table.hidden = false; }
        if (this.#cursor && added < ENOUGH_ROWS) status.textContent = this.#say("stillLoading", { count: rows.count });
      }
      status.replaceChildren(...this.#summary(rows.count));
      // At the end the button goes away: the focus goes to what it brought.
      const held = this.#root.activeElement === more;
      more.hidden = !this.#cursor;
      if (held && more.hidden) first?.querySelector("button")?.focus();
      this.#isEndless = Boolean(this.#cursor) && added >= ENOUGH_ROWS;
    } catch (error) {
      if (!isCurrent()) return;
      status.replaceChildren(...(rows.count > 0 ? this.#summary(rows.count) : []));
      if (stopping.signal.aborted) {
        if (anew && rows.count === 0) this.#tell(trouble, [h("p", {}, this.#say("stopped"))], () => this.#load(true));
        more.hidden = !this.#cursor;
      } else {
        more.hidden = true;
        // Who may not see the log has nothing to export.
        if (error instanceof Refusal && error.status === 403) this.#parts.exports.button.hidden = true;
        this.#alert(trouble, error, () => this.#load(anew && added === 0));
      }
    } finally {
      clearTimeout(patience);
      if (isCurrent()) {
        slow.replaceChildren();
        skeleton.hidden = true;
        setBusy(more, false);
        table.removeAttribute("aria-busy");
        // What is in sight already tells so again.
        if (this.#isEndless) this.#parts.sentinel();
      }
    }
  }

  /** @param {number} count */
  #summary(count) {
    const through = this.#completeThrough && h("span", { class: "quiet" }, this.#say("completeThrough", { time: this.#words.time(this.#completeThrough, this.#zone) }));
    if (count === 0) return [h("strong", {}, this.#say(this.#cursor ? "noneYet" : "none")), " ", through];
    return [h("strong", {}, this.#words.count("shown", count)), " ", this.#say(this.#cursor ? "andMore" : "andThatIsAll"), " ", through];
  }

  /** @param {any} activity @param {number} number */
  #rows(activity, number) {
    const say = (/** @type {string} */ key) => this.#say(key);
    const { target, actor } = activity;
    const key = `${activity.occurred_at} ${activity.id}`;
    const opened = this.#open.get(key);
    const toggle = h("button", { type: "button", class: "toggle", "aria-expanded": String(Boolean(opened)), onclick: () => this.#toggle(row, toggle, activity, key) },
      h("time", { datetime: activity.occurred_at }, this.#words.time(activity.occurred_at, this.#zone)), h("span", { class: "unseen" }, ` ${say("details")}`));
    const row = h("tr", {
      role: "row", class: "row", "aria-rowindex": String(number + 1),
      // The button is what there is for everybody; for a mouse, all of the row is it.
      onclick: (/** @type {MouseEvent} */ event) => {
        if (!/** @type {Element} */ (event.target).closest("a, button") && String(getSelection()) === "") toggle.click();
      },
    },
      cell(say("dateTime"), toggle),
      cell(say("customerLabel"), ...this.#customer(activity.customer)),
      cell(say("action"), this.#label(activity.action), target && h("span", { class: "quiet target" }, " ", name(target.name || target.id))),
      cell(say("user"), name(actor.name || actor.id)),
      cell(say("status"), h("span", { class: `state ${STATUSES.includes(activity.status) ? activity.status : ""}` }, this.#status(activity.status))));
    return opened ? [row, opened] : [row];
  }

  /** @param {any} customer */
  #customer(customer) {
    if (!customer) return [h("span", { class: "quiet" }, this.#say("noCustomer"))];
    const shown = customer.name || customer.id;
    const link = this.#subscriptions(customer.id);
    if (!link) return [name(shown)];
    // The page holds the session: it stays open.
    return [h("a", { href: link, target: "_blank", rel: "noopener noreferrer", "aria-label": this.#say("subscriptionsOf", { customer: shown }) }, name(shown))];
  }

  /** Where a customer's subscriptions are, or one of them, if the portal says so. @param {string} customer @param {string} [subscription] */
  #subscriptions(customer, subscription) {
    const pattern = this.getAttribute("subscriptions-url") ?? "";
    // As a step of a path, dots would lead elsewhere.
    if (!/^https?:\/\//i.test(pattern) || [customer, subscription].some((each) => each !== undefined && /^\.{0,2}$/.test(each))) return null;
    const one = encodeURIComponent(subscription ?? "");
    const link = pattern.replaceAll("{customer}", () => encodeURIComponent(customer)).replaceAll("{subscription}", () => one);
    return one && !pattern.includes("{subscription}") ? `${link}#${one}` : link;
  }

  /** @param {HTMLElement} row @param {HTMLElement} toggle @param {any} activity @param {string} key */
  #toggle(row, toggle, activity, key) {
    const opened = this.#open.get(key);
    toggle.setAttribute("aria-expanded", String(!opened));
    if (opened) {
      this.#open.delete(key);
      opened.remove();
      return;
    }
    const place = h("td", { role: "cell", colspan: "5" });
    const below = h("tr", { role: "row", class: "opened" }, place);
    this.#open.set(key, below);
    row.after(below);
    this.#fetch(place, activity);
  }

  /** @param {HTMLElement} place @param {any} activity */
  async #fetch(place, activity) {
    const service = /** @type {Service} */ (this.#service);
    place.replaceChildren(h("p", { role: "status" }, this.#say("loading")));
    try {
      const whole = activity.has_details ? await service.activity(activity.url) : activity;
      const zones = [...new Set([this.#zone, this.#partnerZone ?? "UTC", ownTimeZone()])].slice(0, 2);
      const customer = activity.customer?.id;
      const link = (/** @type {string} */ subscription) => (customer ? this.#subscriptions(customer, subscription) : null);
      place.replaceChildren(...details(this.#words, whole, zones.length > 1 ? zones : [this.#zone, "UTC"], link));
    } catch (error) {
      if (service.signal.aborted) return;
      this.#alert(place, error, () => this.#fetch(place, activity));
    }
  }
}

if (!customElements.get("activity-log")) customElements.define("activity-log", ActivityLog);
