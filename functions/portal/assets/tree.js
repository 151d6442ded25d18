// Any JSON value as nested lists. Details may have 5 MiB, so each step shows a limited amount and a click shows more. That keeps the
// page responsive.

import { ITEMS_PER_STEP, fillInSteps, h, moveFocusTo, isolated } from "./elements.js";
import { copyPivot, isFilterable, pivot, targetOf } from "./pivots.js";
import { digits } from "./service.js";
import { fieldLabel, valueText } from "./values.js";

/** @typedef {import("./language.js").Words} Words */
/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./values.js").Hints} Hints */

/** The number of values of a tree that one step shows; a click shows nested values beyond it. */
export const VALUES_PER_STEP = 400;
/** The same for a tree inside a cell of a table. */
export const VALUES_PER_CELL = 12;
/** The length of a text that is shown at first, in UTF-16 units. */
const FIRST_TEXT_LENGTH = 2_000;
/** The length that each click adds. */
const NEXT_TEXT_LENGTH = 20_000;

/** Creates a text; a click shows more of a long one. @param {Words} words @param {string} all */
function longText(words, all) {
  if (all.length <= FIRST_TEXT_LENGTH) return isolated(all);
  // Never between the halves of a surrogate pair.
  const upTo = (/** @type {number} */ end) => (/[\uD800-\uDBFF]/.test(all[end - 1] ?? "") ? end + 1 : end);
  let end = upTo(FIRST_TEXT_LENGTH);
  const place = h("span", {}, isolated(all.slice(0, end)));
  const button = h("button", { type: "button", onclick: () => {
    const next = upTo(end + NEXT_TEXT_LENGTH);
    button.before(isolated(all.slice(end, next)));
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
 * Creates a value in words. The value as it was recorded is its tooltip.
 * @param {Words} words @param {string} key the field's name @param {any} value @param {Hints} hints @returns {Node | null} null where there are no better words
 */
export function valueNode(words, key, value, hints) {
  const text = valueText(words, key, value, hints);
  if (text === null) return null;
  const recorded = typeof value === "string" ? value : digits(value);
  return h("span", { title: recorded === null || recorded === text ? null : recorded }, text);
}

/**
 * Creates nested lists of any JSON value.
 * @param {Context} context @param {any} value @param {number | {left: number}} budget how many values this step may show, nested ones included
 * @param {Hints} hints @param {string} [key] the name of the field that has the value
 * @returns {Node}
 */
export function tree(context, value, budget, hints, key = "") {
  const { words } = context;
  if (value === null || value === undefined || value === "") return h("span", { class: "quiet" }, words.say("empty"));
  const isLeaf = typeof value !== "object" || digits(value) !== null;
  const known = valueNode(words, key, value, hints);
  if (known) return known;
  if (isLeaf) {
    const text = digits(value) ?? String(value);
    const shown = longText(words, text);
    const target = isFilterable(value) ? targetOf(key) : null;
    return target ? pivot(context, shown, { key: `target ${text}`, label: text, filter: "target", value: text, kind: target, more: [copyPivot(context, text)] }) : shown;
  }
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return h("span", { class: "quiet" }, words.say("empty"));
  const remaining = typeof budget === "number" ? { left: budget } : budget;
  if (remaining.left <= 0) {
    const button = h("button", { type: "button", onclick: () => {
      const opened = /** @type {HTMLElement} */ (tree(context, value, VALUES_PER_STEP, hints, key));
      button.replaceWith(opened);
      moveFocusTo(opened);
    } }, words.count("nested", entries.length));
    return button;
  }
  // An amount's currency is often its neighbour.
  const inner = typeof value.currency === "string" && value.currency ? { ...hints, currency: value.currency } : hints;
  return fillInSteps(h(isList ? "ol" : "ul", { class: "tree" }), entries, ([field, each]) => {
    if (isList) return h("li", {}, tree(context, each, remaining, inner, key));
    const label = fieldLabel(words, field);
    return h("li", {}, h("span", { class: "key", title: label === field ? null : field }, isolated(label)), " ", tree(context, each, remaining, inner, field));
  }, (button) => h("li", {}, button), (left) => words.count("moreEntries", left), (shown) => {
    if (shown > 0) remaining.left = VALUES_PER_STEP;
    const next = Math.min(ITEMS_PER_STEP, remaining.left, entries.length - shown);
    remaining.left -= next;
    return next;
  });
}
