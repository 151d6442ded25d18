// The choice of the activities that a schedule or a stream is about: all, those of the saved filters, of the log, or of a saved view.

import { h } from "./elements.js";
import { queryOf } from "./export-list.js";
import { savedViews } from "./saved-views.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./query.js").Query} Query */

/** The filters of a query as a request has them. @param {Query} query */
function filtersOf(query) {
  const { from, to, time_zone, ...filters } = query.exportRequest();
  return filters;
}

export class FilterChoice {
  /** The control. @type {any} */ element = h("select", { name: "filters" });
  #context;
  #saved;
  /** The queries of the choices, by their values. @type {Map<string, Query | null>} */ #offered = new Map();

  /** @param {Context} context @param {Record<string, any>} [saved] the saved filters as the API answers them */
  constructor(context, saved = {}) {
    this.#context = context;
    this.#saved = saved;
    this.offer();
  }

  /** The value that changes nothing. */
  get #unchanged() { return Object.keys(this.#saved).length > 0 ? "saved" : "all"; }

  /** Offers what the log and the saved views have by now. A choice stays if it is still offered. */
  offer() {
    const { words, names, query, partner } = this.#context;
    /** @type {[string, Query | null, string][]} */ const offered = [["all", null, words.say("filtersAll")]];
    if (this.#unchanged === "saved") {
      const kept = queryOf(this.#saved);
      offered.push(["saved", kept, kept.words(words, names)]);
    }
    if (query.isFiltered) offered.push(["log", query, words.say("filtersOfLog", { filters: query.words(words, names) })]);
    for (const view of savedViews(partner, query.timeZone)) {
      if (view.query.isFiltered) offered.push([`view ${view.name}`, view.query, words.say("filtersOfView", { name: view.name, filters: view.query.words(words, names) })]);
    }
    this.#offered = new Map(offered.map(([value, chosen]) => [value, chosen]));
    const chosen = this.#offered.has(this.element.value) ? this.element.value : this.#unchanged;
    this.element.replaceChildren(...offered.map(([value, , text]) => h("option", { value, selected: value === chosen }, text)));
  }

  /** Chooses the filters of a query, if they are offered. @param {Query} query */
  choose(query) {
    const found = [...this.#offered].find(([, each]) => (each ? JSON.stringify(filtersOf(each)) === JSON.stringify(filtersOf(query)) : !query.isFiltered));
    if (found) [this.element.value] = found;
  }

  /** The member of a request. Unchanged filters are left out, so that a change elsewhere in the meantime stays. @returns {{filters?: object | null}} */
  get request() {
    const { value } = this.element;
    const chosen = this.#offered.get(value);
    return value === this.#unchanged ? {} : { filters: chosen ? filtersOf(chosen) : null };
  }
}
