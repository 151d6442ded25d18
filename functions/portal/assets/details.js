// One activity in full: facts, changes, an order's lines, and all other details as a tree. Details may have 5 MiB, so each step
// shows a limited amount and a click shows more. That keeps the page responsive.

import { ITEMS_PER_STEP, fillInSteps, h, isBusy, name, plainTable, moveFocusTo, setBusy } from "./elements.js";
import { ApiError, digits } from "./service.js";

/** @typedef {import("./language.js").Words} Words */

/** The number of values of a tree that one step shows; a click shows nested values beyond it. */
const VALUES_PER_STEP = 400;
/** The same for a tree inside a cell of a table. */
const VALUES_PER_CELL = 12;
/** The number of cells of an order's lines that one step shows. */
const CELLS_PER_STEP = 2_000;
/** The length of a text that is shown at first, in UTF-16 units. */
const FIRST_TEXT_LENGTH = 2_000;
/** The length that each click adds. */
const NEXT_TEXT_LENGTH = 20_000;
/** The most columns for an order's lines; further fields share the last column. */
const MAX_COLUMNS = 20;

const isObject = (/** @type {any} */ value) => value !== null && typeof value === "object" && !Array.isArray(value) && digits(value) === null;

/**
 * Creates the elements that show an activity in full.
 * @param {Words} words @param {any} activity @param {string[]} zones the time zones to show times in
 * @param {(subscription: string) => string | null} link the address of a subscription
 * @returns {Node[]}
 */
export function details(words, activity, zones, link) {
  const { actor, target, changes = [] } = activity;
  // Null where they are too large for an answer.
  const all = activity.details ?? {};
  const say = (/** @type {string} */ key) => words.say(key);
  const listed = Object.keys(all).find((key) => LINES.includes(plainKey(key)));
  const lines = listed === undefined ? undefined : all[listed];
  const isOrder = Array.isArray(lines) && lines.length > 0 && lines.every(isObject);
  const rest = isOrder ? Object.fromEntries(Object.entries(all).filter(([key]) => key !== listed)) : all;
  const nodes = [facts(words, activity, actor, target, zones)];
  if (changes.length > 0) nodes.push(h("h2", {}, say("changes")), changeTable(words, changes));
  if (isOrder) nodes.push(h("h2", {}, say("lines")), lineTable(words, lines.map(usualKeys), link));
  if (Object.keys(rest).length > 0) nodes.push(h("h2", {}, say("otherDetails")), tree(words, rest, VALUES_PER_STEP));
  nodes.push(copyBar(words, activity));
  return nodes;
}

/**
 * Creates a button that downloads details too large to show. The link is requested at the click, because it expires after minutes.
 * @param {Words} words @param {any} activity @param {import("./service.js").Service} service
 * @param {(place: HTMLElement, error: any, again: () => void) => void} showError
 */
export function detailsFile(words, activity, service, showError) {
  const trouble = h("span", { role: "alert" });
  const button = h("button", { type: "button", onclick: () => fetchLink() }, words.say("downloadDetails", { size: words.size(activity.details_size) }));
  const fetchLink = async () => {
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    try {
      const { url } = await service.detailsFile(activity.details_url);
      if (!/^https?:/.test(url)) throw new ApiError(502, null);
      // The page stays, because the browser saves an attachment.
      location.assign(url);
    } catch (error) {
      if (!service.signal.aborted) showError(trouble, error, fetchLink);
    } finally {
      setBusy(button, false);
    }
  };
  return h("div", { class: "bar" }, button, trouble);
}

