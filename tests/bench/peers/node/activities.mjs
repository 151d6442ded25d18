// Shared by the peers in Node: the attributes of an item, and the form of an activity in the API.

import { createHash } from "node:crypto";

const ID = /^[A-Za-z0-9._:-]{1,128}$/;
const ACTION = /^[a-z0-9_]+(\.[a-z0-9_]+)+$/;
const STATUSES = new Set(["succeeded", "failed", "in_progress", "declined"]);
const FIELDS = new Set(
  ["id", "occurred_at", "customer", "action", "status", "actor", "target", "reason", "changes", "correlation_id", "source", "details"],
);

export class Invalid extends Error {}

/** Checks the fields of an activity and returns its instant. */
export function checked(activity) {
  if (typeof activity !== "object" || activity === null || Array.isArray(activity)) throw new Invalid("an activity is an object");
  for (const name of Object.keys(activity)) if (!FIELDS.has(name)) throw new Invalid(`unknown field ${name}`);
  if (!ID.test(activity.id ?? "")) throw new Invalid("/id");
  if (!ACTION.test(activity.action ?? "")) throw new Invalid("/action");
  if (!STATUSES.has(activity.status ?? "succeeded")) throw new Invalid("/status");
  if (!activity.actor?.id) throw new Invalid("/actor/id");
  if (activity.customer && !activity.customer.id) throw new Invalid("/customer/id");
  const text = activity.occurred_at ?? "";
  const instant = new Date(text);
  if (Number.isNaN(instant.valueOf())) throw new Invalid("/occurred_at");
  // A Date holds milliseconds only, so the microseconds come from the text.
  const micros = /\.(\d{1,6})/.exec(text)?.[1].padEnd(6, "0").slice(3) ?? "000";
  return instant.toISOString().replace("Z", `${micros}Z`);
}

/** Returns the item of an activity, with the attributes that the recording function writes. */
export function itemOf(partner, activity, occurredAt, recordedAt) {
  const month = occurredAt.slice(0, 7);
  const { actor, customer, target = {} } = activity;
  const details = activity.details === undefined ? undefined : JSON.stringify(activity.details);
  const { id, occurred_at, ...content } = activity;
  return {
    pk: `${partner}#${month}`,
    sk: `${occurredAt}#${id}`,
    r: recordedAt,
    a: activity.action,
    s: activity.status === "succeeded" ? undefined : activity.status,
    u: actor.id,
    ut: actor.type === "user" ? undefined : actor.type,
    un: actor.name,
    ur: actor.role,
    ui: actor.ip,
    ua: actor.user_agent,
    c: customer?.id,
    cn: customer?.name,
    ck: customer && `${partner}#${customer.id.toLowerCase()}#${month}`,
    t: target.id,
    tt: target.type,
    tn: target.name,
    re: activity.reason,
    ch: activity.changes && JSON.stringify(activity.changes),
    co: activity.correlation_id,
    so: activity.source,
    d: details,
    dz: details && Buffer.byteLength(details),
    h: createHash("sha256").update(JSON.stringify(sorted(content))).digest().subarray(0, 16),
  };
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

/** Returns an item in the form of the API. */
export function shown(partner, item, withDetails = false) {
  const split = item.sk.indexOf("#");
  const occurredAt = item.sk.slice(0, split);
  const id = item.sk.slice(split + 1);
  const target = item.t || item.tt || item.tn;
  return {
    id,
    occurred_at: occurredAt,
    recorded_at: item.r,
    partner_id: partner,
    customer: item.c && { id: item.c, name: item.cn },
    action: item.a,
    status: item.s ?? "succeeded",
    actor: { type: item.ut ?? "user", id: item.u, name: item.un, role: item.ur, ip: item.ui, user_agent: item.ua },
    target: target && { type: item.tt, id: item.t, name: item.tn },
    reason: item.re ?? null,
    changes: item.ch && JSON.parse(item.ch),
    correlation_id: item.co,
    source: item.so,
    details: withDetails && item.d ? JSON.parse(item.d) : undefined,
    has_details: item.dz !== undefined,
    details_size: item.dz ?? 0,
    url: `/v1/partners/${partner}/activities/${id}?occurred_at=${occurredAt}`,
  };
}
