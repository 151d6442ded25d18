#!/usr/bin/env python3
"""Compares large details with what was first stored, and puts it back: `make compare-details BUCKET=…`.

The functions write every object under `details/` once, and only retention, erasure and the end of a partner remove one. So the
oldest version of an object is the right one. A delete marker or another content above that version is damage, or an object removed
by order. Only `--copy` changes anything: it copies the oldest version, so that the copy is the current one. You can interrupt and
repeat the program. Afterwards, let the keeper carry out erasures again (docs/operations.md, "Data are not deleted").
The exit status is 0 if no object is missing and none differs.
"""

import argparse
import sys
from collections import defaultdict
from datetime import datetime, timezone

import boto3

PREFIX = "details/"


class Comparison:
    """The counts of a comparison, and the keys of missing and of different objects."""

    def __init__(self):
        self.same = self.copied = 0
        self.missing, self.different = [], []


def compare(s3, bucket: str, since: datetime | None = None, copy: bool = False, prefix: str = PREFIX, say=print) -> Comparison:
    """Compares the current version of every object with the oldest one; with `since`, ignores what happened before."""
    found = Comparison()
    for key, versions in _objects(s3, bucket, prefix):
        # The list gives the newest version first.
        contents = [version for version in versions if "ETag" in version]
        current = next(version for version in versions if version["IsLatest"])
        is_old = since is not None and current["LastModified"] < since
        if not contents or (is_old and current not in contents):
            continue
        first = contents[-1]
        if is_old or (current in contents and _is_same(s3, bucket, key, current, first)):
            found.same += 1
        elif copy:
            s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key, "VersionId": first["VersionId"]})
            found.copied += 1
        else:
            word, keys = ("different", found.different) if current in contents else ("missing", found.missing)
            keys.append(key)
            say(f"{word:<10} {key}")
    return found


def _is_same(s3, bucket: str, key: str, one: dict, other: dict) -> bool:
    """Tells whether two versions have the same bytes. With a KMS key, a copy has another ETag, so that the bytes decide."""
    if one["ETag"] == other["ETag"] or one["Size"] != other["Size"]:
        return one["ETag"] == other["ETag"]
    bodies = [s3.get_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])["Body"].read() for version in (one, other)]
    return bodies[0] == bodies[1]


def _objects(s3, bucket: str, prefix: str):
    """Yields the keys of a bucket, each with its versions and delete markers, the newest first."""
    waiting: dict = defaultdict(list)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            waiting[version["Key"]].append(version)
        # The next page may go on with the last key of this one.
        for key in sorted(waiting)[:-1]:
            yield key, waiting.pop(key)
    yield from waiting.items()


def _moment(text: str) -> datetime:
    """Reads a time, in UTC unless it has an offset."""
    # Python 3.10 does not read the Z.
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bucket", help="the bucket of the installation")
    parser.add_argument("--since", type=_moment, help="ignore what was removed or overwritten before this time, as 2026-11-25T09:00:00Z")
    parser.add_argument("--copy", action="store_true", help="make the oldest version the current one again")
    chosen = parser.parse_args()
    found = compare(boto3.client("s3"), chosen.bucket, chosen.since, chosen.copy)
    print(f"{found.same} the same, {len(found.missing)} missing, {len(found.different)} different, {found.copied} copied")
    if found.copied:
        print('what was erased may be back: let the keeper erase again (docs/operations.md, "Data are not deleted")', file=sys.stderr)
    return 1 if found.missing or found.different else 0


if __name__ == "__main__":
    sys.exit(main())
