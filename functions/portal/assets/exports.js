// Asks for exports, follows them until they are ready, and lists earlier ones with their files.

import { cardTable, cell, h, isBusy, name, setBusy } from "./elements.js";
import { Refusal, Unreachable } from "./service.js";

/** @typedef {import("./language.js").Words} Words */
/** @typedef {import("./service.js").Service} Service */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
const isUnfinished = (/** @type {any} */ job) => job.status === "pending" || job.status === "running";

export class Exports {
  /** Asks for an export and shows how it goes. @type {HTMLElement} */ bar;
  /** The list of exports. @type {HTMLElement} */ section;
  #service;
  #words;
  #question;
  #alert;
  #zone;
  /** Rows by the id of their export. @type {Map<string, any>} */
  #rows = new Map();
  /** Exports that are followed. @type {Set<string>} */
  #followed = new Set();
  /** The key of a request whose answer was lost: asked again with it, there is still one export. @type {{request: string, key: string} | null} */
  #unanswered = null;
  /** The export asked for last, which the bar shows. */
  #newest = "";
  #parts;

  /**
   * @param {{
   *   service: Service, words: Words, zone: () => string, question: () => Record<string, string>,
   *   alert: (place: HTMLElement, error: unknown, again: () => void) => void,
   * }} host `question` is what the list shows, `alert` shows what went wrong
   */
  constructor({ service, words, zone, question, alert }) {
    this.#service = service;
    this.#words = words;
    this.#zone = zone;
    this.#question = question;
    this.#alert = alert;
    const say = (/** @type {string} */ key) => words.say(key);
    const { table, body } = cardTable("jobs", ["requested", "by", "period", "status", "rows", "size", "files"].map(say),
      h("caption", { class: "quiet" }, say("exportsCaption")), [4, 5]);
    table.hidden = true;
    const title = h("h2", { id: "exports-title", tabindex: "-1" }, say("exports"));
    const options = ["csv", "xlsx"].map((format) => h("option", { value: format }, say(`format_${format}`)));
    this.#parts = {
      table, body,
      format: h("select", { "aria-describedby": "export-hint" }, ...options),
      gzip: h("input", { type: "checkbox" }),
      button: h("button", { type: "button", "aria-describedby": "export-hint", onclick: () => this.start() }, say("export")),
      status: h("p", { role: "status" }),
      outcome: h("div", { class: "bar" }),
      trouble: h("div", { role: "alert" }),
      listTrouble: h("div", { role: "alert" }),
      none: h("p", { class: "quiet", hidden: true }, say("noExports")),
      more: h("button", { type: "button", hidden: true }, say("moreExports")),
    };
    const { format, gzip, button, status, outcome, trouble, listTrouble, none, more } = this.#parts;
    this.bar = h("div", { class: "exporting" },
      h("div", { class: "bar" }, h("label", {}, say("format"), format), h("label", {}, gzip, say("gzip")), button, h("button", { type: "button", class: "plain", onclick: () => title.focus() }, say("toExports")),
        h("span", { class: "quiet", id: "export-hint" }, say("exportHint"))),
      status, outcome, trouble);
    this.section = h("section", { class: "exports", "aria-labelledby": "exports-title" }, title, none, listTrouble, table, h("div", { class: "bar" }, more));
  }

  /** Asks for an export of what the list shows. */
  async start() {
    const { format, gzip, button, status, outcome, trouble } = this.#parts;
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    outcome.replaceChildren();
    status.textContent = this.#words.say("exportAsked");
    const compression = gzip.checked ? "gzip" : "none";
    const request = { ...this.#question(), format: format.value, compression, locale: this.#words.locale };
    const text = JSON.stringify(request);
    if (this.#unanswered?.request !== text) this.#unanswered = { request: text, key: crypto.randomUUID() };
    try {
      const job = await this.#service.startExport(request, this.#unanswered.key);
      this.#unanswered = null;
      this.#newest = job.id;
      status.textContent = this.#words.say("exportStarted");
      this.#show(job, true);
      this.#follow(job);
    } catch (error) {
      if (this.#service.signal.aborted) return;
      status.textContent = "";
      this.#alert(trouble, error, () => this.start());
    } finally {
      setBusy(button, false);
    }
  }

  /** Lists exports, newest first; those that are being made are followed, also after a reload. @param {string | null} [cursor] */
  async list(cursor = null) {
    const { table, none, more, listTrouble } = this.#parts;
    if (isBusy(more)) return;
    setBusy(more, true);
    try {
      const page = await this.#service.exports(cursor);
      for (const job of page.exports) {
        this.#show(job, false);
        if (isUnfinished(job)) this.#follow(job);
      }
      none.hidden = this.#rows.size > 0;
      table.hidden = this.#rows.size === 0;
      const held = /** @type {ShadowRoot} */ (more.getRootNode()).activeElement === more;
      more.hidden = !page.next_cursor;
      more.onclick = () => this.list(page.next_cursor);
      if (held && more.hidden) {
        const first = this.#rows.get(page.exports[0]?.id);
        if (first) first.tabIndex = -1;
        first?.focus();
      }
    } catch (error) {
      if (!this.#service.signal.aborted) this.#alert(listTrouble, error, () => this.list(cursor));
    } finally {
      setBusy(more, false);
    }
  }

  /** Asks after an export until it is finished, less and less often. @param {any} job */
  async #follow(job) {
    if (this.#followed.has(job.id)) return;
    this.#followed.add(job.id);
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
        // The export goes on without anybody asking: what passes is waited for.
        if (error instanceof Unreachable || (error instanceof Refusal && (error.status >= 500 || error.status === 429))) {
          if (job.id === this.#newest) this.#parts.status.textContent = this.#words.say("exportLost");
          pause = LONGEST_PAUSE_MS;
          continue;
        }
        this.#followed.delete(job.id);
        this.#alert(listTrouble, error, () => this.#follow(job));
        return;
      }
      this.#show(job, false);
    }
  }

  /** Puts an export into the table, or its newer state into its row. @param {any} job @param {boolean} isFirst */
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

  /** Keeps who asked up to date, where they asked. @param {any} job */
  #showNewest(job) {
    const { status, outcome } = this.#parts;
    if (isUnfinished(job)) {
      const started = this.#words.say("exportStarted");
      if (status.textContent !== started) status.textContent = started;
      const [progress] = outcome.children;
      if (progress) progress.value = job.progress.fraction ?? 0;
      else outcome.append(this.#progress(job));
      return;
    }
    status.textContent = job.status === "ready" ? this.#words.count("exportReady", job.progress.rows) : this.#words.say("exportEnded");
    outcome.replaceChildren(...job.files.map((/** @type {any} */ file) => this.#download(job.id, file)));
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
    const status = say(`export_${job.status}`);
    const state = cell(say("status"), h("span", { class: job.status === "failed" ? "state" : null }, status));
    if (isUnfinished(job)) {
      state.append(" ", this.#progress(job));
    } else if (job.status === "ready") {
      state.append(" ", h("span", { class: "quiet" }, words.say("until", { time: words.time(job.expires_at, this.#zone()) })));
    } else if (job.status === "failed") {
      state.append(h("p", { class: "quiet" }, say("exportFailedHint"), " ", h("span", { lang: "en" }, job.problem ?? "")));
    }
    const rows = cell(say("rows"), words.number(job.progress.rows));
    const size = cell(say("size"), bytes ? words.size(bytes) : "–");
    for (const each of [rows, size]) each.classList.add("number");
    return [
      cell(say("requested"), h("time", { datetime: job.created_at }, words.time(job.created_at, this.#zone()))),
      cell(say("by"), job.kind === "monthly" ? say("monthly") : name(job.created_by)),
      cell(say("period"), h("span", {}, words.days(job.range)), " ", h("span", { class: "quiet" }, job.range.time_zone),
        filters ? h("p", { class: "quiet" }, words.say("filtered", { filters })) : null),
      state, rows, size,
      cell(say("files"), ...(job.files.length > 0 ? job.files.map((/** @type {any} */ file) => this.#download(job.id, file)) : ["–"])),
    ];
  }

  /** A button for a file: the link is asked for at the click, since it lives for minutes only. @param {string} id @param {any} file */
  #download(id, file) {
    const trouble = h("span", { role: "alert" });
    const button = h("button", { type: "button", onclick: () => fetchLink() }, this.#words.say("download", { name: file.name }));
    const fetchLink = async () => {
      if (isBusy(button)) return;
      setBusy(button, true);
      trouble.replaceChildren();
      try {
        const { url } = await this.#service.file(id, file.name);
        if (!/^https?:/.test(url)) throw new Refusal(502, null);
        // The answer is an attachment: the browser saves it and the page stays.
        location.assign(url);
      } catch (error) {
        if (!this.#service.signal.aborted) this.#alert(trouble, error, fetchLink);
      } finally {
        setBusy(button, false);
      }
    };
    return h("div", { class: "file" }, button, trouble);
  }
}
