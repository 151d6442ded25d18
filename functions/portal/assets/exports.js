// Exports: requests them, polls them until they are finished, downloads the files, and shows the view with all exports and the
// monthly schedule.

import { downloadAll, downloadButton } from "./downloads.js";
import { h, isBusy, setBusy } from "./elements.js";
import { ExportDialog } from "./export-dialog.js";
import { ExportList, isUnfinished, progressOf } from "./export-list.js";
import { Schedule } from "./schedule.js";
import { ApiError, NetworkError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./export-list.js").Job} Job */
/** @typedef {import("./query.js").Query} Query */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** Key prefix in the tab's session storage; the partner's address follows. The value is the id of the tab's last export. */
const LAST_EXPORT = "daybook.export ";

export class Exports {
  /** The button that opens the dialog. @type {HTMLElement} */ button;
  /** The dialog with the export's options. @type {HTMLElement} */ dialog;
  /** The bar with the newest export's progress. @type {HTMLElement} */ bar;
  /** The view with the schedule and the list of exports. @type {any} */ section;
  #context;
  #ask;
  #list;
  #schedule;
  #parts;
  /** Ids of exports that are polled. @type {Set<string>} */
  #polled = new Set();
  /** A request without an answer, and its idempotency key, so that a retry creates no second export. @type {{request: string, key: string} | null} */
  #pendingRequest = null;
  /** The id of the export that the bar shows. */
  #newest = "";
  /** The progress that was last announced, in quarters. */
  #announcedQuarter = 0;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    this.#ask = new ExportDialog(context, { start: () => this.start() });
    this.#list = new ExportList(context, (job) => this.#meet(job));
    this.#schedule = new Schedule(context);
    this.#parts = { status: h("p", { role: "status" }), outcome: h("div", { class: "bar" }), trouble: h("div", { role: "alert" }) };
    this.button = h("button", { type: "button", class: "primary export", onclick: () => this.#ask.open() }, say("export"));
    this.dialog = this.#ask.element;
    this.bar = h("div", { class: "exporting" }, ...Object.values(this.#parts));
    this.section = h("section", { class: "exports records", "aria-labelledby": "exports-title", hidden: true },
      h("h2", { id: "exports-title" }, say("view_exports")), h("p", { class: "quiet" }, say("exportsIntro")), this.#list.element,
      h("h2", {}, say("scheduleTitle")), this.#schedule.element);
    context.rights.then(({ isRestricted }) => { if (isRestricted) this.#restrict(); });
  }

  /** Leaves out what somebody who sees some customers only cannot have: exports of all customers, and the schedule that makes them. */
  #restrict() {
    this.#list.leaveOutMonthly();
    this.section.querySelector("p").textContent = this.#context.words.say("exportsOwn");
    this.#schedule.element.previousSibling?.remove();
    this.#schedule.element.remove();
  }

  /** Loads the schedule when it is shown for the first time. */
  showSchedule() { this.#schedule.open(); }

  /** Shows the schedule's form with the filters of a query chosen, not yet saved. @param {Query} query */
  planMonths(query) { this.#schedule.plan(query); }

  /** Removes a shown secret from the page. */
  hideSecret() { this.#schedule.hideSecret(); }

  /** Stores the newest export's id, also for after a reload. @param {string} id empty for none */
  #rememberExport(id) {
    this.#newest = id;
    this.#announcedQuarter = 0;
    try {
      if (id) sessionStorage.setItem(LAST_EXPORT + this.#context.partner, id);
      else sessionStorage.removeItem(LAST_EXPORT + this.#context.partner);
    } catch { /* Without storage, a reload loses the id; the list still has the export. */ }
  }

  #rememberedExport() {
    try {
      return sessionStorage.getItem(LAST_EXPORT + this.#context.partner) ?? "";
    } catch {
      return "";
    }
  }

  /** Requests an export of what the list shows. */
  async start() {
    const { status, outcome, trouble } = this.#parts;
    const { button } = this;
    const { service, words } = this.#context;
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    outcome.replaceChildren();
    status.textContent = words.say("exportAsked");
    const { request } = this.#ask;
    const text = JSON.stringify(request);
    if (this.#pendingRequest?.request !== text) this.#pendingRequest = { request: text, key: crypto.randomUUID() };
    try {
      const job = await service.startExport(request, this.#pendingRequest.key);
      this.#pendingRequest = null;
      this.#rememberExport(job.id);
      this.#show(job);
      this.#poll(job);
    } catch (error) {
      if (service.signal.aborted) return;
      status.textContent = "";
      this.#context.showError(trouble, error, () => this.start());
    } finally {
      setBusy(button, false);
    }
  }

  /** Lists exports and polls unfinished ones. */
  async list() {
    // The tab's last export, which a reload has interrupted.
    this.#newest ||= this.#rememberedExport();
    await this.#list.load();
  }

  /** Takes an export of the list. @param {Job} job */
  #meet(job) {
    if (job.id === this.#newest) this.#showNewest(job);
    if (isUnfinished(job)) this.#poll(job);
  }

  /** Polls an export until it is finished, at growing intervals. @param {Job} job */
  async #poll(job) {
    if (this.#polled.has(job.id)) return;
    this.#polled.add(job.id);
    const { service, words } = this.#context;
    let pause = FIRST_PAUSE_MS;
    while (isUnfinished(job)) {
      await new Promise((done) => setTimeout(done, pause));
      if (service.signal.aborted) return;
      pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS);
      try {
        job = await service.export(job.id);
      } catch (error) {
        if (service.signal.aborted) return;
        // Transient errors are retried, because the export continues without this page.
        if (error instanceof ApiError && error.status === 404) job = { ...job, status: "cancelled" };
        else if (error instanceof NetworkError || (error instanceof ApiError && (error.status >= 500 || error.status === 429))) {
          if (job.id === this.#newest) this.#parts.status.textContent = words.say("exportLost");
          pause = LONGEST_PAUSE_MS;
          continue;
        } else {
          this.#polled.delete(job.id);
          this.#context.showError(this.#parts.trouble, error, () => this.#poll(job));
          return;
        }
      }
      this.#show(job);
    }
    if (job.status === "ready" && job.id === this.#newest) this.#download(job);
  }

  /** Downloads the files of the newest export, which has become ready while the person waited. @param {Job} job */
  async #download(job) {
    const { words } = this.#context;
    const isStarted = await downloadAll(this.#context, job.id, /** @type {any} */ (job).files);
    if (isStarted && job.id === this.#newest) this.#parts.status.textContent = `${words.count("exportReady", job.progress.rows)} ${words.say("downloadStarted")}`;
  }

  /** Shows an export in the list, and in the bar if it is the newest. @param {Job} job */
  #show(job) {
    this.#list.show(job);
    if (job.id === this.#newest) this.#showNewest(job);
  }

  /** Shows the newest export in the bar. @param {Job} job */
  #showNewest(job) {
    const { status, outcome } = this.#parts;
    const { words } = this.#context;
    if (isUnfinished(job)) {
      const fraction = job.progress.fraction ?? 0;
      // Once a quarter, because screen readers announce each change.
      const quarter = Math.floor(fraction * 4);
      if (quarter > this.#announcedQuarter) status.textContent = words.say("exportProgress", { percent: words.percent(quarter / 4) });
      else if (quarter === 0) status.textContent = words.say("exportStarted");
      this.#announcedQuarter = quarter;
      const progress = outcome.querySelector("progress");
      if (progress) progress.value = fraction;
      else outcome.replaceChildren(progressOf(words, job), h("button", { type: "button", class: "plain", onclick: () => this.#cancel(job) }, words.say("cancelExport")));
      return;
    }
    status.textContent = job.status === "ready" ? words.count("exportReady", job.progress.rows) : words.say("exportEnded");
    if (job.status === "cancelled" && !job.problem) status.textContent = words.say("exportCancelled");
    outcome.replaceChildren(...job.files.map((/** @type {any} */ file) => downloadButton(this.#context, job.id, file)),
      h("button", { type: "button", class: "plain", onclick: () => { this.#rememberExport(""); status.textContent = ""; outcome.replaceChildren(); this.button.focus(); } }, words.say("close")));
  }

  /** @param {Job} job */
  async #cancel(job) {
    const { service } = this.#context;
    try {
      await service.cancelExport(job.id);
      this.#show({ ...job, status: "cancelled" });
    } catch (error) {
      if (!service.signal.aborted) this.#context.showError(this.#parts.trouble, error, () => this.#cancel(job));
    }
  }
}
