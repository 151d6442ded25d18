// What the list shows: a period in a time zone, filters, a text search, and an order. The address, the API's parameters, an
// export's request and the filters in words all come from here, so that none of them can differ from the list.

import { dayIn, parseDay, PERIODS } from "./calendar.js";
import { isTimeZone } from "./language.js";

/** @typedef {import("./language.js").Words} Words */

/**
 * A period: one of PERIODS, which moves on with the calendar; a first and a last day (YYYY-MM-DD); or two exact instants
 * (RFC 3339), of which the second is excluded.
 * @typedef {{rolling: string} | {from: string, to: string}} Period
 */
/** Values by the filter's name in the API. `!` in front of a value excludes it. @typedef {ReadonlyMap<string, readonly string[]>} Filters */
/** @typedef {{period: Period, timeZone: string, order: string, text: string, filters: Filters}} Parts */
/** Finds the name of an id, as in `names.get("customer", "fabrikam")`. @typedef {{get(kind: string, id: string): string | undefined | null}} Names */

/** The filters' names in the API. */
export const FILTERS = ["customer", "actor", "action", "status", "target_type", "target", "correlation", "source"];
/** The statuses of an activity. */
export const STATUSES = ["succeeded", "failed", "declined", "in_progress"];
/** The period of a list without a chosen one. */
export const DEFAULT_PERIOD = "recent";
/** The most values that the API takes for one filter. */
export const MAX_VALUES = 50;

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
/** The filter of users has this name in addresses, as it always had. @type {Record<string, string>} */
const IN_ADDRESS = { actor: "user" };
/** The names that this file writes into an address. */
const ADDRESS_NAMES = ["period", "from", "to", "tz", ...FILTERS.map((name) => IN_ADDRESS[name] ?? name), "actor", "q", "order"];

/** Says whether a value excludes. @param {string} value */
export const isExcluded = (value) => value.startsWith("!");
/** Returns a value without the mark that excludes it. @param {string} value */
export const plainValue = (value) => (isExcluded(value) ? value.slice(1) : value);
/** The same value with the opposite meaning. @param {string} value */
const opposite = (value) => (isExcluded(value) ? value.slice(1) : `!${value}`);

/** Returns the text if it is an instant, else null. @param {string | null} text */
const parseInstant = (text) => (text && INSTANT.test(text) && !Number.isNaN(Date.parse(text)) ? text : null);

/** Reads the period of an address. @param {URLSearchParams} params @param {string} today @returns {Period} */
function readPeriod(params, today) {
  const rolling = params.get("period") ?? "";
  if (Object.hasOwn(PERIODS, rolling)) return { rolling };
  const [start, end] = [params.get("from"), params.get("to")];
  const instants = [parseInstant(start), parseInstant(end)];
  const [from, to] = instants[0] && instants[1] ? instants : [parseDay(start), parseDay(end)];
  if (!from && !to) return { rolling: DEFAULT_PERIOD };
  const last = to ?? (from && from > today ? from : today);
  const first = from ?? PERIODS.recent(last)[0];
  // Put in order, because a link with the days exchanged can only mean the days between them.
  return Date.parse(first) > Date.parse(last) ? { from: last, to: first } : { from: first, to: last };
}

/** An immutable query. Methods that change something return another one. */
export class Query {
  /** The day on which the query was made, in its time zone. Rolling periods count from it, so that all requests of one list agree. */
  #today;

  /** @param {Partial<Parts>} [parts] @param {string} [today] */
  constructor({ period = { rolling: DEFAULT_PERIOD }, timeZone = "UTC", order = "desc", text = "", filters = new Map() } = {}, today = dayIn(new Date(), timeZone)) {
    this.period = period;
    this.timeZone = timeZone;
    this.order = order;
    /** Words that an activity contains. */
    this.text = text.trim();
    /** @type {Filters} */
    this.filters = new Map(FILTERS.flatMap((name) => {
      const values = [...new Set(filters.get(name) ?? [])].slice(0, MAX_VALUES);
      return values.length > 0 ? [[name, values]] : [];
    }));
    this.#today = today;
    Object.freeze(this);
  }

  /** Reads an address. @param {URLSearchParams} params @param {{timeZone: string, today?: string}} options `timeZone` is for an address without one */
  static read(params, options) {
    const zone = params.get("tz");
    const timeZone = isTimeZone(zone) ? zone : options.timeZone;
    const today = options.today ?? dayIn(new Date(), timeZone);
    const filters = new Map(FILTERS.map((name) => {
      const values = [...params.getAll(name), ...(IN_ADDRESS[name] ? params.getAll(IN_ADDRESS[name]) : [])];
      return [name, values.map((value) => value.trim()).filter((value) => plainValue(value) !== "")];
    }));
    const order = params.get("order") === "asc" ? "asc" : "desc";
    return new Query({ period: readPeriod(params, today), timeZone, order, text: params.get("q") ?? "", filters }, today);
  }

  /** Writes the query into an address, and leaves the address's other parameters. @param {URLSearchParams} params */
  write(params) {
    for (const name of ADDRESS_NAMES) params.delete(name);
    if (!("rolling" in this.period)) {
      params.set("from", this.period.from);
      params.set("to", this.period.to);
    } else params.set("period", this.period.rolling);
    params.set("tz", this.timeZone);
    for (const [name, values] of this.filters) for (const value of values) params.append(IN_ADDRESS[name] ?? name, value);
    if (this.text) params.set("q", this.text);
    if (this.order === "asc") params.set("order", "asc");
    return params;
  }

  /** Says whether the period has exact instants instead of days. */
  get isExact() { return !("rolling" in this.period) && this.period.from.includes("T"); }

