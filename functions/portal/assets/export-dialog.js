// The dialog that asks for the form of an export. The export has the period and filters of the list, and the dialog counts its
// rows in advance.

import { Counts } from "./counts.js";
import { h } from "./elements.js";
import { checkBox, choice, field } from "./forms.js";

/** @typedef {import("./context.js").Context} Context */

/** The formats of files, by their names in the API. */
export const FORMATS = ["csv", "xlsx", "jsonl"];

/** Creates the choice of the files' format. @param {Context["words"]} words @param {string} chosen @param {Record<string, any>} [properties] */
export const formatChoice = (words, chosen, properties) => choice("format", chosen, FORMATS.map((format) => [format, words.say(`format_${format}`)]), properties);

/** Creates the choice of the files' language. @param {Context["words"]} words @param {string} chosen */
export const localeChoice = (words, chosen) => choice("locale", chosen, [["en", words.say("language_en")], ["fr", words.say("language_fr")]]);

/** Creates the choice of what a row is. @param {Context["words"]} words @param {string} chosen */
export const rowsChoice = (words, chosen) => choice("rows", chosen, [["activities", words.say("rows_activities")], ["lines", words.say("rows_lines")]]);

/** Offers gzip only for text, because a workbook is compressed already. @param {HTMLFormElement} form */
export function offerGzip(form) {
  const { format, gzip } = /** @type {any} */ (form.elements);
  gzip.closest("label").hidden = format.value === "xlsx";
}

/** The members of a request that the controls of a form say. @param {HTMLFormElement} form @returns {Record<string, any>} */
export function outputOf(form) {
  const { format, locale, rows, details, gzip } = /** @type {any} */ (form.elements);
  return {
    format: format.value, locale: locale.value, rows: rows.value, details: details.checked,
    compression: gzip.checked && format.value !== "xlsx" ? "gzip" : "none",
  };
}

export class ExportDialog {
  /** The dialog. @type {any} */ element;
  #context;
  #form;
  #parts;
  /** Ends the counting when the dialog closes. */
  #counting = new AbortController();
  /** The counted activities. @type {Counts | null} */ #counts = null;

  /** @param {Context} context @param {{start: () => void}} host `start` requests the export */
  constructor(context, { start }) {
    this.#context = context;
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    const summary = h("div", { class: "what" });
    const size = h("p", { class: "size", role: "status" });
    const hint = h("p", { class: "quiet", id: "format-hint" });
    this.#parts = { summary, size, hint };
    this.#form = h("form", { method: "dialog", onchange: () => this.#adapt(), onsubmit: (/** @type {any} */ event) => { if (event.submitter?.value === "start") start(); } },
      h("h2", { id: "export-title" }, say("exportTitle")), summary, size,
      field(say("formatLabel"), formatChoice(words, "csv", { "aria-describedby": "format-hint" })), hint,
      field(say("fileLanguage"), localeChoice(words, words.language)),
      field(say("rowsLabel"), rowsChoice(words, "activities")),
      checkBox("details", say("withDetails"), true), checkBox("gzip", say("gzip"), false),
      h("div", { class: "buttons" }, h("button", { class: "primary", value: "start" }, say("startExport")), h("button", { value: "cancel" }, say("cancel"))));
    this.element = h("dialog", { "aria-labelledby": "export-title", class: "ask", onclose: () => this.#counting.abort() }, this.#form);
    this.#adapt();
  }

  /** The export's request: period and filters of the list, and the chosen form. */
  get request() { return { ...this.#context.query.exportRequest(), ...outputOf(this.#form) }; }

  open() {
    const { words, names, query } = this.#context;
    const filters = query.words(words, names);
    this.#parts.summary.replaceChildren(
      h("p", {}, `${query.periodWords(words)} · ${query.timeZone}`),
      h("p", {}, filters ? words.say("exportFilters", { filters }) : words.say("exportNoFilters")));
    this.element.showModal();
    this.#count();
  }

  /** Says how many activities the export will have. */
  async #count() {
    const { service, words, query } = this.#context;
    const { size } = this.#parts;
    this.#counts = null;
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    size.hidden = false;
    size.textContent = words.say("exportCounting");
    const counts = new Counts(service, query.selection());
    this.#counts = counts;
    try {
      // Only the end is announced, because screen readers announce each change.
      await counts.follow(signal, () => {});
    } catch {
      // Without a number the export is the same, so no error is shown.
      size.hidden = counts.total === 0;
    }
    if (!signal.aborted) this.#showSize();
  }

  #showSize() {
    const counts = this.#counts;
    if (!counts?.hasBegun) return;
    const { format, rows } = this.#form.elements;
    const [whole, least] = rows.value === "lines" && format.value !== "jsonl" ? ["exportCountedLines", "exportCountedLinesAtLeast"] : ["exportCounted", "exportCountedAtLeast"];
    this.#parts.size.textContent = this.#context.words.count(counts.isComplete ? whole : least, counts.total);
  }

  /** Adapts the form to the chosen format. */
  #adapt() {
    const { format } = this.#form.elements;
    this.#parts.hint.textContent = this.#context.words.say(`formatHint_${format.value}`);
    offerGzip(this.#form);
    this.#showSize();
  }
}
