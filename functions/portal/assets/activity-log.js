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
// - `customers-claim`: the claim that limits people to some customers, if the installation has one.
// - `url-state`: keeps period, filters and order in the page's address.
// - `customer`, `target`: show one customer's or one object's activities only.
// - `compact`: shows no heading.
// Events: `daybook-ready` after the first list, `daybook-query` after a change of period or filters, `daybook-open` before a row
// opens (`preventDefault()` keeps the row closed), and `daybook-unauthorized` when the token is missing or no longer valid;
// `element.reload()` tries again.

// In the order of the page, because the portal joins the scripts in this order, and similar ones compress better side by side.
import { loadStyles, sheets } from "./styles.js";
import { isTimeZone, language, ownTimeZone, texts, Words } from "./language.js";
import { ApiError, claimsOf, NetworkError, Service } from "./service.js";
import { Query } from "./query.js";
import { h } from "./elements.js";
import { PeriodField } from "./period-field.js";
import { SearchField } from "./search-field.js";
import { Overview } from "./overview.js";
import { History } from "./history.js";
import { Permalink } from "./permalink.js";
import { ActivityList } from "./list.js";
import { keyOf } from "./row.js";
import { Context, Names } from "./context.js";
import { SavedViews } from "./saved-views.js";
import { Exports } from "./exports.js";

/** @typedef {import("./context.js").Activity} Activity */

/** Attributes that fix a filter, by the filter's name. */
const FIXED = ["customer", "target"];
const VIEWS = ["log", "exports", "streams", "audit", "data"];
/** The views that not everybody has. Each loads its script when somebody opens it. */
const LIMITED = ["streams", "audit", "data"];
/** The views of those who oversee. */
const OVERSIGHT = ["audit", "data"];

class ActivityLog extends HTMLElement {
  static observedAttributes = ["api", "partner", "locale", "time-zone", "subscriptions-url", "customers-claim", "compact", ...FIXED];