/** @param {Words} words @param {any} activity @param {any} actor @param {any} target @param {string[]} zones */
function facts(words, activity, actor, target, zones) {
  const joined = (/** @type {any[]} */ ...parts) => {
    const known = [...new Set(parts.filter(Boolean))];
    return known.length > 0 ? h("span", {}, ...known.flatMap((part, index) => [index > 0 ? " · " : "", name(part)])) : null;
  };
  const known = (/** @type {string} */ kind, /** @type {string | undefined} */ value) => value && (words.has(`${kind}_${value}`) ? words.say(`${kind}_${value}`) : value);
  /** @type {[string, Node | string | null | undefined][]} */
  const rows = [
    ["status", known("status", activity.status)],
    ["reason", activity.reason],
    ["user", joined(actor.name, actor.id)],
    ["actorType", actor.type === "user" ? null : known("actor", actor.type)],
    ["role", known("role", actor.role)],
    ["address", actor.ip],
    ["agent", actor.user_agent],
    ["customer", activity.customer && joined(activity.customer.name, activity.customer.id)],
    ["target", target && joined(target.name, known("target", target.type), target.id)],
    ["occurredAt", h("span", {}, ...zones.flatMap((zone, index) => [
      index > 0 ? " · " : "", h("time", { datetime: activity.occurred_at }, words.time(activity.occurred_at, zone)), " ", h("span", { class: "quiet" }, zone)]))],
    ["recordedAt", h("time", { datetime: activity.recorded_at }, `${words.time(activity.recorded_at, zones[0])}`)],
    ["correlation", activity.correlation_id],
    ["source", activity.source],
    ["actionId", activity.action],
    ["activityId", activity.id],
  ];
  return h("dl", {}, ...rows.filter(([, value]) => value).map(([key, value]) => h("div", {}, h("dt", {}, words.say(key)), h("dd", {}, value))));
}

/** @param {Words} words @param {{field: string, old: any, new: any}[]} changes */
function changeTable(words, changes) {
  const body = h("tbody", {}, ...changes.map((change) => h("tr", {},
    h("th", { scope: "row" }, change.field), ...[change.old, change.new].map((value) => h("td", {}, tree(words, value, VALUES_PER_CELL))))));
  return plainTable(words.say("changes"), ["field", "before", "after"].map((key) => words.say(key)), body);
}

/** The names of an order's lines in the details, without underscores. */
const LINES = ["lines", "orderlines", "lineitems"];
/** The usual columns of an order, in their order; other columns follow. */
const COLUMNS = ["line", "product", "sku", "name", "quantity", "unit_price"];
/** Other names of the usual members of a line, without underscores. `crates/export/src/lines.rs` has the same names for files. */
const SYNONYMS = {
  line: ["linenumber", "lineno", "lineitemnumber"],
  product: ["productid", "offer", "offerid", "catalogitemid", "item", "itemid"],
  sku: ["skuid", "productsku", "partnumber"],
  name: ["productname", "skuname", "offername", "itemname", "friendlyname", "displayname", "title", "description"],
  quantity: ["qty", "count", "seats", "units", "licences", "licenses", "licencequantity", "licensequantity"],
  unit_price: ["unitprice", "price", "effectiveunitprice", "priceperunit"],
  amount: ["total", "linetotal", "lineamount", "totalprice", "extendedprice", "subtotal"],
  currency: ["currencycode", "pricingcurrency", "billingcurrency"],
  term: ["termduration", "duration", "billingterm", "commitmentterm"],
  subscription_id: ["subscriptionid", "subscription"],
};

/** The usual name for each other name. */
const USUAL = new Map(Object.entries(SYNONYMS).flatMap(([usual, others]) => [plainKey(usual), ...others].map((other) => [other, usual])));

/** Returns a name without underscores and in lower case. @param {string} key */
function plainKey(key) {
  return key.replace(/[_\- ]/g, "").toLowerCase();
}

/** Returns a line whose members have their usual names. A member that the line has twice keeps its name. @param {any} line */
function usualKeys(line) {
  const taken = new Set(Object.keys(line));
  return Object.fromEntries(Object.entries(line).map(([key, value]) => {
    const usual = USUAL.get(plainKey(key));
    if (usual === undefined || taken.has(usual)) return [key, value];
    taken.add(usual);
    return [usual, value];
  }));
}

const DECIMAL = /^-?\d{1,30}(\.\d{1,20})?$/;

/** Returns a decimal number as text, or null. @param {any} value */
function decimal(value) {
  const text = digits(value) ?? (typeof value === "string" ? value : "");
  return DECIMAL.test(text) ? text : null;
}

