// One activity in full: outcome, reason and changes first, then who, what and when, an order's lines, other details, and metadata
// folded. What the list knows is shown at once; details follow when they have arrived.

import { linkButton } from "./downloads.js";
import { copyText, h, isolated, plainTable } from "./elements.js";
import { ownTimeZone } from "./language.js";
import { lineTable, splitLines } from "./lines.js";
import { copyPivot, historyText, isFilterable, pivot, showQuery, unfiltered } from "./pivots.js";
import { STATUSES } from "./query.js";
import { tree, VALUES_PER_CELL, VALUES_PER_STEP } from "./tree.js";
import { differenceText, fieldLabel, snakeKey, targetType } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./context.js").Activity} Activity */
/** @typedef {import("./values.js").Hints} Hints */
/** @typedef {import("./pivots.js").Subject} Subject */
/** What opens the activity before and the one after; absent where there is none. @typedef {{previous?: (() => void) | null, next?: (() => void) | null}} Neighbours */

/** The minutes before and after an activity that its pivots show. */
const MINUTES_AROUND = 15;
/** Fields of details that hold the reason of a failure, if the activity has none. */
const REASONS = ["reason", "failure_reason", "decline_reason", "error_message", "error", "message"];

/** The longest text that is taken for a reason, in UTF-16 units, as in the API. */
const MAX_REASON_LENGTH = 1_024;

/** Whether metadata are unfolded. It holds for all rows, because a reader who compares addresses would unfold them in each. */
let isMetadataOpen = false;

/**
 * Creates the element that shows an activity in full.
 * @param {Context} context @param {Activity} activity as the list answers it, or with its details @param {Neighbours | null} [neighbours]
 * @param {(whole: Activity) => void} [loaded] takes the activity with its details
 * @returns {HTMLElement}
 */
export function details(context, activity, neighbours, loaded) {
  const { words, service } = context;
  /** The activity, with its details as soon as they are known. */
  let whole = activity;
  const outcome = h("div", { class: "outcome" });
  const body = h("div", { class: "body" });
  const trouble = h("div", { role: "alert" });
  const loading = h("p", { role: "status" });
  const element = h("div", { class: "activity" },
    h("div", { class: "activity-head" }, outcome, actions(context, () => whole, neighbours)), body, loading, trouble);
  const show = () => {
    const pivotKey = element.getRootNode().activeElement?.dataset?.pivot;
    const hadFocus = pivotKey !== undefined && element.contains(element.getRootNode().activeElement);
    outcome.replaceChildren(...outcomeNodes(context, whole));
    body.replaceChildren(...bodyNodes(context, whole));
    // The same button as before, because the one with the focus was replaced.
    if (hadFocus) [...element.querySelectorAll("[data-pivot]")].find((each) => each.dataset.pivot === pivotKey)?.focus();
  };
  const load = async () => {
    loading.textContent = words.say("loading");
    try {
      whole = await service.activity(activity.url);
      loaded?.(whole);
      show();
      if (whole.details_url) body.append(detailsFile(context, whole));
    } catch (error) {
      if (!service.signal.aborted) context.showError(trouble, error, load);
    } finally {
      loading.textContent = "";
    }
  };
  show();
  if (activity.has_details && activity.details === undefined) load();
  else if (activity.details_url) body.append(detailsFile(context, activity));
  return element;
}

/** Creates the buttons of the whole activity. @param {Context} context @param {() => Activity} current @param {Neighbours | null | undefined} neighbours */
function actions(context, current, neighbours) {
  const { words, permalink } = context;
  const outcome = h("span", { class: "quiet", role: "status" });
  const copy = async (/** @type {string} */ text, /** @type {string} */ done) => { outcome.textContent = await copyText(text) ? done : words.say("copyFailed"); };
  const button = (/** @type {string} */ key, /** @type {() => void} */ run, /** @type {Record<string, any>} */ properties = {}) =>
    h("button", { type: "button", onclick: run, ...properties }, words.say(key));
  // Not disabled, because a disabled button loses the focus at the end of the list.
  const step = (/** @type {"previous" | "next"} */ way, /** @type {string} */ key) => button(key, () => neighbours?.[way]?.(), { class: way, "aria-disabled": neighbours?.[way] ? null : "true" });
  return h("div", { class: "bar acts" },
    ...(neighbours?.previous || neighbours?.next ? [step("previous", "previousActivity"), step("next", "nextActivity")] : []),
    permalink?.isInAddress ? button("copyLink", () => copy(permalink.address(current()), words.say("linkCopied"))) : null,
    button("copy", () => copy(JSON.stringify(current(), null, 2), words.say("copied"))), outcome);
}

