// The cells of an activity in an export.

// What a spreadsheet keeps of a cell, in UTF-16 units, and what is left for the mark of a cut.
const CELL_UNITS = 32_767;
const MARK_UNITS = 64;

/** Returns the cells of an item and its details. */
export function row(item, details) {
  const split = item.sk.indexOf("#");
  const occurredAt = item.sk.slice(0, split);
  const target = item.tn ?? item.t ?? "";
  return [
    `${occurredAt.slice(0, 10)} ${occurredAt.slice(11, 19)}`, item.cn ?? item.c ?? "", item.a, item.un ?? item.u, item.s ?? "succeeded",
    item.re ?? "", item.tt ? `${item.tt} ${target}` : target, item.ch ? changes(item.ch) : "", details ? cut(details) : "",
    item.c ?? "", item.u, item.ur ?? "", item.ui ?? "", item.tt ?? "", item.t ?? "", item.a, subscriptionIds(item, details),
    item.co ?? "", item.so ?? "", item.sk.slice(split + 1), occurredAt, item.r,
  ];
}

function changes(json) {
  const shown = (value) => (typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value));
  return JSON.parse(json)
    .map(({ field, old, new: changed }) => `${field}: ${shown(old)} → ${shown(changed)}`)
    .join("\n");
}

/** Returns the subscriptions concerned, each once: the target, and those of the order's lines. */
function subscriptionIds(item, details) {
  const ids = new Set(item.tt === "subscription" && item.t ? [item.t] : []);
  for (const line of details ? (JSON.parse(details).lines ?? []) : []) if (line.subscription_id) ids.add(line.subscription_id);
  return [...ids].join(", ");
}

/** Cuts a text that is too long for a cell of a spreadsheet. */
function cut(text) {
  if (text.length <= CELL_UNITS) return text;
  let end = CELL_UNITS - MARK_UNITS;
  // A character outside the basic plane takes two units.
  if (text.codePointAt(end - 1) > 0xffff) end -= 1;
  let missing = 0;
  for (const _ of text.slice(end)) missing += 1;
  return `${text.slice(0, end)}… [cut: ${missing} more characters]`;
}