/** Splits a decimal into a whole number and its number of decimal places. @param {string} text @returns {[bigint, number]} */
function parseScaled(text) {
  const [whole, fraction = ""] = text.split(".");
  return [BigInt(whole + fraction), fraction.length];
}

/** Formats such a number as a decimal. @param {bigint} value @param {number} places */
function formatScaled(value, places) {
  const text = (value < 0n ? -value : value).toString().padStart(places + 1, "0");
  const whole = text.slice(0, text.length - places);
  const fraction = text.slice(text.length - places).replace(/0+$/, "");
  return (value < 0n ? "-" : "") + whole + (fraction && `.${fraction}`);
}

/** Returns the amount of a line, or quantity times price, or null if the line lacks one of them or the currency. @param {any} line @returns {string | null} */
function lineAmount(line) {
  const [quantity, price] = [decimal(line.quantity), decimal(line.unit_price)];
  if (quantity === null || price === null || typeof line.currency !== "string" || !line.currency) return null;
  if (decimal(line.amount) !== null) return decimal(line.amount);
  const [[left, leftPlaces], [right, rightPlaces]] = [parseScaled(quantity), parseScaled(price)];
  return formatScaled(left * right, leftPlaces + rightPlaces);
}

/** Creates the table of an order's lines, with the total for each currency. @param {Words} words @param {any[]} lines @param {(subscription: string) => string | null} link */
function lineTable(words, lines, link) {
  const amounts = lines.map(lineAmount);
  const isPriced = amounts.every((each) => each !== null);
  const present = new Set(lines.flatMap((line) => Object.keys(line)));
  // Removed, because prices are shown with their currency.
  if (isPriced) present.delete("currency");
  // The column of amounts shows them.
  if (isPriced) present.delete("amount");
  const all = [...COLUMNS.filter((key) => present.has(key)), ...[...present].filter((key) => !COLUMNS.includes(key))];
  const keys = all.slice(0, MAX_COLUMNS);
  const others = all.slice(MAX_COLUMNS);
  const title = (/** @type {string} */ key) => (words.has(`line_${key}`) ? words.say(`line_${key}`) : key);
  const columns = keys.map(title);
  const at = keys.indexOf("unit_price") + 1;
  if (isPriced) columns.splice(at, 0, words.say("line_amount"));
  if (others.length > 0) columns.push(words.say("otherDetails"));

  /** @type {Map<string, [bigint, number]>} */ const sums = new Map();
  lines.forEach((line, index) => {
    const each = amounts[index];
    if (each === null) return;
    const [value, places] = parseScaled(each);
    const [sum, sumPlaces] = sums.get(line.currency) ?? [0n, 0];
    const most = Math.max(places, sumPlaces);
    sums.set(line.currency, [sum * 10n ** BigInt(most - sumPlaces) + value * 10n ** BigInt(most - places), most]);
  });

  const row = (/** @type {[any, string | null]} */ [line, each]) => {
    const cells = keys.map((key) => {
      const value = Object.hasOwn(line, key) ? line[key] : undefined;
      if (key === "unit_price" && each !== null) return h("td", { class: "number" }, words.money(/** @type {string} */ (decimal(value)), line.currency));
      if (value === undefined) return h("td");
      const subscription = key === "subscription_id" && typeof value === "string" ? link(value) : null;
      if (subscription) {
        return h("td", {}, h("a", { href: subscription, target: "_blank", rel: "noopener noreferrer", "aria-label": words.say("lineLink", { id: value }) }, name(value)));
      }
      if (key === "quantity" && typeof value === "number") return h("td", { class: "number" }, words.number(value));
      return h("td", { class: digits(value) === null ? null : "number" }, tree(words, value, VALUES_PER_CELL));
    });
    if (others.length > 0) {
      const rest = others.filter((key) => Object.hasOwn(line, key)).map((key) => [key, line[key]]);
      cells.push(h("td", {}, rest.length > 0 ? tree(words, Object.fromEntries(rest), VALUES_PER_CELL) : null));
    }
    if (isPriced) cells.splice(at, 0, h("td", { class: "number" }, words.money(/** @type {string} */ (each), line.currency)));
    return h("tr", {}, ...cells);
  };
  const body = fillInSteps(h("tbody"), lines.map((line, index) => /** @type {[any, string | null]} */ ([line, amounts[index]])), row,
    (button) => h("tr", {}, h("td", { colspan: String(columns.length) }, button)), (left) => words.count("moreLines", left),
    () => Math.min(ITEMS_PER_STEP, Math.ceil(CELLS_PER_STEP / columns.length)));
  const totals = [...sums].map(([currency, [sum, places]]) => words.money(formatScaled(sum, places), currency)).join(" + ");
  const foot = totals && isPriced ? h("tfoot", {}, h("tr", {},
    h("th", { scope: "row", colspan: String(at) }, words.say("total")), h("td", { class: "number" }, totals),
    columns.length > at + 1 ? h("td", { colspan: String(columns.length - at - 1) }) : null)) : null;
  const numeric = keys.flatMap((key, index) => (key === "unit_price" || lines.every((line) => digits(line[key]) !== null) ? [index + (isPriced && index >= at ? 1 : 0)] : []));
  return plainTable(words.say("lines"), columns, body, foot, isPriced ? [...numeric, at] : numeric);
}