/**
 * Finds the reason of a failure in details. Portals that do not fill in `reason` write it there.
 * @param {Activity} activity @returns {{text: string, key: string | null} | null} `key` names the field that holds nothing else
 */
function reasonOf({ status, reason, details }) {
  if (reason) return { text: reason, key: null };
  if (!["failed", "declined"].includes(status) || !details) return null;
  const found = new Map(Object.keys(details).map((key) => [snakeKey(key), key]));
  for (const wanted of REASONS) {
    const key = found.get(wanted);
    const value = key === undefined ? null : details[key];
    const isReason = (/** @type {any} */ text) => typeof text === "string" && text !== "" && text.length <= MAX_REASON_LENGTH;
    if (key !== undefined && isReason(value)) return { text: value, key };
    const text = value?.message ?? value?.description ?? value?.reason;
    if (isReason(text)) return { text, key: null };
  }
  return null;
}

/** @param {Context} context @param {Activity} activity */
function outcomeNodes(context, activity) {
  const { status } = activity;
  const shown = context.status(status);
  const reason = reasonOf(activity);
  return [
    h("p", {}, pivot(context, h("span", { class: `state ${STATUSES.includes(status) ? status : ""}` }, shown),
      { key: "status", label: shown, filter: "status", value: status })),
    reason && h("p", { class: "why" }, h("span", { class: "unseen" }, `${context.words.say("reason")} `), isolated(reason.text)),
    activity.erased?.reason && h("p", { class: "quiet" }, context.words.say("filterIs", { name: context.words.say("reason"), values: context.words.say("erased") })),
  ].filter(Boolean);
}

/** @param {Context} context @param {Activity} activity */
function bodyNodes(context, activity) {
  const { words } = context;
  const { erased = {} } = activity;
  const changes = activity.changes ?? [];
  // Null where they are too large for an answer.
  const all = activity.details ?? {};
  const { lines, rest: others } = splitLines(all);
  const shownReason = reasonOf(activity)?.key;
  const rest = Object.fromEntries(Object.entries(others).filter(([key]) => key !== shownReason));
  const hints = hintsOf(context, all, lines);
  const title = (/** @type {string} */ key) => h("h3", {}, words.say(key));
  const gone = (/** @type {string} */ group, /** @type {string} */ key) => (erased[group] ? [title(key), h("p", { class: "quiet" }, words.say("erased"))] : []);
  return [
    ...(changes.length > 0 ? [title("changes"), changeTable(context, changes, hints)] : gone("changes", "changes")),
    facts(context, activity),
    related(context, activity),
    ...(lines ? [title("lines"), lineTable(context, lines, hints, activity.customer?.id)] : []),
    ...(Object.keys(rest).length > 0 ? [title("otherDetails"), tree(context, rest, VALUES_PER_STEP, hints)] : gone("details", "otherDetails")),
    metadata(context, activity),
  ].filter(Boolean);
}

/** @param {Context} context @param {Record<string, any>} all @param {any[] | null} lines @returns {Hints} */
function hintsOf({ zone }, all, lines) {
  const currency = all.currency ?? all.currency_code ?? lines?.[0].currency;
  return { zone, currency: typeof currency === "string" && currency ? currency : undefined };
}

/** @param {Context} context @param {{field: string, old: any, new: any}[]} changes @param {Hints} hints */
function changeTable(context, changes, hints) {
  const { words } = context;
  const row = (/** @type {{field: string, old: any, new: any}} */ { field, old, new: now }) => {
    const label = fieldLabel(words, field);
    const difference = differenceText(words, field, old, now);
    return h("tr", {},
      h("th", { scope: "row", title: label === field ? null : field }, isolated(label)),
      h("td", { class: "old" }, tree(context, old, VALUES_PER_CELL, hints, field)),
      h("td", { class: "new" }, tree(context, now, VALUES_PER_CELL, hints, field), difference && h("span", { class: "quiet" }, ` (${difference})`)));
  };
  const table = plainTable(words.say("changes"), ["field", "before", "after"].map((key) => words.say(key)), h("tbody", {}, ...changes.map(row)));
  table.classList.add("changes");
  return table;
}

