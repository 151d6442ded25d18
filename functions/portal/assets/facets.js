// The values that occur in a query's activities, with their numbers, by status, kind of action, customer, user and source. Each
// value can be chosen, beside others, or excluded.

import { Counts } from "./counts.js";
import { h, isolated } from "./elements.js";
import { STATUSES, plainValue, valueWords } from "./query.js";
import { fold } from "./search-terms.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./query.js").Query} Query */
/** @typedef {import("./counts.js").ValueCount} ValueCount */
/** A filter of the list, and the dimension of the counts that has its values; those of actions are put together by kind. @typedef {{filter: string, dimension: string}} FacetKind */

/** @type {FacetKind[]} */
export const FACETS = [
  { filter: "status", dimension: "status" },
  { filter: "action", dimension: "action" },
  { filter: "customer", dimension: "customer" },
  { filter: "actor", dimension: "actor" },
  { filter: "source", dimension: "source" },
];
/** The number of values that a facet shows at first. */
const FIRST_VALUES = 5;
/** The number of values that each click adds. */
const FURTHER_VALUES = 20;
/** A search is sent after this pause in typing. */
const TYPING_MS = 250;

/** A row of a facet. @typedef {{element: any, box: any, number: any, bar: any, not: any}} Row */

class Facet {
  #context;
  #kind;
  #title;
  /** @type {ValueCount[]} */ #values = [];
  /** Whether values may be missing, so that a search must ask the service. */
  #isPartial = false;
  #shown = FIRST_VALUES;
  /** Rows by the value's lower case. @type {Map<string, Row>} */ #rows = new Map();
  /** Values that the service found, for the text in the search field. @type {Counts | null} */ #found = null;
  /** What the values are counted for: the query without the facet's own filter. */
  #scope = "";
  #searching = new AbortController();
  #timer = 0;
  #parts;

