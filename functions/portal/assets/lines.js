// The lines of an order as a table, with the total for each currency.

import { ITEMS_PER_STEP, fillInSteps, h, isolated, plainTable } from "./elements.js";
import { copyPivot, isFilterable, pivot } from "./pivots.js";
import { digits } from "./service.js";
import { tree, VALUES_PER_CELL } from "./tree.js";
import { decimal, fieldLabel, formatScaled, parseScaled } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./values.js").Hints} Hints */

/** The number of cells of an order's lines that one step shows. */
const CELLS_PER_STEP = 2_000;
/** The most columns for an order's lines; further fields share the last column. */
const MAX_COLUMNS = 20;

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

/** Returns the amount of a line, or quantity times price, or null if the line lacks one of them or the currency. @param {any} line @returns {string | null} */
function lineAmount(line) {
  const [quantity, price] = [decimal(line.quantity), decimal(line.unit_price)];
  if (quantity === null || price === null || typeof line.currency !== "string" || !line.currency) return null;
  if (decimal(line.amount) !== null) return decimal(line.amount);
  const [[left, leftPlaces], [right, rightPlaces]] = [parseScaled(quantity), parseScaled(price)];
  return formatScaled(left * right, leftPlaces + rightPlaces);
}

const isObject = (/** @type {any} */ value) => value !== null && typeof value === "object" && !Array.isArray(value) && digits(value) === null;

/**
 * Splits details into an order's lines, with the usual names of their members, and the rest.
 * @param {Record<string, any>} all @returns {{lines: any[] | null, rest: Record<string, any>}} null if there are no lines
 */
export function splitLines(all) {
  const listed = Object.keys(all).find((key) => LINES.includes(plainKey(key)));
  const lines = listed === undefined ? undefined : all[listed];
  if (!Array.isArray(lines) || lines.length === 0 || !lines.every(isObject)) return { lines: null, rest: all };
  return { lines: lines.map(usualKeys), rest: Object.fromEntries(Object.entries(all).filter(([key]) => key !== listed)) };
}

/**
 * Creates the table of an order's lines, with the total for each currency.
 * @param {Context} context @param {any[]} lines @param {Hints} hints @param {string | undefined} customer the id of the order's customer
 */
export function lineTable(context, lines, hints, customer) {
  const { words } = context;
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
  const columns = keys.map((key) => fieldLabel(words, key));
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
      if (key === "subscription_id" && isFilterable(value)) return h("td", {}, subscription(context, value, customer));
      if (key === "quantity" && typeof value === "number") return h("td", { class: "number" }, words.number(value));
      return h("td", { class: digits(value) === null ? null : "number" }, tree(context, value, VALUES_PER_CELL, { ...hints, currency: line.currency }, key));
    });
    if (others.length > 0) {
      const rest = others.filter((key) => Object.hasOwn(line, key)).map((key) => [key, line[key]]);
      cells.push(h("td", {}, rest.length > 0 ? tree(context, Object.fromEntries(rest), VALUES_PER_CELL, hints) : null));
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


/** Creates a line's subscription: a link into the portal, and a menu with its history. @param {Context} context @param {string} id @param {string | undefined} customer */
function subscription(context, id, customer) {
  const link = customer === undefined ? null : context.subscriptions(customer, id);
  // A new tab, because leaving this page would lose the session.
  const shown = link ? h("a", { href: link, target: "_blank", rel: "noopener noreferrer", "aria-label": context.words.say("lineLink", { id }) }, isolated(id)) : isolated(id);
  return pivot(context, shown, { key: `line ${id}`, label: id, filter: "target", value: id, kind: "subscription", more: [copyPivot(context, id)] });
}