  /** @type {(() => Promise<string | null | undefined>) | null} */ #getToken = null;
  /** Aborts when the element restarts, so that late answers are dropped. */
  #lifetime = new AbortController();
  /** What the next microtask does: restart, or only translate. @type {"restart" | "translate" | null} */ #next = null;
  /** What the list shows. It outlives a change of language. @type {Query | null} */ #query = null;
  /** What the audit shows. @type {Query | null} */ #auditQuery = null;
  /** The chosen view. */
  #view = VIEWS[0];
  /** The limited views that the person has. @type {Set<string>} */
  #offered = new Set();
  /** Whether the person may read the log. */
  #mayRead = true;
  /** Where the log was scrolled to when another view replaced it. */
  #place = 0;
  #names = new Names();
  /** Elements and parts, once they are built. @type {Record<string, any>} */ #parts = {};

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = sheets;
    this.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Moves the focus to the first row. Needs no `tabindex`; with a negative one, the Tab key would skip everything inside. */
  focus() { (this.#current ?? this.#parts).list?.focusFirst(); }

  /** Loads the rows of the visible list, up to 2,000, and prints the page. A view without a list is printed as it is. */
  print() {
    if (this.#parts.list && this.#current) this.#current.list.print();
    else window.print();
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

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    // Removed with the attribute, because nobody has chosen that filter.
    if (FIXED.includes(name) && !after) this.#query = this.#query?.set(name, []) ?? null;
    // Another language shows the same rows.
    if (name === "locale" && this.#parts.list) this.#plan("translate");
    else this.reload();
  }

  /** Restarts when everything required is set; simultaneous changes restart it once. */
  reload() { this.#plan("restart"); }

  /** @param {"restart" | "translate"} next */
  #plan(next) {
    const isPlanned = this.#next !== null;
    if (this.#next !== "restart") this.#next = next;
    if (isPlanned) return;
    queueMicrotask(() => {
      const planned = this.#next;
      this.#next = null;
      if (planned === "restart") this.#lifetime.abort();
      if (!this.isConnected || !this.#getToken || !this.hasAttribute("api") || !this.getAttribute("partner")) return;
      this.#start(planned === "translate");
    });
  }

  /** @param {boolean} keepsRows whether the new list takes over what the old one has loaded */
  async #start(keepsRows) {
    const lifetime = new AbortController();
    const { signal } = lifetime;
    const old = this.#lifetime;
    this.#lifetime = lifetime;
    const wanted = this.getAttribute("locale");
    const locale = language(wanted);
    /** @type {Words} */ let words;
    try {
      const [loaded] = await Promise.all([texts(locale), loadStyles()]);
      words = new Words(locale, loaded, wanted);
    } catch (error) {
      console.error(error);
      if (signal.aborted) return;
      // In English, because the texts could not be loaded.
      this.#root.replaceChildren(h("p", { role: "alert" }, "The activity log could not be loaded. ",
        h("button", { type: "button", onclick: () => this.reload() }, "Try again")));
      return;
    }
    if (signal.aborted) return old.abort();
    const service = new Service({
      root: new URL(this.getAttribute("api") || ".", document.baseURI).href,
      partner: this.getAttribute("partner") ?? "", locale, signal, customersClaim: this.getAttribute("customers-claim") ?? "",
      token: () => this.#getToken?.() ?? Promise.resolve(null),
      unauthorized: () => this.#tell("daybook-unauthorized"),
    });
    // They may belong to another partner, or another person.
    if (!keepsRows) {
      this.#names.clear();
      this.#offered.clear();
      this.#mayRead = true;
    }
    const context = this.#context(words, service);
    if (!this.#query) this.#readAddress();
    else this.#query = this.#fix(this.#query);
    // Failures are ignored, because an action without a name shows its id.
    const named = service.actions().then((known) => { context.setActions(known); this.#parts.search.show(context.query); }, () => {});
    if (keepsRows) {
      await named;
      if (signal.aborted) return old.abort();
    }
    const { list } = this.#parts;
    const loaded = keepsRows && list && !list.isLoading ? list.loaded : null;
    const shown = keepsRows ? this.#parts.history?.shown : null;
    const place = this.#scroller.scrollTop;
    old.abort();
    this.lang = locale;
    this.#build(context);
    this.#offerViews(context);
    if (loaded) {
      this.#parts.list.take(loaded);
      this.#scroller.scrollTop = place;
    }
    if (shown) this.#parts.history.open(...shown);
    if (this.hasAttribute("url-state")) addEventListener("popstate", () => this.#followAddress(), { signal });
    addEventListener("online", () => context.retry(), { signal });
    if (!loaded) await this.#parts.list.load(true, named);
    if (signal.aborted) return;
    if (!loaded && this.#parts.list.isLoaded) this.#tell("daybook-ready");
    this.#followLinks();
    this.#parts.exports.list();
  }

  get #root() { return /** @type {ShadowRoot} */ (this.shadowRoot); }

  /** @param {Words} words @param {Service} service */
  #context(words, service) {
    const zone = this.getAttribute("time-zone");
    return new Context({
      words, service, names: this.#names, fixed: this.#fixed,
      partner: `${this.getAttribute("api")} ${this.getAttribute("partner")}`,
      partnerZone: isTimeZone(zone) ? zone : null,
      subscriptionsUrl: this.getAttribute("subscriptions-url") ?? "",
      query: () => /** @type {Query} */ (this.#query),
      change: (query) => this.#change(query),
    });
  }

  /** @param {string} name @param {any} [detail] */
  #tell(name, detail) { return this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, cancelable: true, detail })); }

  // The query

  get #fixed() { return new Map(FIXED.flatMap((name) => (this.getAttribute(name) ? [[name, [/** @type {string} */ (this.getAttribute(name))]]] : []))); }

  /** Sets the filters that attributes fix. @param {Query} query */
  #fix(query) {
    for (const [name, values] of this.#fixed) query = query.set(name, values);
    return query;
  }

  #readAddress() {
    const given = this.hasAttribute("url-state") ? new URLSearchParams(location.search) : new URLSearchParams();
    const zone = [given.get("tz"), this.getAttribute("time-zone")].find(isTimeZone) ?? ownTimeZone();
    const view = given.get("view") ?? "";
    this.#view = VIEWS.includes(view) ? view : VIEWS[0];
    const query = Query.read(given, { timeZone: zone });
    if (this.#view === "audit") this.#auditQuery = query;
    else this.#query = this.#fix(query);
    // The address says nothing of the log, so the log stays as it is.
    this.#query ??= this.#fix(Query.read(new URLSearchParams(), { timeZone: zone }));
  }

  /** What the audit shows, at first the usual period. */
  get #ofAudit() { return this.#auditQuery ??= Query.read(new URLSearchParams(), { timeZone: /** @type {Query} */ (this.#query).timeZone }); }

  /** Writes query and view into the address, so that a link, a reload and the Back button show the same. */
  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const params = /** @type {Query} */ (this.#view === "audit" ? this.#ofAudit : this.#query).write(new URLSearchParams(location.search));
    if (this.#view === VIEWS[0]) params.delete("view");
    else params.set("view", this.#view);
    const address = `${location.pathname}?${params}${location.hash}`;
    if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
  }

  /** Shows what the address says, after Back or Forward. */
  #followAddress() {
    const before = this.#query;
    this.#readAddress();
    this.#showView();
    // The same list stays as it is, with its open rows.
    if (this.#query?.equals(before)) this.#followLinks();
    else this.#show().then(() => this.#followLinks());
  }

  /** Opens the activity and the history that the address names. */
  #followLinks() {
    this.#parts.permalink.show();
    this.#parts.history.show();
  }

  /** Shows another query. @param {Query} query */
  #change(query) {
    this.#query = this.#fix(query);
    this.#view = VIEWS[0];
    this.#writeAddress();
    this.#showView();
    this.#show();
    this.#tell("daybook-query", { parameters: String(this.#query.parameters()), link: String(this.#query.write(new URLSearchParams())) });
  }

  /** Shows another query of the audit. @param {Query} query */
  #changeAudit(query) {
    this.#auditQuery = query;
    this.#writeAddress();
    this.#parts.audit.load(query);
  }

  #show() {
    const { search, period, overview, list } = this.#parts;
    for (const each of [search, period, overview]) each.show(this.#query);
    return list.load(true);
  }

  // The page

  /** @param {Context} context */
  #build(context) {
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    const exports = new Exports(context);
    const saved = new SavedViews(context, { planMonths: (query) => { this.#choose("exports"); exports.planMonths(query); } });
    const list = new ActivityList(context, {
      open: (activity) => this.#tell("daybook-open", { id: activity.id, occurred_at: activity.occurred_at, url: activity.url }),
      // Hidden, because a role that may not see the log has nothing to export.
      denied: () => { this.#mayRead = false; this.#showView(); },
    });
    const views = h("nav", { class: "views", "aria-label": say("views") }, ...VIEWS.map((key) =>
      h("button", { type: "button", "data-view": key, onclick: () => this.#choose(key) }, say(`view_${key}`))));
    const isInAddress = this.hasAttribute("url-state");
    const history = new History(context, { isInAddress });
    const permalink = new Permalink(context, {
      partner: this.getAttribute("partner") ?? "", isInAddress, openRow: (occurredAt, id) => list.open(keyOf({ occurred_at: occurredAt, id })),
    });
    context.history = history;
    context.permalink = permalink;
    const search = new SearchField(context);
    const period = new PeriodField(context);
    const overview = new Overview(context);
    for (const each of [search, period, overview]) each.show(context.query);
    const log = h("div", { class: "view" }, h("div", { class: "controls" }, search.element, period.element), permalink.element, overview.element, list.element);
    const places = Object.fromEntries(LIMITED.map((view) => [view, h("div", { hidden: true })]));
    this.#parts = { context, list, search, period, overview, history, permalink, exports, saved, views, log, places, loading: {} };
    this.#root.replaceChildren(h("div", { class: "log" },
      h("header", { class: "top" },
        this.hasAttribute("compact") ? null : h("h1", {}, say("title")), views,
        // Between the views and the list are many controls.
        h("button", { type: "button", class: "skip", onclick: () => { if (!this.#current) this.#choose(VIEWS[0]); this.focus(); } }, say("skipToList")),
        saved.element, exports.button),
      exports.bar, log, ...Object.values(places), exports.section, exports.dialog, history.element));
    this.#showView();
  }

  /** @param {string} view */
  #choose(view) {
    if (view === this.#shownView) return;
    this.#view = view;
    this.#writeAddress();
    this.#showView();
  }

  #showView() {
    const { views, log, exports, saved } = this.#parts;
    const shown = this.#shownView;
    const isLog = shown === VIEWS[0];
    for (const each of views.children) {
      each.hidden = !this.#has(each.dataset.view);
      each.setAttribute("aria-current", each.dataset.view === shown ? "page" : "false");
    }
    if (!isLog && !log.hidden) this.#place = this.#scroller.scrollTop;
    const returns = isLog && log.hidden;
    log.hidden = !isLog;
    exports.section.hidden = shown !== "exports";
    // These are about the log, and a role that may not see the log has nothing to export.
    for (const each of [exports.button, saved.element]) each.hidden = !this.#mayRead || LIMITED.includes(shown);
    if (shown === "exports") exports.showSchedule();
    else exports.hideSecret();
    for (const view of LIMITED) {
      this.#parts.places[view].hidden = view !== shown;
      if (view !== shown) this.#parts[view]?.hideSecret?.();
    }
    if (LIMITED.includes(shown)) this.#open(shown);
    if (returns) this.#scroller.scrollTop = this.#place;
  }

  // The views that not everybody has

  /** Says whether the person has a view. @param {string} view */
  #has(view) { return !LIMITED.includes(view) || this.#offered.has(view); }

  /** The visible view: the log, if the person does not have the chosen one. */
  get #shownView() { return this.#has(this.#view) ? this.#view : VIEWS[0]; }

  /** The list and the search field of the visible view, or null if it has none. */
  get #current() { return { log: this.#parts, audit: this.#parts.audit }[this.#shownView] ?? null; }

  /** Offers the views that the token allows. The token is read first, because the service records what it refuses. @param {Context} context */
  async #offerViews({ service, rights }) {
    const { mayManage, mayOversee } = await rights;
    // A component that shows one customer or object is no place for them.
    if (this.#fixed.size > 0 || service.signal.aborted) return;
    if (mayManage) this.#offer("streams");
    if (!mayOversee || this.#has("data")) return;
    try {
      await service.read("retention");
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return;
    }
    if (!service.signal.aborted) this.#offer(...OVERSIGHT);
  }

  /** @param {...string} views */
  #offer(...views) {
    for (const view of views) this.#offered.add(view);
    this.#showView();
  }

  /** Takes back views that the service refuses. @param {...string} views */
  #withdraw(...views) {
    for (const view of views) this.#offered.delete(view);
    this.#showView();
  }

  /** Loads the script of a limited view when it is shown for the first time, and opens the view. @param {string} view */
  async #open(view) {
    const parts = this.#parts;
    const { context, places, loading } = parts;
    const place = places[view];
    if (!parts[view] && !loading[view]) {
      place.replaceChildren(h("p", { role: "status" }, context.words.say("loading")));
      loading[view] = this.#load(view, context).then((loaded) => {
        parts[view] = loaded;
        place.replaceChildren(loaded.element);
      });
    }
    try {
      await loading[view];
    } catch (error) {
      if (!loading[view]) return;
      console.error(error);
      loading[view] = null;
      const trouble = h("div", { role: "alert" });
      place.replaceChildren(trouble);
      context.showError(trouble, new NetworkError(), () => this.#open(view));
      return;
    }
    if (parts === this.#parts && view === this.#shownView) parts[view].open(this.#ofAudit);
  }

  /** @param {string} view @param {Context} context @returns {Promise<any>} */
  async #load(view, context) {
    if (view === "streams") {
      const { Streams } = await import("./streams.js");
      return new Streams(context, { denied: () => this.#withdraw(view) });
    }
    if (view === "data") {
      const { Policies } = await import("./policies.js");
      return new Policies(context);
    }
    const { AuditView } = await import("./audit.js");
    return new AuditView(context, { query: () => this.#ofAudit, change: (query) => this.#changeAudit(query), denied: () => this.#withdraw(...OVERSIGHT) });
  }

  /** The element that scrolls the component: a scrolling parent in the portal, or the page. @returns {Element} */
  get #scroller() {
    for (let at = /** @type {any} */ (this); at; at = at.assignedSlot ?? at.parentNode ?? at.host) {
      if (at instanceof Element && at !== document.body && at.scrollHeight > at.clientHeight && /auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
    }
    return document.scrollingElement ?? document.documentElement;
  }

  /** Acts on keys while the focus is in the component, but in no field. @param {KeyboardEvent} event */
  #press(event) {
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    const { list, search } = (this.#parts.list && this.#current) ?? {};
    if (event.defaultPrevented || event.altKey || event.isComposing || !list || target.closest("dialog")) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key !== "p" || event.shiftKey) return;
      event.preventDefault();
      this.print();
      return;
    }
    const isField = target.matches("input:not([type=checkbox], [type=radio], [type=button]), select, textarea, [role=combobox], [contenteditable]");
    if (isField) return;
    if (event.key === "/") search.focus();
    else if (!list.press(event.key)) return;
    event.preventDefault();
  }
}

if (!customElements.get("activity-log")) customElements.define("activity-log", ActivityLog);

// For a page around the component that speaks the same languages.
export { claimsOf, language, texts, Words };
