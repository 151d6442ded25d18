// The values that the search field suggests: customers and users from the service, which finds every one of them, actions and
// statuses from the catalogue and the texts, in all languages.

import { texts, Words } from "./language.js";
import { STATUSES, valueWords } from "./query.js";
import { containsWords, fold } from "./search-terms.js";
import { ApiError } from "./service.js";

/** @typedef {import("./search-terms.js").Term} Term */
/** A value of a filter. `searched` has its names in all languages. @typedef {{filter: string, value: string, label: string, searched: string, count: number | null}} Suggestion */
/** What is known for a term. `complete` means that there are no others. @typedef {{found: Suggestion[], complete: boolean}} Found */

const LANGUAGES = ["en", "fr"];
/** The service is asked for names of this length and longer, because shorter ones match nearly all. */
const MIN_MATCH = 2;
/** One lookup makes at most this many calls. */
const MAX_CALLS = 25;
/** A lookup ends when it has found this many values, because more cannot be shown. */
const ENOUGH = 50;
/** What the service counts for each kind of term. @type {Record<string, string[]>} */
const COUNTED = { null: ["customer", "actor"], customer: ["customer"], actor: ["actor"], target_type: ["target_type"], source: ["source"] };
/** Values with labels of ours are compared here, because the service knows only their ids. */
const COMPARED_HERE = ["target_type", "source"];

export class Suggestions {
  #context;
  /** Actions, kinds of actions and statuses. @type {Suggestion[] | null} */ #catalogue = null;
  /** A running load of the catalogue, shared by simultaneous calls. @type {Promise<void> | null} */ #preparing = null;
  /** Whether the service has the route that counts. */
  canCount = true;
  /** Earlier answers by their parameters. @type {Map<string, Found>} */ #answers = new Map();

  /** @param {any} context */
  constructor(context) { this.#context = context; }

  /** Whether the catalogue is loaded. */
  get isPrepared() { return this.#catalogue !== null; }

  /** Loads the catalogue in all languages. @returns {Promise<void>} */
  async prepare() {
    if (this.#catalogue) return;
    this.#preparing ??= this.#loadCatalogue().finally(() => { this.#preparing = null; });
    await this.#preparing;
  }

  async #loadCatalogue() {
    const { words, service } = this.#context;
    // A language that cannot be loaded is left out, because the page's own is enough to work with.
    const loaded = await Promise.all(LANGUAGES.map(async (locale) => {
      try {
        const isOwn = locale === words.language;
        return { words: isOwn ? words : new Words(locale, await texts(locale)), actions: await service.actions(locale), isOwn };
      } catch (error) {
        service.signal.throwIfAborted();
        if (!(error instanceof Error)) throw error;
        return null;
      }
    }));
    const known = loaded.filter((each) => each !== null);
    /** @type {Map<string, Suggestion>} */ const found = new Map();
    const add = (/** @type {string} */ filter, /** @type {string} */ value, /** @type {string} */ label, /** @type {boolean} */ isOwn) => {
      const key = `${filter} ${value}`;
      const suggestion = found.get(key) ?? { filter, value, label: "", searched: value, count: null };
      if (isOwn || !suggestion.label) suggestion.label = label;
      suggestion.searched += `\n${label}`;
      found.set(key, suggestion);
    };
    for (const { words: own, actions, isOwn } of known) {
      for (const status of STATUSES) add("status", status, valueWords(own, new Map(), "status", status), isOwn);
      const kinds = new Map(actions.map((/** @type {any} */ each) => [`${each.category}.*`, each.category_label]));
      for (const kind of kinds.keys()) add("action", kind, valueWords(own, { get: (_, value) => kinds.get(value) }, "action", kind), isOwn);
      for (const { action, label } of actions) add("action", action, label, isOwn);
    }
    // Without the catalogue, the next time tries again.
    if (known.length > 0) this.#catalogue = [...found.values()];
  }

  /** Finds actions, kinds and statuses for a term. @param {Term} term @returns {Suggestion[]} */
  known({ filter, value }) {
    const isKind = (/** @type {Suggestion} */ each) => each.filter === "action" && each.value.endsWith(".*");
    return (this.#catalogue ?? []).filter((each) => {
      if (filter === "kind" ? !isKind(each) : filter !== null && filter !== each.filter) return false;
      return filter === null && !value ? false : containsWords(each.searched, value);
    });
  }

  /** Says whether the service is asked for a term. @param {Term} term */
  #isCounted({ filter, value }) {
    return this.canCount && String(filter) in COUNTED && (filter !== null || value.length >= MIN_MATCH);
  }

