// The histogram of a query: one bar for each part of the period, stacked by status. One bar can be chosen, or several side by
// side, by pointer or by keyboard, to see only their time. A table with the same numbers is behind it.

import { barAt, begins, divide } from "./bars.js";
import { h, plainTable } from "./elements.js";

/** @typedef {import("./bars.js").Bar} Bar */
/** @typedef {import("./bars.js").Step} Step */
/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./counts.js").Counts} Counts */

/** The statuses from the bottom of a bar to its top. The rarer ones are on top, where their height is easier to see. */
const STATUSES = ["succeeded", "in_progress", "declined", "failed"];
/** The height of the bars in style sheets' pixels, by which a single activity keeps a visible height. */
const PLOT_HEIGHT = 88;
const MIN_HEIGHT = 2;
/** The most captions of the time axis, in a wide and in a narrow component. */
const CAPTIONS = { wide: 10, narrow: 4 };

/** Creates an SVG element. @param {string} tag @param {Record<string, string | number>} [attributes] @param {...Node} children @returns {any} */
function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Textures, because colours alone do not tell statuses apart. An activity that succeeded has none. */
const textures = () => s("defs", {},
  s("pattern", { id: "texture-in_progress", class: "texture in_progress", width: 4, height: 4, patternUnits: "userSpaceOnUse" },
    s("rect", { width: 4, height: 4 }), s("path", { d: "M0 3h4" })),
  s("pattern", { id: "texture-declined", class: "texture declined", width: 4, height: 4, patternUnits: "userSpaceOnUse" },
    s("rect", { width: 4, height: 4 }), s("path", { d: "M1 1h1.4" })),
  s("pattern", { id: "texture-failed", class: "texture failed", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("rect", { width: 5, height: 5 }), s("path", { d: "M0 1h5" })));

/** @param {string} status @returns {Record<string, string>} */
const paint = (status) => (status === STATUSES[0] ? {} : { fill: `url(#texture-${status})` });

/** Returns the next round number. @param {number} most */
function roundUp(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 4, 6, 10].map((each) => each * power).find((each) => each >= most) ?? most;
}

/** A bar with its numbers and elements.
 * @typedef {{bar: Bar, caption: string, text: string, counts: Record<string, number>, total: number, group: any, segments: Record<string, any>}} Column */

export class Histogram {
  #context;
  #zoom;
  #words;
  /** @type {Column[]} */ #columns = [];
  /** What the columns were made for: the period and the length of bars. */
  #division = "";
  /** @type {Counts | null} */ #counts = null;
  /** The bar that the keyboard is at. */
  #at = 0;
  /** Where a choice of several bars began, and where it is now. @type {{from: number, to: number} | null} */ #choice = null;
  #isDragging = false;
  #parts;

