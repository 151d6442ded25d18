// Texts in each language, and the formats of numbers, times and amounts.

/** The file of each language's texts. @type {Record<string, URL>} */
const LANGUAGES = {
  en: new URL("./en.ftl", import.meta.url),
  fr: new URL("./fr.ftl", import.meta.url),
};

/** A text in parts: plain text, named values, and plurals with a text for each form. @typedef {(string | {value: string, forms?: Record<string, Pattern>})[]} Pattern */
/** @typedef {Map<string, Pattern>} Texts */

/** Returns the wanted language if it exists, else the first of the browser's that exists. @param {string | null} [wanted] */
export function language(wanted) {
  for (const tag of [wanted, ...navigator.languages]) {
    const primary = (tag ?? "").split("-")[0].toLowerCase();
    if (Object.hasOwn(LANGUAGES, primary)) return primary;
  }
  return "en";
}

/** Loads the texts of a language. @param {string} locale @returns {Promise<Texts>} */
export async function texts(locale) {
  const response = await fetch(LANGUAGES[locale]);
  if (!response.ok) throw new Error(`${locale}.ftl: ${response.status}`);
  return parseTexts(await response.text());
}

/**
 * Parses the part of Fluent that the texts use: messages, values such as `{ $name }`, plurals such as
 * `{ $count -> [one] … *[other] … }`, comments, and indented lines that continue a message.
 * @param {string} source @returns {Texts}
 */
export function parseTexts(source) {
  /** @type {Texts} */ const found = new Map();
  for (const [, key, text] of source.matchAll(/^([a-zA-Z][\w-]*) *=(.*(?:\n +.*)*)/gm)) {
    found.set(key, pattern(text.trim().replace(/\n\s+/g, "\n")));
  }
  return found;
}

/** @param {string} text @returns {Pattern} */
function pattern(text) {
  const choice = /^\{ *\$(\w+) *->([^]*)\}$/.exec(text);
  if (choice) {
    const forms = Object.fromEntries([...choice[2].matchAll(/\*?\[(\w+)\] *(.*)/g)].map(([, form, inner]) => [form, pattern(inner.trim())]));
    return [{ value: choice[1], forms }];
  }
  return text.split(/(\{ *\$\w+ *\})/).filter(Boolean).map((part) => {
    const value = /^\{ *\$(\w+) *\}$/.exec(part);
    return value ? { value: value[1] } : part;
  });
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

/** Texts and formats of one language. */
export class Words {
  #texts;
  #plurals;
  /** Formats by their options. They are kept, because creating one takes longer than using it a thousand times. @type {Map<string, any>} */ #formats = new Map();

  /** @param {string} locale @param {Texts} texts */
  constructor(locale, texts) {
    this.locale = locale;
    this.#texts = texts;
    this.#plurals = new Intl.PluralRules(locale);
  }

  /** Says whether a text exists. @param {string} key */
  has(key) { return this.#texts.has(key); }

  /** Returns a text with its values; numbers are formatted for the language. @param {string} key @param {Record<string, string | number>} [values] */
  say(key, values = {}) {
    /** @type {(parts: Pattern) => string} */
    const one = (parts) => parts.map((part) => {
      if (typeof part === "string") return part;
      const value = values[part.value] ?? "";
      if (part.forms) return one(part.forms[this.#plurals.select(Number(value))] ?? part.forms.other);
      return typeof value === "number" ? this.number(value) : value;
    }).join("");
    return one(this.#texts.get(key) ?? [key]);
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

  /** Formats date and time to the second. @param {string} instant @param {string} zone */
  time(instant, zone) {
    return this.#format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium", timeZone: zone }).format(new Date(instant));
  }

  /** Formats the time of day to the second. @param {string} instant @param {string} zone */
  clock(instant, zone) { return this.#format(Intl.DateTimeFormat, { timeStyle: "medium", timeZone: zone }).format(new Date(instant)); }

  /** Formats the days of a period whose end is excluded. @param {{from: string, to: string, time_zone: string}} range */
  days({ from, to, time_zone: zone }) {
    const format = this.#format(Intl.DateTimeFormat, { dateStyle: "medium", timeZone: zone });
    return format.formatRange(new Date(from), new Date(Math.max(Date.parse(to) - 1, Date.parse(from))));
  }

  /** Formats a day, given as YYYY-MM-DD. @param {string} day */
  day(day) { return this.#format(Intl.DateTimeFormat, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)); }

  /** Formats a day with its weekday, given as YYYY-MM-DD. @param {string} day */
  weekday(day) { return this.#format(Intl.DateTimeFormat, { dateStyle: "full", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)); }

  /** Formats a month, given as YYYY-MM. @param {string} month */
  month(month) { return this.#format(Intl.DateTimeFormat, { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${month}-01T00:00:00Z`)); }

  /** @param {any} kind @param {object} options */
  #format(kind, options) {
    const key = kind.name + JSON.stringify(options);
    if (!this.#formats.has(key)) this.#formats.set(key, new kind(this.locale, options));
    return this.#formats.get(key);
  }
}
