// What depends on the language: the texts, and the forms of numbers, times and amounts.

const LANGUAGES = ["en", "fr"];

/** @typedef {Record<string, string>} Texts by key, `{name}` where a value goes; plurals as `key_one`, `key_other` */

/** The language to show: the one wanted, else the first of the browser's that there is. @param {string | null} [wanted] */
export function language(wanted) {
  for (const tag of [wanted, ...navigator.languages]) {
    const primary = (tag ?? "").split("-")[0].toLowerCase();
    if (LANGUAGES.includes(primary)) return primary;
  }
  return "en";
}

/** The texts of a language, as they stand in its file. @param {string} locale @returns {Promise<Texts>} */
export async function texts(locale) {
  const response = await fetch(new URL(`${locale}.json`, import.meta.url));
  if (!response.ok) throw new Error(`${locale}.json: ${response.status}`);
  return response.json();
}

/** Whether there is such a time zone. @param {string | null} zone @returns {zone is string} */
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

  /** @param {string} locale @param {Texts} texts */
  constructor(locale, texts) {
    this.locale = locale;
    this.#texts = texts;
    this.#plurals = new Intl.PluralRules(locale);
  }

  /** Whether there is such a text. @param {string} key */
  has(key) { return Object.hasOwn(this.#texts, key); }

  /** A text with its values. @param {string} key @param {Record<string, string | number>} [values] */
  say(key, values = {}) {
    const text = this.has(key) ? this.#texts[key] : key;
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }

  /** A text that counts. @param {string} key @param {number} count */
  count(key, count) {
    const form = `${key}_${this.#plurals.select(count)}`;
    return this.say(this.has(form) ? form : `${key}_other`, { count: this.number(count) });
  }

  /** @param {number} number */
  number(number) { return new Intl.NumberFormat(this.locale).format(number); }

  /** An amount of money; of a currency that nobody knows, the number and its text. @param {string} decimal @param {string} currency */
  money(decimal, currency) {
    const places = decimal.split(".")[1]?.length ?? 0;
    // Prices of a thousandth of a cent exist: no digit is rounded away.
    const format = (/** @type {Intl.NumberFormatOptions} */ options) => {
      const usual = new Intl.NumberFormat(this.locale, options).resolvedOptions().maximumFractionDigits ?? 0;
      const all = new Intl.NumberFormat(this.locale, { ...options, maximumFractionDigits: Math.min(Math.max(usual, places), 20) });
      // As text: a binary number would change digits.
      return all.format(/** @type {any} */ (decimal));
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
    return new Intl.NumberFormat(this.locale, { style: "unit", unit: units[power], maximumSignificantDigits: 3 }).format(bytes / 1000 ** power);
  }

  /** Date and time to the second. @param {string} instant @param {string} zone */
  time(instant, zone) {
    return new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", timeStyle: "medium", timeZone: zone }).format(new Date(instant));
  }

  /** The days of a period whose end is not in it any more. @param {{from: string, to: string, time_zone: string}} range */
  days({ from, to, time_zone: zone }) {
    const format = new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", timeZone: zone });
    return format.formatRange(new Date(from), new Date(Math.max(Date.parse(to) - 1, Date.parse(from))));
  }

  /** A day as inputs write it. @param {string} day */
  day(day) {
    return new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
  }
}
