"""An export in the ordinary way of Python: boto3's paginator, the csv module, gzip with its default level, parts of 8 MiB.

Arguments: the table, the bucket, the object, `plain` or `gzip`, then hash keys.
"""

import csv
import gzip
import io
import sys

import boto3
from boto3.dynamodb.types import TypeDeserializer

PART_BYTES = 8 * 1024 * 1024
TITLES = [
    "Date and time (UTC)", "Customer", "Action", "Partner user", "Status", "Target",
    "Details", "Customer ID", "Actor ID", "Action ID", "Activity ID", "Occurred at (UTC)",
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

    writer.writerow(TITLES)
    value = TypeDeserializer().deserialize
    pages = dynamodb.get_paginator("query")
    for hash_key in hashes:
        for page in pages.paginate(
            TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": hash_key}}, ScanIndexForward=False
        ):
            for item in page["Items"]:
                writer.writerow(row({name: value(each) for name, each in item.items()}))
            rows += len(page["Items"])
            if raw.tell() >= PART_BYTES:
                send()
    text.flush()
    if form == "gzip":
        packed.close()
    send()
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    print(rows, "rows", file=sys.stderr)


def row(item):
    """Returns the cells of an item."""
    occurred_at, _, identifier = item["sk"].partition("#")
    customer = item.get("c", "")
    target = item.get("tn", item.get("t", ""))
    if "tt" in item:
        target = f"{item['tt']} {target}"
    return [
        f"{occurred_at[:10]} {occurred_at[11:19]}", item.get("cn", customer), item["a"], item.get("un", item["u"]), item.get("s", "succeeded"), target,
        item.get("d", ""), customer, item["u"], item["a"], identifier, occurred_at,
    ]  # fmt: skip


main()