/** Creates a text; a click shows more of a long one. @param {Words} words @param {string} all */
function longText(words, all) {
  if (all.length <= FIRST_TEXT_LENGTH) return name(all);
  // Never between the halves of a surrogate pair.
  const upTo = (/** @type {number} */ end) => (/[\uD800-\uDBFF]/.test(all[end - 1] ?? "") ? end + 1 : end);
  let end = upTo(FIRST_TEXT_LENGTH);
  const place = h("span", {}, name(all.slice(0, end)));
  const button = h("button", { type: "button", onclick: () => {
    const next = upTo(end + NEXT_TEXT_LENGTH);
    button.before(name(all.slice(end, next)));
    end = next;
    if (end < all.length) return label();
    button.remove();
    moveFocusTo(place);
  } });
  const label = () => { button.textContent = words.count("moreText", all.length - end); };
  label();
  place.append(" ", button);
  return place;
}

/**
 * Creates nested lists of any JSON value.
 * @param {Words} words @param {any} value @param {number | {left: number}} budget how many values this step may show, nested ones included
 * @returns {Node}
 */
function tree(words, value, budget) {
  if (value === null || value === undefined || value === "") return h("span", { class: "quiet" }, words.say("empty"));
  if (typeof value === "boolean") return document.createTextNode(words.say(value ? "yes" : "no"));
  // Digits without separators, because many numbers are ids.
  if (typeof value !== "object" || digits(value) !== null) return longText(words, digits(value) ?? String(value));
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return h("span", { class: "quiet" }, words.say("empty"));
  const remaining = typeof budget === "number" ? { left: budget } : budget;
  if (remaining.left <= 0) {
    const button = h("button", { type: "button", onclick: () => {
      const opened = /** @type {HTMLElement} */ (tree(words, value, VALUES_PER_STEP));
      button.replaceWith(opened);
      moveFocusTo(opened);
    } }, words.count("nested", entries.length));
    return button;
  }
  return fillInSteps(h(isList ? "ol" : "ul", { class: "tree" }), entries,
    ([key, inner]) => h("li", {}, isList ? null : h("span", { class: "key" }, name(key)), isList ? null : " ", tree(words, inner, remaining)),
    (button) => h("li", {}, button), (left) => words.count("moreEntries", left), (shown) => {
      if (shown > 0) remaining.left = VALUES_PER_STEP;
      const next = Math.min(ITEMS_PER_STEP, remaining.left, entries.length - shown);
      remaining.left -= next;
      return next;
    });
}

/** @param {Words} words @param {any} activity */
function copyBar(words, activity) {
  const outcome = h("span", { role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(activity, null, 2));
      outcome.textContent = words.say("copied");
    } catch {
      outcome.textContent = words.say("copyFailed");
    }
  };
  return h("div", { class: "bar" }, h("button", { type: "button", onclick: copy }, words.say("copy")), outcome);
}
