// Divides a period into the bars of the histogram: 20 to 92 of them (three months have 92 days), whatever the period's length.

import { dayIn } from "./calendar.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The length of a bar: some hours, days, weeks or months. @typedef {{unit: "hour" | "day" | "week" | "month", size: number}} Step */
/** A bar's first instant and its end (excluded), in milliseconds. @typedef {{from: number, to: number}} Bar */

/** Lengths of bars, each with the longest period that has it, in days. @type {(Step & {most: number})[]} */
const STEPS = [
  { most: 3.9, unit: "hour", size: 1 },
  { most: 11.5, unit: "hour", size: 3 },
  { most: 19.5, unit: "hour", size: 6 },
  { most: 92.5, unit: "day", size: 1 },
  { most: 139.5, unit: "day", size: 2 },
  { most: 630, unit: "week", size: 1 },
  { most: 2_770, unit: "month", size: 1 },
  { most: 8_300, unit: "month", size: 3 },
  // The API has at most 1,000 buckets, so at most 1,000 months.
  { most: 30_000, unit: "month", size: 12 },
];

/**
 * Chooses the length of bars, or none for a period of more than 80 years.
 * @param {{from: string, to: string}} range days, of which the last is included, or instants @returns {Step | null}
 */
export function chooseStep({ from, to }) {
  const end = Date.parse(to) + (to.includes("T") ? 0 : DAY);
  const days = (end - Date.parse(from)) / DAY;
  return STEPS.find(({ most }) => days <= most) ?? null;
}

/** @type {Map<string, Intl.DateTimeFormat>} */ const clocks = new Map();

/** Returns what clocks show at an instant, as milliseconds of the same date and time in UTC. @param {number} instant @param {string} zone */
export function localTime(instant, zone) {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en", {
      timeZone: zone, calendar: "iso8601", hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
    });
    clocks.set(zone, clock);
  }
  const parts = Object.fromEntries(clock.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) + (instant % 1_000);
}

/** Returns the instant at which clocks show a time. @param {number} local as `localTime` returns it @param {string} zone */
function instantOf(local, zone) {
  const first = local - (localTime(local, zone) - local);
  // A second time, because the first may lie on the other side of a change of the clocks.
  return first - (localTime(first, zone) - local);
}

/** Returns the start of the step that contains a local time. @param {number} local @param {Step} step */
function startOf(local, { unit, size }) {
  if (unit === "hour") return local - (local % (size * HOUR));
  const day = local - (local % DAY);
  if (unit === "day") return day;
  const date = new Date(day);
  if (unit === "week") return day - ((date.getUTCDay() + 6) % 7) * DAY;
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - (date.getUTCMonth() % size), 1);
}

/** @param {number} local @param {Step} step */
function nextAfter(local, { unit, size }) {
  const date = new Date(local);
  if (unit === "month") return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + size, 1);
  return local + size * (unit === "hour" ? HOUR : unit === "day" ? DAY : 7 * DAY);
}

/**
 * Divides a period by what clocks in the zone show, so that a day has 23 to 25 hours.
 * @param {{from: string, to: string, time_zone: string}} range @param {Step} step @returns {Bar[]}
 */
export function divide(range, step) {
  const [begin, end] = [Date.parse(range.from), Date.parse(range.to)];
  /** @type {Bar[]} */ const bars = [{ from: begin, to: end }];
  for (let local = nextAfter(startOf(localTime(begin, range.time_zone), step), step); ; local = nextAfter(local, step)) {
    const from = instantOf(local, range.time_zone);
    if (from >= end) return bars;
    const last = bars[bars.length - 1];
    // Clocks skip an hour once a year; that hour has no bar.
    if (from <= last.from) continue;
    last.to = from;
    bars.push({ from, to: end });
  }
}

/** Returns the number of the bar that contains an instant, or of the nearest one. @param {Bar[]} bars @param {number} instant */
export function barAt(bars, instant) {
  return Math.max(bars.findLastIndex((bar) => bar.from <= instant), 0);
}

/** Returns a period in the form of a query: days if it has whole days, else instants. @param {Bar} bar @param {string} zone @returns {{from: string, to: string}} */
export function periodOf({ from, to }, zone) {
  const isWhole = [from, to].every((each) => localTime(each, zone) % DAY === 0);
  if (!isWhole) return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  return { from: dayIn(new Date(from), zone), to: dayIn(new Date(to - 1), zone) };
}

/** Says whether a bar begins something that people know: a day, a Monday, a month or a year. @param {Bar} bar @param {string} zone @param {"sixHours" | "day" | "week" | "month" | "year"} what */
export function begins({ from }, zone, what) {
  const local = localTime(from, zone);
  const date = new Date(local);
  if (what === "sixHours") return local % (6 * HOUR) === 0;
  if (local % DAY !== 0) return false;
  if (what === "day") return true;
  if (what === "week") return date.getUTCDay() === 1;
  return date.getUTCDate() === 1 && (what === "month" || date.getUTCMonth() === 0);
}