  /** @param {Term} term */
  #parameters({ filter, value }) {
    const { query } = this.#context;
    // The period only, without the filters, so that a name is found also when the other filters leave nothing of it.
    const parameters = new URLSearchParams({ ...query.range(), time_zone: query.timeZone });
    for (const by of COUNTED[String(filter)]) parameters.append("by", by);
    if (value && !COMPARED_HERE.includes(String(filter))) parameters.set("match", value);
    return parameters;
  }

  /** Returns an earlier answer. @param {Term} term @returns {Found | null} */
  remembered(term) {
    if (!this.#isCounted(term)) return { found: [], complete: true };
    return this.#answers.get(String(this.#parameters(term))) ?? null;
  }

  /**
   * Finds values of the log for a term, and reports them as they come.
   * @param {Term} term @param {AbortSignal} signal @param {(found: Found) => void} report
   * @returns {Promise<Found>}
   */
  async find(term, signal, report) {
    const earlier = this.remembered(term);
    if (earlier) return earlier;
    const { service, names, words } = this.#context;
    const parameters = this.#parameters(term);
    const key = String(parameters);
    /** @type {Map<string, Suggestion>} */ const merged = new Map();
    /** @type {Found} */ let result = { found: [], complete: false };
    try {
      for (let calls = 0; calls < MAX_CALLS && !result.complete && merged.size < ENOUGH; calls += 1) {
        const answer = await service.counts(parameters, signal);
        signal.throwIfAborted();
        for (const [filter, values] of Object.entries(answer.by ?? {})) {
          for (const { value, name, count } of values) {
            if (!value) continue;
            if (name) names.set(filter, value, name);
            const label = name || valueWords(words, names, filter, value);
            const before = merged.get(`${filter} ${value}`)?.count ?? 0;
            merged.set(`${filter} ${value}`, { filter, value, label, searched: `${value}\n${label}`, count: before + count });
          }
        }
        const found = [...merged.values()].filter((each) => !COMPARED_HERE.includes(each.filter) || containsWords(each.searched, term.value));
        result = { found: sorted(found, term.value), complete: answer.complete || !answer.next_cursor };
        if (!result.complete) {
          parameters.set("cursor", answer.next_cursor);
          report(result);
        }
      }
    } catch (error) {
      // A service of an earlier version does not count. The field then works with the catalogue and free text.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      this.canCount = false;
      result = { found: [], complete: true };
    }
    this.#answers.set(key, result);
    return result;
  }

  /** Learns the names of ids, so that a link shows names. @param {string} filter @param {string[]} ids @param {AbortSignal} signal */
  async learnNames(filter, ids, signal) {
    if (!this.canCount) return;
    const { query, service, names } = this.#context;
    const parameters = new URLSearchParams({ ...query.range(), time_zone: query.timeZone, by: filter });
    for (const id of ids) parameters.append(filter, id);
    try {
      const { by } = await service.counts(parameters, signal);
      for (const { value, name } of by?.[filter] ?? []) if (name) names.set(filter, value, name);
    } catch (error) {
      // Without a name, the id is shown.
      if (!(error instanceof ApiError)) throw error;
    }
  }
}

/** Puts values that begin with the text first, and then the most frequent. @param {Suggestion[]} found @param {string} text */
function sorted(found, text) {
  const wanted = fold(text);
  const begins = (/** @type {Suggestion} */ each) => Number(fold(each.label).startsWith(wanted) || fold(each.value).startsWith(wanted));
  return found.sort((a, b) => begins(b) - begins(a) || (b.count ?? 0) - (a.count ?? 0) || a.label.localeCompare(b.label));
}

/** The values whose id or one of whose names is the text. @param {Suggestion[]} found @param {string} text */
export function exactMatches(found, text) {
  const wanted = fold(text);
  return found.filter((each) => each.searched.split("\n").some((name) => fold(name) === wanted));
}
