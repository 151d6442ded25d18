// A field for a date, as text in the language of the page, with a calendar. The browser's own date field would follow the
// browser's language.

import { dayIn, daysAfter, monthsBefore } from "./calendar.js";
import { firstDayOfWeek, formatDay, formatInstant, parseTypedDay, splitTime } from "./dates.js";
import { h } from "./elements.js";

/** A day, and a time if one was typed. @typedef {{day: string, time: string | null}} DayAndTime */
let fields = 0;

export class DateField {
  /** @type {HTMLElement} */ element;
  /** @type {HTMLInputElement} */ input;
  #words;
  #zone;
  #changed;
  #parts;
  /** The text of the shown value. */
  #shown = "";
  /** The day that has the focus in the calendar. */
  #day = "";
  #isFilling = false;

  /**
   * @param {{words: import("./language.js").Words, zone: () => string, name: string, label: string, describedBy?: string, changed: () => void}} options
   * `changed` is called when the person has typed or chosen something else
   */
  constructor({ words, zone, name, label, describedBy, changed }) {
    this.#words = words;
    this.#zone = zone;
    this.#changed = changed;
    const id = `date-${fields += 1}`;
    this.input = h("input", {
      id, name, type: "text", role: "combobox", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-controls": `${id}-calendar`, "aria-describedby": describedBy,
      autocomplete: "off", spellcheck: "false", maxlength: 40,
      onchange: () => this.#apply(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "ArrowDown") this.#open();
        else if (event.key === "Enter") this.#apply();
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
    });
    // Not a stop of the Tab key, because the arrow opens the calendar from the field.
    const button = h("button", { type: "button", class: "open-calendar", tabindex: "-1", "aria-label": words.say("openCalendar", { name: label }), onclick: () => (dialog.hidden ? this.#open() : this.#close(true)) });
    const title = h("span", { id: `${id}-month`, class: "month", "aria-live": "polite" });
    const turn = (/** @type {string} */ key, /** @type {number} */ months) =>
      h("button", { type: "button", class: `turn ${key}`, "aria-label": words.say(key), onclick: () => { this.#day = monthsBefore(this.#day, months); this.#fill(); } });
    const grid = h("table", { role: "grid", "aria-labelledby": `${id}-month`, onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) });
    grid.addEventListener("click", (/** @type {any} */ event) => this.#choose(event.target.closest("[data-day]")?.dataset.day));
    const dialog = h("div", { id: `${id}-calendar`, class: "calendar", role: "dialog", "aria-label": words.say("openCalendar", { name: label }), hidden: true },
      h("div", { class: "months" }, turn("previousMonth", 1), title, turn("nextMonth", -1)), grid);
    this.#parts = { dialog, title, grid };
    this.element = h("div", { class: "field date" }, h("label", { for: id }, label), h("div", { class: "date-box" }, this.input, button, dialog));
    dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#close(true);
    });
    this.element.addEventListener("focusout", (/** @type {FocusEvent} */ event) => {
      // The calendar stays while it shows another month, although the day with the focus is replaced.
      if (!this.#isFilling && !(event.relatedTarget instanceof Node && this.element.contains(event.relatedTarget))) this.#close(false);
    });
  }

  /** Shows a day (YYYY-MM-DD) or an instant (RFC 3339). @param {string} value */
  show(value) {
    const { locale } = this.#words;
    const isDay = !value.includes("T");
    this.#day = isDay ? value : dayIn(new Date(value), this.#zone());
    this.#shown = isDay ? formatDay(value, locale) : formatInstant(value, locale, this.#zone());
    this.input.value = this.#shown;
    this.input.placeholder = formatDay(this.#today, locale);
    this.markWrong(false);
  }

  /** Says whether the field has another text than the shown value's. */
  get isChanged() { return this.input.value.trim() !== this.#shown; }

  /** What the field says, or null if nobody can read it. @returns {DayAndTime | null} */
  get typed() {
    const { locale } = this.#words;
    const whole = parseTypedDay(this.input.value, locale, this.#today);
    if (whole) return { day: whole, time: null };
    const { day, time } = splitTime(this.input.value);
    const parsed = parseTypedDay(day, locale, this.#today);
    return parsed ? { day: parsed, time } : null;
  }

  /** @param {boolean} isWrong */
  markWrong(isWrong) {
    if (isWrong) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  get #today() { return dayIn(new Date(), this.#zone()); }

  #apply() { if (this.isChanged) this.#changed(); }

  // The calendar

  #open() {
    const { dialog } = this.#parts;
    this.#day = this.typed?.day ?? this.#day;
    dialog.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#fill();
    this.#focusDay();
    // Moved inwards where the component ends.
    dialog.style.insetInlineStart = "0";
    const overflow = dialog.getBoundingClientRect().right - (dialog.closest(".period")?.getBoundingClientRect().right ?? innerWidth);
    if (overflow > 0) dialog.style.insetInlineStart = `${-overflow}px`;
  }

  /** @param {boolean} isReturning whether the focus goes back to the field */
  #close(isReturning) {
    this.#parts.dialog.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    if (isReturning) this.input.focus();
  }

  /** Shows the month of the day that has the focus. */
  #fill() {
    const { title, grid } = this.#parts;
    const { locale } = this.#words;
    const month = this.#day.slice(0, 7);
    const selected = this.typed?.day;
    const format = (/** @type {Intl.DateTimeFormatOptions} */ options, /** @type {string} */ day) => this.#words.dates({ ...options, timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
    title.textContent = this.#words.month(month);
    const first = `${month}-01`;
    const weekday = new Date(`${first}T00:00:00Z`).getUTCDay();
    const start = daysAfter(first, -((weekday - firstDayOfWeek(locale) + 7) % 7));
    const week = (/** @type {number} */ index) => Array.from({ length: 7 }, (_, day) => daysAfter(start, index * 7 + day));
    const head = h("tr", {}, ...week(0).map((day) => h("th", { scope: "col", abbr: format({ weekday: "long" }, day) }, format({ weekday: "short" }, day))));
    const weeks = Array.from({ length: 6 }, (_, index) => week(index)).filter((days) => days.some((day) => day.startsWith(month)));
    this.#isFilling = true;
    grid.replaceChildren(h("thead", {}, head), h("tbody", {}, ...weeks.map((days) => h("tr", {}, ...days.map((day) => h("td", {
      role: "gridcell", class: day.startsWith(month) ? "" : "other", "data-day": day, tabindex: day === this.#day ? "0" : "-1",
      "aria-label": format({ dateStyle: "full" }, day), "aria-selected": String(day === selected), "aria-current": day === this.#today ? "date" : null,
    }, h("span", { "aria-hidden": "true" }, format({ day: "numeric" }, day))))))));
    this.#isFilling = false;
  }

  #focusDay() { this.#parts.grid.querySelector("[tabindex='0']")?.focus(); }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const weekday = (new Date(`${this.#day}T00:00:00Z`).getUTCDay() - firstDayOfWeek(this.#words.locale) + 7) % 7;
    const sideways = getComputedStyle(this.#parts.grid).direction === "ltr" ? 1 : -1;
    /** @type {Record<string, () => string>} */ const moves = {
      ArrowLeft: () => daysAfter(this.#day, -sideways), ArrowRight: () => daysAfter(this.#day, sideways),
      ArrowUp: () => daysAfter(this.#day, -7), ArrowDown: () => daysAfter(this.#day, 7),
      Home: () => daysAfter(this.#day, -weekday), End: () => daysAfter(this.#day, 6 - weekday),
      PageUp: () => monthsBefore(this.#day, event.shiftKey ? 12 : 1), PageDown: () => monthsBefore(this.#day, event.shiftKey ? -12 : -1),
    };
    if (event.key === "Enter" || event.key === " ") this.#choose(this.#day);
    else if (Object.hasOwn(moves, event.key)) {
      this.#day = moves[event.key]();
      this.#fill();
      this.#focusDay();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string | undefined} day */
  #choose(day) {
    if (!day) return;
    this.input.value = formatDay(day, this.#words.locale);
    this.#close(true);
    this.#apply();
  }
}
