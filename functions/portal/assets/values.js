// Names of fields, and values in words: codes such as `P1Y`, `auto_renew` or `admin_agent` become text of the page's language.
// The vocabulary is open, so an unknown code is shown readable, or as it was recorded.

import { digits } from "./service.js";

/** @typedef {import("./language.js").Words} Words */
/** The zone for times, and the currency of amounts that name none. @typedef {{zone?: string, currency?: string}} Hints */

const DECIMAL = /^-?\d{1,30}(\.\d{1,20})?$/;
const DURATION = /^P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?$/;
const UNITS = ["year", "month", "week", "day", "hour", "minute", "second"];
const DAY = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;

// What the last words of a field's name say about its values.
const OF_TIME = /(^|_)(term|duration|period|cycle|frequency|interval|commitment|plan)$/;
const OF_MONEY = /(^|_)(price|amount|total|subtotal|cost|budget|spending_limit|balance|tax|fee)$/;
const OF_NUMBER = /(^|_)(quantity|qty|count|seats|units|licences|licenses|total_lines|rows)$/;
const OF_PERCENT = /(^|_)(percent|percentage)$/;
const OF_ROLE = /(^|_)roles?$/;
const OF_TYPE = /(^|_)(target_type|resource_type|type)$/;
/** Fields whose values are of a small vocabulary. */
const OF_STATE = /(^|_)(status|state|cycle|frequency|plan|term|type)$/;

/** Formats by language and options. They are kept, because creating one takes longer than using it a thousand times. @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/** Formats a decimal with separators. @param {Words} words @param {string} text @param {Intl.NumberFormatOptions} [options] */
function number({ locale }, text, options = {}) {
  const key = locale + JSON.stringify(options);
  const format = formats.get(key) ?? new Intl.NumberFormat(locale, { maximumFractionDigits: 20, ...options });
  formats.set(key, format);
  // As text, because a binary number would change digits.
  return format.format(/** @type {any} */ (text));
}

/** Returns a name in lower case, with underscores between its words. @param {string} key */
export function snakeKey(key) {
  return key.replace(/([a-z\d])([A-Z])/g, "$1_$2").replace(/[- ]/g, "_").toLowerCase();
}

/** Returns a decimal number as text, or null. @param {any} value */
export function decimal(value) {
  const text = digits(value) ?? (typeof value === "string" ? value : "");
  return DECIMAL.test(text) ? text : null;
}

/** Splits a decimal into a whole number and its number of decimal places. @param {string} text @returns {[bigint, number]} */
export function parseScaled(text) {
  const [whole, fraction = ""] = text.split(".");
  return [BigInt(whole + fraction), fraction.length];
}

/** Formats such a number as a decimal. @param {bigint} value @param {number} places */
export function formatScaled(value, places) {
  const text = (value < 0n ? -value : value).toString().padStart(places + 1, "0");
  const whole = text.slice(0, text.length - places);
  const fraction = text.slice(text.length - places).replace(/0+$/, "");
  return (value < 0n ? "-" : "") + whole + (fraction && `.${fraction}`);
}

/** Returns a code as words: `purchase_order` and `purchaseOrder` as "purchase order"; any other text as it is. @param {string} code */
function readable(code) {
  if (!/^[a-z][a-z\d]*(_[a-z\d]+)*$|^[a-z]+[a-z\d]*([A-Z][a-z\d]*)+$/.test(code)) return code;
  return snakeKey(code).split("_").map((word) => (word === "id" ? "ID" : word)).join(" ");
}

/** Returns the name of a field. @param {Words} words @param {string} key */
export function fieldLabel(words, key) {
  const plain = snakeKey(key);
  for (const known of [`field_${plain}`, `line_${plain}`]) if (words.has(known)) return words.say(known);
  const text = readable(key);
  return text === key && /[^a-z]/.test(key) ? key : text.charAt(0).toUpperCase() + text.slice(1);
}

/** Returns the name of a type of targets. @param {Words} words @param {string} type */
export function targetType(words, type) {
  const known = `target_${snakeKey(type)}`;
  return words.has(known) ? words.say(known) : readable(type);
}

/** Returns a duration of ISO 8601 in words, as in "1 year", or null. @param {Words} words @param {string} text */
export function durationText(words, text) {
  const amounts = DURATION.exec(text)?.slice(1);
  const parts = amounts?.flatMap((amount, index) => (amount === undefined ? []
    : [number(words, amount, { style: "unit", unit: UNITS[index], unitDisplay: "long" })]));
  return parts && parts.length > 0 ? new Intl.ListFormat(words.locale, { type: "unit" }).format(parts) : null;
}


