// A stream in words: its settings, its destination, its state, and how far a replay is.

import { breakable, h, isolated } from "./elements.js";
import { queryOf } from "./export-list.js";
import { durationText } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./language.js").Words} Words */
/** A stream as the API answers it. @typedef {Record<string, any>} Stream */

/** The fields that a stream can leave out, with the keys of whose fields they are and of what they are. @type {[string, string[]][]} */
const MASKS = [
  ["actor.id", ["filter_actor", "field_id"]], ["actor.name", ["filter_actor", "line_name"]], ["actor.ip", ["address"]], ["actor.user_agent", ["agent"]],
  ["customer.name", ["customerLabel", "line_name"]], ["target.id", ["target", "field_id"]], ["target.name", ["target", "line_name"]],
  ["reason", ["reason"]], ["changes", ["changes"]], ["details", ["historyDetails"]],
];
/** The looks of the states. @type {Record<string, string>} */
const LOOKS = { active: "ready", failing: "declined", stopped: "failed" };
/** The units of a lag in seconds, and how ISO 8601 writes them. */
const SPANS = /** @type {[number, string, string][]} */ ([[86_400, "P", "D"], [3_600, "PT", "H"], [60, "PT", "M"], [1, "PT", "S"]]);

/** The fields that a stream can leave out, with their names. @param {Words} words @returns {[string, string][]} */
export const maskNames = (words) => MASKS.map(([field, [first, second]]) =>
  [field, second ? words.say("filterIs", { name: words.say(first), values: words.say(second) }) : words.say(first)]);

/** Says whether a destination gets messages for people, which have no format. @param {Record<string, any>} destination */
export const isChat = ({ framing }) => framing === "slack" || framing === "teams";

const quiet = (/** @type {(Node | string)[]} */ ...children) => h("p", { class: "quiet" }, ...children);

/** Creates what a stream sends. @param {Context} context @param {Stream} stream @returns {Node[]} */
export function settingsNodes({ words, names }, { name, destination, format, details, filters, mask, source }) {
  const left = maskNames(words).filter(([field]) => mask.includes(field)).map(([, text]) => text);
  const facts = [source === "audit" && words.say("view_audit"), !isChat(destination) && words.say(`streamFormat_${format}`), !details && words.say("withoutDetails")].filter(Boolean);
  return [
    h("strong", {}, isolated(name)), ...(facts.length > 0 ? [quiet(facts.join(" · "))] : []), quiet(queryOf(filters).words(words, names) || words.say("filtersAll")),
    ...(left.length > 0 ? [quiet(words.say("filterIs", { name: words.say("streamMask"), values: new Intl.ListFormat(words.locale).format(left) }))] : []),
  ];
}

/** Creates where a stream sends. @param {Words} words @param {Stream} stream @returns {Node[]} */
export function destinationNodes(words, { destination }) {
  const { kind, url, framing, header_names: headers = [], bus_arn: bus, bucket, prefix, role_arn: role } = destination;
  const address = kind === "https" ? url : kind === "s3" ? `${bucket}/${prefix}` : bus;
  return [
    h("span", {}, words.say(`kind_${kind}`), framing ? ` · ${words.say(`framing_${framing}`)}` : null), h("p", {}, breakable(address)),
    ...(headers.length > 0 ? [quiet(words.say("filterIs", { name: words.say("streamHeaders"), values: headers.join(", ") }))] : []),
    ...(role ? [quiet(breakable(role))] : []),
  ];
}

/** The state of a stream in words. @param {Words} words @param {Stream} stream */
export const stateText = (words, { state }) => words.say(`stream_${state.status}`);

/** How far a destination is behind, in the largest unit of which there are two. @param {Words} words @param {number} seconds */
function lagText(words, seconds) {
  if (seconds === 0) return words.say("streamUpToDate");
  const [length, start, unit] = SPANS.find(([each]) => seconds >= 2 * each) ?? SPANS[3];
  return words.say("streamLag", { duration: durationText(words, `${start}${Math.floor(seconds / length)}${unit}`) ?? "" });
}

/** Why a stream has stopped. The service says it in English. @param {Words} words @param {string} because */
function stopNodes(words, because) {
  const [hours] = /\d+/.exec(because) ?? [];
  return h("p", {}, hours ? words.say("streamGaveUp", { hours: Number(hours) }) : words.say("streamGone"), " ", words.say("streamStopHint"));
}

/** Creates how far a stream is. @param {Context} context @param {Stream} stream @returns {Node[]} */
export function stateNodes({ words, zone }, stream) {
  const { status, lag_seconds: lag, delivered_through: through, last_error: error, next_try_at: next, stopped_because: because } = stream.state;
  const time = (/** @type {string} */ at) => words.time(at, zone);
  return [
    h("span", { class: `state ${LOOKS[status] ?? status}` }, stateText(words, stream)), ` · ${lagText(words, lag)}`,
    ...(because ? [stopNodes(words, because)] : []),
    quiet(words.say("streamThrough", { time: time(through) })),
    ...(error ? [quiet(words.say("streamError", { time: time(error.at) }), " ", h("span", { lang: "en" }, error.detail))] : []),
    ...(next ? [quiet(words.say("streamNext", { time: time(next) }))] : []),
    ...(stream.replay ? replayNodes(words, zone, stream.replay) : []),
  ];
}

/** Creates how far a replay is. @param {Words} words @param {string} zone @param {Record<string, any>} replay @returns {Node[]} */
function replayNodes(words, zone, { from, to, done_through: through, activities, finished_at: end }) {
  const period = words.days({ from, to, time_zone: zone });
  const sent = words.count("activities", activities);
  if (end) return [quiet(words.say("replayDone", { period, activities: sent, time: words.time(end, zone) }))];
  const [first, last, now] = [from, to, through].map((each) => Date.parse(each));
  const label = words.say("replayRuns", { period, activities: sent });
  return [h("p", {}, label), h("progress", { max: "1", value: String(last > first ? (now - first) / (last - first) : 0), "aria-label": label })];
}