  /** @param {Context} context @param {FacetKind} kind */
  constructor(context, kind) {
    this.#context = context;
    this.#kind = kind;
    const { words } = context;
    this.#title = words.say(kind.filter === "action" ? "filter_kind" : `filter_${kind.filter}`);
    const search = h("input", {
      type: "search", class: "find", maxlength: 100, autocomplete: "off", autocapitalize: "off", spellcheck: "false", hidden: true,
      "aria-label": words.say("facetFind", { facet: this.#title }), placeholder: words.say("facetFindHint"), oninput: () => this.#search(),
    });
    const id = `facet-${kind.filter}`;
    const list = h("div", {
      class: "values", role: "toolbar", "aria-orientation": "vertical", "aria-labelledby": id,
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#press(event), onfocusin: (/** @type {FocusEvent} */ event) => this.#rove(event.target),
    });
    const note = h("p", { class: "quiet", role: "status" });
    const more = h("button", { type: "button", class: "plain more", hidden: true, onclick: () => this.#showMore() });
    this.#parts = { search, list, note, more };
    this.element = h("div", { class: "facet", hidden: true }, h("h2", { id }, this.#title), search, list, note, more);
  }

  get kind() { return this.#kind; }

  /** The filter's values in the query, without case. */
  get #chosen() { return new Map((this.#context.query.filters.get(this.#kind.filter) ?? []).map((value) => [value.toLowerCase(), value])); }

  get hasNumbers() { return this.#values.length > 0; }

  /** The number of values that the query chooses or excludes. */
  get chosenCount() { return this.#chosen.size; }

  /** Searches again if other filters have changed. A choice among the found values leaves them as they are. */
  restart() {
    const scope = String(ownParameters(this.#context.query, this.#kind.filter));
    if (scope === this.#scope) return;
    this.#scope = scope;
    if (this.#parts.search.value) this.#search();
  }

  /** Shows counts that have grown. @param {Counts} counts */
  update(counts) {
    const values = counts.values(this.#kind.dimension);
    const known = new Map((this.#kind.filter === "action" ? kindsOf(values) : values).map((each) => [each.value.toLowerCase(), each]));
    if (this.#kind.filter === "status") {
      for (const value of STATUSES) if (!known.has(value)) known.set(value, { value, name: null, count: 0 });
    }
    for (const each of known.values()) if (each.name) this.#context.names.set(this.#kind.filter, each.value, each.name);
    this.#values = [...known.values()];
    this.#isPartial = !counts.isComplete;
    this.show();
  }

  /** A value as the filter has it: a kind of action is a prefix. @param {string} value */
  #filterValue(value) { return this.#kind.filter === "action" ? `${value}.*` : value; }

  /** The value of a filter, or null for a single action, which is no kind. @param {string} filter */
  #valueOf(filter) {
    if (this.#kind.filter !== "action") return filter;
    return /^\w+\.\*$/.test(filter) ? filter.slice(0, -2) : null;
  }

  /** A value in words. @param {ValueCount} counted */
  #label({ value, name: given }) {
    return given || valueWords(this.#context.words, this.#context.names, this.#kind.filter, this.#filterValue(value));
  }

  /** Shows the values in order: statuses always in the same, others by their number. */
  show() {
    const { search, more, note } = this.#parts;
    const chosen = this.#chosen;
    const isChosen = (/** @type {ValueCount} */ { value }) => {
      const filter = this.#filterValue(value).toLowerCase();
      return chosen.has(filter) || chosen.has(`!${filter}`);
    };
    const text = fold(search.value.trim());
    const all = new Map(this.#values.map((each) => [each.value.toLowerCase(), each]));
    for (const each of text ? this.#further() : []) if (!all.has(each.value.toLowerCase())) all.set(each.value.toLowerCase(), each);
    // Chosen values without any activity are shown too, so that they can be taken back here.
    for (const filter of text ? [] : chosen.values()) {
      const value = this.#valueOf(plainValue(filter));
      if (value && !all.has(value.toLowerCase())) all.set(value.toLowerCase(), { value, name: null, count: 0 });
    }
    const isMatch = (/** @type {ValueCount} */ each) => !text || fold(`${this.#label(each)} ${each.value}`).includes(text);
    const sorted = [...all.values()].filter(isMatch);
    if (this.#kind.filter === "status") sorted.sort((a, b) => STATUSES.indexOf(a.value) - STATUSES.indexOf(b.value));
    else sorted.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
    const visible = sorted.filter((each, index) => index < this.#shown || (isChosen(each) && !text));
    // By name only among those that are visible, because there may be thousands.
    if (this.#kind.filter !== "status") visible.sort((a, b) => b.count - a.count || this.#label(a).localeCompare(this.#label(b), this.#context.words.locale));
    const most = Math.max(...visible.map(({ count }) => count), 1);
    const rows = visible.map((each) => this.#row(each, most, chosen));
    this.#place(rows.map(({ element }) => element));
    const left = sorted.length - visible.length;
    more.hidden = left <= 0;
    more.textContent = this.#context.words.say("facetMore", { count: left });
    search.hidden = this.#kind.filter === "status" || (!text && sorted.length <= FIRST_VALUES && !this.#isPartial);
    this.element.hidden = all.size === 0 && !text;
    if (text && sorted.length > 0) note.textContent = "";
  }

  /** The values that only a search shows: what the service has found, or the kinds of the catalogue. @returns {ValueCount[]} */
  #further() {
    if (this.#kind.filter !== "action") return this.#found?.values(this.#kind.dimension) ?? [];
    return [...this.#context.actions.values()].map(({ category }) => ({ value: category, name: null, count: 0 }));
  }

  /** Puts the rows in their order, unless somebody is about to use them: nothing moves away under a pointer or a focus. @param {any[]} elements */
  #place(elements) {
    const { list } = this.#parts;
    const active = /** @type {ShadowRoot} */ (list.getRootNode()).activeElement;
    if (list.contains(active) || list.matches(":hover")) {
      const wanted = new Set(elements);
      for (const each of [...list.children]) if (!wanted.has(each) && each !== active?.closest(".value")) each.remove();
      for (const each of elements) if (!each.isConnected) list.append(each);
    } else {
      list.replaceChildren(...elements);
    }
    if (!list.querySelector("[tabindex='0']")) list.querySelector("input")?.setAttribute("tabindex", "0");
  }

  /** Creates or updates the row of a value. @param {ValueCount} value @param {number} most @param {Map<string, string>} chosen @returns {Row} */
  #row(value, most, chosen) {
    const { words } = this.#context;
    const key = value.value.toLowerCase();
    const filter = this.#filterValue(value.value);
    let row = this.#rows.get(key);
    if (!row) {
      const box = h("input", { type: "checkbox", tabindex: "-1", onchange: () => this.#choose(filter, box.checked) });
      const number = h("span", { class: "number" });
      const not = h("button", { type: "button", class: "not", tabindex: "-1", onclick: () => this.#exclude(filter) }, h("span", { "aria-hidden": "true" }, "≠"));
      const bar = h("span", { class: "share", "aria-hidden": "true" });
      row = { element: h("div", { class: "value" }, h("label", { title: value.value }, box, h("span", { class: "text" }), number, bar), not), box, number, bar, not };
      this.#rows.set(key, row);
    }
    const label = this.#label(value);
    row.element.querySelector(".text").replaceChildren(isolated(label));
    row.number.textContent = words.number(value.count);
    row.bar.style.inlineSize = `${(value.count / most) * 100}%`;
    row.box.checked = chosen.has(filter.toLowerCase());
    const isExcluded = chosen.has(`!${filter.toLowerCase()}`);
    row.element.classList.toggle("excluded", isExcluded);
    row.not.setAttribute("aria-pressed", String(isExcluded));
    row.not.setAttribute("aria-label", words.say("facetNot", { value: label }));
    row.not.title = words.say("facetNot", { value: label });
    return row;
  }

  /** @param {string} filter @param {boolean} isChosen */
  #choose(filter, isChosen) {
    const { query } = this.#context;
    const name = this.#kind.filter;
    this.#context.change(isChosen ? query.add(name, filter) : query.without(name, this.#chosen.get(filter.toLowerCase()) ?? filter));
  }

  /** Excludes a value, or takes that back. @param {string} filter */
  #exclude(filter) {
    const { query } = this.#context;
    const excluded = this.#chosen.get(`!${filter.toLowerCase()}`);
    this.#context.change(excluded ? query.without(this.#kind.filter, excluded) : query.not(this.#kind.filter, filter));
  }

  #showMore() {
    const { list, more } = this.#parts;
    const before = new Set(list.children);
    this.#shown += FURTHER_VALUES;
    this.show();
    // The first new value, because the button may have disappeared.
    const first = [...list.children].find((each) => !before.has(each))?.querySelector("input");
    if (first && more.hidden) first.focus();
  }

  // The search

  #search() {
    const { search, note } = this.#parts;
    this.#searching.abort();
    clearTimeout(this.#timer);
    this.#found = null;
    note.textContent = "";
    this.show();
    const text = search.value.trim();
    // All kinds of actions are known.
    if (!text || this.#kind.filter === "action") return;
    this.#timer = setTimeout(() => this.#ask(text), this.#isPartial ? TYPING_MS : 0);
  }

  /** Asks the service for values that contain a text, where the counts so far may lack some. @param {string} text */
  async #ask(text) {
    const { words, service, query } = this.#context;
    const { list, note } = this.#parts;
    const stop = this.#searching = new AbortController();
    try {
      if (this.#isPartial) {
        const parameters = ownParameters(query, this.#kind.filter);
        parameters.append("by", this.#kind.dimension);
        parameters.set("match", text);
        const found = this.#found = new Counts(service, parameters);
        note.textContent = words.say("facetSearching");
        await found.follow(stop.signal, () => this.show(), () => found.values(this.#kind.dimension).length >= FURTHER_VALUES);
      }
      note.textContent = list.children.length > 0 ? "" : words.say("facetNone", { text });
    } catch {
      // The person types on, or the next letter asks again.
      if (!stop.signal.aborted) note.textContent = words.say("facetFailed");
    }
  }

  // The keyboard: a facet is one tab stop, so that its values do not stand between the search and the list

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...this.#parts.list.children];
    const target = /** @type {HTMLElement} */ (event.target);
    const at = rows.indexOf(target.closest(".value"));
    const selector = target.matches("button") ? "button" : "input";
    const to = /** @type {Record<string, HTMLElement | undefined>} */ ({
      ArrowDown: rows[at + 1]?.querySelector(selector), ArrowUp: rows[at - 1]?.querySelector(selector),
      ArrowRight: rows[at]?.querySelector("button"), ArrowLeft: rows[at]?.querySelector("input"),
      Home: rows[0]?.querySelector(selector), End: rows[rows.length - 1]?.querySelector(selector),
    });
    if (!Object.hasOwn(to, event.key)) return;
    to[event.key]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {EventTarget | null} target */
  #rove(target) {
    for (const each of this.#parts.list.querySelectorAll("[tabindex='0']")) each.tabIndex = -1;
    /** @type {HTMLElement} */ (target).tabIndex = 0;
  }
}

/** Adds up actions by their kind, the first part of their name. @param {ValueCount[]} actions @returns {ValueCount[]} */
function kindsOf(actions) {
  /** @type {Map<string, number>} */ const kinds = new Map();
  for (const { value, count } of actions) {
    const [kind] = value.split(".");
    kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  }
  return [...kinds].map(([value, count]) => ({ value, name: null, count }));
}

/** The query's parameters without one filter, whose values are counted. @param {Query} query @param {string} filter */
export function ownParameters(query, filter) {
  const parameters = query.without(filter).parameters();
  parameters.delete("order");
  return parameters;
}

export class Facets {
  #context;
  /** @type {Facet[]} */ #facets;
  #toggle;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    // The portal's own filters cannot be changed here.
    this.#facets = FACETS.filter(({ filter }) => !context.fixed.has(filter)).map((kind) => new Facet(context, kind));
    // In a narrow component this button shows the facets.
    this.#toggle = h("button", { type: "button", class: "plain unfold", "aria-expanded": "false", onclick: () => {
      const isOpen = this.element.classList.toggle("open");
      this.#toggle.setAttribute("aria-expanded", String(isOpen));
    } });
    this.element = h("div", { class: "facets", role: "group", "aria-label": context.words.say("facets") },
      this.#toggle, h("div", { class: "all" }, ...this.#facets.map((facet) => facet.element)));
  }

  /** The facets whose filter is set: their numbers are counted without it, so that further values can be chosen. @param {Query} query @returns {FacetKind[]} */
  ownCounts(query) { return this.#facets.map((facet) => facet.kind).filter(({ filter }) => query.filters.has(filter)); }

  /** Shows what another query chooses; the numbers follow. */
  restart() {
    for (const facet of this.#facets) {
      facet.restart();
      if (facet.hasNumbers) facet.show();
    }
    const count = this.#facets.reduce((all, facet) => all + facet.chosenCount, 0);
    this.#toggle.textContent = count > 0 ? this.#context.words.say("facetsChosen", { count }) : this.#context.words.say("facets");
  }

  /**
   * Shows counts that have grown.
   * @param {Counts} counts of the whole query @param {Map<string, Counts>} own counts without the facet's own filter, by filter
   */
  update(counts, own) {
    for (const facet of this.#facets) {
      const without = own.get(facet.kind.filter);
      // Until these counts arrive, the facet keeps its former numbers, or has those of the query.
      const known = without?.hasBegun ? without : without && facet.hasNumbers ? null : counts;
      if (known?.dimensions.includes(facet.kind.dimension)) facet.update(known);
    }
  }
}
