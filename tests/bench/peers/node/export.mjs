// An export in the ordinary way of Node: the document client's paginator, csv-stringify, zlib with its default level, lib-storage.
// Arguments: the table, the bucket, the object, `plain` or `gzip`, then hash keys.

import { PassThrough, Readable, pipeline } from "node:stream";
import { createGzip } from "node:zlib";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient, paginateQuery } from "@aws-sdk/lib-dynamodb";
import { Upload } from "@aws-sdk/lib-storage";
import { stringify } from "csv-stringify";

const [TableName, Bucket, Key, form, ...hashes] = process.argv.slice(2);
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const columns = [
  "Date and time (UTC)", "Customer", "Action", "Partner user", "Status", "Target",
  "Details", "Customer ID", "Actor ID", "Action ID", "Activity ID", "Occurred at (UTC)",
];
let rows = 0;

async function* read() {
  for (const hash of hashes) {
    const pages = paginateQuery(
      { client },
      { TableName, KeyConditionExpression: "pk = :pk", ExpressionAttributeValues: { ":pk": hash }, ScanIndexForward: false },
    );
    for await (const page of pages) {
      rows += page.Items.length;
      for (const item of page.Items) yield row(item);
    }
  }
}

function row(item) {
  const split = item.sk.indexOf("#");
  const occurredAt = item.sk.slice(0, split);
  const target = item.tn ?? item.t ?? "";
  return [
    `${occurredAt.slice(0, 10)} ${occurredAt.slice(11, 19)}`, item.cn ?? item.c ?? "", item.a, item.un ?? item.u, item.s ?? "succeeded",
    item.tt ? `${item.tt} ${target}` : target, item.d ?? "", item.c ?? "", item.u, item.a, item.sk.slice(split + 1), occurredAt,
  ];
}

const body = new PassThrough();
const steps = [Readable.from(read()), stringify({ header: true, columns, record_delimiter: "windows" })];
if (form === "gzip") steps.push(createGzip());
pipeline(...steps, body, (error) => {
  if (error) throw error;
});
const upload = new Upload({
  client: new S3Client({ forcePathStyle: true }),
  params: { Bucket, Key, Body: body },
  partSize: 8 * 1024 * 1024,
  queueSize: 2,
});
await upload.done();
console.error(rows, "rows");
