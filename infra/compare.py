#!/usr/bin/env python3
"""Compares a table with one that was restored from it, and puts back what is missing: `make compare NOW=… THEN=…`.

Everything that the older table has is asked for in the newer one, by its key; what was written since does no harm. Nothing is
changed without `--copy`, and then only keys that are free are written, so that it may be interrupted and repeated.
The exit status is 0 when nothing is missing and nothing differs.
"""

import argparse
import sys

import boto3
from botocore.exceptions import ClientError

# The most keys that one BatchGetItem takes.
KEYS = 100


class Comparison:
    """Counts, and what is missing or different."""

    def __init__(self):
        self.same = self.copied = 0
        self.missing, self.different = [], []


def compare(dynamodb, now: str, then: str, copy: bool = False, sort_keys: tuple = (), say=print) -> Comparison:
    """Holds what `then` has against `now`; of sort keys that begin with one of `sort_keys` only, where there are such."""
    names = [key["AttributeName"] for key in dynamodb.describe_table(TableName=then)["Table"]["KeySchema"]]
    found = Comparison()
    for page in dynamodb.get_paginator("scan").paginate(TableName=then):
        items = [item for item in page["Items"] if not sort_keys or item.get("sk", {}).get("S", "").startswith(sort_keys)]
        for at in range(0, len(items), KEYS):
            _compare(dynamodb, now, items[at : at + KEYS], names, copy, found, say)
    return found


def _compare(dynamodb, now: str, items: list, names: list, copy: bool, found: Comparison, say) -> None:
    key = lambda item: {name: item[name] for name in names}
    shown = lambda item: " ".join(item[name]["S"] for name in names)
    there, asked = {}, {now: {"Keys": [key(item) for item in items], "ConsistentRead": True}}
    while asked:
        answer = dynamodb.batch_get_item(RequestItems=asked)
        there |= {shown(item): item for item in answer["Responses"][now]}
        asked = answer.get("UnprocessedKeys")
    for item in items:
        other = there.get(shown(item))
        if other == item:
            found.same += 1
        elif other is not None:
            found.different.append(shown(item))
            say(f"different  {shown(item)}")
        elif copy and _put(dynamodb, now, item, names[0]):
            found.copied += 1
        else:
            found.missing.append(shown(item))
            say(f"missing    {shown(item)}")


def _put(dynamodb, table: str, item: dict, name: str) -> bool:
    try:
        dynamodb.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(#key)", ExpressionAttributeNames={"#key": name})
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("now", help="the table of the installation")
    parser.add_argument("then", help="the table that was restored")
    parser.add_argument("--copy", action="store_true", help="put what is missing")
    parser.add_argument("--sort-keys", default="", help="only items whose sort key begins with one of these, separated by commas")
    chosen = parser.parse_args()
    prefixes = tuple(prefix for prefix in chosen.sort_keys.split(",") if prefix)
    found = compare(boto3.client("dynamodb"), chosen.now, chosen.then, chosen.copy, prefixes)
    print(f"{found.same} the same, {len(found.missing)} missing, {len(found.different)} different, {found.copied} copied")
    return 1 if found.missing or found.different else 0


if __name__ == "__main__":
    sys.exit(main())
