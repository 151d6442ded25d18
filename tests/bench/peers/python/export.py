"""An export in the ordinary way of Python: boto3's paginator, the csv module, zstandard, gzip with its default level, parts of 8 MiB.

Arguments: the table, the bucket, the object, `details`, `plain` or `gzip`, then hash keys. With `details`, the file has the
details of the activities.
"""

import csv
import gzip
import io
import json
import sys

import boto3
import zstandard
from boto3.dynamodb.types import TypeDeserializer

PART_BYTES = 8 * 1024 * 1024
# What a spreadsheet keeps of a cell, and what is left for the mark of a cut.
CELL_CHARACTERS = 32_767
MARK_CHARACTERS = 64
TITLES = [
    "Date and time (UTC)", "Customer", "Action", "Partner user", "Status", "Reason", "Target", "Changes", "Details",
    "Customer ID", "Actor ID", "Actor role", "IP address", "Target type", "Target ID", "Action ID", "Subscription IDs",
    "Correlation ID", "Source", "Activity ID", "Occurred at (UTC)", "Recorded at (UTC)",
]  # fmt: skip


def main():
    """Reads pages and writes parts, one after the other."""
    table, bucket, key, form, *hashes = sys.argv[1:]
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    target = {"Bucket": bucket, "Key": key, "UploadId": upload}
    raw = io.BytesIO()
    packed = gzip.GzipFile(fileobj=raw, mode="wb") if form == "gzip" else raw
    text = io.TextIOWrapper(packed, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    parts, rows = [], 0

    def send():
        part = s3.upload_part(**target, PartNumber=len(parts) + 1, Body=raw.getvalue())
        parts.append({"PartNumber": len(parts) + 1, "ETag": part["ETag"]})
        raw.seek(0)
        raw.truncate()

    def query(hash_key):
        values = {":pk": {"S": hash_key}}
        condition = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": values}
        return dynamodb.get_paginator("query").paginate(TableName=table, ScanIndexForward=False, **condition)

    writer.writerow(TITLES)
    value = TypeDeserializer().deserialize
    decompress = zstandard.ZstdDecompressor().decompress

    def read_details(hash_key, item, twins):
        if "dh" in item:
            sort_key = f"{item['sk']}#{item['dh']}"
            return decompress(next(twin["z"]["B"] for twin in twins if twin["sk"]["S"] == sort_key)).decode()
        if "do" in item:
            partner, month = hash_key.split("#")
            packed = s3.get_object(Bucket=bucket, Key=f"details/{partner}/{month}/{item['sk']}/{item['do']}.json.zst")["Body"].read()
            return decompress(packed).decode()
        return item.get("d")

    for hash_key in hashes:
        # Twin items hold compressed details and are in the order of their activities.
        twins = (twin for page in query(f"{hash_key}#details") for twin in page["Items"])
        for page in query(hash_key):
            for typed in page["Items"]:
                item = {name: value(each) for name, each in typed.items()}
                writer.writerow(row(item, read_details(hash_key, item, twins) if form == "details" else None))
            rows += len(page["Items"])
            if raw.tell() >= PART_BYTES:
                send()
    text.flush()
    if form == "gzip":
        packed.close()
    send()
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    print(rows, "rows", file=sys.stderr)


def row(item, details):
    """Returns the cells of an item and its details."""
    occurred_at, _, identifier = item["sk"].partition("#")
    customer = item.get("c", "")
    target = item.get("tn", item.get("t", ""))
    if "tt" in item:
        target = f"{item['tt']} {target}"
    return [
        f"{occurred_at[:10]} {occurred_at[11:19]}", item.get("cn", customer), item["a"], item.get("un", item["u"]), item.get("s", "succeeded"),
        item.get("re", ""), target, changes(item["ch"]) if "ch" in item else "", cut(details) if details else "",
        customer, item["u"], item.get("ur", ""), item.get("ui", ""), item.get("tt", ""), item.get("t", ""), item["a"], subscription_ids(item, details),
        item.get("co", ""), item.get("so", ""), identifier, occurred_at, item["r"],
    ]  # fmt: skip


def changes(text):
    """Returns changes, one a line."""

    def shown(value):
        return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)

    return "\n".join(f"{change['field']}: {shown(change.get('old'))} → {shown(change.get('new'))}" for change in json.loads(text))


def subscription_ids(item, details):
    """Returns the subscriptions concerned, each once: the target, and those of the order's lines."""
    ids = {item["t"]: None} if item.get("tt") == "subscription" and "t" in item else {}
    for line in json.loads(details).get("lines", []) if details else []:
        if "subscription_id" in line:
            ids[line["subscription_id"]] = None
    return ", ".join(ids)


def cut(text):
    """Cuts a text that is too long for a cell of a spreadsheet."""
    if len(text) <= CELL_CHARACTERS:
        return text
    end = CELL_CHARACTERS - MARK_CHARACTERS
    return f"{text[:end]}… [cut: {len(text) - end} more characters]"


main()
