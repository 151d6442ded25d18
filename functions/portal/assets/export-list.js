// The list of exports: monthly ones first, by month and version, then those that people asked for, newest first.

import { downloadButton } from "./downloads.js";
import { cardTable, cell, h, isBusy, moveFocusTo, isolated, setBusy } from "./elements.js";
import { Query } from "./query.js";

/** @typedef {import("./context.js").Context} Context */
/** An export as the API answers it. @typedef {Record<string, any>} Job */
/** A row and its export. @typedef {{job: Job, row: HTMLElement}} Entry */

/** Says whether an export goes on. @param {Job} job */
export const isUnfinished = (job) => job.status === "pending" || job.status === "running";

/** Creates the progress of an export. @param {Context["words"]} words @param {Job} job */
export const progressOf = (words, job) => h("progress", { max: "1", value: String(job.progress.fraction ?? 0), "aria-label": words.say(`export_${job.status}`) });

/** The filters of an export or a schedule as a query. @param {Record<string, any>} filters as the API answers them */
export function queryOf({ q = "", ...filters }) {
  return new Query({ text: q, filters: new Map(Object.entries(filters)) });
}

/** The format, the language and other choices of an export in words. @param {Context["words"]} words @param {Job} job */
function formOf(words, job) {
  return [
    words.say(`format_${job.format}`), job.format !== "jsonl" && words.say(`language_${job.locale}`), job.rows === "lines" && words.say("withLines"),
    !job.details && words.say("withoutDetails"), job.compression === "gzip" && words.say("compressed"),
  ].filter(Boolean).join(" · ");
}

/** One table of exports of a kind, page by page. */
class ExportTable {
  element;
  #context;
  #kind;
  #shows;
  #parts;
  /** @type {Map<string, Entry>} */ #entries = new Map();

  /** @param {Context} context @param {"on_demand" | "monthly"} kind @param {(job: Job) => void} shows called with each listed export */
  constructor(context, kind, shows) {
    this.#context = context;
    this.#kind = kind;
    this.#shows = shows;
    const { words } = context;
    const columns = kind === "monthly" ? ["month", "status", "rows", "size", "files"] : ["requested", "by", "period", "status", "rows", "size", "files"];
    const numbers = columns.flatMap((column, index) => (column === "rows" || column === "size" ? [index] : []));
    const title = words.say(kind === "monthly" ? "monthlyExports" : "otherExports");
    const { table, body } = cardTable(kind === "monthly" ? "monthly" : "jobs", columns.map((each) => words.say(each)), h("caption", { class: "unseen" }, title), numbers);
    table.hidden = true;
    const none = h("p", { hidden: true }, words.say(kind === "monthly" ? "noMonthlyExports" : "noExports"));
    const more = h("button", { type: "button", hidden: true }, words.say("moreExports"));
    const trouble = h("div", { role: "alert" });
    this.#parts = { table, body, none, more, trouble };
    this.element = h("div", {}, h("h3", {}, title), none, trouble, table, h("div", { class: "bar" }, more));
  }

