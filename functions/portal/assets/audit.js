// The audit: who read, exported or changed what. It is a list like the log, with a query of its own, so that neither moves the other.

import { h } from "./elements.js";
import { ActivityList } from "./list.js";
import { PeriodField } from "./period-field.js";
import { SearchField } from "./search-field.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./query.js").Query} Query */

/** The audit knows no customers, so there is neither a column nor a filter. */
const WITHOUT_CUSTOMERS = new Map([["customer", []]]);

export class AuditView {
  /** @type {HTMLElement} */ element;
  /** @type {ActivityList} */ list;
  /** @type {SearchField} */ search;
  #period;
  /** Resolves with the names of the acts. Failures are ignored, because an act without a name shows its id. @type {Promise<void>} */ #named;
  /** The query that is shown. @type {Query | null} */ #shown = null;

  /** @param {Context} context @param {{query: () => Query, change: (query: Query) => void, denied: () => void}} host */
  constructor(context, { query, change, denied }) {
    const own = context.with({ service: context.service.ofAudit, fixed: WITHOUT_CUSTOMERS, query, change });
    this.#named = own.service.actions().then((known) => own.setActions(known), () => {});
    this.list = new ActivityList(own, { open: () => true, denied });
    this.search = new SearchField(own);
    this.#period = new PeriodField(own);
    this.element = h("section", { class: "audit", "aria-labelledby": "audit-title" },
      h("h2", { id: "audit-title" }, context.words.say("view_audit")), h("p", { class: "quiet" }, context.words.say("auditIntro")),
      h("div", { class: "controls" }, this.search.element, this.#period.element), this.list.element);
  }

  /** Shows a query. The same one stays as it is, with its open rows. @param {Query} query */
  open(query) { if (!query.equals(this.#shown)) this.load(query); }

  /** Loads a query. @param {Query} query */
  load(query) {
    this.#shown = query;
    for (const each of [this.search, this.#period]) each.show(query);
    this.list.load(true, this.#named);
  }
}