  /** Says whether anything but the period limits the list. */
  get isFiltered() { return this.text !== "" || this.filters.size > 0; }

  /** The first and the last day of the period. @param {string} [today] @returns {{from: string, to: string}} */
  days(today = this.#today) {
    if ("rolling" in this.period) {
      const [from, to] = PERIODS[this.period.rolling](today);
      return { from, to };
    }
    if (!this.isExact) return this.period;
    const last = new Date(Math.max(Date.parse(this.period.to) - 1, Date.parse(this.period.from)));
    return { from: dayIn(new Date(this.period.from), this.timeZone), to: dayIn(last, this.timeZone) };
  }

  /** The period as the API takes it: days or instants. @param {string} [today] @returns {{from: string, to: string}} */
  range(today = this.#today) { return this.isExact ? /** @type {{from: string, to: string}} */ (this.period) : this.days(today); }

  /** The API's parameters of period and filters, which lists and counts share. */
  selection() {
    const params = new URLSearchParams({ ...this.range(), time_zone: this.timeZone });
    for (const [name, values] of this.filters) for (const value of values) params.append(name, value);
    if (this.text) params.set("q", this.text);
    return params;
  }

  /** The API's parameters of the list, without `limit` and `cursor`. */
  parameters() {
    const params = this.selection();
    params.set("order", this.order);
    return params;
  }

  /** The members of an export's request that say what it contains. @returns {Record<string, string | string[]>} */
  exportRequest() {
    return { ...this.range(), time_zone: this.timeZone, ...Object.fromEntries([...this.filters].map(([name, values]) => [name, [...values]])), ...(this.text ? { q: this.text } : {}) };
  }

  /** Returns the query with some parts replaced, counted from the present day. @param {Partial<Parts>} [parts] */
  with(parts = {}) { return new Query({ ...this, ...parts }); }

  /** The values of a filter. @param {string} name @returns {readonly string[]} */
  values(name) { return this.filters.get(name) ?? []; }

  /** Says whether a filter has a value. @param {string} name @param {string} value with `!` in front if it excludes */
  has(name, value) { return this.values(name).includes(value); }

  /** Replaces the values of a filter. @param {string} name @param {readonly string[]} values */
  set(name, values) { return this.with({ filters: new Map([...this.filters, [name, values]]) }); }

  /** Limits a filter to one value. @param {string} name @param {string} value */
  only(name, value) { return this.set(name, [value]); }

  /** Adds a value, of which an activity may have any. A value with `!` in front excludes. @param {string} name @param {string} value */
  add(name, value) { return this.set(name, [...this.values(name).filter((each) => each !== opposite(value)), value]); }

  /** Excludes a value. @param {string} name @param {string} value */
  not(name, value) { return this.add(name, `!${plainValue(value)}`); }

  /** Removes one value of a filter, or all of them. @param {string} name @param {string} [value] with `!` in front if it excludes */
  without(name, value) { return this.set(name, value === undefined ? [] : this.values(name).filter((each) => each !== value)); }

  /** Removes all filters and the text. */
  cleared() { return this.with({ text: "", filters: new Map() }); }

  /** Replaces the period by the days from one to another. @param {string} from @param {string} to */
  between(from, to) { return this.with({ period: { from, to } }); }

  /** Replaces the period by the time around an instant. @param {string} instant @param {number} minutes before and after */
  around(instant, minutes) {
    const [from, to] = [-minutes, minutes].map((each) => new Date(Date.parse(instant) + each * 60_000).toISOString());
    return this.with({ period: { from, to } });
  }

  /** Says whether another query shows the same. @param {Query | null | undefined} other */
  equals(other) {
    return Boolean(other) && String(this.write(new URLSearchParams())) === String(/** @type {Query} */ (other).write(new URLSearchParams()));
  }

  /** The filters in words, empty without filters. @param {Words} words @param {Names} names names of ids; of actions too, by the kind `action` */
  words(words, names) {
    const list = new Intl.ListFormat(words.locale, { type: "disjunction" });
    const clauses = [...this.filters].flatMap(([name, values]) => [false, true].map((excluded) => {
      const chosen = values.filter((value) => isExcluded(value) === excluded).map((value) => valueWords(words, names, name, value));
      return chosen.length > 0 ? words.say(excluded ? "filterNot" : "filterIs", { name: words.say(`filter_${name}`), values: list.format(chosen) }) : "";
    }));
    return [this.text && words.say("quoted", { text: this.text }), ...clauses].filter(Boolean).join(" · ");
  }

  /** The period in words, with the name of a rolling one. @param {Words} words */
  periodWords(words) {
    const { from, to } = this.range();
    const format = words.dates(this.isExact
      ? { dateStyle: "medium", timeStyle: "short", timeZone: this.timeZone }
      : { dateStyle: "medium", timeZone: "UTC" });
    const range = format.formatRange(new Date(from), new Date(to));
    return "rolling" in this.period ? words.say("rollingPeriod", { name: words.say(`quick_${this.period.rolling}`), range }) : range;
  }
}

/** A filter's value as people know it, without the mark that excludes it. @param {Words} words @param {Names} names @param {string} filter @param {string} value */
export function valueWords(words, names, filter, value) {
  const plain = plainValue(value);
  const known = (/** @type {string} */ key) => (words.has(key) ? words.say(key) : plain);
  if (filter === "status") return known(`status_${plain.toLowerCase()}`);
  if (filter === "target_type") return known(`target_${plain}`);
  // A prefix of one word is a kind of action.
  if (filter === "action" && /^\w+\.\*$/.test(plain) && words.has(`category_${plain.slice(0, -2)}`)) return words.say(`category_${plain.slice(0, -2)}`);
  return names.get(filter, plain) || plain;
}
