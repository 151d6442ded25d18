// What the list's activities amount to: their number, a histogram, and the values of each filter with their numbers. The service
// counts in steps, and the sums appear at once and grow.

import { chooseStep, periodOf } from "./bars.js";
import { Counts } from "./counts.js";
import { h } from "./elements.js";
import { FACETS, Facets, ownParameters } from "./facets.js";
import { Histogram } from "./histogram.js";
import { ApiError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./query.js").Query} Query */

/** Counts of a filter's values are used again for this time, because choosing several values asks for the same counts again. */
const REUSE_MS = 60_000;
/** The most counts that are kept for it. */
const MAX_KEPT = 12;

export class Overview {
  #context;
  #words;
  #histogram;
  #facets;
  /** Aborts when another query is shown, so that late answers are dropped. */
  #stop = new AbortController();
  /** Counts by their parameters. @type {Map<string, {counts: Counts, since: number}>} */ #kept = new Map();
  /** @type {Query | null} */ #query = null;
  /** @type {Counts | null} */ #counts = null;
  /** Counts of facets whose filter is set, by the filter. @type {Map<string, Counts>} */ #own = new Map();
  /** @type {import("./bars.js").Step | null} */ #step = null;
  /** Whether the service has no such route. */
  #isMissing = false;
  /** Queries before each step into a part of their period. @type {Query[]} */ #former = [];
  /** The period that is shown. */
  #period = "";
  #parts;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const { words } = context;
    this.#words = words;
    this.#histogram = new Histogram(context, (bar) => this.#zoom(bar));
    this.#facets = new Facets(context);
    const total = h("strong", { class: "total" });
    const counting = h("progress", { "aria-label": words.say("counting"), max: 1 });
    const goOn = h("button", { type: "button", onclick: () => this.#countOn() }, words.say("countOn"));
    const halt = h("button", { type: "button", onclick: () => this.#halt() }, words.say("countStop"));
    const zoomOut = h("button", { type: "button", class: "zoom-out", onclick: () => this.#zoomOut() }, words.say("zoomOut"));
    // Read out at the end only, because the growing number would be read at each step.
    const said = h("p", { class: "unseen", role: "status" });
    const trouble = h("p", { class: "trouble quiet", role: "status" });
    this.#parts = { total, counting, goOn, halt, zoomOut, said, trouble };
    const sum = h("div", { class: "sum" }, total, counting, goOn, halt, zoomOut, trouble, said, this.#histogram.key);
    this.element = h("section", { class: "overview", "aria-label": words.say("overview") }, h("div", { class: "figure" }, sum, this.#histogram.element), this.#facets.element);
    // Tried again when the browser is online again.
    addEventListener("online", () => this.#parts.trouble.querySelector("button")?.click(), { signal: context.service.signal });
  }

  /** The number of activities so far and whether it is the whole number, or null before the first answer. @returns {{count: number, isComplete: boolean} | null} */
  get total() { return this.#counts?.hasBegun ? { count: this.#counts.total, isComplete: this.#counts.isComplete } : null; }

  /** Counts a query. @param {Query} query */
  show(query) {
    const before = this.#query;
    this.#query = query;
    // Another order of the same list changes no number.
    if (before && before.order !== query.order && before.with({ order: query.order }).equals(query)) return;
    this.#stop.abort();
    this.#stop = new AbortController();
    if (this.#isMissing) return;
    const parameters = query.parameters();
    const range = { from: parameters.get("from") ?? "", to: parameters.get("to") ?? "" };
    this.#forgetPeriods(JSON.stringify(range));
    this.#step = chooseStep(range);
    this.#counts = this.#create(query, this.#step);
    this.#own = new Map(this.#facets.ownCounts(query).map((kind) => [kind.filter, this.#reuse(query, kind)]));
    this.#parts.trouble.replaceChildren();
    this.#parts.said.textContent = "";
    // The former bars and numbers stay, dimmed, until the first answer, so that nothing jumps.
    this.element.classList.add("stale");
    this.element.setAttribute("aria-busy", "true");
    this.#facets.restart();
    this.#showSum();
    this.#follow();
  }

  /** Creates the counts of a query. @param {Query} query @param {import("./bars.js").Step | null} step */
  #create(query, step) {
    const parameters = query.parameters();
    parameters.delete("order");
    const key = String(parameters);
    // The histogram's bars have the numbers by status. The API takes four dimensions.
    const dimensions = FACETS.map(({ dimension }) => dimension).filter((dimension) => (step ? dimension !== "status" : dimension !== "source"));
    if (step) parameters.set("interval", step.unit);
    for (const each of dimensions) parameters.append("by", each);
    return this.#keep(key, new Counts(this.#context.service, parameters));
  }

  /** Returns the counts of a query without the filter of one facet. @param {Query} query @param {import("./facets.js").FacetKind} kind */
  #reuse(query, { filter, dimension }) {
    const parameters = ownParameters(query, filter);
    for (const key of [String(parameters), `${parameters} ${dimension}`]) {
      const kept = this.#kept.get(key);
      if (kept && performance.now() - kept.since < REUSE_MS && kept.counts.dimensions.includes(dimension)) return kept.counts;
    }
    const key = `${parameters} ${dimension}`;
    parameters.append("by", dimension);
    return this.#keep(key, new Counts(this.#context.service, parameters));
  }

  /** @param {string} key @param {Counts} counts */
  #keep(key, counts) {
    this.#kept.delete(key);
    this.#kept.set(key, { counts, since: performance.now() });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return counts;
  }

  /** Counts to the end or to the limit: the query itself, and one by one what facets with a filter need besides. */
  async #follow() {
    const stop = AbortSignal.any([this.#stop.signal, this.#context.service.signal]);
    const counts = /** @type {Counts} */ (this.#counts);
    const ownCounts = async () => {
      for (const own of this.#own.values()) await own.follow(stop, () => this.#showFacets());
    };
    try {
      await counts.follow(stop, () => this.#show(), () => counts.hasBegun);
      await Promise.all([counts.follow(stop, () => this.#show()), ownCounts()]);
    } catch (error) {
      if (!stop.aborted) this.#fail(error);
      return;
    }
    this.element.removeAttribute("aria-busy");
    this.#showSum();
    this.#parts.said.textContent = this.#parts.total.textContent;
  }

  /** Shows an error beside the numbers; the list is not affected. @param {unknown} error */
  #fail(error) {
    const status = error instanceof ApiError ? error.status : 0;
    this.element.removeAttribute("aria-busy");
    // An older service does not count, and the list shows who may not read the log.
    this.#isMissing = status === 404;
    this.element.hidden = this.#isMissing || status === 403;
    // The page signs in again and starts anew.
    if (status === 401) return;
    this.#stop.abort();
    this.#stop = new AbortController();
    const again = () => {
      this.#parts.trouble.replaceChildren();
      // The service may refuse a cursor of an earlier release.
      if (status === 400) return this.show(this.#context.query);
      this.element.setAttribute("aria-busy", "true");
      this.#showSum();
      this.#follow();
    };
    this.#parts.trouble.replaceChildren(this.#words.say("countFailed"), " ", h("button", { type: "button", class: "plain", onclick: again }, this.#words.say("countAgain")));
    this.#showSum();
  }

  #show() {
    const counts = /** @type {Counts} */ (this.#counts);
    this.element.hidden = false;
    this.element.classList.remove("stale");
    this.element.classList.toggle("without-bars", !this.#step);
    if (this.#step) this.#histogram.update(counts, this.#step);
    this.#showFacets();
    this.#showSum();
  }

  #showFacets() {
    this.#facets.update(/** @type {Counts} */ (this.#counts), this.#own);
  }

  #showSum() {
    const { total, counting, goOn, halt, zoomOut } = this.#parts;
    const counts = /** @type {Counts} */ (this.#counts);
    const isCounting = !counts.isComplete && !counts.isPaused && this.element.hasAttribute("aria-busy");
    if (counts.hasBegun) total.textContent = this.#words.count(counts.isComplete ? "activities" : "activitiesSoFar", counts.total);
    // The former number stays until the first answer, but not beside an error.
    else if (!this.element.hasAttribute("aria-busy")) total.textContent = "";
    else total.textContent ||= this.#words.say("counting");
    counting.hidden = !isCounting;
    if (counts.hasBegun) counting.value = counts.fraction;
    else counting.removeAttribute("value");
    goOn.hidden = !counts.hasBegun || counts.isComplete || isCounting || this.#parts.trouble.hasChildNodes();
    // Counting stops by itself at the limit; only a longer one needs the button.
    const hadFocus = halt.matches(":focus");
    halt.hidden = !isCounting || !counts.isExtended;
    if (hadFocus && halt.hidden) this.#histogram.focus();
    zoomOut.hidden = this.#former.length === 0;
  }

  #countOn() {
    const counts = /** @type {Counts} */ (this.#counts);
    if (counts.isPaused) counts.raiseLimit();
    for (const own of this.#own.values()) if (own.isPaused) own.raiseLimit();
    this.element.setAttribute("aria-busy", "true");
    this.#showSum();
    if (!this.#parts.halt.hidden) this.#parts.halt.focus();
    this.#follow();
  }

  #halt() {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.element.removeAttribute("aria-busy");
    this.#showSum();
    this.#parts.goOn.focus();
  }

  // The period

  /** @param {import("./bars.js").Bar} bar */
  #zoom(bar) {
    const { query } = this.#context;
    const next = query.with({ period: periodOf(bar, query.timeZone) });
    const parameters = next.parameters();
    const period = JSON.stringify({ from: parameters.get("from"), to: parameters.get("to") });
    // A bar that is the whole period has nothing inside to show.
    if (period === this.#period) return;
    this.#former.push(query);
    this.#period = period;
    this.#context.change(next);
  }

  #zoomOut() {
    const former = this.#former.at(-1);
    if (!former) return;
    this.#context.change(this.#context.query.with({ period: former.period }));
    // The button may have disappeared.
    if (this.#parts.zoomOut.hidden) this.#histogram.focus();
  }

  /** Forgets periods to go back to, if the person went back by other means or chose another period. @param {string} period */
  #forgetPeriods(period) {
    const back = this.#former.findLastIndex((each) => {
      const parameters = each.parameters();
      return JSON.stringify({ from: parameters.get("from"), to: parameters.get("to") }) === period;
    });
    if (back >= 0) this.#former.length = back;
    else if (period !== this.#period) this.#former.length = 0;
    this.#period = period;
  }
}
