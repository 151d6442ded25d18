// How long activities are kept: the time, the months that end by it, and a form that says what a change would end before it is made.

import { dayIn } from "./calendar.js";
import { cardTable, cell, h, moveFocusTo } from "./elements.js";
import { ask, choice, described, formOf, send } from "./forms.js";
import { durationText } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./language.js").Words} Words */
/** A month that is in no list any more, until its data are deleted. @typedef {{month: string, ended_at: string, deletes_after: string}} Ended */

/** The numbers of months that the form offers. The API takes others too. */
const OFFERED = [6, 12, 13, 18, 24, 36, 60, 72, 84, 120];

/** A number of months in words. @param {Words} words @param {number | null} months null for ever */
const lengthText = (words, months) => (months === null ? words.say("forEver") : durationText(words, months % 12 ? `P${months}M` : `P${months / 12}Y`) ?? "");

/** Lists months, those that follow each other as one range. @param {Words} words @param {string[]} months as YYYY-MM */
export function monthsText(words, months) {
  /** @type {[string, string][]} */ const ranges = [];
  const number = (/** @type {string} */ month) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5));
  for (const month of [...months].sort()) {
    const last = ranges.at(-1);
    if (last && number(month) === number(last[1]) + 1) last[1] = month;
    else ranges.push([month, month]);
  }
  const said = ranges.map(([first, last]) => (first === last ? words.month(first) : words.say("monthRange", { first: words.month(first), last: words.month(last) })));
  return new Intl.ListFormat(words.locale).format(said);
}

export class Retention {
  /** @type {HTMLElement} */ element = h("div");
  #context;
  #form = /** @type {any} */ (null);

  /** @param {Context} context */
  constructor(context) { this.#context = context; }

  load() { return this.#context.service.read("retention"); }

  /** @param {any} saved the API's answer */
  show(saved) {
    const { words, zone } = this.#context;
    const { months, pending, updated_at: at, updated_by: by, deleting, deleted, ended } = saved;
    const lines = [
      pending && words.say("retentionPending", { day: words.day(dayIn(new Date(pending.effective_at), zone)), length: lengthText(words, pending.months) }),
      saved.is_default ? words.say("retentionDefault") : at && words.say("updatedBy", { time: words.time(at, zone), name: by.name }),
      deleting.length > 0 && words.say("monthsDeleting", { months: monthsText(words, deleting) }),
      deleted.length > 0 && words.say("monthsDeleted", { months: monthsText(words, deleted) }),
    ].filter(Boolean);
    this.element.replaceChildren(h("p", { class: "next-run" }, words.say("retentionIs", { length: lengthText(words, months) })), ...lines.map((each) => h("p", {}, each)),
      ...(ended.length > 0 ? [this.#table(ended)] : []), ...(saved.may_change ? this.#change(saved) : []));
  }

  /** @param {Ended[]} ended */
  #table(ended) {
    const { words, zone } = this.#context;
    const columns = ["month", "status"].map((key) => words.say(key));
    const { table, body } = cardTable("ended", columns, h("caption", { class: "unseen" }, words.say("retentionTitle")));
    const day = (/** @type {string} */ instant) => words.day(dayIn(new Date(instant), zone));
    body.append(...ended.map(({ month, ended_at: from, deletes_after: until }) => h("tr", { role: "row" }, cell(columns[0], h("strong", {}, words.month(month))),
      cell(columns[1], words.say("monthEnded", { ended: day(from), deleted: day(until) })))));
    return table;
  }

  /** Creates the form, and the place of its question. @param {any} saved @returns {Node[]} */
  #change(saved) {
    const { words } = this.#context;
    const wanted = saved.pending ? saved.pending.months : saved.is_default ? null : saved.months;
    const all = [...new Set([...OFFERED, ...(wanted === null ? [] : [wanted])])].sort((a, b) => a - b);
    const control = choice("months", String(wanted ?? ""), [["", words.say("usualTime")], ...all.map((each) => /** @type {[string, string]} */ ([String(each), lengthText(words, each)]))]);
    const place = h("div");
    this.#form = formOf(words.say("retentionTitle"), words.say("retentionCheck"), () => this.#check(place), ...described(words.say("retentionLabel"), control, words.say("retentionHint")));
    this.#form.addEventListener("change", () => place.replaceChildren());
    return [this.#form, place];
  }

  /** Says what a change would end, and asks whether to make it. @param {HTMLElement} place */
  async #check(place) {
    const context = this.#context;
    const { words, service } = context;
    place.replaceChildren();
    const { value } = this.#form.elements.months;
    const months = value === "" ? null : Number(value);
    const would = await send(context, this.#form, () => service.write("PUT", "retention?dry_run=true", { months }), { doing: "counting" });
    if (!would) return;
    const facts = would.ended.length === 0 ? [words.say("retentionEndsNone")] : [
      words.say("retentionEnds", { count: would.ended.length, months: monthsText(words, would.ended) }),
      [would.exact ? "" : "≈ ", words.count("activities", would.rows), " · ", words.size(would.bytes), " · ",
        words.say("retentionCost", { cost: words.money(String(Math.ceil(would.dollars * 100) / 100), "USD") })].join(""),
    ];
    ask(context, place, [h("p", {}, h("strong", {}, lengthText(words, would.months))), ...facts.map((each) => h("p", {}, each))], words.say("save"), async () => {
      this.show(await service.write("PUT", "retention", { months }));
      this.#form.querySelector("[role=status]").textContent = words.say("saved");
      moveFocusTo(this.element.querySelector("p"));
    }, this.#form.querySelector(".primary"));
  }
}
