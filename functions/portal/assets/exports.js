// Requests exports, polls them until they are finished, lists earlier ones with their files, and shows the monthly schedule.

import { cardTable, cell, h, isBusy, name, setBusy, moveFocusTo } from "./elements.js";
import { scheduleForm } from "./schedule.js";
import { ApiError, NetworkError } from "./service.js";

/** @typedef {import("./language.js").Words} Words */
/** @typedef {import("./service.js").Service} Service */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** Key prefix in the tab's session storage; the partner's address follows. The value is the id of the tab's last export. */
const LAST_EXPORT = "daybook.export ";
const isUnfinished = (/** @type {any} */ job) => job.status === "pending" || job.status === "running";

export class Exports {
  /** The button that opens the dialog. @type {HTMLElement} */ button;
  /** The dialog with the export's options. @type {any} */ dialog;
  /** The bar with the newest export's progress. @type {HTMLElement} */ bar;
  /** The view with the list of exports. @type {HTMLElement} */ section;
  #host;
  #service;
  #words;
  #showError;
  #zone;
  /** Rows by export id. @type {Map<string, any>} */
  #rows = new Map();
  /** Ids of exports that are polled. @type {Set<string>} */
  #polled = new Set();
  /** A request without an answer, and its idempotency key, so that a retry creates no second export. @type {{request: string, key: string} | null} */
  #pendingRequest = null;
  /** The id of the export that the bar shows. */
  #newest = "";
  /** The progress that was last announced, in quarters. */
  #announcedQuarter = 0;
  #hasSchedule = false;
  #parts;

