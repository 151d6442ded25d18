// The monthly schedule: its form, the next export, latest results, and the secret that signs webhooks. A role that may not see the
// schedule sees which roles may.

import { dayIn, monthsBefore } from "./calendar.js";
import { h } from "./elements.js";
import { formatChoice, localeChoice, offerGzip, outputOf, rowsChoice } from "./export-dialog.js";
import { FilterChoice } from "./filter-choice.js";
import { checkBox, choice, clearFaults, described, faultOf, field, formOf, refuse, send } from "./forms.js";
import { ownTimeZone } from "./language.js";
import { readRecipients, shownRecipient } from "./recipients.js";
import { scheduleResults } from "./schedule-results.js";
import { ApiError } from "./service.js";
import { secretNodes } from "./signing-secret.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./query.js").Query} Query */

/** The number of past months that a schedule may begin with, as the form offers them. */
const PAST_MONTHS = 60;

/**
 * When the next month that has not ended is exported, and which month that is. A month that is due is made by the next hourly run.
 * @param {any} saved @param {Date} now @returns {{due: string[], month: string, day: string}}
 */
function nextExport(saved, now) {
  const due = [];
  let { next_month: month } = saved;
  let day = dayIn(new Date(saved.next_run_at), saved.time_zone);
  let isDue = new Date(saved.next_run_at) <= now;
  while (isDue) {
    due.push(month);
    [month, day] = [`${month}-01`, day].map((each) => monthsBefore(each, -1));
    month = month.slice(0, 7);
    isDue = day <= dayIn(now, saved.time_zone);
  }
  return { due, month, day };
}