  /** Loads the next page, or the first one. @param {string | null} [cursor] */
  async load(cursor = null) {
    const { table, none, more, trouble } = this.#parts;
    const { service } = this.#context;
    if (isBusy(more)) return;
    setBusy(more, true);
    try {
      const page = await service.exports(this.#kind, cursor);
      for (const job of page.exports) {
        this.show(job);
        this.#shows(job);
      }
      none.hidden = this.#entries.size > 0;
      table.hidden = this.#entries.size === 0;
      const hadFocus = /** @type {ShadowRoot} */ (more.getRootNode()).activeElement === more;
      more.hidden = !page.next_cursor;
      more.onclick = () => this.load(page.next_cursor);
      if (hadFocus && more.hidden) moveFocusTo(this.#entries.get(page.exports[0]?.id)?.row ?? table);
    } catch (error) {
      if (!service.signal.aborted) this.#context.showError(trouble, error, () => this.load(cursor));
    } finally {
      setBusy(more, false);
    }
  }

  /** Adds an export, or updates its row. @param {Job} job */
  show(job) {
    const { body, table, none } = this.#parts;
    const known = this.#entries.get(job.id);
    if (known && known.job.status === job.status && !isUnfinished(job)) return;
    const row = known?.row ?? h("tr", { role: "row" });
    this.#entries.set(job.id, { job, row });
    row.replaceChildren(...this.#cells(job));
    if (!known) {
      const next = [...this.#entries.values()].filter((entry) => entry.row !== row && this.#isBefore(job, entry.job)).map((entry) => entry.row);
      const first = [...body.children].find((each) => next.includes(/** @type {HTMLElement} */ (each)));
      if (first) first.before(row);
      else body.append(row);
    }
    none.hidden = true;
    table.hidden = false;
  }

  /** Says whether one export stands above another. @param {Job} one @param {Job} other */
  #isBefore(one, other) {
    if (this.#kind !== "monthly") return one.created_at > other.created_at;
    return one.month > other.month || (one.month === other.month && one.version < other.version);
  }

  /** @param {Job} job */
  #cells(job) {
    const { words, names, zone } = this.#context;
    const say = (/** @type {string} */ key) => words.say(key);
    const bytes = job.files.reduce((/** @type {number} */ sum, /** @type {any} */ file) => sum + file.bytes, 0);
    const filters = queryOf(job.filters ?? {}).words(words, names);
    const chosen = h("p", { class: "quiet" }, filters ? words.say("exportFilters", { filters }) : null);
    const state = cell(say("status"), h("span", { class: `state ${job.status}` }, say(`export_${job.status}`)));
    if (isUnfinished(job)) {
      state.append(" ", progressOf(words, job));
    } else if (job.status === "ready") {
      state.append(h("p", { class: "quiet" }, words.say("until", { time: words.time(job.expires_at, zone) })));
    } else if (job.status === "failed") {
      // The service's own explanation says the same in English, so the page names the export instead.
      state.append(h("p", { class: "quiet" }, say("exportFailedHint"), " ", words.say("reference", { trace: job.id })));
    } else if (job.status === "cancelled" && job.problem) {
      // Such as an erasure, which has removed the files.
      state.append(h("p", { class: "quiet", lang: "en" }, job.problem));
    }
    const rows = cell(say("rows"), words.number(job.progress.rows));
    const size = cell(say("size"), bytes ? words.size(bytes) : "–");
    for (const each of [rows, size]) each.classList.add("number");
    const files = cell(say("files"), ...(job.files.length > 0 ? job.files.map((/** @type {any} */ file) => downloadButton(this.#context, job.id, file)) : ["–"]),
      h("p", { class: "quiet" }, formOf(words, job)));
    if (this.#kind === "monthly") {
      const version = job.version > 1 && h("p", { class: "quiet" }, words.say("lateVersion", { version: job.version }));
      return [cell(say("month"), h("strong", {}, words.month(job.month)), version || null, filters ? chosen : null), state, rows, size, files];
    }
    return [
      cell(say("requested"), h("time", { datetime: job.created_at }, words.time(job.created_at, zone))),
      cell(say("by"), isolated(job.created_by.name)),
      cell(say("period"), h("span", {}, this.#period(job.range)), " ", h("span", { class: "quiet" }, job.range.time_zone), filters ? chosen : null),
      state, rows, size, files,
    ];
  }

  /** The days of a period, or its times if the period is within a day. @param {{from: string, to: string, time_zone: string}} range */
  #period(range) {
    const { words } = this.#context;
    const [from, to] = [range.from, range.to].map((each) => Date.parse(each));
    const isMidnight = (/** @type {number} */ at) => new Intl.DateTimeFormat("en", { timeZone: range.time_zone, hourCycle: "h23", hour: "2-digit", minute: "2-digit" }).format(at) === "00:00";
    if (to - from >= 86_400_000 || (isMidnight(from) && isMidnight(to))) return words.days(range);
    return words.dates({ dateStyle: "medium", timeStyle: "short", timeZone: range.time_zone }).formatRange(from, to);
  }
}

export class ExportList {
  /** Both tables. @type {HTMLElement} */ element;
  #monthly;
  #onDemand;

  /** @param {Context} context @param {(job: Job) => void} shows called with each listed export */
  constructor(context, shows) {
    this.#monthly = new ExportTable(context, "monthly", shows);
    this.#onDemand = new ExportTable(context, "on_demand", shows);
    this.element = h("div", {}, this.#monthly.element, this.#onDemand.element);
  }

  async load() { await Promise.all([this.#monthly, this.#onDemand].filter((each) => !each.element.hidden).map((each) => each.load())); }

  /** Leaves out the exports of the schedule. */
  leaveOutMonthly() { this.#monthly.element.hidden = true; }

  /** Adds an export, or updates its row. @param {Job} job */
  show(job) { (job.kind === "monthly" ? this.#monthly : this.#onDemand).show(job); }
}
