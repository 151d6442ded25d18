// What the partner sets up in the account of a bucket or an event bus: who may assume the role, and what the role may do.

import { copyText, h } from "./elements.js";

/** @typedef {import("./language.js").Words} Words */

/** A policy of AWS as text. @param {object} statement */
const policyOf = (statement) => JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...statement }] }, null, 2);

/** Creates the external id and the policies, each with a button that copies it. @param {Words} words @param {Record<string, any>} stream @returns {Node[]} */
export function roleGuide(words, { destination, external_id: id, service_role_arn: service }) {
  const { kind, bus_arn: bus, bucket, prefix } = destination;
  const [, partition, , , account] = service.split(":");
  const trust = policyOf({
    // The account, because a trust in a role ends when that role is made anew.
    Principal: { AWS: `arn:${partition}:iam::${account}:root` }, Action: "sts:AssumeRole", Condition: { StringEquals: { "sts:ExternalId": id } },
  });
  const permission = policyOf(kind === "s3" ? { Action: "s3:PutObject", Resource: `arn:${partition}:s3:::${bucket}/${prefix}*` } : { Action: "events:PutEvents", Resource: bus });
  const message = h("p", { role: "status" });
  const part = (/** @type {string} */ key, /** @type {string} */ text) => {
    const title = words.say(key);
    const copy = async () => { message.textContent = words.say(await copyText(text) ? "copied" : "copyFailed"); };
    return [h("h4", {}, title), h("code", { class: "code" }, text),
      h("div", { class: "bar" }, h("button", { type: "button", onclick: copy, "aria-label": words.say("ofView", { action: words.say("pivotCopy"), name: title }) }, words.say("pivotCopy")))];
  };
  return [h("p", {}, words.say("roleIntro")), ...part("externalId", id), ...part("trustPolicy", trust), ...part("rolePermission", permission), message];
}