/** Returns an amount with its currency if the value is such an object, else null. @param {Words} words @param {any} value */
function moneyObject(words, value) {
  const keys = value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : [];
  if (keys.length !== 2 || !["amount,currency", "amount,currency_code", "currency,value"].includes(keys.map(snakeKey).sort().join())) return null;
  const [currency, amount] = [value.currency ?? value.currency_code ?? value.currencyCode, decimal(value.amount ?? value.value)];
  return amount !== null && typeof currency === "string" && currency ? words.money(amount, currency) : null;
}

/** The longest code, in UTF-16 units. */
const MAX_CODE_LENGTH = 40;

/** Returns the text of a known code, or null. @param {Words} words @param {string} field @param {string} value */
function codeText(words, field, value) {
  // Texts may have megabytes, and no code is long.
  if (value.length > MAX_CODE_LENGTH) return null;
  const code = snakeKey(value);
  if (OF_ROLE.test(field) && words.has(`role_${code}`)) return words.say(`role_${code}`);
  if (OF_STATE.test(field) && words.has(`value_${code}`)) return words.say(`value_${code}`);
  if (/(^|_)status$/.test(field) && words.has(`status_${code}`)) return words.say(`status_${code}`);
  if (OF_TYPE.test(field) && words.has(`target_${code}`)) return words.say(`target_${code}`);
  return null;
}

/**
 * Returns a value in words, or null where there is nothing better than the value as it was recorded.
 * @param {Words} words @param {string} key the field's name @param {any} value @param {Hints} [hints] @returns {string | null}
 */
export function valueText(words, key, value, { zone = "UTC", currency } = {}) {
  if (typeof value === "boolean") return words.say(value ? "yes" : "no");
  const field = snakeKey(key);
  const amount = decimal(value);
  if (amount !== null) {
    if (OF_MONEY.test(field) && currency) return words.money(amount, currency);
    if (OF_PERCENT.test(field)) return number(words, amount, { style: "unit", unit: "percent" });
    return OF_NUMBER.test(field) || (OF_MONEY.test(field) && digits(value) !== null) ? number(words, amount) : null;
  }
  if (typeof value !== "string") return moneyObject(words, value);
  if (OF_TIME.test(field)) {
    const duration = durationText(words, value);
    if (duration !== null) return duration;
  }
  if (INSTANT.test(value) && !Number.isNaN(Date.parse(value))) return words.time(value, zone);
  if (DAY.test(value) && !Number.isNaN(Date.parse(value))) return words.day(value);
  return codeText(words, field, value);
}

/**
 * Returns how much a number grew or shrank, as in "+7", or null.
 * @param {Words} words @param {string} key @param {any} before @param {any} after
 */
export function differenceText(words, key, before, after) {
  const [from, to] = [decimal(before), decimal(after)];
  if (from === null || to === null || from === to || !OF_NUMBER.test(snakeKey(key))) return null;
  const [[a, aPlaces], [b, bPlaces]] = [parseScaled(from), parseScaled(to)];
  const places = Math.max(aPlaces, bPlaces);
  const difference = b * 10n ** BigInt(places - bPlaces) - a * 10n ** BigInt(places - aPlaces);
  return number(words, formatScaled(difference, places), { signDisplay: "exceptZero" });
}

/** The longest value in a change of one line. */
const MAX_LENGTH = 80;

/** Returns a value as one line. @param {Words} words @param {string} key @param {any} value @param {Hints} hints */
function oneLine(words, key, value, hints) {
  if (value === null || value === undefined || value === "") return words.say("empty");
  const text = valueText(words, key, value, hints) ?? digits(value) ?? (typeof value === "string" ? value : JSON.stringify(value));
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}

/** Returns a change as one line, as in "Quantity 28 → 19". @param {Words} words @param {{field: string, old: any, new: any}} change @param {Hints} [hints] */
export function changeText(words, { field, old, new: now }, hints = {}) {
  return `${fieldLabel(words, field)} ${oneLine(words, field, old, hints)} → ${oneLine(words, field, now, hints)}`;
}

/** The groups of fields that can be erased, with the keys of their names. @type {Record<string, string>} */
export const GROUPS = {
  actor: "filter_actor", origin: "erasureOrigin", customer: "customerLabel", target: "target", changes: "changes", details: "historyDetails", reason: "reason",
  correlation: "correlation", source: "source",
};

/** The names of groups of fields. @param {Words} words @param {string[]} groups */
export const groupsText = (words, groups) => groups.map((group) => (GROUPS[group] ? words.say(GROUPS[group]) : group)).join(", ");
