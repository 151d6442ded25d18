// The list of activities: loads pages, heads each day, opens rows, moves by keys, and prints. Rows of an earlier query stay, dimmed,
// until the new ones are there.

import { dayIn } from "./calendar.js";
import { details } from "./details.js";
import { Display } from "./display.js";
import { h, isBusy, setBusy } from "./elements.js";
import { News } from "./news.js";
import { cells, classOf, columnsOf, keyOf, titleOf } from "./row.js";
import { Rows } from "./rows.js";
import { ApiError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./context.js").Activity} Activity */
/** The loaded part of a list, which a list in another language takes over.
 * @typedef {{blocks: Activity[][], cursor: string | null, completeThrough: string, end: string, asked: string, open: Set<string>}} Loaded */

/** The list requests further pages until it has this many new rows, because a filter may leave pages nearly empty. */
const ROWS_PER_LOAD = 50;
/** The most pages that one load requests. */
const MAX_REQUESTS = 8;
/** The page offers to stop a load after this time. */
const SLOW_MS = 4_000;
/** The most rows that printing loads. */
const MAX_PRINTED = 2_000;
/** The most rows of a page of the API. */
const LARGEST_PAGE = 1_000;

export class ActivityList {
  /** @type {HTMLElement} */ element;
  #context;
  #host;
  #display;
  #news;
  /** @type {Rows<Activity>} */ #rows;
  /** The number of the current query; answers to earlier ones are dropped. */
  #round = 0;
  /** @type {string | null} */ #cursor = null;
  #completeThrough = "";
  /** The end of the period, and when the list was asked for: instants. */
  #end = "";
  #asked = "";
  /** What gets the focus when the new rows are there, because the table had it or a key asked for it: a selector, empty for nothing. */
  #focused = "";
  /** Whether scrolling loads more. After a search with few matches, a click loads more instead. */
  #isEndless = false;
  /** Rows of open activities, by key. @type {Map<string, HTMLElement>} */ #open = new Map();
  #columns;
  #parts;

  /**
   * @param {Context} context
   * @param {{open: (activity: Activity) => boolean, denied: () => void}} host `open` says whether a row may open; `denied` is called when the
   *   person may not see the list
   */
  constructor(context, host) {
    this.#context = context;
    this.#host = host;
    const { words, service } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    this.#display = new Display(context, () => this.#changeDisplay());
    this.#columns = this.#chosenColumns();
    this.#news = new News(context, { since: () => this.#newest(), show: () => { context.change(context.query); this.element.scrollIntoView({ block: "nearest" }); } });
    const table = h("table", { class: "cards list", role: "table" }, h("caption"), h("thead", { role: "rowgroup" }));
    this.#parts = {
      table,
      caption: table.querySelector("caption"),
      head: table.querySelector("thead"),
      status: h("p", { class: "count", role: "status", tabindex: "-1" }),
      slow: h("p", { class: "slow", role: "status" }),
      trouble: h("div", { role: "alert" }),
      more: h("button", { type: "button", hidden: true, onclick: () => this.load(false) }, say("more")),
      print: h("button", { type: "button", class: "plain print", onclick: () => this.print() }, say("print")),
      printed: h("p", { class: "printed" }),
      skeleton: h("div", { class: "skeleton", "aria-hidden": "true", hidden: true }, ...Array.from({ length: 8 }, () => h("div"))),
    };
    const { status, slow, trouble, more, print, printed, skeleton } = this.#parts;
    const foot = h("div", { class: "foot" }, slow, trouble, h("div", { class: "bar" }, more));
    this.element = h("div", { class: "activities" },
      h("div", { class: "over" }, status, this.#news.element, h("div", { class: "tools" }, print, this.#display.element)), printed, table, skeleton, foot);
    this.#rows = new Rows(table, (activity, number, isFirst, before) => this.#render(activity, number, isFirst ? null : before));
    this.#changeDisplay();
    const sentinel = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && this.#isEndless) this.load(false);
    }, { rootMargin: "1200px 0px" });
    sentinel.observe(foot);
    this.#observeFoot = () => { sentinel.unobserve(foot); sentinel.observe(foot); };
    const { signal } = service;
    signal.addEventListener("abort", () => { sentinel.disconnect(); this.#rows.clear(); });
    addEventListener("beforeprint", () => { this.#sayPrinted(); this.#rows.fillAll(); }, { signal });
    addEventListener("afterprint", () => this.#rows.emptyFar(), { signal });
  }

  /** Observed again, because an element that is already visible would not report a second time. */
  #observeFoot;

  get isLoading() { return this.#parts.table.hasAttribute("aria-busy"); }
  /** Whether an answer has arrived. */
  get isLoaded() { return this.#end !== ""; }

  /** What is loaded, for a list in another language. @returns {Loaded} */
  get loaded() {
    return {
      blocks: this.#rows.blocks, cursor: this.#cursor, completeThrough: this.#completeThrough, end: this.#end, asked: this.#asked,
      open: new Set(this.#open.keys()),
    };
  }

  /** Takes over what another list has loaded. @param {Loaded} loaded */
  take({ blocks, cursor, completeThrough, end, asked, open }) {
    const { table, status, more } = this.#parts;
    [this.#cursor, this.#completeThrough, this.#end, this.#asked] = [cursor, completeThrough, end, asked];
    for (const activity of blocks.flat()) if (open.has(keyOf(activity))) this.#expand(activity);
    for (const block of blocks) this.#rows.append(block);
    table.hidden = this.#rows.count === 0;
    status.replaceChildren(...this.#summary());
    more.hidden = !cursor;
    this.#isEndless = Boolean(cursor) && this.#rows.count > 0;
    this.#describe();
  }

  /** Opens a row, and closes another. Says whether the list has the row. @param {string} key @param {Activity | null} [other] the activity to close */
  open(key, other = null) {
    const found = this.#rows.reveal((each) => keyOf(each) === key);
    if (!found) return false;
    const toggle = this.#toggleOf(key);
    if (!this.#open.has(key)) toggle?.click();
    if (other && this.#open.has(keyOf(other))) this.#toggleOf(keyOf(other))?.click();
    toggle?.focus();
    return true;
  }

  /** Moves the focus to the first row, or to what is shown instead. While rows are loading it waits at the number of rows. */
  focusFirst() {
    const { table, status } = this.#parts;
    if (table.inert) this.#focused = ".toggle";
    (table.inert ? status : this.#toggles()[0] ?? status).focus();
  }

  /** Acts on a key that was pressed in the component. Says whether the key had a meaning. @param {string} key */
  press(key) {
    const active = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
    const row = active?.closest("tr.opened")?.previousElementSibling ?? active?.closest("tr.row");
    if (key === "Escape") {
      if (this.#display.isOpen) { this.#display.close(); return true; }
      const toggle = /** @type {HTMLElement | null | undefined} */ (row?.querySelector(".toggle[aria-expanded=true]"));
      toggle?.focus();
      toggle?.click();
      return Boolean(toggle);
    }
    if (key !== "j" && key !== "k") return false;
    if (this.#parts.table.inert) { this.focusFirst(); return true; }
    const toggles = this.#toggles();
    const at = row ? toggles.indexOf(row.querySelector(".toggle")) : -1;
    const next = at < 0 ? toggles[0] : toggles[at + (key === "j" ? 1 : -1)];
    next?.focus();
    next?.closest("tr").scrollIntoView({ block: "nearest" });
    return true;
  }

  /** @returns {any[]} */
  #toggles() { return [...this.#parts.table.querySelectorAll("tr.row .toggle")]; }

  /** @param {string} key @returns {any} */
  #toggleOf(key) { return [...this.#parts.table.querySelectorAll("tr.row")].find((each) => each.dataset.key === key)?.querySelector(".toggle"); }

  // Columns and density

  #chosenColumns() {
    const chosen = new Set(this.#display.columns);
    // A fixed filter has the same value in every row.
    if (this.#context.fixed.has("customer")) chosen.delete("customer");
    return columnsOf(chosen);
  }

  #changeDisplay() {
    const { table, head } = this.#parts;
    const { words, query } = this.#context;
    this.#columns = this.#chosenColumns();
    this.#rows.columns = this.#columns.length;
    table.dataset.density = this.#display.density;
    head.replaceChildren(h("tr", { role: "row" }, ...this.#columns.map((column) => {
      const isTime = column === "time";
      const order = query.order === "asc" ? "desc" : "asc";
      return h("th", { scope: "col", role: "columnheader", class: classOf(this.#columns, column), "aria-sort": isTime ? (query.order === "asc" ? "ascending" : "descending") : null },
        isTime ? h("button", { type: "button", class: "sort", title: words.say(`order_${order}`), onclick: () => this.#context.change(this.#context.query.with({ order })) },
          titleOf(this.#context, column)) : titleOf(this.#context, column));
    })));
    for (const row of this.#open.values()) row.querySelector("td")?.setAttribute("colspan", String(this.#columns.length));
    this.#rows.render();
  }

  /** Writes what the list shows into the caption. */
  #describe() {
    const { words, query, names } = this.#context;
    const period = words.say("caption", { period: query.periodWords(words), zone: query.timeZone });
    const filters = query.words(words, names);
    this.#parts.caption.textContent = filters ? `${period} · ${words.say("exportFilters", { filters })}` : period;
  }

  // Loading

  /** Loads the first page of the query, or the next page. @param {boolean} restart @param {Promise<void>} [named] resolves with the actions' names */
  async load(restart, named) {
    const { service, words, names } = this.#context;
    const { status, slow, trouble, more, table, skeleton } = this.#parts;
    if (!restart && (isBusy(more) || !this.#cursor)) return;
    const round = restart ? ++this.#round : this.#round;
    const isCurrent = () => round === this.#round && !service.signal.aborted;
    let isStale = restart;
    if (restart) {
      this.#cursor = null;
      this.#asked = new Date().toISOString();
      const active = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
      if (table.contains(active)) this.#focused = active?.matches(".sort") ? ".sort" : ".count";
      // Old rows stay until the new ones are there, but nobody can act on them.
      table.inert = true;
      skeleton.hidden = this.#rows.count > 0;
      table.hidden = this.#rows.count === 0;
      more.hidden = true;
      this.#describe();
      this.#news.clear();
      status.textContent = words.say("loading");
    }
    trouble.replaceChildren();
    this.#isEndless = false;
    setBusy(more, true);
    table.setAttribute("aria-busy", "true");
    const stopping = new AbortController();
    const slowTimer = setTimeout(() => {
      if (isCurrent()) slow.replaceChildren(words.say("slow"), " ", h("button", { type: "button", onclick: () => stopping.abort() }, words.say("stop")));
    }, SLOW_MS);
    let added = 0;
    try {
      /** @type {HTMLElement | null} */ let first = null;
      for (let requests = 0; requests < MAX_REQUESTS && added < ROWS_PER_LOAD && (requests === 0 || this.#cursor); requests += 1) {
        const [page] = await Promise.all([this.#page(stopping.signal), named]);
        if (!isCurrent()) return;
        if (isStale) this.#clear();
        isStale = false;
        for (const activity of page.activities) names.keep(activity);
        first ??= this.#take(page);
        added += page.activities.length;
        if (this.#rows.count > 0) { skeleton.hidden = true; table.hidden = false; }
        if (this.#cursor && added < ROWS_PER_LOAD) status.textContent = words.say("stillLoading", { count: this.#rows.count });
      }
      status.replaceChildren(...this.#summary());
      if (restart) this.#describe();
      // Moved to the first new row, because the button with the focus disappears at the end.
      const hadFocus = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement === more;
      more.hidden = !this.#cursor;
      if (hadFocus && more.hidden) first?.querySelector("button")?.focus();
      this.#isEndless = Boolean(this.#cursor) && added >= ROWS_PER_LOAD;
    } catch (error) {
      if (!isCurrent()) return;
      // Rows of another query would contradict the filters.
      if (isStale) this.#clear();
      status.replaceChildren(...(this.#rows.count > 0 ? this.#summary() : []));
      if (stopping.signal.aborted) {
        if (restart && this.#rows.count === 0) this.#context.showMessage(trouble, [h("p", {}, words.say("stopped"))], () => this.load(true));
        more.hidden = !this.#cursor;
      } else {
        more.hidden = true;
        if (error instanceof ApiError && [403, 404].includes(error.status)) this.#host.denied();
        this.#context.showError(trouble, error, () => this.load(restart && added === 0));
      }
    } finally {
      clearTimeout(slowTimer);
      if (isCurrent()) {
        slow.replaceChildren();
        skeleton.hidden = true;
        table.inert = false;
        setBusy(more, false);
        table.removeAttribute("aria-busy");
        this.#restoreFocus();
        if (this.#isEndless) this.#observeFoot();
      }
    }
  }

  /** Requests the next page. @param {AbortSignal} stop @param {number} [limit] */
  #page(stop, limit) {
    const parameters = this.#context.query.parameters();
    if (limit) parameters.set("limit", String(limit));
    if (this.#cursor) parameters.set("cursor", this.#cursor);
    return this.#context.service.activities(parameters, stop);
  }

  /** Appends a page's rows. @param {any} page */
  #take(page) {
    this.#cursor = page.next_cursor;
    this.#completeThrough = page.complete_through;
    this.#end = page.range.to;
    return this.#rows.append(page.activities);
  }

  /** Removes all rows. */
  #clear() {
    this.#open.clear();
    this.#rows.clear();
    this.#parts.table.hidden = true;
    this.#changeDisplay();
  }

  /** Moves the focus near to where it was, because a table that nobody can act on loses it, or to where a key asked for it. */
  #restoreFocus() {
    const { table, status } = this.#parts;
    const place = this.#focused;
    this.#focused = "";
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    const isNowhere = !root.activeElement && root.host.ownerDocument.activeElement === document.body;
    // The person may have moved on.
    if (place && (isNowhere || root.activeElement === status)) {
      /** @type {HTMLElement} */ ((!table.hidden && this.element.querySelector(place)) || status).focus();
    }
  }

  #summary() {
    const { words, zone } = this.#context;
    const { count } = this.#rows;
    const through = this.#completeThrough && h("span", { class: "quiet" }, words.say("completeThrough", { time: words.time(this.#completeThrough, zone) }));
    if (count === 0) return [h("strong", {}, words.say(this.#cursor ? "noneYet" : "none")), " ", through];
    return [h("strong", {}, words.count("shown", count)), " ", words.say(this.#cursor ? "andMore" : "andThatIsAll"), " ", through];
  }

  /** From when on activities are new, if the list shows the newest first and its period has not ended. */
  #newest() {
    const { query } = this.#context;
    if (query.order === "asc" || this.isLoading || !this.isLoaded || Date.parse(this.#end) <= Date.now()) return null;
    const [rows = []] = this.#rows.blocks;
    const instant = rows[0]?.occurred_at ?? this.#asked;
    return { instant, keys: new Set(rows.filter((each) => each.occurred_at === instant).map(keyOf)) };
  }

  // Printing

  /** Loads the rows of the query up to a limit, and prints them. */
  async print() {
    const { words, service } = this.#context;
    const { print, more, status, table, trouble } = this.#parts;
    if (isBusy(print) || isBusy(more)) return;
    const round = this.#round;
    setBusy(print, true);
    // Busy too, so that scrolling does not request the same page.
    setBusy(more, true);
    try {
      while (this.#cursor && this.#rows.count < MAX_PRINTED) {
        status.textContent = words.say("printing", { count: this.#rows.count });
        const page = await this.#page(service.signal, Math.min(LARGEST_PAGE, MAX_PRINTED - this.#rows.count));
        if (round !== this.#round) return;
        this.#take(page);
      }
      table.hidden = this.#rows.count === 0;
      status.replaceChildren(...this.#summary());
      more.hidden = !this.#cursor;
      // The frame after, so that the browser has laid out the rows.
      requestAnimationFrame(() => window.print());
    } catch (error) {
      if (service.signal.aborted) return;
      status.replaceChildren(...this.#summary());
      this.#context.showError(trouble, error, () => this.print());
    } finally {
      setBusy(print, false);
      if (round === this.#round) setBusy(more, false);
    }
  }

  /** Says on paper how much of the query it holds. */
  #sayPrinted() {
    const { words } = this.#context;
    const { count } = this.#rows;
    const key = count < MAX_PRINTED ? "printedLoaded" : "printedFirst";
    this.#parts.printed.textContent = this.#cursor ? words.say(key, { count, most: MAX_PRINTED }) : words.count("printedAll", count);
  }

  // Rows

  /** @param {Activity} activity @param {number} number @param {Activity | null} before */
  #render(activity, number, before) {
    const { words, zone } = this.#context;
    const key = keyOf(activity);
    const opened = this.#open.get(key);
    const instant = new Date(activity.occurred_at);
    const toggle = h("button", { type: "button", class: "toggle", "aria-expanded": String(Boolean(opened)), onclick: () => this.#toggle(row, toggle, activity, key) },
      h("time", { datetime: activity.occurred_at, title: words.time(activity.occurred_at, zone) }, words.clock(activity.occurred_at, zone)),
      h("span", { class: "unseen" }, ` ${words.say("details")}`));
    const row = h("tr", {
      role: "row", class: "row", "aria-rowindex": String(number + 1), "data-key": key,
      // A convenience for mouse users; keyboards and screen readers use the button.
      onclick: (/** @type {MouseEvent} */ event) => {
        if (!/** @type {Element} */ (event.target).closest("a, button") && String(getSelection()) === "") toggle.click();
      },
    }, ...cells(this.#context, activity, this.#columns, toggle));
    const day = dayIn(instant, zone);
    // A heading at the beginning of each block too, so that one is near wherever somebody stops scrolling.
    const heading = !before || dayIn(new Date(before.occurred_at), zone) !== day
      ? [h("tr", { role: "row", class: "day" }, h("th", { role: "rowheader", scope: "rowgroup", colspan: String(this.#columns.length) }, h("time", { datetime: day }, words.weekday(day))))] : [];
    return [...heading, row, ...(opened ? [opened] : [])];
  }

  /** @param {HTMLElement} row @param {HTMLElement} toggle @param {Activity} activity @param {string} key */
  #toggle(row, toggle, activity, key) {
    const opened = this.#open.get(key);
    if (!opened && !this.#host.open(activity)) return;
    toggle.setAttribute("aria-expanded", String(!opened));
    if (opened) {
      this.#open.delete(key);
      opened.remove();
      return;
    }
    row.after(this.#expand(activity));
  }

  /** Creates the row with an activity's details. @param {Activity} activity */
  #expand(activity) {
    const list = this;
    // Asked when they are needed, because rows may be added meanwhile.
    const neighbours = {
      get previous() { return list.#step(activity, -1); },
      get next() { return list.#step(activity, 1); },
    };
    const row = h("tr", { role: "row", class: "opened" },
      h("td", { role: "cell", colspan: String(this.#columns.length) }, details(this.#context, activity, neighbours)));
    this.#open.set(keyOf(activity), row);
    return row;
  }

  /** What opens the activity before or after another, or null. @param {Activity} activity @param {1 | -1} step */
  #step(activity, step) {
    const all = this.#rows.blocks.flat();
    const to = all.findIndex((each) => keyOf(each) === keyOf(activity)) + step;
    if (all[to]) return () => { this.open(keyOf(all[to]), activity); };
    return step > 0 && this.#cursor ? async () => { await this.load(false); this.#step(activity, step)?.(); } : null;
  }
}
