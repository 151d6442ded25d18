// Adds up the counts of a query. One call of the API reads a bounded amount, so a long period takes several calls, and the sums
// grow with each of them.

/** @typedef {import("./service.js").Service} Service */
/** @typedef {import("./service.js").Counts} CountsAnswer */
/** @typedef {NonNullable<CountsAnswer["buckets"]>[number]} Bucket */
/** A value of a filter, its name if it has one, and the number of its activities. @typedef {{value: string, name: string | null, count: number}} ValueCount */

/** The number of activities that are counted without asking. */
export const FIRST_LIMIT = 100_000;
/** The number of calls without asking, because a filter that matches little reads much and counts little. */
const FIRST_CALLS = 20;
/** Each request of a person to count on goes this many times as far. */
const FURTHER = 10;

export class Counts {
  #service;
  #parameters;
  #limit = FIRST_LIMIT;
  #maxCalls = FIRST_CALLS;
  #calls = 0;
  /** @type {string | null} */ #cursor = null;
  /** Buckets by their first instant, in order: each answer has all of the period. @type {Map<string, Bucket>} */ #buckets = new Map();
  /** Values of each dimension by their lower case, because filters ignore case. @type {Map<string, Map<string, ValueCount>>} */ #values = new Map();

  /** The number of activities so far. */
  total = 0;
  /** Whether everything is counted. */
  isComplete = false;
  /** Whether a person asked to count on. */
  isExtended = false;
  /** The counted period, from the first answer on. @type {CountsAnswer["range"] | null} */
  range = null;

  /** @param {Service} service @param {URLSearchParams} parameters the list's filters, with `interval`, `by` and `match` as the API takes them */
  constructor(service, parameters) {
    this.#service = service;
    this.#parameters = parameters;
    /** The dimensions that are counted. */
    this.dimensions = [...parameters.getAll("by"), ...(parameters.has("interval") ? ["status"] : [])];
  }

  get hasBegun() { return this.range !== null; }
  /** Whether the limit is reached. A person decides whether to count on. */
  get isPaused() { return !this.isComplete && (this.total >= this.#limit || this.#calls >= this.#maxCalls); }

  get buckets() { return this.#buckets.values(); }

  /** The part of the period that is counted, from 0 to 1. Counting starts at the end of the period. */
  get fraction() {
    if (this.isComplete) return 1;
    const oldest = [...this.#buckets.values()].find(({ counts }) => Object.values(counts).some((count) => count > 0));
    if (!this.range || !oldest) return 0;
    const [from, to] = [Date.parse(this.range.from), Date.parse(this.range.to)];
    return Math.min(Math.max((to - Date.parse(oldest.from)) / (to - from), 0), 1);
  }

  /** The values of a dimension, in no order. @param {string} dimension */
  values(dimension) { return [...this.#values.get(dimension)?.values() ?? []]; }

  /** Raises the limit, because a person asked to count on. */
  raiseLimit() {
    this.isExtended = true;
    this.#limit = Math.max(this.#limit, this.total) * FURTHER;
    this.#maxCalls = Math.max(this.#maxCalls, this.#calls) * FURTHER;
  }

  /**
   * Counts until everything is counted or the limit is reached. After an error or a stop, another call continues where this one ended.
   * @param {AbortSignal} stop @param {(counts: Counts) => void} changed called after each answer
   * @param {() => boolean} [isEnough] ends the counting early
   */
  async follow(stop, changed, isEnough = () => false) {
    while (!this.isComplete && !this.isPaused && !isEnough()) {
      const parameters = new URLSearchParams(this.#parameters);
      if (this.#cursor) parameters.set("cursor", this.#cursor);
      const answer = await this.#service.counts(parameters, stop);
      // Dropped, because the person asked for something else in the meantime.
      stop.throwIfAborted();
      this.#add(answer);
      changed(this);
    }
  }

  /** @param {CountsAnswer} answer */
  #add(answer) {
    this.#calls += 1;
    this.#cursor = answer.next_cursor;
    this.isComplete = !answer.next_cursor;
    this.range ??= answer.range;
    this.total += answer.total;
    for (const bucket of answer.buckets ?? []) {
      const known = this.#buckets.get(bucket.from);
      if (!known) this.#buckets.set(bucket.from, { ...bucket, counts: { ...bucket.counts } });
      for (const [status, count] of Object.entries(bucket.counts)) {
        if (known) known.counts[status] = (known.counts[status] ?? 0) + count;
        this.#count("status", { value: status, name: null, count });
      }
    }
    for (const [dimension, values] of Object.entries(answer.by ?? {})) {
      // Activities without a value are no choice, because no filter selects them.
      for (const { value, name, count } of values) if (value !== null) this.#count(dimension, { value, name: name ?? null, count });
    }
  }

  /** @param {string} dimension @param {ValueCount} counted */
  #count(dimension, { value, name, count }) {
    const values = this.#values.get(dimension) ?? new Map();
    this.#values.set(dimension, values);
    const known = values.get(value.toLowerCase());
    if (!known) values.set(value.toLowerCase(), { value, name, count });
    else {
      known.count += count;
      known.name ??= name;
    }
  }
}
