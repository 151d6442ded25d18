// The period, the time zone and the order of the list. Each choice applies at once.

import { dayIn, daysAfter, PERIODS } from "./calendar.js";
import { DateField } from "./date-field.js";
import { formatDay, instantOf } from "./dates.js";
import { h } from "./elements.js";
import { ownTimeZone } from "./language.js";

/** @typedef {import("./query.js").Query} Query */
let fields = 0;

export class PeriodField {
  /** @type {HTMLElement} */ element;
  #context;
  #parts;

  /** @param {any} context */
  constructor(context) {
    this.#context = context;
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    const id = `period-${fields += 1}`;
    const field = (/** @type {string} */ label, /** @type {Node} */ control, kind = "") => h("label", { class: `field ${kind}` }, h("span", {}, label), control);
    const option = (/** @type {string} */ value, /** @type {string} */ text) => h("option", { value }, text);
    const change = (/** @type {(value: string) => Query} */ changed) => (/** @type {any} */ event) => this.#context.change(changed(event.target.value));
    const quick = h("select", { name: "period", onchange: change((value) => this.#query.with({ period: value ? { rolling: value } : this.#query.days() })) },
      ...Object.keys(PERIODS).map((key) => option(key, say(`quick_${key}`))), option("", say("quick_custom")));
    const date = (/** @type {string} */ key) => new DateField({
      words, zone: () => this.#query.timeZone, name: key, label: say(key), describedBy: `${id}-fault`, changed: () => this.#changeDates(),
    });
    const [from, to] = [date("from"), date("to")];
    const zone = h("select", { name: "time_zone", onchange: change((value) => this.#query.with({ timeZone: value })) });
    const order = h("select", { name: "order", onchange: change((value) => this.#query.with({ order: value })) },
      ...["desc", "asc"].map((each) => option(each, say(`order_${each}`))));
    // Shown in narrow places only, where the last two fields are folded.
    const more = h("button", { type: "button", class: "plain more-options", "aria-expanded": "false", onclick: () => this.#unfold(!this.element.classList.contains("all")) }, say("moreOptions"));
    const fault = h("p", { class: "fault", id: `${id}-fault`, role: "alert" });
    this.#parts = { quick, from, to, zone, order, more, fault };
    this.element = h("div", { class: "period", role: "group", "aria-label": say("periodGroup") },
      field(say("period"), quick, "quick-period"), from.element, to.element, more,
      field(say("timeZone"), zone, "zone extra"), field(say("order"), order, "extra"), fault);
  }

  /** @returns {Query} */
  get #query() { return this.#context.query; }

  /** Shows the period of a query. @param {Query} query */
  show(query) {
    const { quick, from, to, zone, order, fault } = this.#parts;
    quick.value = "rolling" in query.period ? query.period.rolling : "";
    zone.replaceChildren(...this.#zones(query.timeZone));
    zone.value = query.timeZone;
    order.value = query.order;
    const range = query.range();
    from.show(range.from);
    to.show(range.to);
    fault.textContent = "";
    // Unfolded, so that nothing unusual applies unseen.
    if (query.order === "asc") this.#unfold(true);
  }

  /** @param {boolean} all */
  #unfold(all) {
    this.element.classList.toggle("all", all);
    this.#parts.more.setAttribute("aria-expanded", String(all));
  }

  /** The zones to choose from: the partner's, the browser's, UTC, and the query's. @param {string} chosen */
  #zones(chosen) {
    const { words, partnerZone } = this.#context;
    const zones = new Map([["UTC", "UTC"], [chosen, chosen]]);
    const own = ownTimeZone();
    zones.set(own, words.say("zone_mine", { zone: own }));
    if (partnerZone) zones.set(partnerZone, words.say("zone_partner", { zone: partnerZone }));
    return [...zones].reverse().map(([value, text]) => h("option", { value }, text));
  }

  /** Takes the dates that were typed or chosen, or says what is wrong with them. */
  #changeDates() {
    const { from, to, fault } = this.#parts;
    const { words } = this.#context;
    const { timeZone } = this.#query;
    const shown = this.#query.range();
    const today = dayIn(new Date(), timeZone);
    const complain = (/** @type {DateField} */ field, /** @type {string} */ text) => {
      for (const each of [from, to]) each.markWrong(each === field);
      fault.textContent = text;
    };
    /** @type {Record<string, {day: string, time: string | null, instant: string | null}>} */ const ends = {};
    for (const [key, field] of /** @type {["from" | "to", DateField][]} */ ([["from", from], ["to", to]])) {
      const typed = field.typed;
      if (field.isChanged && !typed) return complain(field, words.say("dateUnreadable", { name: words.say(key), example: formatDay(today, words.locale) }));
      // An end that nobody touched keeps its seconds.
      const instant = !field.isChanged && this.#query.isExact ? shown[key] : null;
      ends[key] = { day: typed?.day ?? shown[key], time: typed?.time ?? null, instant };
    }
    const exact = Object.values(ends).some((each) => each.time || each.instant);
    const period = exact ? {
      from: ends.from.instant ?? instantOf(ends.from.day, ends.from.time ?? "00:00", timeZone),
      to: ends.to.instant ?? (ends.to.time ? instantOf(ends.to.day, ends.to.time, timeZone) : instantOf(daysAfter(ends.to.day, 1), "00:00", timeZone)),
    } : { from: ends.from.day, to: ends.to.day };
    const length = Date.parse(period.to) - Date.parse(period.from);
    if (length < 0 || (exact && length === 0)) return complain(to, words.say("rangeReversed"));
    this.#context.change(this.#query.with({ period }));
    return undefined;
  }
}
