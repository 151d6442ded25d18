// A row of the list: what happened, in one sentence as far as the list's answer knows it, and the columns to choose from.

import { breakable, cell, h, isolated } from "./elements.js";
import { STATUSES } from "./query.js";
import { changeText, groupsText } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./context.js").Activity} Activity */

/** The most changes that a row says; the opened row has all. */
const MAX_CHANGES = 2;

/** An activity's key among the rows. @param {Activity} activity */
export const keyOf = (activity) => `${activity.occurred_at} ${activity.id}`;

/** The columns besides time and action, in their order: text key, and whether a new reader sees it. @type {Record<string, {title: string, isUsual: boolean}>} */
export const COLUMNS = {
  customer: { title: "customer", isUsual: true },
  user: { title: "user", isUsual: true },
  status: { title: "status", isUsual: true },
  target: { title: "target", isUsual: false },
  address: { title: "address", isUsual: false },
  source: { title: "source", isUsual: false },
  correlation: { title: "correlation", isUsual: false },
};

/** All columns of a choice, in their order. @param {ReadonlySet<string>} chosen */
export function columnsOf(chosen) {
  const [usual, others] = [true, false].map((isUsual) => Object.keys(COLUMNS).filter((key) => chosen.has(key) && COLUMNS[key].isUsual === isUsual));
  return ["time", ...usual.filter((key) => key === "customer"), "action", ...usual.filter((key) => key !== "customer"), ...others];
}

/** The title of a column. @param {Context} context @param {string} column */
export const titleOf = ({ words }, column) => words.say(column === "time" ? "dateTime" : column === "action" ? "action" : COLUMNS[column].title);

/** The class of a column's cells. Columns beyond the usual ones are numbered, because the narrowest places show the first ones only. @param {string[]} columns @param {string} column */
export function classOf(columns, column) {
  if (!COLUMNS[column] || COLUMNS[column].isUsual) return `at-${column}`;
  return `more more-${columns.filter((each) => COLUMNS[each] && !COLUMNS[each].isUsual).indexOf(column) + 1}`;
}

/**
 * Creates an activity's cells.
 * @param {Context} context @param {Activity} activity @param {string[]} columns @param {Node} toggle the button that opens the row
 */
export function cells(context, activity, columns, toggle) {
  return columns.map((column) => {
    const made = cell(titleOf(context, column), ...content(context, activity, column, columns, toggle));
    made.className = classOf(columns, column);
    return made;
  });
}

/** @param {Context} context @param {Activity} activity @param {string} column @param {string[]} columns @param {Node} toggle @returns {(Node | string | null)[]} */
function content(context, activity, column, columns, toggle) {
  const { actor, target, erased = {} } = activity;
  const plain = (/** @type {string | null | undefined} */ text, group = "") => [text ? breakable(text) : h("span", { class: "quiet" }, erased[group] ? context.words.say("erased") : "–")];
  switch (column) {
    case "time": return [toggle];
    case "customer": return erased.customer ? plain(null, "customer") : customer(context, activity.customer);
    case "action": return [h("span", { class: "event" },
      h("span", { class: "did" }, context.label(activity.action)),
      target && !columns.includes("target") && (target.name || target.id) ? h("span", { class: "target" }, " ", breakable(target.name || target.id)) : null,
      sentence(context, activity, columns))];
    // What is erased is null.
    case "user": return plain(actor && (actor.name || context.names.get("actor", actor.id) || actor.id), "actor");
    case "status": return [h("span", { class: `state ${STATUSES.includes(activity.status) ? activity.status : ""}` }, context.status(activity.status))];
    case "target": return plain(target && (target.name || target.id), "target");
    case "address": return plain(actor?.ip, "origin");
    case "source": return plain(activity.source, column);
    default: return plain(activity.correlation_id, column);
  }
}

/** @param {Context} context @param {any} customer */
function customer(context, customer) {
  if (!customer) return [h("span", { class: "quiet" }, context.words.say("noCustomer"))];
  const shown = customer.name || context.names.get("customer", customer.id) || customer.id;
  const link = context.subscriptions(customer.id);
  if (!link) return [breakable(shown)];
  // A new tab, because leaving this page would lose the session.
  return [h("a", { href: link, target: "_blank", rel: "noopener noreferrer", "aria-label": context.words.say("subscriptionsOf", { customer: shown }) }, breakable(shown))];
}

/** The number of an order's lines, and what they cost. @param {Context["words"]} words @param {{count: number, amounts?: {amount: string, currency: string}[]}} lines */
function orderWords(words, { count, amounts = [] }) {
  return [words.count("orderLines", count), amounts.map(({ amount, currency }) => words.money(amount, currency)).join(" + ")].filter(Boolean).join(" · ");
}

/** Groups of fields that have no column. */
const WITHOUT_COLUMN = ["changes", "details", "reason"];

/** What changed, what an order holds, why it failed, and what of that was erased. @param {Context} context @param {Activity} activity @param {string[]} columns */
function sentence({ words, zone }, activity, columns) {
  const changes = activity.changes ?? [];
  const said = changes.slice(0, MAX_CHANGES).map((/** @type {any} */ change) => h("span", { class: "change" }, isolated(changeText(words, change, { zone }))));
  const left = changes.length - said.length;
  if (left > 0) said.push(h("span", { class: "change" }, words.count("changesLeft", left)));
  if (activity.lines) said.push(h("span", { class: "change" }, orderWords(words, activity.lines)));
  if (activity.reason) said.push(h("span", { class: "why" }, isolated(activity.reason)));
  const gone = Object.keys(activity.erased ?? {}).filter((group) => WITHOUT_COLUMN.includes(group) || (group === "target" && !columns.includes(group)));
  if (gone.length > 0) said.push(h("span", { class: "change quiet" }, words.say("erasedGroups", { groups: groupsText(words, gone) })));
  return said.length > 0 ? h("span", { class: "said" }, ...said.flatMap((/** @type {Node} */ each) => [" ", each])) : null;
}
