#!/usr/bin/env python3
"""Compares a table with a restored copy, and writes back missing items: `make compare NOW=… THEN=…`.

The program looks up every item of the restored table in the current one, by key; items written since then do not matter. Only
`--copy` changes anything: it writes an item only if its key is free, so you can interrupt and repeat the program.
The exit status is 0 if no item is missing and none differs.
"""

import argparse
import sys

import boto3
from botocore.exceptions import ClientError

# The limit of one BatchGetItem.
KEYS = 100


class Comparison:
    """The counts of a comparison, and the keys of missing and of different items."""

    def __init__(self):
        self.same = self.copied = 0
        self.missing, self.different = [], []


def compare(dynamodb, now: str, then: str, copy: bool = False, sort_keys: tuple = (), say=print) -> Comparison:
    """Compares every item of `then` with `now`; if there are `sort_keys`, only items whose sort key begins with one of them."""
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
    current, requested = {}, {now: {"Keys": [key(item) for item in items], "ConsistentRead": True}}
    while requested:
        answer = dynamodb.batch_get_item(RequestItems=requested)
        current |= {shown(item): item for item in answer["Responses"][now]}
        requested = answer.get("UnprocessedKeys")
    for item in items:
        other = current.get(shown(item))
        if other == item:
            found.same += 1
        elif other is not None:
            found.different.append(shown(item))
            say(f"different  {shown(item)}")
        elif copy and _put_if_missing(dynamodb, now, item, names[0]):
            found.copied += 1
        else:
            found.missing.append(shown(item))
            say(f"missing    {shown(item)}")


def _put_if_missing(dynamodb, table: str, item: dict, name: str) -> bool:
    try:
        dynamodb.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(#key)", ExpressionAttributeNames={"#key": name})
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("now", help="the current table of the installation")
    parser.add_argument("then", help="the restored table")
    parser.add_argument("--copy", action="store_true", help="write missing items back")
    parser.add_argument("--sort-keys", default="", help="compare only items whose sort key begins with one of these prefixes, separated by commas")
    chosen = parser.parse_args()
    prefixes = tuple(prefix for prefix in chosen.sort_keys.split(",") if prefix)
    found = compare(boto3.client("dynamodb"), chosen.now, chosen.then, chosen.copy, prefixes)
    print(f"{found.same} the same, {len(found.missing)} missing, {len(found.different)} different, {found.copied} copied")
    if found.copied:
        print('what was erased may be back: let the keeper erase again (docs/operations.md, "Data are not deleted")', file=sys.stderr)
    return 1 if found.missing or found.different else 0


if __name__ == "__main__":
    sys.exit(main())