/** @param {Context} context @param {[string, Node | string | null | undefined | false][]} rows */
const list = ({ words }, rows) =>
  h("dl", {}, ...rows.filter(([, value]) => value).map(([key, value]) => h("div", {}, h("dt", {}, words.say(key)), h("dd", {}, /** @type {Node} */ (value)))));

/**
 * Creates a value with its menu, and what else is known about it below.
 * @param {Context} context @param {Node | string} shown @param {(string | Node | null | undefined | false)[]} others @param {Subject} subject
 */
function described(context, shown, others, subject) {
  const known = [...new Set(others.filter(Boolean))].filter((each) => each !== subject.label);
  const below = known.flatMap((part, index) => (typeof part === "string" ? [index > 0 ? " · " : "", isolated(part)] : [/** @type {Node} */ (part)]));
  return h("div", {}, pivot(context, typeof shown === "string" ? isolated(shown) : shown, subject), known.length > 0 ? h("span", { class: "quiet also" }, ...below) : null);
}

/** A text of a family of keys, or the code itself. @param {Context} context @param {string} kind @param {string | null | undefined} code */
const known = ({ words }, kind, code) => code && (words.has(`${kind}_${code}`) ? words.say(`${kind}_${code}`) : code);

/** Creates who, what, for whom and when. @param {Context} context @param {Activity} activity */
function facts(context, activity) {
  const { words, names, zone, partnerZone } = context;
  const { actor, customer, target, occurred_at: instant, erased = {} } = activity;
  const label = context.label(activity.action);
  const gone = (/** @type {string} */ group) => (erased[group] ? h("span", { class: "quiet" }, words.say("erased")) : null);
  const [here, there] = [...new Set([zone, partnerZone ?? "UTC", ownTimeZone(), "UTC"])].map((each) => [words.time(instant, each), each]);
  const time = (/** @type {string} */ text) => h("time", { datetime: instant }, text);
  const customerName = customer && (customer.name || names.get("customer", customer.id) || customer.id);
  const actorName = actor && (actor.name || names.get("actor", actor.id) || actor.id);
  const type = target?.type ? targetType(words, target.type) : null;
  const targetName = target && (target.name || target.id || type || "");
  const link = customer && context.subscriptions(customer.id);
  return list(context, [
    ["action", described(context, label, [], { key: "action", label, filter: "action", value: activity.action, more: [copyPivot(context, activity.action)] })],
    ["target", target ? described(context, targetName, [type, target.id], {
      key: "target", label: targetName, filter: "target", value: target.id ?? undefined, kind: target.type ?? "other", name: target.name,
      more: [sameTarget(context, target), target.id ? copyPivot(context, target.id) : null],
    }) : gone("target")],
    ["customerLabel", customer ? described(context, customerName, [customer.id], {
      key: "customer", label: customerName, filter: "customer", value: customer.id, kind: "customer", name: customer.name,
      more: [link ? { text: words.say("pivotSubscriptions"), href: link } : null, copyPivot(context, customer.id)],
    }) : gone("customer")],
    ["user", actor ? described(context, actorName, [actor.id, actor.role?.split(" ").map((/** @type {string} */ role) => known(context, "role", role)).join(", "), actor.type !== "user" && known(context, "actor", actor.type)], {
      key: "actor", label: actorName, filter: "actor", value: actor.id, kind: "actor", name: actor.name,
      more: [sameUser(context, activity), copyPivot(context, actor.id)],
    }) : gone("actor")],
    ["occurredAt", described(context, time(here[0]), [here[1], there && h("span", { class: "also" }, time(there[0]), ` ${there[1]}`)],
      { key: "time", label: here[0], more: [around(context, activity), copyPivot(context, instant)] })],
  ]);
}

/** @param {Context} context @param {Activity} activity */
const around = (context, { occurred_at }) => ({
  text: context.words.say("pivotAround", { minutes: MINUTES_AROUND }),
  run: () => showQuery(context, unfiltered(context).around(occurred_at, MINUTES_AROUND)),
});