export class Schedule {
  /** @type {HTMLElement} */ element;
  #context;
  /** Resolves when the schedule is shown. @type {Promise<void> | null} */ #opened = null;
  /** The schedule that is shown, or null for none. @type {any} */ #saved = null;
  /** The form that is shown. @type {any} */ #form = null;
  /** The form's choice of filters. @type {FilterChoice | null} */ #filters = null;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = h("div");
  }

  /** Loads the schedule, or offers the filters that the log has by now. */
  open() {
    this.#filters?.offer();
    this.#opened ??= this.#load();
    return this.#opened;
  }

  /** Shows the form with the zone and the filters of a query chosen, not yet saved. @param {Query} query */
  async plan(query) {
    await this.open();
    if (!this.#form) return this.element.scrollIntoView();
    const { enabled, time_zone: zone, filters } = this.#form.elements;
    enabled.checked = true;
    zone.value = query.timeZone;
    this.#filters?.choose(query);
    filters.focus();
    filters.scrollIntoView({ block: "center" });
  }

  /** Removes a shown secret from the page. */
  hideSecret() {
    if (!this.element.querySelector(".secret code")) return;
    this.element.replaceChildren();
    this.#opened = null;
    this.#form = null;
  }

  #showRestricted() { this.element.replaceChildren(h("p", { role: "status" }, this.#context.words.say("scheduleRestricted"))); }

  async #load() {
    const { service, words, showError, rights } = this.#context;
    this.#form = null;
    this.element.replaceChildren(h("p", { role: "status" }, words.say("loading")));
    // The service would answer as if there were no schedule.
    if ((await rights).isRestricted) return this.#showRestricted();
    try {
      this.#show(await service.schedule());
    } catch (error) {
      if (service.signal.aborted) return;
      if (error instanceof ApiError && error.status === 403) this.element.replaceChildren(h("p", {}, words.say("scheduleDenied")));
      else showError(this.element, error, () => { this.#opened = this.#load(); });
    }
  }

  /** @param {any} saved the schedule, or null */
  #show(saved) {
    this.#saved = saved;
    const { words, partnerZone } = this.#context;
    const say = (/** @type {string} */ key) => words.say(key);
    const zone = saved?.time_zone ?? partnerZone ?? ownTimeZone();
    const zones = [...new Set([zone, ...Intl.supportedValuesOf("timeZone"), "UTC"])].map((each) => /** @type {[string, string]} */ ([each, each]));
    const notify = (saved?.notify ?? []).map(shownRecipient);
    const [zoneField, fromField] = [choice("time_zone", zone, zones), choice("from", saved?.from ?? "", this.#months(saved, zone))];
    this.#filters = new FilterChoice(this.#context, saved?.filters);
    const notifyField = h("textarea", { name: "notify", rows: "2", spellcheck: "false", autocapitalize: "off" }, notify.join("\n"));
    const form = formOf(say("scheduleTitle"), say("save"), () => this.#save(),
      checkBox("enabled", say("scheduleEnabled"), saved?.enabled ?? false),
      field(say("scheduleFilters"), this.#filters.element, "wide"),
      field(say("timeZone"), zoneField), faultOf("time_zone", zoneField),
      field(say("scheduleFrom"), fromField), faultOf("from", fromField),
      field(say("formatLabel"), formatChoice(words, saved?.format ?? "csv")),
      field(say("fileLanguage"), localeChoice(words, saved?.locale ?? words.language)),
      field(say("rowsLabel"), rowsChoice(words, saved?.rows ?? "activities")),
      checkBox("details", say("withDetails"), saved?.details ?? true), checkBox("gzip", say("gzip"), saved?.compression === "gzip"),
      ...described(say("scheduleNotify"), notifyField, say("scheduleNotifyHint")));
    form.addEventListener("change", () => offerGzip(form));
    this.#form = form;
    offerGzip(form);
    this.element.replaceChildren(h("p", { class: "quiet" }, say("scheduleIntro")), ...this.#next(saved), form,
      ...(notify.some((/** @type {string} */ each) => /^https?:/.test(each)) ? [h("section", { "aria-label": say("secretTitle") }, h("h3", {}, say("secretTitle")), ...secretNodes(this.#context, "export-schedule/secret"))] : []),
      ...(saved?.results.length > 0 ? [h("h3", {}, say("results")), scheduleResults(words, saved.results, zone)] : []));
  }

  /** What is exported next. @param {any} saved */
  #next(saved) {
    const { words } = this.#context;
    const line = (/** @type {string} */ text) => h("p", { class: "next-run" }, text);
    if (!saved?.enabled || !saved.next_run_at) return [line(words.say("scheduleOff"))];
    const { due, month, day } = nextExport(saved, new Date());
    if (due.length === 0) return [line(words.say("scheduleNext", { month: words.month(month), time: words.time(saved.next_run_at, saved.time_zone) }))];
    const [first, last] = [due[0], due[due.length - 1]].map((each) => words.month(each));
    const months = due.length > 1 ? words.say("monthRange", { first, last }) : first;
    return [line(words.say("scheduleDue", { months })), line(words.say("scheduleNextDay", { month: words.month(month), day: words.day(day) }))];
  }

  /** The months that a schedule may begin with, newest first. @param {any} saved @param {string} zone @returns {[string, string][]} */
  #months(saved, zone) {
    const { words } = this.#context;
    const first = `${dayIn(new Date(), zone).slice(0, 7)}-01`;
    const months = Array.from({ length: PAST_MONTHS + 2 }, (_, index) => monthsBefore(first, index - 1).slice(0, 7));
    if (saved && !months.includes(saved.from)) months.push(saved.from);
    const options = months.map((month) => /** @type {[string, string]} */ ([month, words.month(month)]));
    return saved ? options : [["", words.say("scheduleFromDefault")], ...options];
  }

  /** The form's values as a request, or null after a refusal. */
  #request() {
    const { words } = this.#context;
    const { enabled, time_zone: zone, from, notify } = this.#form.elements;
    const { recipients, wrong, isTooMany } = readRecipients(notify.value);
    if (wrong) refuse(this.#form, "notify", words.say("recipientWrong", { recipient: wrong }));
    else if (isTooMany) refuse(this.#form, "notify", words.say("recipientsTooMany"));
    if (wrong || isTooMany) return null;
    return {
      enabled: enabled.checked, time_zone: zone.value, ...outputOf(this.#form),
      ...(from.value ? { from: from.value } : {}),
      ...(recipients.length > 0 || this.#saved?.notify.length > 0 ? { notify: recipients } : {}),
      ...this.#filters?.request,
    };
  }

  async #save() {
    const { service, words } = this.#context;
    clearFaults(this.#form);
    const wanted = this.#request();
    if (!wanted) return;
    const saved = await send(this.#context, this.#form, () => service.saveSchedule(wanted), { explain: (error) => this.#explain(error, wanted) });
    if (!saved) return;
    this.#show(saved);
    this.#form.querySelector("[role=status]").textContent = words.say("saved");
    this.#form.querySelector(".primary").focus();
  }

  /** Shows a refusal by the service at its field, and says whether there is such a field. @param {ApiError} error @param {Record<string, any>} wanted */
  #explain(error, wanted) {
    const { words } = this.#context;
    // The answer to somebody who sees some customers only.
    if (error.status === 404) {
      this.#showRestricted();
      return true;
    }
    for (const { pointer } of error.errors) {
      const [, name, index] = pointer.split("/");
      if (name === "notify") refuse(this.#form, name, words.say("recipientRefused", { recipient: shownRecipient(wanted.notify?.[Number(index)] ?? "") }));
      else if (name === "from") refuse(this.#form, name, words.say("monthRefused"));
      else if (name === "time_zone") refuse(this.#form, name, words.say("zoneRefused"));
      else continue;
      return true;
    }
    return false;
  }
}
