// The activity log as a custom element:
//
//   <script type="module" src="https://…/live/activity-log.js"></script>
//   <activity-log api="https://…/live" partner="contoso" locale="fr" time-zone="Europe/Paris"
//                 subscriptions-url="https://portal.example/customers/{customer}/subscriptions"></activity-log>
//
// In script, set `element.getToken = async () => "…"`; the element starts when it has that function.
// - `locale`: `en` or `fr`; without it, the browser's language decides.
// - `time-zone`: the zone that the partner works in.
// - `subscriptions-url`: may contain `{subscription}`; without it, a link to one subscription ends in its id as a fragment.
// - `url-state`: keeps period, filters and order in the page's address.
// The element fires `daybook-unauthorized` when the token is missing or no longer valid; `element.reload()` tries again.

import { parseDay, dayIn, countDays, PERIODS } from "./calendar.js";
import { details, detailsFile } from "./details.js";
import { cardTable, cell, h, isBusy, name, setBusy } from "./elements.js";
import { Exports } from "./exports.js";
import { isTimeZone, language, ownTimeZone, texts, Words } from "./language.js";
import { Rows } from "./rows.js";
import { ApiError, Service, NetworkError } from "./service.js";

/** The list requests further pages until it has this many new rows, because a filter may leave pages nearly empty. */
const ROWS_PER_LOAD = 50;
/** The most pages that one load requests. */
const MAX_REQUESTS = 8;
/** The page offers to stop a load after this time. */
const SLOW_MS = 4_000;
/** The most customers, and the most users, that the filters suggest. */
const MAX_SUGGESTIONS = 500;
const STATUSES = ["succeeded", "failed", "declined", "in_progress"];

const sheet = new CSSStyleSheet();
let styled = /** @type {Promise<void> | null} */ (null);

/** Loads the style sheet once for all elements of the page. */
function style() {
  styled ??= fetch(new URL("./activity-log.css", import.meta.url))
    .then((response) => (response.ok ? response.text() : Promise.reject(new Error(`activity-log.css: ${response.status}`))))
    .then((css) => { sheet.replaceSync(css); })
    .catch((error) => { styled = null; throw error; });
  return styled;
}

/** The list's parameters: first and last day in a time zone, filters (empty for none), and order.
 * @typedef {{from: string, to: string, time_zone: string, customer: string, actor: string, action: string, status: string, q: string, order: string}} ListQuery */
/** The filters' names in the API. */
const FILTERS = /** @type {const} */ (["q", "customer", "actor", "action", "status"]);

class ActivityLog extends HTMLElement {
  static observedAttributes = ["api", "partner", "locale", "time-zone", "subscriptions-url"];

