// Texts in each language, and the formats of numbers, times and amounts.

import { FluentBundle, FluentResource } from "./vendor/fluent.js";

/** The file of each language's texts. @type {Record<string, URL>} */
const LANGUAGES = {
  en: new URL("./en.ftl", import.meta.url),
  fr: new URL("./fr.ftl", import.meta.url),
};

/** Returns the wanted language if it exists, else the first of the browser's that exists. @param {string | null} [wanted] */
export function language(wanted) {
  for (const tag of [wanted, ...navigator.languages]) {
    const primary = (tag ?? "").split("-")[0].toLowerCase();
    if (Object.hasOwn(LANGUAGES, primary)) return primary;
  }
  return "en";
}

/** Loads the texts of a language. @param {string} locale */
export async function texts(locale) {
  const response = await fetch(LANGUAGES[locale]);
  if (!response.ok) throw new Error(`${locale}.ftl: ${response.status}`);
  return new FluentResource(await response.text());
}

/**
 * Returns the locale that dates and numbers of a language follow: the wanted one or the browser's, if they name a region.
 * Without a region of the language, English follows the region of the browser's first language, because the month comes first
 * in the United States only.
 * @param {string} language @param {string | null} [wanted]
 */
function formatLocale(language, wanted) {
  const locales = [wanted, ...navigator.languages].flatMap((tag) => {
    try {
      return tag ? [new Intl.Locale(tag)] : [];
    } catch {
      return [];
    }
  });
  const own = locales.find((locale) => locale.language === language && locale.region);
  if (own) return own.baseName;
  const region = locales.find((locale) => locale.region)?.region;
  return language === "en" && region && region !== "US" ? "en-GB" : language;
}

/** Says whether the browser knows a time zone. @param {string | null | undefined} zone @returns {zone is string} */
export function isTimeZone(zone) {
  try {
    return Boolean(zone && new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false;
  }
}

/** The browser's time zone. */
export const ownTimeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Formats dates and times. In French, the first day of a month is `1er`, which Intl does not write. */
class Dates {
  #format;
  #isFrench;

  /** @param {string} locale @param {Intl.DateTimeFormatOptions} options */
  constructor(locale, options) {
    this.#format = new Intl.DateTimeFormat(locale, options);
    this.#isFrench = locale.startsWith("fr");
  }

  /** @param {Date | number} at */
  format(at) { return this.#isFrench ? written(this.#format.formatToParts(at)) : this.#format.format(at); }

  /** Formats a period whose end is included. @param {Date | number} from @param {Date | number} to */
  formatRange(from, to) { return this.#isFrench ? written(this.#format.formatRangeToParts(from, to)) : this.#format.formatRange(from, to); }
}

/** Joins the parts of a French date. In numbers, as in 01/10, the first day is like any other. @param {{type: string, value: string}[]} parts */
function written(parts) {
  const isInNumbers = parts.some(({ type, value }) => type === "month" && /^\d/.test(value));
  return parts.map(({ type, value }) => (!isInNumbers && type === "day" && value === "1" ? "1er" : value)).join("");
}

/** Texts and formats of one language. */
export class Words {
  #bundle;
  /** Formats by their options. They are kept, because creating one takes longer than using it a thousand times. @type {Map<string, any>} */ #formats = new Map();

  /** @param {string} language @param {FluentResource} texts @param {string | null} [wanted] the locale to format dates and numbers for, if it is of this language */
  constructor(language, texts, wanted) {
    /** The language of the texts. */
    this.language = language;
    /** The locale of dates and numbers. */
    this.locale = formatLocale(language, wanted);
    // Without the marks that isolate values, because people copy these texts, and both languages are written from left to right.
    this.#bundle = new FluentBundle(this.locale, { useIsolating: false });
    this.#bundle.addResource(texts);
  }

  /** Says whether a text exists. @param {string} key */
  has(key) { return this.#bundle.hasMessage(key); }

  /** Returns a text with its values; numbers are formatted for the language. @param {string} key @param {Record<string, string | number>} [values] */
  say(key, values = {}) {
    const text = this.#bundle.getMessage(key)?.value;
    if (!text) return key;
    /** @type {Error[]} */ const faults = [];
    const said = this.#bundle.formatPattern(text, values, faults);
    if (faults.length > 0) console.error(key, ...faults);
    return said;
  }

  /** Returns a text with a count. @param {string} key @param {number} count */
  count(key, count) { return this.say(key, { count }); }

  /** @param {number} number */
  number(number) { return this.#format(Intl.NumberFormat, {}).format(number); }

  /** Formats a fraction as a percentage. @param {number} fraction */
  percent(fraction) { return this.#format(Intl.NumberFormat, { style: "percent" }).format(fraction); }

  /** Formats an amount of money. An unknown currency follows the number as text. @param {string} decimal @param {string} currency */
  money(decimal, currency) {
    const places = decimal.split(".")[1]?.length ?? 0;
    // All digits, because prices below a cent exist.
    const format = (/** @type {Intl.NumberFormatOptions} */ options) => {
      const usual = this.#format(Intl.NumberFormat, options).resolvedOptions().maximumFractionDigits ?? 0;
      const all = this.#format(Intl.NumberFormat, { ...options, maximumFractionDigits: Math.min(Math.max(usual, places), 20) });
      // As text, because a binary number would change digits.
      return all.format(decimal);
    };
    try {
      return format({ style: "currency", currency });
    } catch {
      return `${format({ minimumFractionDigits: Math.min(places, 20) })} ${currency}`;
    }
  }

  /** @param {number} bytes */
  size(bytes) {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
    const power = Math.min(Math.max(Math.floor(Math.log10(bytes || 1) / 3), 0), units.length - 1);
    return this.#format(Intl.NumberFormat, { style: "unit", unit: units[power], maximumSignificantDigits: 3 }).format(bytes / 1000 ** power);
  }

  /** Returns the format of dates and times by these options. @param {Intl.DateTimeFormatOptions} options @returns {Dates} */
  dates(options) { return this.#format(Dates, options); }

  /** Formats date and time to the second. @param {string} instant @param {string} zone */
  time(instant, zone) { return this.dates({ dateStyle: "medium", timeStyle: "medium", timeZone: zone }).format(new Date(instant)); }

  /** Formats the time of day to the second. @param {string} instant @param {string} zone */
  clock(instant, zone) { return this.dates({ timeStyle: "medium", timeZone: zone }).format(new Date(instant)); }

  /** Formats the days of a period whose end is excluded. @param {{from: string, to: string, time_zone: string}} range */
  days({ from, to, time_zone: zone }) {
    return this.dates({ dateStyle: "medium", timeZone: zone }).formatRange(new Date(from), new Date(Math.max(Date.parse(to) - 1, Date.parse(from))));
  }

  /** Formats a day, given as YYYY-MM-DD. @param {string} day */
  day(day) { return this.dates({ dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)); }

  /** Formats a day with its weekday, given as YYYY-MM-DD. @param {string} day */
  weekday(day) { return this.dates({ dateStyle: "full", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)); }

  /** Formats a month, given as YYYY-MM. @param {string} month */
  month(month) { return this.dates({ month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${month}-01T00:00:00Z`)); }

  /** @param {any} kind @param {object} options */
  #format(kind, options) {
    const key = kind.name + JSON.stringify(options);
    if (!this.#formats.has(key)) this.#formats.set(key, new kind(this.locale, options));
    return this.#formats.get(key);
  }
}