/** @param {Context} context @param {Activity} activity */
const sameUser = (context, { actor, occurred_at }) => (isFilterable(actor?.id) && !context.fixed.has("actor") ? {
  text: context.words.say("pivotSameUser", { minutes: MINUTES_AROUND }),
  run: () => showQuery(context, unfiltered(context).only("actor", actor.id).around(occurred_at, MINUTES_AROUND)),
} : null);

/** @param {Context} context @param {any} target */
const sameTarget = (context, target) => (isFilterable(target?.id) && !context.fixed.has("target") ? {
  text: target.type ? context.words.say("pivotSame", { type: targetType(context.words, target.type) }) : context.words.say("pivotSameTarget"),
  run: () => showQuery(context, unfiltered(context).only("target", target.id)),
} : null);

/** @param {Context} context @param {Activity} activity */
const sameCorrelation = (context, { correlation_id: id }) => (isFilterable(id) && !context.fixed.has("correlation") ? {
  text: context.words.say("pivotSameCorrelation"),
  run: () => showQuery(context, unfiltered(context).only("correlation", id)),
} : null);

/** Creates the buttons to what belongs to the activity. @param {Context} context @param {Activity} activity */
function related(context, activity) {
  const { words, history } = context;
  const { target, actor } = activity;
  // Two people take part in an activity about a user, so the texts name them.
  const isPerson = /user$/i.test(target?.type ?? "");
  const person = actor && (actor.name || actor.id);
  const ofUser = sameUser(context, activity);
  const ways = [
    isFilterable(target?.id) && history ? {
      text: isPerson ? words.say("historyOf", { name: target.name || target.id }) : historyText(context, target.type ?? "other"),
      run: () => history.open("target", target.id, target.name, target.type),
    } : null,
    isPerson ? null : sameTarget(context, target),
    ofUser && { ...ofUser, text: words.say("personAround", { name: person, minutes: MINUTES_AROUND }) },
    sameCorrelation(context, activity),
  ].filter((way) => way !== null);
  return ways.length > 0 && h("div", { class: "bar related", role: "group", "aria-label": words.say("related") },
    ...ways.map(({ text, run }) => h("button", { type: "button", onclick: run }, isolated(text))));
}

/** Creates the folded facts about the record itself. @param {Context} context @param {Activity} activity */
function metadata(context, activity) {
  const { words, zone } = context;
  const { actor, erased = {} } = activity;
  const gone = (/** @type {string} */ group) => (erased[group] ? words.say("erased") : null);
  const valued = (/** @type {string} */ filter, /** @type {string | null | undefined} */ value) => !value ? gone(filter)
    : pivot(context, isolated(value), { key: filter, label: value, filter, value, more: [filter === "correlation" ? sameCorrelation(context, activity) : null, copyPivot(context, value)] });
  const copied = (/** @type {string} */ key, /** @type {string | null | undefined} */ value) => value && pivot(context, isolated(value), { key, label: value, more: [copyPivot(context, value)] });
  return h("details", { class: "metadata", open: isMetadataOpen, ontoggle: (/** @type {any} */ event) => { isMetadataOpen = event.target.open; } },
    h("summary", {}, words.say("metadata")),
    list(context, [
      ["activityId", copied("activity", activity.id)],
      ["actionId", activity.action],
      ["correlation", valued("correlation", activity.correlation_id)],
      ["source", valued("source", activity.source)],
      ["address", copied("address", actor?.ip) ?? gone("origin")],
      ["agent", actor?.user_agent && isolated(actor.user_agent)],
      ["erasureOrder", [...new Set(Object.values(erased))].join(", ")],
      ["recordedAt", activity.recorded_at && h("time", { datetime: activity.recorded_at }, words.time(activity.recorded_at, zone))],
    ]));
}

/**
 * Creates a button that downloads details too large to show. The link is requested at the click, because it expires after minutes.
 * @param {Context} context @param {Activity} activity
 */
function detailsFile(context, activity) {
  const { service, words } = context;
  return linkButton(context, "bar", words.say("downloadDetails", { size: words.size(activity.details_size) }), () => service.detailsFile(activity.details_url));
}