  /** @type {(() => Promise<string | null | undefined>) | null} */ #getToken = null;
  /** Aborts when the element restarts, so that late answers are dropped. */
  #lifetime = new AbortController();
  #isStarting = false;
  /** The list's parameters. They outlive a change of language. @type {ListQuery | null} */
  #query = null;
  /** The visible view. */
  #view = "log";
  /** The number of the current query; answers to earlier ones are dropped. */
  #round = 0;
  /** @type {string | null} */ #cursor = null;
  #completeThrough = "";
  /** Whether scrolling loads more. After a search with few matches, a click loads more instead. */
  #isEndless = false;
  /** Rows of open activities, by key. @type {Map<string, HTMLElement>} */ #open = new Map();
  /** @type {Map<string, string>} */ #labels = new Map();
  /** @type {Words} */ #words = new Words("en", new Map());
  /** @type {Service | null} */ #service = null;
  /** Names by id of the customers and users that the list has shown, suggested by the filters. */
  #suggestions = { customer: /** @type {Map<string, string>} */ (new Map()), actor: /** @type {Map<string, string>} */ (new Map()) };
  /** Elements that change. @type {Record<string, any>} */ #parts = {};

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
  }

  /** Returns a token, or null. The element calls it before every request. */
  get getToken() { return this.#getToken; }
  set getToken(callback) {
    this.#getToken = callback;
    this.reload();
  }

  connectedCallback() {
    // A page may have set the property before this script defined the setter.
    if (Object.hasOwn(this, "getToken")) {
      const callback = this.getToken;
      delete (/** @type {any} */ (this).getToken);
      this.getToken = callback;
    }
    this.reload();
  }

  disconnectedCallback() { this.#lifetime.abort(); }

  /** @param {string} _name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(_name, before, after) {
    if (before !== after) this.reload();
  }

  /** Restarts when everything required is set; simultaneous changes restart it once. */
  reload() {
    if (this.#isStarting) return;
    this.#isStarting = true;
    queueMicrotask(() => {
      this.#isStarting = false;
      this.#lifetime.abort();
      if (!this.isConnected || !this.#getToken || !this.hasAttribute("api") || !this.getAttribute("partner")) return;
      this.#lifetime = new AbortController();
      this.#start(this.#lifetime.signal);
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
      // In English, because the texts could not be loaded.
      this.#root.replaceChildren(h("p", { role: "alert" }, "The activity log could not be loaded. ",
        h("button", { type: "button", onclick: () => this.reload() }, "Try again")));
      return;
    }
    this.lang = locale;
    if (!this.#query) this.#readAddress();
    // Cleared, because they may belong to another partner.
    for (const seen of Object.values(this.#suggestions)) seen.clear();
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
    addEventListener("online", () => this.#parts.retryWhenOnline?.(), { signal });
    // Failures are ignored, because an action without a name shows its id.
    const named = this.#service.actions().then((known) => { this.#labels = new Map(known.map(({ action, label }) => [action, label])); this.#fillActions(known); }, () => {});
    await this.#load(true, named);
    if (!signal.aborted) this.#parts.exports.list();
  }

  get #root() { return /** @type {ShadowRoot} */ (this.shadowRoot); }
  get #currentQuery() { return /** @type {ListQuery} */ (this.#query); }
  get #zone() { return this.#currentQuery.time_zone; }
  /** The zone that the partner works in, if the page sets it. */
  get #partnerZone() {
    const zone = this.getAttribute("time-zone");
    return isTimeZone(zone) ? zone : null;
  }

  /** @param {string} key @param {Record<string, string | number>} [values] */
  #say(key, values) { return this.#words.say(key, values); }

  // The query

  #readAddress() {
    const given = this.hasAttribute("url-state") ? new URLSearchParams(location.search) : new URLSearchParams();
    const zone = given.get("tz");
    const time_zone = isTimeZone(zone) ? zone : this.#partnerZone ?? ownTimeZone();
    const [from, to] = PERIODS.recent(parseDay(given.get("to")) ?? dayIn(new Date(), time_zone));
    this.#view = given.get("view") === "exports" ? "exports" : "log";
    this.#query = {
      from: parseDay(given.get("from")) ?? from, to, time_zone,
      customer: given.get("customer") ?? "", actor: given.get("user") ?? "", action: given.get("action") ?? "", status: given.get("status") ?? "",
      q: given.get("q") ?? "", order: given.get("order") === "asc" ? "asc" : "desc",
    };
  }

  /** Writes the query into the address, so that a link, a reload and the Back button show the same list. */
  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const { from, to, time_zone: tz, customer, actor: user, action, status, q, order } = this.#currentQuery;
    const query = new URLSearchParams(location.search);
    const state = { from, to, tz, customer, user, action, status, q, order: order === "asc" ? order : "", view: this.#view === "log" ? "" : this.#view };
    for (const [key, value] of Object.entries(state)) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const address = `${location.pathname}?${query}${location.hash}`;
    if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
  }

  /** The query as the API's parameters. */
  #parameters() { return Object.fromEntries(Object.entries(this.#currentQuery).filter(([, value]) => value)); }

  /** The filters in words. */
  #filterWords() {
    const { q, customer, actor, action, status } = this.#currentQuery;
    const named = (/** @type {"customer" | "actor"} */ key, /** @type {string} */ id) => this.#suggestions[key].get(id) || id;
    return [q && this.#say("quoted", { text: q }), named("customer", customer), named("actor", actor), action && this.#label(action), status && this.#status(status)].filter(Boolean).join(", ");
  }

  /** @param {string} action */
  #label(action) { return this.#labels.get(action) ?? action; }
  /** @param {string} status */
  #status(status) { return this.#words.has(`status_${status}`) ? this.#say(`status_${status}`) : status; }

  /** @param {Partial<ListQuery>} change */
  #changeQuery(change) {
    this.#query = { ...this.#currentQuery, ...change };
    this.#writeAddress();
    this.#fillForm();
    this.#load(true);
  }

  // The page

  #build() {
    const say = (/** @type {string} */ key) => this.#say(key);
    const field = (/** @type {string} */ key, /** @type {Node} */ input, /** @type {string} */ kind = "") => h("label", { class: `field ${kind}` }, h("span", {}, say(key)), input);
    const input = (/** @type {string} */ key, /** @type {keyof ListQuery} */ name, /** @type {Record<string, any>} */ properties, /** @type {string} */ kind = "") =>
      field(key, h("input", { ...properties, name }), kind);
    const choice = (/** @type {string} */ name, /** @type {Node[]} */ options, /** @type {any} */ properties = {}) => h("select", { ...properties, name }, ...options);
    const option = (/** @type {string} */ value, /** @type {string} */ text) => h("option", { value }, text);
    const picker = (/** @type {"customer" | "actor"} */ name) => ({
      type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 256, list: `suggested-${name}`, placeholder: say("pickHint"),
    });
    const day = { type: "date", required: true, "aria-describedby": "range-fault" };
    const quick = h("div", { class: "quick", role: "group", "aria-label": say("quickPeriods") }, ...Object.keys(PERIODS).map((key) =>
      h("button", { type: "button", "data-period": key, onclick: () => this.#choosePeriod(key) }, say(`quick_${key}`))));
    const form = h("form", { novalidate: true, role: "search", "aria-label": say("filters"), onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      quick,
      input("from", "from", day), input("to", "to", day),
      field("timeZone", choice("time_zone", this.#zones(), { onchange: (/** @type {any} */ event) => this.#changeQuery({ time_zone: event.target.value }) }), "zone"),
      input("search", "q", { type: "search", maxlength: 256, placeholder: say("searchHint") }, "wide"),
      // On small screens this button shows the filters.
      h("button", { type: "button", class: "plain filters", "aria-expanded": "false", onclick: () => this.#showFilters(!form.classList.contains("all")) }, say("moreFilters")),
      input("customerFilter", "customer", picker("customer"), "extra"), input("userFilter", "actor", picker("actor"), "extra"),
      h("datalist", { id: "suggested-customer" }), h("datalist", { id: "suggested-actor" }),
      field("action", choice("action", [option("", say("anyAction"))]), "wide extra"),
      field("status", choice("status", [option("", say("anyStatus")), ...STATUSES.map((each) => option(each, this.#status(each)))]), "extra"),
      field("order", choice("order", ["desc", "asc"].map((each) => option(each, say(`order_${each}`))), { onchange: (/** @type {any} */ event) => this.#changeQuery({ order: event.target.value }) }), "extra"),
      h("div", { class: "buttons" }, h("button", { class: "primary" }, say("show")),
        h("button", { type: "button", class: "plain clear", onclick: () => this.#clear() }, say("clearFilters"))),
      h("p", { id: "range-fault", class: "fault", role: "alert" }));
    const caption = h("caption");
    const { table } = cardTable("log", ["dateTime", "customer", "action", "user", "status"].map(say), caption);
    table.querySelector("tbody")?.remove();
    const exports = new Exports({
      service: /** @type {Service} */ (this.#service), words: this.#words, zone: () => this.#zone,
      query: () => { const { order, ...query } = this.#parameters(); return query; },
      filters: () => this.#filterWords(), partner: `${this.getAttribute("api")} ${this.getAttribute("partner")}`, partnerZone: this.#partnerZone ?? ownTimeZone(),
      showError: (place, error, again) => this.#showError(place, error, again),
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
    this.#fillActions([]);
    this.#addSuggestions([]);
    this.#fillForm();
    this.#showView();
  }

  #showView() {
    const { views, log, exports } = this.#parts;
    for (const each of views.children) each.setAttribute("aria-current", each.dataset.view === this.#view ? "page" : "false");
    log.hidden = this.#view !== "log";
    exports.section.hidden = this.#view !== "exports";
    if (this.#view === "exports") exports.showSchedule();
    else exports.hideSecret();
  }

  /** The zones to choose from: the partner's, the browser's, UTC, and the address's. */
  #zones() {
    const zones = new Map([["UTC", "UTC"], [this.#zone, this.#zone]]);
    const own = ownTimeZone();
    zones.set(own, this.#say("zone_mine", { zone: own }));
    if (this.#partnerZone) zones.set(this.#partnerZone, this.#say("zone_partner", { zone: this.#partnerZone }));
    return [...zones].reverse().map(([zone, text]) => h("option", { value: zone }, text));
  }

  /** @param {{action: string, label: string}[]} known */
  #fillActions(known) {
    const select = this.#parts.form.elements.namedItem("action");
    const { action } = this.#currentQuery;
    const sorted = known.map((each) => [each.action, each.label]).sort(([, a], [, b]) => a.localeCompare(b, this.#words.locale));
    if (action && !known.some((each) => each.action === action)) sorted.unshift([action, action]);
    select.replaceChildren(select.options[0], ...sorted.map(([value, text]) => h("option", { value }, text)));
    select.value = action;
  }

  /** Adds the customers and users of these activities to the suggestions. @param {any[]} activities */
  #addSuggestions(activities) {
    for (const key of /** @type {const} */ (["customer", "actor"])) {
      const seen = this.#suggestions[key];
      const before = seen.size;
      for (const { [key]: each } of activities) {
        if (each && seen.size < MAX_SUGGESTIONS && !seen.has(each.id)) seen.set(each.id, each.name ?? "");
      }
      if (seen.size === before && activities.length > 0) continue;
      const options = [...seen].sort(([, a], [, b]) => a.localeCompare(b, this.#words.locale));
      this.#parts.form.querySelector(`#suggested-${key}`).replaceChildren(...options.map(([id, text]) => h("option", { value: id }, text || id)));
    }
  }

  /** Fills the form from the query. */
  #fillForm() {
    const { form } = this.#parts;
    for (const [key, value] of Object.entries(this.#currentQuery)) form.elements.namedItem(key).value = value;
    for (const each of form.elements) each.removeAttribute("aria-invalid");
    this.#parts.fault.textContent = "";
    const { from, to } = this.#currentQuery;
    const today = dayIn(new Date(), this.#zone);
    for (const each of form.querySelectorAll("[data-period]")) {
      const [first, last] = PERIODS[each.dataset.period](today);
      each.setAttribute("aria-pressed", String(first === from && last === to));
    }
    form.querySelector(".clear").hidden = !FILTERS.some((key) => this.#currentQuery[key]);
    // Shown, so that no filter applies unseen.
    if (this.#currentQuery.order === "asc" || FILTERS.some((key) => key !== "q" && this.#currentQuery[key])) this.#showFilters(true);
  }

  /** @param {boolean} all */
  #showFilters(all) {
    const { form } = this.#parts;
    form.classList.toggle("all", all);
    form.querySelector(".filters").setAttribute("aria-expanded", String(all));
  }

  /** @param {string} key */
  #choosePeriod(key) {
    const [from, to] = PERIODS[key](dayIn(new Date(), this.#zone));
    this.#changeQuery({ ...this.#typedFilters(), from, to });
  }

  #clear() {
    this.#changeQuery({ customer: "", actor: "", action: "", status: "", q: "" });
    this.#parts.form.elements.namedItem("q").focus();
  }

  /** The form's filters. A typed name becomes its id, because the service compares ids. */
  #typedFilters() {
    const typed = Object.fromEntries(FILTERS.map((key) => [key, this.#parts.form.elements.namedItem(key).value.trim()]));
    for (const key of /** @type {const} */ (["customer", "actor"])) {
      const text = typed[key].toLocaleLowerCase();
      if (!text || this.#suggestions[key].has(typed[key])) continue;
      const named = [...this.#suggestions[key]].filter(([, name]) => name.toLocaleLowerCase() === text);
      if (named.length === 1) [[typed[key]]] = named;
    }
    return typed;
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { form, fault } = this.#parts;
    const value = (/** @type {string} */ name) => form.elements.namedItem(name).value.trim();
    const [from, to] = [parseDay(value("from")), parseDay(value("to"))];
    const days = from && to ? countDays(from, to) : 0;
    const wrong = !from ? ["from", "dayMissing"] : !to ? ["to", "dayMissing"] : days < 1 ? ["to", "rangeReversed"] : null;
    for (const name of ["from", "to"]) form.elements.namedItem(name).setAttribute("aria-invalid", String(wrong?.[0] === name));
    fault.textContent = wrong ? this.#say(wrong[1]) : "";
    if (!from || !to || wrong) {
      form.elements.namedItem(wrong?.[0]).focus();
      return;
    }
    this.#changeQuery({ ...this.#typedFilters(), from, to, time_zone: value("time_zone"), order: value("order") });
  }

  /** Shows an error and what to do next. @param {HTMLElement} place @param {unknown} error @param {() => void} again */
  #showError(place, error, again) {
    const known = error instanceof ApiError || error instanceof NetworkError;
    if (!known) console.error(error);
    const status = error instanceof ApiError ? error.status : 0;
    const key = error instanceof NetworkError ? "offline"
      : this.#words.has(`error${status}`) ? `error${status}`
      : status >= 500 || !known ? "errorOurs" : "errorOther";
    const paragraph = h("p", {}, this.#say(key));
    if (key === "errorOther" && error instanceof Error && error.message) paragraph.append(" ", h("span", { lang: "en" }, error.message));
    const trace = error instanceof ApiError && status !== 401 && error.trace;
    this.#showMessage(place, [paragraph, ...(trace ? [h("p", { class: "quiet" }, this.#say("reference", { trace }))] : [])], status === 403 ? null : again);
    // Retried when the browser is online again.
    this.#parts.retryWhenOnline = error instanceof NetworkError ? () => place.querySelector("button")?.click() : null;
  }

  /** @param {HTMLElement} place @param {Node[]} message @param {(() => void) | null} again what the button does; without it there is no button */
  #showMessage(place, message, again) {
    const retry = () => { this.#parts.retryWhenOnline = null; place.replaceChildren(); again?.(); };
    place.replaceChildren(h("div", { class: "alert" }, ...message, again && h("button", { type: "button", onclick: retry }, this.#say("retry"))));
  }

  // The list

  /** Loads the first page of the query, or the next page. @param {boolean} restart @param {Promise<void>} [named] resolves with the actions' names */
  async #load(restart, named) {
    const service = /** @type {Service} */ (this.#service);
    const { rows, status, slow, trouble, more, caption, table, skeleton } = this.#parts;
    if (!restart && (isBusy(more) || !this.#cursor)) return;
    const round = restart ? ++this.#round : this.#round;
    const isCurrent = () => round === this.#round && !service.signal.aborted;
    if (restart) {
      this.#cursor = null;
      this.#open.clear();
      rows.clear();
      skeleton.hidden = false;
      table.hidden = true;
      more.hidden = true;
      const period = this.#say("caption", { from: this.#words.day(this.#currentQuery.from), to: this.#words.day(this.#currentQuery.to), zone: this.#zone });
      const filters = this.#filterWords();
      caption.textContent = filters ? `${period} · ${this.#say("exportFilters", { filters })}` : period;
    }
    trouble.replaceChildren();
    this.#isEndless = false;
    setBusy(more, true);
    table.setAttribute("aria-busy", "true");
    if (restart) status.textContent = this.#say("loading");
    const stopping = new AbortController();
    const slowTimer = setTimeout(() => {
      if (isCurrent()) slow.replaceChildren(this.#say("slow"), " ", h("button", { type: "button", onclick: () => stopping.abort() }, this.#say("stop")));
    }, SLOW_MS);
    let added = 0;
    try {
      const parameters = new URLSearchParams(this.#parameters());
      /** @type {HTMLElement | null} */ let first = null;
      for (let requests = 0; requests < MAX_REQUESTS && added < ROWS_PER_LOAD && (requests === 0 || this.#cursor); requests += 1) {
        if (this.#cursor) parameters.set("cursor", this.#cursor);
        const [page] = await Promise.all([service.activities(parameters, stopping.signal), named]);
        if (!isCurrent()) return;
        first = rows.append(page.activities) ?? first;
        this.#addSuggestions(page.activities);
        added += page.activities.length;
        this.#cursor = page.next_cursor;
        this.#completeThrough = page.complete_through;
        if (rows.count > 0) { skeleton.hidden = true; table.hidden = false; }
        if (this.#cursor && added < ROWS_PER_LOAD) status.textContent = this.#say("stillLoading", { count: rows.count });
      }
      status.replaceChildren(...this.#summary(rows.count));
      // Moved to the first new row, because the button with the focus disappears at the end.
      const hadFocus = this.#root.activeElement === more;
      more.hidden = !this.#cursor;
      if (hadFocus && more.hidden) first?.querySelector("button")?.focus();
      this.#isEndless = Boolean(this.#cursor) && added >= ROWS_PER_LOAD;
    } catch (error) {
      if (!isCurrent()) return;
      status.replaceChildren(...(rows.count > 0 ? this.#summary(rows.count) : []));
      if (stopping.signal.aborted) {
        if (restart && rows.count === 0) this.#showMessage(trouble, [h("p", {}, this.#say("stopped"))], () => this.#load(true));
        more.hidden = !this.#cursor;
      } else {
        more.hidden = true;
        // Hidden, because a role that may not see the log has nothing to export.
        if (error instanceof ApiError && error.status === 403) this.#parts.exports.button.hidden = true;
        this.#showError(trouble, error, () => this.#load(restart && added === 0));
      }
    } finally {
      clearTimeout(slowTimer);
      if (isCurrent()) {
        slow.replaceChildren();
        skeleton.hidden = true;
        setBusy(more, false);
        table.removeAttribute("aria-busy");
        // Observed again, because an element that is already visible would not report a second time.
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
      // A convenience for mouse users; keyboards and screen readers use the button.
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
    // A new tab, because leaving this page would lose the session.
    return [h("a", { href: link, target: "_blank", rel: "noopener noreferrer", "aria-label": this.#say("subscriptionsOf", { customer: shown }) }, name(shown))];
  }

  /** The address of a customer's subscriptions, or of one of them; null if the page sets none. @param {string} customer @param {string} [subscription] */
  #subscriptions(customer, subscription) {
    const pattern = this.getAttribute("subscriptions-url") ?? "";
    // No link for an id of dots, because dots in a path lead to another page.
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
      if (whole.details_url) place.append(detailsFile(this.#words, whole, service, (trouble, error, again) => this.#showError(trouble, error, again)));
    } catch (error) {
      if (service.signal.aborted) return;
      this.#showError(place, error, () => this.#fetch(place, activity));
    }
  }
}

if (!customElements.get("activity-log")) customElements.define("activity-log", ActivityLog);