  /**
   * @param {{
   *   service: Service, words: Words, zone: () => string, partnerZone: string, partner: string, query: () => Record<string, string>, filters: () => string,
   *   showError: (place: HTMLElement, error: unknown, again: () => void) => void,
   * }} host `partner` is the partner's address, `query` the list's parameters, `filters` its filters in words
   */
  constructor(host) {
    const { service, words, zone, showError } = host;
    this.#host = host;
    this.#service = service;
    this.#words = words;
    this.#zone = zone;
    this.#showError = showError;
    const say = (/** @type {string} */ key) => words.say(key);
    const { table, body } = cardTable("jobs", ["requested", "by", "period", "status", "rows", "size", "files"].map(say),
      h("caption", { class: "unseen" }, say("view_exports")), [4, 5]);
    table.hidden = true;
    this.#parts = {
      table, body,
      summary: h("div", { class: "what" }),
      hint: h("p", { class: "quiet", id: "format-hint" }),
      status: h("p", { role: "status" }),
      outcome: h("div", { class: "bar" }),
      trouble: h("div", { role: "alert" }),
      listTrouble: h("div", { role: "alert" }),
      none: h("p", { hidden: true }, say("noExports")),
      more: h("button", { type: "button", hidden: true }, say("moreExports")),
      schedule: h("div"),
    };
    const { summary, hint, status, outcome, trouble, listTrouble, none, more, schedule } = this.#parts;
    this.button = h("button", { type: "button", class: "primary export", onclick: () => this.#openDialog() }, say("export"));
    const choice = (/** @type {string} */ name, /** @type {[string, string][]} */ options, properties = {}) =>
      h("select", { ...properties, name }, ...options.map(([value, text]) => h("option", { value, selected: name === "locale" && value === words.locale }, text)));
    const format = choice("format", [["csv", say("format_csv")], ["xlsx", say("format_xlsx")], ["jsonl", say("format_jsonl")]],
      { "aria-describedby": "format-hint", onchange: () => this.#adaptForm() });
    const form = h("form", { method: "dialog", onsubmit: (/** @type {any} */ event) => { if (event.submitter?.value === "start") this.start(); } },
      h("h2", { id: "export-title" }, say("exportTitle")), summary,
      h("label", { class: "field" }, h("span", {}, say("formatLabel")), format), hint,
      h("label", { class: "field" }, h("span", {}, say("fileLanguage")), choice("locale", [["en", say("language_en")], ["fr", say("language_fr")]])),
      h("label", { class: "field" }, h("span", {}, say("rowsLabel")), choice("rows", [["activities", say("rows_activities")], ["lines", say("rows_lines")]])),
      h("label", { class: "check" }, h("input", { type: "checkbox", name: "details", checked: true }), say("withDetails")),
      h("label", { class: "check" }, h("input", { type: "checkbox", name: "gzip" }), say("gzip")),
      h("div", { class: "buttons" }, h("button", { class: "primary", value: "start" }, say("startExport")), h("button", { value: "cancel" }, say("cancel"))));
    this.dialog = h("dialog", { "aria-labelledby": "export-title" }, form);
    this.#adaptForm();
    this.bar = h("div", { class: "exporting" }, status, outcome, trouble);
    this.section = h("section", { class: "exports", "aria-labelledby": "exports-title", hidden: true },
      h("h2", { id: "exports-title" }, say("view_exports")), h("p", { class: "quiet" }, say("exportsIntro")), none, listTrouble, table,
      h("div", { class: "bar" }, more), h("h2", {}, say("scheduleTitle")), schedule);
  }

  /** Opens the dialog with the period and filters to export. */
  #openDialog() {
    const { summary } = this.#parts;
    const { from, to, time_zone: zone } = this.#host.query();
    const filters = this.#host.filters();
    summary.replaceChildren(
      h("p", {}, this.#words.say("exportPeriod", { from: this.#words.day(from), to: this.#words.day(to), zone })),
      h("p", {}, filters ? this.#words.say("exportFilters", { filters }) : this.#words.say("exportNoFilters")));
    this.dialog.showModal();
  }

  /** Adapts the form to the chosen format. */
  #adaptForm() {
    const { format, rows } = this.dialog.querySelector("form").elements;
    this.#parts.hint.textContent = this.#words.say(`formatHint_${format.value}`);
    rows.disabled = format.value === "jsonl";
  }

  /** Loads the schedule when it is shown for the first time. */
  showSchedule() {
    if (this.#hasSchedule) return;
    this.#hasSchedule = true;
    scheduleForm({ ...this.#host, place: this.#parts.schedule });
  }

  /** Removes a shown secret from the page. */
  hideSecret() {
    const { schedule } = this.#parts;
    if (!schedule.querySelector(".secret code")) return;
    schedule.replaceChildren();
    this.#hasSchedule = false;
  }

  /** Stores the newest export's id, also for after a reload. @param {string} id empty for none */
  #rememberExport(id) {
    this.#newest = id;
    this.#announcedQuarter = 0;
    try {
      if (id) sessionStorage.setItem(LAST_EXPORT + this.#host.partner, id);
      else sessionStorage.removeItem(LAST_EXPORT + this.#host.partner);
    } catch { /* Without storage, a reload loses the id; the list still has the export. */ }
  }

  #rememberedExport() {
    try {
      return sessionStorage.getItem(LAST_EXPORT + this.#host.partner) ?? "";
    } catch {
      return "";
    }
  }

  /** Requests an export of what the list shows. */
  async start() {
    const { status, outcome, trouble } = this.#parts;
    const { button } = this;
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    outcome.replaceChildren();
    status.textContent = this.#words.say("exportAsked");
    const { format, locale, rows, details, gzip } = this.dialog.querySelector("form").elements;
    const request = {
      ...this.#host.query(), format: format.value, locale: locale.value, details: details.checked,
      compression: gzip.checked ? "gzip" : "none", ...(rows.disabled ? {} : { rows: rows.value }),
    };
    const text = JSON.stringify(request);
    if (this.#pendingRequest?.request !== text) this.#pendingRequest = { request: text, key: crypto.randomUUID() };
    try {
      const job = await this.#service.startExport(request, this.#pendingRequest.key);
      this.#pendingRequest = null;
      this.#rememberExport(job.id);
      this.#show(job, true);
      this.#poll(job);
    } catch (error) {
      if (this.#service.signal.aborted) return;
      status.textContent = "";
      this.#showError(trouble, error, () => this.start());
    } finally {
      setBusy(button, false);
    }
  }

  /** Lists exports, newest first, and polls unfinished ones. @param {string | null} [cursor] */
  async list(cursor = null) {
    const { table, none, more, listTrouble } = this.#parts;
    if (isBusy(more)) return;
    setBusy(more, true);
    try {
      const page = await this.#service.exports(cursor);
      // The tab's last export, which a reload has interrupted.
      if (!cursor) this.#newest ||= this.#rememberedExport();
      for (const job of page.exports) {
        this.#show(job, false);
        if (isUnfinished(job)) this.#poll(job);
      }
      none.hidden = this.#rows.size > 0;
      table.hidden = this.#rows.size === 0;
      const hadFocus = /** @type {ShadowRoot} */ (more.getRootNode()).activeElement === more;
      more.hidden = !page.next_cursor;
      more.onclick = () => this.list(page.next_cursor);
      if (hadFocus && more.hidden) {
        const first = this.#rows.get(page.exports[0]?.id);
        if (first) moveFocusTo(first);
      }
    } catch (error) {
      if (!this.#service.signal.aborted) this.#showError(listTrouble, error, () => this.list(cursor));
    } finally {
      setBusy(more, false);
    }
  }

  /** Polls an export until it is finished, at growing intervals. @param {any} job */
  async #poll(job) {
    if (this.#polled.has(job.id)) return;
    this.#polled.add(job.id);
    const { listTrouble } = this.#parts;
    const { signal } = this.#service;
    let pause = FIRST_PAUSE_MS;
    while (isUnfinished(job)) {
      await new Promise((done) => setTimeout(done, pause));
      if (signal.aborted) return;
      pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS);
      try {
        job = await this.#service.export(job.id);
      } catch (error) {
        if (signal.aborted) return;
        // Transient errors are retried, because the export continues without this page.
        if (error instanceof ApiError && error.status === 404) job = { ...job, status: "cancelled" };
        else if (error instanceof NetworkError || (error instanceof ApiError && (error.status >= 500 || error.status === 429))) {
          if (job.id === this.#newest) this.#parts.status.textContent = this.#words.say("exportLost");
          pause = LONGEST_PAUSE_MS;
          continue;
        } else {
          this.#polled.delete(job.id);
          this.#showError(listTrouble, error, () => this.#poll(job));
          return;
        }
      }
      this.#show(job, false);
    }
  }

  /** Adds an export to the table, or updates its row. @param {any} job @param {boolean} isFirst */
  #show(job, isFirst) {
    const { body, table, none } = this.#parts;
    let row = this.#rows.get(job.id);
    if (!row) {
      row = h("tr", { role: "row" });
      this.#rows.set(job.id, row);
      if (isFirst) body.prepend(row);
      else body.append(row);
    } else if (row.dataset.status === job.status && !isUnfinished(job)) return;
    row.dataset.status = job.status;
    row.replaceChildren(...this.#cells(job));
    none.hidden = true;
    table.hidden = false;
    if (job.id === this.#newest) this.#showNewest(job);
  }

  /** Shows the newest export in the bar. @param {any} job */
  #showNewest(job) {
    const { status, outcome } = this.#parts;
    if (isUnfinished(job)) {
      const fraction = job.progress.fraction ?? 0;
      // Once a quarter, because screen readers announce each change.
      const quarter = Math.floor(fraction * 4);
      if (quarter > this.#announcedQuarter) status.textContent = this.#words.say("exportProgress", { percent: this.#words.percent(quarter / 4) });
      else if (quarter === 0) status.textContent = this.#words.say("exportStarted");
      this.#announcedQuarter = quarter;
      const [progress] = outcome.children;
      if (progress) progress.value = fraction;
      else outcome.append(this.#progress(job), h("button", { type: "button", class: "plain", onclick: () => this.#cancel(job) }, this.#words.say("cancelExport")));
      return;
    }
    status.textContent = job.status === "ready" ? this.#words.count("exportReady", job.progress.rows) : this.#words.say("exportEnded");
    if (job.status === "cancelled") status.textContent = this.#words.say("exportCancelled");
    outcome.replaceChildren(...job.files.map((/** @type {any} */ file) => this.#download(job.id, file)),
      h("button", { type: "button", class: "plain", onclick: () => { this.#rememberExport(""); status.textContent = ""; outcome.replaceChildren(); this.button.focus(); } }, this.#words.say("close")));
  }

  /** @param {any} job */
  async #cancel(job) {
    const { trouble } = this.#parts;
    try {
      await this.#service.cancelExport(job.id);
      this.#show({ ...job, status: "cancelled" }, false);
    } catch (error) {
      if (!this.#service.signal.aborted) this.#showError(trouble, error, () => this.#cancel(job));
    }
  }

  /** @param {any} job */
  #progress(job) {
    return h("progress", { max: "1", value: String(job.progress.fraction ?? 0), "aria-label": this.#words.say(`export_${job.status}`) });
  }

  /** @param {any} job */
  #cells(job) {
    const words = this.#words;
    const say = (/** @type {string} */ key) => words.say(key);
    const bytes = job.files.reduce((/** @type {number} */ sum, /** @type {any} */ file) => sum + file.bytes, 0);
    const filters = Object.values(job.filters ?? {}).flat().filter(Boolean).join(", ");
    const kind = [say("monthly"), job.month && words.month(job.month), job.version && words.say("version", { version: job.version })].filter(Boolean).join(", ");
    const status = say(`export_${job.status}`);
    const state = cell(say("status"), h("span", { class: `state ${job.status}` }, status));
    if (isUnfinished(job)) {
      state.append(" ", this.#progress(job));
    } else if (job.status === "ready") {
      state.append(h("p", { class: "quiet" }, words.say("until", { time: words.time(job.expires_at, this.#zone()) })));
    } else if (job.status === "failed") {
      state.append(h("p", { class: "quiet" }, say("exportFailedHint"), " ", h("span", { lang: "en" }, job.problem ?? "")));
    }
    const rows = cell(say("rows"), words.number(job.progress.rows));
    const size = cell(say("size"), bytes ? words.size(bytes) : "–");
    for (const each of [rows, size]) each.classList.add("number");
    return [
      cell(say("requested"), h("time", { datetime: job.created_at }, words.time(job.created_at, this.#zone()))),
      cell(say("by"), job.kind === "monthly" ? kind : name(job.created_by.name)),
      cell(say("period"), h("span", {}, words.days(job.range)), " ", h("span", { class: "quiet" }, job.range.time_zone),
        filters ? h("p", { class: "quiet" }, words.say("exportFilters", { filters })) : null),
      state, rows, size,
      cell(say("files"), ...(job.files.length > 0 ? job.files.map((/** @type {any} */ file) => this.#download(job.id, file)) : ["–"])),
    ];
  }

  /** Creates a download button. The link is requested at the click, because it expires after minutes. @param {string} id @param {any} file */
  #download(id, file) {
    const trouble = h("span", { role: "alert" });
    const button = h("button", { type: "button", onclick: () => fetchLink() }, this.#words.say("download", { name: file.name }));
    const fetchLink = async () => {
      if (isBusy(button)) return;
      setBusy(button, true);
      trouble.replaceChildren();
      try {
        const { url } = await this.#service.file(id, file.name);
        if (!/^https?:/.test(url)) throw new ApiError(502, null);
        // The page stays, because the browser saves an attachment.
        location.assign(url);
      } catch (error) {
        if (!this.#service.signal.aborted) this.#showError(trouble, error, fetchLink);
      } finally {
        setBusy(button, false);
      }
    };
    return h("div", { class: "file" }, button, trouble);
  }
}
