// Dates and times as people type and read them in a language.

import { daysAfter, parseDay } from "./calendar.js";

/** The order of day, month and year in a language, as in `["day", "month", "year"]`. @param {string} locale */
export function dateOrder(locale) {
  return numeric(locale).formatToParts(0).map((part) => /** @type {string} */ (part.type)).filter((type) => ["day", "month", "year"].includes(type));
}

/** @param {string} locale */
const numeric = (locale) => new Intl.DateTimeFormat(locale, { day: "2-digit", month: "2-digit", year: "numeric", timeZone: "UTC" });

/** Writes a day in numbers, in the order of the language. @param {string} day @param {string} locale */
export const formatDay = (day, locale) => numeric(locale).format(new Date(`${day}T00:00:00Z`));

/** Writes an instant in numbers, to the minute. @param {string} instant @param {string} locale @param {string} zone */
export function formatInstant(instant, locale, zone) {
  const options = /** @type {const} */ ({ day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
  return new Intl.DateTimeFormat(locale, options).format(new Date(instant)).replace(",", "");
}

/** Lower case, without accents and points, so that `Févr.` and `fevr` are the same. @param {string} text */
const plain = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f.]/g, "").replaceAll("’", "'").toLowerCase().trim();

/** The number of the month that a text names or begins, in these languages; 0 for none or several. @param {string} text @param {string[]} locales */
function monthNamed(text, locales) {
  const wanted = plain(text);
  if (wanted.length < 3) return 0;
  const found = new Set(locales.flatMap((locale) => ["long", "short"].flatMap((/** @type {any} */ month) => {
    const format = new Intl.DateTimeFormat(locale, { month, timeZone: "UTC" });
    return Array.from({ length: 12 }, (_, index) => (plain(format.format(new Date(Date.UTC(2000, index, 1)))).startsWith(wanted) ? index + 1 : 0)).filter(Boolean);
  })));
  return found.size === 1 ? [...found][0] : 0;
}

/** A day from its parts, or null if the calendar does not have it. @param {number} year @param {number} month @param {number} day */
function dayOf(year, month, day) {
  const full = year < 100 ? 2000 + year : year;
  return parseDay([String(full).padStart(4, "0"), ...[month, day].map((each) => String(each).padStart(2, "0"))].join("-"));
}

/**
 * Reads a day that a person typed: in the order of the language (`28/11/2026`, `28.11.26`, `28/11`), as `2026-11-28`, with a
 * month's name in any of the languages (`28 nov. 2026`, `November 28`), or as `today` and `yesterday` in the language.
 * Without a year, the day is the last such day.
 * @param {string} text @param {string} locale @param {string} today @param {string[]} [others] further languages of months' names
 * @returns {string | null}
 */
export function parseTypedDay(text, locale, today, others = ["en", "fr"]) {
  const typed = plain(text);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  for (const days of [0, -1]) if (typed === plain(relative.format(days, "day"))) return daysAfter(today, days);
  const iso = /^(\d{4})[-/ ]?(\d{2})[-/ ]?(\d{2})$/.exec(text.trim()) ?? /^(\d{4})[-/ ](\d{1,2})[-/ ](\d{1,2})$/.exec(text.trim());
  if (iso) return dayOf(Number(iso[1]), Number(iso[2]), Number(iso[3]));
  const withoutYear = (/** @type {number} */ month, /** @type {number} */ day) => {
    const year = Number(today.slice(0, 4));
    const found = [0, 1, 2, 3, 4].map((back) => dayOf(year - back, month, day)).find((each) => each !== null && each <= today);
    return found ?? null;
  };
  const tokens = text.trim().split(/[\s/.,-]+/).filter(Boolean);
  const order = dateOrder(locale);
  if (tokens.length >= 2 && tokens.length <= 3 && tokens.every((each) => /^(\d{1,2}|\d{4})$/.test(each))) {
    const kinds = tokens.length === 3 ? order : order.filter((kind) => kind !== "year");
    const value = (/** @type {any} */ kind) => Number(tokens[kinds.indexOf(kind)]);
    return tokens.length === 3 ? dayOf(value("year"), value("month"), value("day")) : withoutYear(value("month"), value("day"));
  }
  // With a month's name, the other number is the day, and one of four digits, or the last, the year.
  const month = tokens.map((each) => (/^\d/.test(each) ? 0 : monthNamed(each, [locale, ...others])));
  const numbers = tokens.filter((each) => /^\d{1,4}(er|st|nd|rd|th)?$/i.test(each)).map((each) => each.replace(/\D/g, ""));
  const [named] = month.filter(Boolean);
  if (!named || month.filter(Boolean).length !== 1 || numbers.length !== tokens.length - 1) return null;
  const [first, second] = numbers;
  if (numbers.length === 1) return withoutYear(named, Number(first));
  return numbers.length === 2 ? (first.length === 4 ? dayOf(Number(first), named, Number(second)) : dayOf(Number(second), named, Number(first))) : null;
}

/** Splits a time from the end of a text. @param {string} text @returns {{day: string, time: string | null}} */
export function splitTime(text) {
  const match = /^(.*\S)[\sT,]+(?:à |at )?([01]?\d|2[0-3])\s?[:hH]\s?([0-5]\d)(?::[0-5]\d)?$/.exec(text.trim());
  return match ? { day: match[1].replace(/,$/, ""), time: `${match[2].padStart(2, "0")}:${match[3]}` } : { day: text.trim(), time: null };
}

/** The instant of a day and time in a zone. A time that a change of clocks skips is the one after the change. @param {string} day @param {string} time @param {string} zone */
export function instantOf(day, time, zone) {
  const wanted = Date.parse(`${day}T${time}:00Z`);
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, calendar: "iso8601", hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  const shown = (/** @type {number} */ instant) => {
    const part = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
    return Date.parse(`${part.year.padStart(4, "0")}-${part.month}-${part.day}T${part.hour}:${part.minute}:00Z`);
  };
  // Twice, because the first guess may lie on the other side of a change of clocks.
  let instant = wanted;
  for (let round = 0; round < 2; round += 1) instant += wanted - shown(instant);
  return new Date(instant).toISOString();
}

/** The first day of the week in a language: 1 for Monday to 7 for Sunday. @param {string} locale */
export function firstDayOfWeek(locale) {
  const info = /** @type {any} */ (new Intl.Locale(locale));
  return (info.getWeekInfo?.() ?? info.weekInfo)?.firstDay ?? (/^en(-US)?$/.test(locale) ? 7 : 1);
}
