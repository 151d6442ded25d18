// The latest exports of the schedule and their deliveries.

import { cardTable, cell, h, isolated } from "./elements.js";

/** @typedef {import("./language.js").Words} Words */

/** Creates the table of the latest exports and their deliveries. @param {Words} words @param {any[]} made @param {string} zone */
export function scheduleResults(words, made, zone) {
  const say = (/** @type {string} */ key) => words.say(key);
  const { table, body } = cardTable("results", ["month", "status", "rows", "requested", "told"].map(say), h("caption", { class: "unseen" }, say("results")), [2]);
  body.append(...made.map((each) => {
    const month = [each.month && words.month(each.month), words.say("version", { version: each.version })].filter(Boolean).join(", ");
    const rows = cell(say("rows"), words.number(each.rows));
    rows.classList.add("number");
    return h("tr", { role: "row" }, cell(say("month"), month),
      cell(say("status"), h("span", { class: `state ${each.status}` }, say(`export_${each.status}`)), each.problem && h("p", { class: "quiet", lang: "en" }, each.problem)),
      rows, cell(say("requested"), h("time", { datetime: each.created_at }, words.time(each.created_at, zone))),
      cell(say("told"), each.deliveries.length > 0 ? h("ul", {}, ...each.deliveries.map((/** @type {any} */ delivery) => deliveryItem(words, delivery, zone))) : say("nobody")));
  }));
  return table;
}

/** Creates a list item for a delivery. @param {Words} words @param {any} delivery @param {string} zone */
function deliveryItem(words, delivery, zone) {
  const { recipient, status, attempts, last_attempt_at: last, next_attempt_at: next, http_status: answer, problem } = delivery;
  const facts = [
    attempts > 0 && words.count("attempts", attempts),
    last && words.say("lastAttempt", { time: words.time(last, zone) }),
    next && words.say("nextAttempt", { time: words.time(next, zone) }),
    answer && status !== "delivered" && words.say("answered", { status: String(answer) }),
  ].filter(Boolean).join(" · ");
  return h("li", {}, isolated(recipient), " ", h("span", { class: `state ${status}` }, words.say(`delivery_${status}`)),
    facts && h("p", { class: "quiet" }, facts), problem && status !== "delivered" ? h("p", { class: "quiet", lang: "en" }, problem) : null);
}
