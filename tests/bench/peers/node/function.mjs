// The recording and the listing function in the ordinary way of Node: the document client of the AWS SDK and a runtime
// loop. Run `node function.mjs record` or `… query` with the variables that the function has on Lambda.

import http from "node:http";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, PutCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { Invalid, checked, itemOf, shown } from "./activities.mjs";

const CONCURRENCY = 32;
// Reads are eventually consistent, so a list is complete up to a while ago.
const SETTLE_MILLISECONDS = 120_000;
const READERS = ["global_admin", "billing_admin", "admin_agent", "user_management_admin", "sales_agent", "helpdesk_agent", "reader"];
const headers = { "content-type": "application/json", "cache-control": "no-store" };
const TableName = process.env.ACTIVITIES_TABLE;
const table = DynamoDBDocumentClient.from(new DynamoDBClient({}), { marshallOptions: { removeUndefinedValues: true } });

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, path: `/2018-06-01/runtime/invocation/${path}`, method, agent }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve([answer.headers, Buffer.concat(chunks)]));
    });
    request.on("error", reject);
    if (body === undefined) request.end();
    else {
      const bytes = Buffer.from(body);
      request.setHeader("content-length", bytes.length);
      request.end(bytes);
    }
  });
}

function answered(statusCode, body) {
  console.log(JSON.stringify({ level: "INFO", status: statusCode, message: "answered" }));
  return { statusCode, headers, body: JSON.stringify(body), isBase64Encoded: false };
}

/** Returns the partner of the path, or a refusal if the caller may not act for the partner. */
function partnerOf(event, roles) {
  const caller = event.requestContext.authorizer;
  const { partner } = event.pathParameters;
  if (caller.partner !== partner) return { refused: answered(404, { title: "There is nothing here" }) };
  if (!caller.roles.split(" ").some((role) => roles.includes(role))) return { refused: answered(403, { title: "Your role does not allow this" }) };
  return { partner };
}

async function record(event) {
  const { partner, refused } = partnerOf(event, ["recorder"]);
  if (refused) return refused;
  const body = JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body);
  if (!body.activities) {
    const [status, result] = await put(partner, body);
    return answered(status, result);
  }
  const results = new Array(body.activities.length);
  let next = 0;
  const lane = async () => {
    while (next < body.activities.length) {
      const index = next++;
      const [status, result] = await put(partner, body.activities[index]);
      const word = { 201: "recorded", 200: "duplicate" }[status] ?? "rejected";
      results[index] = { index, id: result.id, occurred_at: result.occurred_at, status: word };
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  const count = (word) => results.filter((result) => result.status === word).length;
  return answered(200, { results, recorded: count("recorded"), duplicates: count("duplicate"), rejected: count("rejected") });
}

async function put(partner, activity) {
  let occurredAt;
  try {
    occurredAt = checked(activity);
  } catch (wrong) {
    if (!(wrong instanceof Invalid)) throw wrong;
    return [400, { title: "The request is not valid", detail: wrong.message }];
  }
  const item = itemOf(partner, activity, occurredAt, new Date().toISOString());
  try {
    await table.send(
      new PutCommand({ TableName, Item: item, ConditionExpression: "attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" }),
    );
  } catch (error) {
    if (error.name !== "ConditionalCheckFailedException") throw error;
    if (!item.h.equals(Buffer.from(error.Item.h.B ?? error.Item.h))) return [409, { title: "This conflicts with what is stored" }];
    return [200, shown(partner, item, true)];
  }
  return [201, shown(partner, item, true)];
}

async function query(event) {
  const { partner, refused } = partnerOf(event, READERS);
  if (refused) return refused;
  const asked = event.queryStringParameters ?? {};
  const start = asked.cursor && JSON.parse(Buffer.from(asked.cursor, "base64url").toString());
  const page = await table.send(
    new QueryCommand({
      TableName,
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :from AND :to",
      ExpressionAttributeValues: { ":pk": `${partner}#${asked.from.slice(0, 7)}`, ":from": asked.from, ":to": `${asked.to}T24` },
      ScanIndexForward: false,
      Limit: Number(asked.limit ?? 100),
      ConsistentRead: !start,
      ExclusiveStartKey: start,
    }),
  );
  const following = page.LastEvaluatedKey;
  const next_cursor = following ? Buffer.from(JSON.stringify(following)).toString("base64url") : null;
  const activities = page.Items.map((item) => shown(partner, item));
  const complete_through = new Date(Date.now() - SETTLE_MILLISECONDS).toISOString();
  return answered(200, { activities, range: { from: asked.from, to: asked.to, time_zone: "UTC" }, complete_through, next_cursor });
}

const handler = { record, query }[process.argv[2]];
for (;;) {
  const [next, body] = await call("GET", "next");
  const result = await handler(JSON.parse(body));
  await call("POST", `${next["lambda-runtime-aws-request-id"]}/response`, JSON.stringify(result));
}
