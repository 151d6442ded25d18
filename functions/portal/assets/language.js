// What depends on the language: the texts, and the forms of numbers, times and amounts.

/** Where the texts of each language are. @type {Record<string, URL>} */
const LANGUAGES = {
  en: new URL("./en.ftl", import.meta.url),
  fr: new URL("./fr.ftl", import.meta.url),
};

/** A text: its parts, in which values are named and plurals have a text for each form. @typedef {(string | {value: string, forms?: Record<string, Pattern>})[]} Pattern */
/** @typedef {Map<string, Pattern>} Texts */

/** The language to show: the one wanted, else the first of the browser's that there is. @param {string | null} [wanted] */
export function language(wanted) {
  for (const tag of [wanted, ...navigator.languages]) {
    const primary = (tag ?? "").split("-")[0].toLowerCase();
    if (Object.hasOwn(LANGUAGES, primary)) return primary;
  }
  return "en";
}

/** The texts of a language. @param {string} locale @returns {Promise<Texts>} */
export async function texts(locale) {
  const response = await fetch(LANGUAGES[locale]);
  if (!response.ok) throw new Error(`${locale}.ftl: ${response.status}`);
  return parseTexts(await response.text());
}

/**
 * Reads the part of Fluent that the texts are written in: messages, their values as `{ $name }`, and a choice of plural as
 * `{ $count -> [one] … *[other] … }`; comments and what is indented below a message belong to it as Fluent has it.
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

/** Whether there is such a time zone. @param {string | null | undefined} zone @returns {zone is string} */
export function isTimeZone(zone) {
  try {
    return Boolean(zone && new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false;
  }
}

/** The browser's time zone. */
export const ownTimeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Says things in one language. */
export class Words {
  #texts;
  #plurals;
  /** Making a format takes longer than using it a thousand times. @type {Map<string, any>} */ #formats = new Map();

  /** @param {string} locale @param {Texts} texts */
  constructor(locale, texts) {
    this.locale = locale;
    this.#texts = texts;
    this.#plurals = new Intl.PluralRules(locale);
  }

  /** Whether there is such a text. @param {string} key */
  has(key) { return this.#texts.has(key); }

  /** A text with its values; numbers among them are written as the language does. @param {string} key @param {Record<string, string | number>} [values] */
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

  /** A text that counts. @param {string} key @param {number} count */
  count(key, count) { return this.say(key, { count }); }

  /** @param {number} number */
  number(number) { return this.#format(Intl.NumberFormat, {}).format(number); }

  /** A part of a whole. @param {number} fraction */
  percent(fraction) { return this.#format(Intl.NumberFormat, { style: "percent" }).format(fraction); }

  /** An amount of money; of a currency that nobody knows, the number and its text. @param {string} decimal @param {string} currency */
  money(decimal, currency) {
    const places = decimal.split(".")[1]?.length ?? 0;
    // Prices of a thousandth of a cent exist: no digit is rounded away.
    const format = (/** @type {Intl.NumberFormatOptions} */ options) => {
      const usual = this.#format(Intl.NumberFormat, options).resolvedOptions().maximumFractionDigits ?? 0;
      const all = this.#format(Intl.NumberFormat, { ...options, maximumFractionDigits: Math.min(Math.max(usual, places), 20) });
      // As text: a binary number would change digits.
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

  /** Date and time to the second. @param {string} instant @param {string} zone */
  time(instant, zone) {
    return this.#format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium", timeZone: zone }).format(new Date(instant));
  }

  /** The days of a period whose end is not in it any more. @param {{from: string, to: string, time_zone: string}} range */
  days({ from, to, time_zone: zone }) {
    const format = this.#format(Intl.DateTimeFormat, { dateStyle: "medium", timeZone: zone });
    return format.formatRange(new Date(from), new Date(Math.max(Date.parse(to) - 1, Date.parse(from))));
  }

  /** A day as inputs write it. @param {string} day */
  day(day) { return this.#format(Intl.DateTimeFormat, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)); }

  /** A month as `YYYY-MM`. @param {string} month */
  month(month) { return this.#format(Intl.DateTimeFormat, { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${month}-01T00:00:00Z`)); }

  /** @param {any} kind @param {object} options */
  #format(kind, options) {
    const key = kind.name + JSON.stringify(options);
    if (!this.#formats.has(key)) this.#formats.set(key, new kind(this.locale, options));
    return this.#formats.get(key);
  }
}