  /** @param {Context} context @param {(bar: Bar) => void} zoom shows only a part of the period */
  constructor(context, zoom) {
    this.#context = context;
    this.#zoom = zoom;
    this.#words = context.words;
    const { words } = context;
    const bars = s("g");
    const plot = s("svg", {
      class: "bars", role: "listbox", tabindex: 0, "aria-label": words.say("histogram"), "aria-multiselectable": "true", "aria-orientation": "horizontal", "aria-describedby": "histogram-keys",
    }, textures(), bars);
    const listen = (/** @type {string} */ event, /** @type {(event: any) => void} */ listener) => plot.addEventListener(event, listener);
    listen("keydown", (event) => this.#press(event));
    listen("focus", () => this.#goTo(this.#at));
    listen("blur", () => this.#choose(null));
    listen("pointerdown", (event) => this.#grab(event));
    listen("pointermove", (event) => this.#move(event));
    listen("pointerup", (event) => this.#release(event));
    listen("pointercancel", () => this.#drop());
    listen("pointerleave", () => this.#read());
    const table = h("details", { class: "numbers", ontoggle: () => this.#fillTable() }, h("summary", {}, words.say("histogramTable")));
    const scale = h("div", { class: "scale", "aria-hidden": "true" });
    const axis = h("div", { class: "axis", "aria-hidden": "true" });
    // Hidden from screen readers, which read the bars themselves.
    const reading = h("p", { class: "reading", "aria-hidden": "true" });
    const keys = h("span", { id: "histogram-keys", class: "unseen" }, words.say("histogramKeys"));
    this.#parts = { bars, plot, scale, axis, reading, table };
    this.element = h("div", { class: "histogram" }, h("div", { class: "plot" }, scale, plot), axis, keys, h("div", { class: "under" }, reading, table));
    this.legend = h("ul", { class: "legend", "aria-label": words.say("histogramLegend") }, ...STATUSES.map((status) => h("li", {},
      s("svg", { class: "swatch", "aria-hidden": "true" }, s("rect", { class: `segment ${status}`, width: "100%", height: "100%", ...paint(status) })), context.status(status))));
    this.#read();
  }

  /** Moves the focus to the bars. */
  focus() { this.#parts.plot.focus(); }

  /** Shows counts that have grown. @param {Counts} counts with a range @param {Step} step */
  update(counts, step) {
    const range = /** @type {import("./counts.js").CountsAnswer["range"]} */ (counts.range);
    this.#counts = counts;
    const division = JSON.stringify([range, step]);
    if (division !== this.#division) {
      this.#division = division;
      this.#divide(range, step);
    }
    for (const column of this.#columns) {
      column.counts = {};
      column.total = 0;
    }
    const bars = this.#columns.map(({ bar }) => bar);
    for (const bucket of counts.buckets) {
      const column = this.#columns[barAt(bars, Date.parse(bucket.from))];
      for (const [status, count] of Object.entries(bucket.counts)) {
        column.counts[status] = (column.counts[status] ?? 0) + count;
        column.total += count;
      }
    }
    this.#draw();
    this.#fillTable();
  }

  /** Creates the bars and the captions of the time axis. @param {import("./counts.js").CountsAnswer["range"]} range @param {Step} step */
  #divide(range, step) {
    const { bars, axis } = this.#parts;
    const zone = range.time_zone;
    const divided = divide(range, step);
    const width = 100 / divided.length;
    const gap = divided.length > 60 ? 0.12 : 0.2;
    const caption = this.#captions(step, zone);
    this.#columns = divided.map((bar, index) => {
      const place = { x: `${(index + gap / 2) * width}%`, width: `${(1 - gap) * width}%` };
      const segments = Object.fromEntries(STATUSES.map((status) => [status, s("rect", { ...place, class: `segment ${status}`, ...paint(status) })]));
      // The whole height, so that a low bar is as easy to hit as a high one.
      const area = s("rect", { class: "area", x: `${index * width}%`, y: 0, width: `${width}%`, height: "100%" });
      const group = s("g", { id: `bar-${index}`, role: "option", "aria-selected": "false" }, area, ...Object.values(segments));
      return { bar, caption: caption(bar), text: "", counts: {}, total: 0, group, segments };
    });
    bars.replaceChildren(...this.#columns.map(({ group }) => group));
    this.#at = divided.length - 1;
    this.#choice = null;
    this.#isDragging = false;
    axis.replaceChildren(...this.#axis(divided, step, zone).map(({ index, text, isWide }) => {
      const mark = h("span", { class: isWide ? "fine" : null }, text);
      mark.style.insetInlineStart = `${index * width}%`;
      return mark;
    }));
    if (this.#hasFocus) this.#goTo(this.#at);
    else this.#parts.plot.removeAttribute("aria-activedescendant");
    this.#read();
  }

  get #hasFocus() { return /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement === this.#parts.plot; }

  /** Returns a function that names a bar in full. @param {Step} step @param {string} zone @returns {(bar: Bar) => string} */
  #captions({ unit, size }, zone) {
    /** @type {Record<Step["unit"], Intl.DateTimeFormatOptions>} */
    const options = {
      hour: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
      day: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
      week: { day: "numeric", month: "short", year: "numeric" },
      month: { month: "long", year: "numeric" },
    };
    const format = this.#words.dates({ ...options[unit], timeZone: zone });
    if (unit === "hour") return ({ from, to }) => format.formatRange(from, to);
    if ((unit === "day" || unit === "month") && size === 1) return ({ from }) => format.format(from);
    return ({ from, to }) => format.formatRange(from, Math.max(to - 1, from));
  }

  /** Chooses the bars that have a caption below. @param {Bar[]} bars @param {Step} step @param {string} zone @returns {{index: number, text: string, isWide: boolean}[]} */
  #axis(bars, { unit, size }, zone) {
    const format = (/** @type {Intl.DateTimeFormatOptions} */ options) => {
      const made = this.#words.dates({ ...options, timeZone: zone });
      return (/** @type {Bar} */ bar) => made.format(bar.from);
    };
    const time = format({ hour: "2-digit", minute: "2-digit" });
    const day = format({ day: "numeric", month: "short" });
    const month = format({ month: "short" });
    const year = format({ year: "numeric" });
    const isStart = (/** @type {Parameters<typeof begins>[2]} */ what) => (/** @type {Bar} */ bar) => begins(bar, zone, what);
    const yearOr = (/** @type {(bar: Bar) => string} */ other) => (/** @type {Bar} */ bar) => (isStart("year")(bar) ? year(bar) : other(bar));
    /** @type {[(bar: Bar) => boolean, (bar: Bar) => string]} */
    let [isMarked, text] = [isStart("week"), day];
    if (unit === "hour" && bars.length <= 30 && size === 1) [isMarked, text] = [isStart("sixHours"), (bar) => (isStart("day")(bar) ? day(bar) : time(bar))];
    else if (unit === "hour") [isMarked, text] = [isStart("day"), day];
    else if (unit === "day" && size === 2) [isMarked, text] = [() => true, day];
    else if (unit === "week") [isMarked, text] = [(bar) => monthStart(bar, zone) !== null, (bar) => yearOr(month)(monthStart(bar, zone) ?? bar)];
    else if (unit === "month") [isMarked, text] = bars.length > 36 || size > 1 ? [isStart("year"), year] : [isStart("month"), yearOr(month)];
    let marked = bars.flatMap((bar, index) => (isMarked(bar) ? [index] : []));
    // Without any, as in a period of minutes, the first bar has one.
    if (marked.length === 0) [marked, text] = [[0], unit === "hour" ? time : unit === "month" ? yearOr(month) : day];
    const wide = Math.ceil(marked.length / CAPTIONS.wide);
    const narrow = wide * Math.ceil(marked.length / wide / CAPTIONS.narrow);
    return marked.flatMap((index, number) => {
      // None at the very end, where it would stand out.
      const hasRoom = index / bars.length <= 0.93 || bars.length === 1;
      return number % wide === 0 && hasRoom ? [{ index, text: text(bars[index]), isWide: number % narrow !== 0 || (index / bars.length > 0.8 && number > 0) }] : [];
    });
  }

  #draw() {
    const { scale } = this.#parts;
    const most = roundUp(Math.max(...this.#columns.map(({ total }) => total)));
    const least = (MIN_HEIGHT / PLOT_HEIGHT) * 100;
    for (const column of this.#columns) {
      const heights = STATUSES.map((status) => {
        const count = column.counts[status] ?? 0;
        return count > 0 ? Math.max((count / most) * 100, least) : 0;
      });
      const sum = heights.reduce((all, each) => all + each, 0);
      let top = 100;
      STATUSES.forEach((status, index) => {
        const height = heights[index] / Math.max(sum / 100, 1);
        top -= height;
        const segment = column.segments[status];
        segment.setAttribute("y", `${top}%`);
        segment.setAttribute("height", `${height}%`);
      });
      column.text = this.#describe(column);
      column.group.setAttribute("aria-label", column.text);
    }
    const half = most % 2 === 0 ? this.#words.number(most / 2) : "";
    scale.replaceChildren(...[this.#words.number(most), half, this.#words.number(0)].map((text) => h("span", {}, text)));
    this.#read();
  }

  /** Returns a bar in words. @param {Column} column */
  #describe({ caption, counts, total }) {
    const words = this.#words;
    const present = STATUSES.filter((status) => counts[status]);
    const parts = present.map((status) => words.say("histogramPart", { status: this.#context.status(status), count: counts[status] }));
    const list = new Intl.ListFormat(words.locale, { type: "unit", style: "short" }).format(parts);
    const number = words.count("activities", total);
    return words.say(total > 0 ? "histogramBar" : "histogramNoBar", { period: caption, number, parts: list });
  }

  // The choice

  /** The chosen bars, from the first to the last. @returns {[number, number] | null} */
  get #chosen() { return this.#choice && [Math.min(this.#choice.from, this.#choice.to), Math.max(this.#choice.from, this.#choice.to)]; }

  /** @param {{from: number, to: number} | null} choice */
  #choose(choice) {
    this.#choice = choice;
    const chosen = this.#chosen;
    this.#columns.forEach(({ group }, index) => {
      group.setAttribute("aria-selected", String(Boolean(chosen && index >= chosen[0] && index <= chosen[1])));
    });
    this.#read();
  }

  /** @param {number} from @param {number} to the last bar */
  #zoomTo(from, to) {
    this.#choose(null);
    this.#zoom({ from: this.#columns[from].bar.from, to: this.#columns[to].bar.to });
  }

  /** @param {number} index */
  #goTo(index) {
    this.#at = Math.min(Math.max(index, 0), this.#columns.length - 1);
    this.#columns.forEach(({ group }, each) => { group.classList.toggle("at", each === this.#at); });
    if (this.#columns.length > 0) this.#parts.plot.setAttribute("aria-activedescendant", `bar-${this.#at}`);
    this.#read(this.#at);
  }

  /** Shows the numbers of a bar or of the choice, else how to zoom. @param {number} [index] */
  #read(index) {
    const chosen = this.#chosen;
    let text = this.#words.say("histogramHint");
    if (chosen && chosen[0] !== chosen[1]) {
      const columns = this.#columns.slice(chosen[0], chosen[1] + 1);
      const total = columns.reduce((all, each) => all + each.total, 0);
      text = this.#words.say("histogramChoice", { from: columns[0].caption, to: columns[columns.length - 1].caption, number: this.#words.count("activities", total) });
    } else {
      const shown = index ?? (this.#hasFocus ? this.#at : undefined);
      if (shown !== undefined && this.#columns[shown]) ({ text } = this.#columns[shown]);
    }
    this.#parts.reading.textContent = text;
  }

  // The keyboard

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || this.#columns.length === 0) return;
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity });
    if (Object.hasOwn(steps, event.key)) {
      const from = event.shiftKey ? this.#choice?.from ?? this.#at : null;
      this.#goTo(this.#at + steps[event.key]);
      this.#choose(from === null ? null : { from, to: this.#at });
    } else if (event.key === "Enter" || event.key === " ") {
      this.#zoomTo(...this.#chosen ?? [this.#at, this.#at]);
    } else if (event.key === "Escape" && this.#choice) {
      this.#drop();
    } else return;
    event.preventDefault();
    // The list has keys of its own.
    event.stopPropagation();
  }

  // The pointer

  /** The bar under the pointer. @param {PointerEvent} event */
  #under(event) {
    const { left, width } = this.#parts.plot.getBoundingClientRect();
    return Math.min(Math.max(Math.floor(((event.clientX - left) / width) * this.#columns.length), 0), this.#columns.length - 1);
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || this.#columns.length === 0) return;
    this.#parts.plot.setPointerCapture(event.pointerId);
    this.#isDragging = true;
    const at = this.#under(event);
    this.#goTo(at);
    this.#choose({ from: at, to: at });
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.#columns.length === 0) return;
    const at = this.#under(event);
    if (!this.#isDragging) this.#read(at);
    else if (this.#choice && this.#choice.to !== at) this.#choose({ from: this.#choice.from, to: at });
  }

  /** @param {PointerEvent} event */
  #release(event) {
    if (!this.#isDragging) return;
    this.#move(event);
    this.#isDragging = false;
    // None if Escape took the choice back during the drag.
    const chosen = this.#chosen;
    if (chosen) this.#zoomTo(...chosen);
  }

  #drop() {
    this.#isDragging = false;
    this.#choose(null);
  }

  // The table

  #fillTable() {
    const { table } = this.#parts;
    if (!table.open || !this.#counts) return;
    const words = this.#words;
    const present = STATUSES.filter((status) => this.#columns.some(({ counts }) => counts[status]));
    const numbers = (/** @type {Record<string, number>} */ counts, /** @type {number} */ total) =>
      [...present.map((status) => counts[status] ?? 0), total].map((count) => h("td", { class: "number" }, words.number(count)));
    const body = h("tbody", {}, ...this.#columns.map(({ caption, counts, total }) => h("tr", {}, h("th", { scope: "row" }, caption), ...numbers(counts, total))));
    const columns = [words.say("period"), ...present.map((status) => this.#context.status(status)), words.say("total")];
    const known = table.querySelector(".scroll");
    const made = plainTable(words.say("histogram"), columns, body, null, columns.map((_, index) => index).slice(1));
    // The rows are exchanged in place, so that the table keeps its position and the focus.
    if (known) known.replaceChildren(...made.childNodes);
    else table.append(made);
  }
}

/** Returns the day of a week that begins a month, or null. @param {Bar} bar @param {string} zone @returns {Bar | null} */
function monthStart({ from, to }, zone) {
  for (let day = from; day < to; day += 86_400_000) if (begins({ from: day, to }, zone, "month")) return { from: day, to };
  return null;
}
