// Legal holds: what may not end, be deleted or erased, for whom and why; a form that places a hold, and buttons that release one.

import { dayIn, daysAfter } from "./calendar.js";
import { DateField } from "./date-field.js";
import { formatDay, instantOf } from "./dates.js";
import { cardTable, cell, h, isolated, moveFocusTo } from "./elements.js";
import { ask, clearFaults, described, faultOf, formOf, isMissing, refuse, send } from "./forms.js";
import { monthsText } from "./retention.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./service.js").ApiError} ApiError */
/** A hold as the API answers it. @typedef {Record<string, any>} Hold */

/** The longest reason, in characters. */
const MAX_REASON = 1_024;

export class Holds {
  /** @type {HTMLElement} */ element = h("div");
  #context;
  #status;
  #form = /** @type {any} */ (null);
  /** @type {Record<string, DateField>} */ #dates = {};

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.#status = h("p", { role: "status", tabindex: "-1" });
  }

  load() { return this.#context.service.read("holds"); }

  /** @param {{holds: Hold[], may_change: boolean}} answer */
  show({ holds, may_change: mayChange }) {
    const { words } = this.#context;
    const columns = ["period", "category_customer", "reason", "status"].map((key) => words.say(key));
    const { table, body } = cardTable("holds", columns, h("caption", { class: "unseen" }, words.say("holdsTitle")));
    body.append(...holds.map((hold) => h("tr", { role: "row" }, ...this.#cells(hold, columns, mayChange))));
    this.element.replaceChildren(this.#status, holds.length > 0 ? table : h("p", {}, words.say("noneThere")), ...(mayChange ? this.#newHold() : []));
  }

  /** The days of a hold, whose last one is included. One that is null sets no limit. @param {Hold} hold */
  #period({ from, to }) {
    const { words, zone } = this.#context;
    if (from && to) return words.days({ from, to, time_zone: zone });
    const day = (/** @type {string | null} */ instant, before = 0) => (instant ? words.day(dayIn(new Date(Date.parse(instant) - before), zone)) : "…");
    return `${day(from)} – ${day(to, 1)}`;
  }

  /** @param {Hold} hold @param {string[]} columns @param {boolean} mayChange @returns {Node[]} */
  #cells(hold, columns, mayChange) {
    const { words, names, zone } = this.#context;
    const { customers, reason, left_out: leftOut = [] } = hold;
    const said = (/** @type {string} */ key, /** @type {string} */ at, /** @type {{name: string}} */ by) =>
      h("p", { class: "quiet" }, words.say(key, { time: words.time(at, zone), name: by.name }));
    const isActive = hold.status === "active";
    const state = h("span", { class: `state ${hold.status}` }, words.say(isActive ? "value_active" : "holdReleased"));
    const what = this.#period(hold);
    const actions = h("div", { class: "bar" }, h("button", {
      type: "button", "aria-label": words.say("ofView", { action: words.say("holdRelease"), name: what }),
      onclick: () => ask(this.#context, actions, [h("p", {}, words.say("holdReleaseAsk"))], words.say("holdReleaseNow"), () => this.#release(hold)),
    }, words.say("holdRelease")));
    return [
      cell(columns[0], h("strong", {}, what), leftOut.length > 0 ? h("p", { class: "quiet" }, words.say("holdLeftOut", { months: monthsText(words, leftOut) })) : null),
      cell(columns[1], customers === null ? words.say("holdAll") : isolated(customers.map((/** @type {string} */ id) => names.get("customer", id) ?? id).join(", "))),
      cell(columns[2], isolated(reason)),
      cell(columns[3], state, said("holdPlacedBy", hold.created_at, hold.created_by), hold.released_at ? said("holdReleasedBy", hold.released_at, hold.released_by) : null,
        isActive && mayChange ? actions : null),
    ];
  }

  /** @param {Hold} hold */
  async #release(hold) {
    await this.#context.service.write("DELETE", `holds/${encodeURIComponent(hold.id)}`);
    await this.#reload("holdIsReleased");
  }

  /** Shows the holds as they are now, and says what was done. @param {string} key */
  async #reload(key) {
    this.show(await this.load());
    this.#status.textContent = this.#context.words.say(key);
    moveFocusTo(this.#status);
  }

  // A new hold

  /** @returns {Node[]} */
  #newHold() {
    const { words, zone } = this.#context;
    const dates = ["from", "to"].map((name) => {
      const date = this.#dates[name] = new DateField({ words, zone: () => zone, name, label: words.say(name), changed: () => {} });
      // Empty at first, with the present day as an example.
      date.show(dayIn(new Date(), zone));
      date.input.value = "";
      return date;
    });
    const customers = h("textarea", { name: "customers", rows: "2", spellcheck: "false", autocapitalize: "off" });
    const reason = h("input", { name: "reason", maxlength: MAX_REASON, autocomplete: "off" });
    this.#form = formOf(words.say("holdPlace"), words.say("holdPlace"), () => this.#place(false),
      ...dates.map(({ element }) => element), ...dates.map(({ input }) => faultOf(input.name, input)), h("p", { class: "quiet" }, words.say("holdDatesHint", { zone })),
      ...described(words.say("category_customer"), customers, words.say("holdCustomersHint")), ...described(words.say("reason"), reason));
    return [h("h3", {}, words.say("holdPlace")), this.#form];
  }

  /** The form's values as a request, or null after a refusal. */
  #request() {
    const { words, zone } = this.#context;
    /** @type {Record<string, string | undefined>} */ const days = {};
    for (const [name, date] of Object.entries(this.#dates)) {
      const { typed } = date;
      if (!typed && date.input.value.trim()) {
        refuse(this.#form, name, words.say("dateUnreadable", { name: words.say(name), example: formatDay(dayIn(new Date(), zone), words.locale) }));
        return null;
      }
      days[name] = typed?.day;
    }
    const { from, to } = days;
    if (from && to && to < from) {
      refuse(this.#form, "to", words.say("rangeReversed"));
      return null;
    }
    if (isMissing(this.#context, this.#form, "reason")) return null;
    const { customers, reason } = this.#form.elements;
    const ids = customers.value.split(/[\s,;]+/).filter(Boolean);
    return {
      ...(from && { from: instantOf(from, "00:00", zone) }), ...(to && { to: instantOf(daysAfter(to, 1), "00:00", zone) }),
      ...(ids.length > 0 && { customers: ids }), reason: reason.value.trim(),
    };
  }

  /** Places a hold. @param {boolean} partial whether the hold may leave out months whose deletion has begun */
  async #place(partial) {
    clearFaults(this.#form);
    const request = this.#request();
    if (!request) return;
    const placed = await send(this.#context, this.#form, () => this.#context.service.write("POST", "holds", { ...request, partial }), { explain: (error) => this.#offerRest(error) });
    if (placed) await this.#reload("holdIsPlaced");
  }

  /** Offers to hold what is left, if the deletion of a month has begun. @param {ApiError} error */
  #offerRest({ status, message }) {
    // Nothing can be held of a partner whose data are all being deleted.
    if (status !== 409 || !message.includes("partial")) return false;
    const { words } = this.#context;
    const button = h("button", { type: "button", onclick: () => this.#place(true) }, words.say("holdRest"));
    this.#form.querySelector("[role=alert]").replaceChildren(h("div", { class: "alert" }, h("p", { lang: "en" }, message), button));
    button.focus();
    return true;
  }
}
