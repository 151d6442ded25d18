// An export in the ordinary way of Node: the document client's paginator, csv-stringify, zlib with its default level, lib-storage.
// Arguments: the table, the bucket, the object, `details`, `plain` or `gzip`, then hash keys. With `details`, the file has the
// details of the activities.

import zlib from "node:zlib";
import { PassThrough, Readable, pipeline } from "node:stream";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient, paginateQuery } from "@aws-sdk/lib-dynamodb";
import { Upload } from "@aws-sdk/lib-storage";
import * as zstd from "@bokuweb/zstd-wasm";
import { stringify } from "csv-stringify";
import { row } from "./cells.mjs";

const [TableName, Bucket, Key, form, ...hashes] = process.argv.slice(2);
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const s3 = new S3Client({ forcePathStyle: true });
// Node has zstd of its own from 22.15 on.
if (!zlib.zstdDecompressSync) await zstd.init();
const decompress = zlib.zstdDecompressSync ?? zstd.decompress;
const columns = [
  "Date and time (UTC)", "Customer", "Action", "Partner user", "Status", "Reason", "Target", "Changes", "Details",
  "Customer ID", "Actor ID", "Actor role", "IP address", "Target type", "Target ID", "Action ID", "Subscription IDs",
  "Correlation ID", "Source", "Activity ID", "Occurred at (UTC)", "Recorded at (UTC)",
];
let rows = 0;

function query(hash) {
  const ExpressionAttributeValues = { ":pk": hash };
  return paginateQuery({ client }, { TableName, KeyConditionExpression: "pk = :pk", ExpressionAttributeValues, ScanIndexForward: false });
}

async function* items(hash) {
  for await (const page of query(hash)) yield* page.Items;
}

async function* read() {
  for (const hash of hashes) {
    // Twin items hold compressed details and are in the order of their activities.
    const twins = items(`${hash}#details`);
    for await (const page of query(hash)) {
      rows += page.Items.length;
      for (const item of page.Items) {
        const packed = form === "details" && (item.dh || item.do) ? await packedDetails(hash, item, twins) : undefined;
        const details = packed ? Buffer.from(decompress(packed)).toString() : form === "details" ? item.d : undefined;
        yield row(item, details);
      }
    }
  }
}

async function packedDetails(hash, item, twins) {
  if (item.do) {
    const [partner, month] = hash.split("#");
    const object = await s3.send(new GetObjectCommand({ Bucket, Key: `details/${partner}/${month}/${item.sk}/${item.do}.json.zst` }));
    return object.Body.transformToByteArray();
  }
  const sortKey = `${item.sk}#${item.dh}`;
  for (;;) {
    const { value: twin, done } = await twins.next();
    if (done) throw new Error(`the twin item ${sortKey} is missing`);
    if (twin.sk === sortKey) return twin.z;
  }
}

const body = new PassThrough();
// csv-stringify quotes cells with its own line end, which is not the only one.
const format = { header: true, columns, record_delimiter: "windows", quoted_match: /[\r\n]/ };
const steps = [Readable.from(read()), stringify(format)];
if (form === "gzip") steps.push(zlib.createGzip());
pipeline(...steps, body, (error) => {
  if (error) throw error;
});
const upload = new Upload({
  client: s3,
  params: { Bucket, Key, Body: body },
  partSize: 8 * 1024 * 1024,
  queueSize: 2,
});
await upload.done();
console.error(rows, "rows");
