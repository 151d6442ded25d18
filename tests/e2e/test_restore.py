"""Restore: items that a restored table has and the current one lacks are found and written back."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from api import ALL_OF_2024, new_activity

INFRA = Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA))

import compare


@pytest.fixture
def restored(stack, aws):
    """A copy of the items of a partner, in a table like a restored one: its name and its items."""
    db, name, source = aws("dynamodb"), f"restored-{uuid.uuid4().hex[:8]}", stack["outputs"]["ActivitiesTable"]
    described = db.describe_table(TableName=source)["Table"]
    keys = described["KeySchema"]
    db.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys,
        AttributeDefinitions=[{"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in keys],
    )

    def of(partner):
        items = []
        for partition in ("2024-03", "2024-03#details", "months"):
            pages = db.get_paginator("query").paginate(
                TableName=source, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": f"{partner}#{partition}"}}
            )
            items += [item for page in pages for item in page["Items"]]
        for item in items:
            db.put_item(TableName=name, Item=item)
        return name, items

    yield of
    db.delete_table(TableName=name)


def test_missing_items_are_written_back_and_newer_ones_stay(partner, restored, stack, aws):
    db, table = aws("dynamodb"), {"TableName": stack["outputs"]["ActivitiesTable"]}
    sent = [new_activity(details={"n": number, "text": "x" * 3_000}) for number in range(120)]
    partner.record(sent)
    then, items = restored(partner.name)
    later = new_activity()
    partner.record([later])
    listed = sorted(partner.ids(**ALL_OF_2024))
    for item in items[:130]:
        db.delete_item(**table, Key={name: item[name] for name in ("pk", "sk")})
    spoilt = items[-1]
    db.put_item(**table, Item=spoilt | {"a": {"S": "order.spoilt"}})

    quietly = lambda _: None
    found = compare.compare(db, table["TableName"], then, say=quietly)
    assert (found.same, len(found.missing), len(found.different)) == (len(items) - 131, 130, 1)
    found = compare.compare(db, table["TableName"], then, copy=True, say=quietly)
    assert (found.copied, found.missing, len(found.different)) == (130, [], 1)
    db.put_item(**table, Item=spoilt)
    found = compare.compare(db, table["TableName"], then, say=quietly)
    assert (found.same, found.missing, found.different) == (len(items), [], [])
    assert sorted(partner.ids(**ALL_OF_2024)) == listed
    assert partner.show(sent[0]) and later["id"] in listed


def test_compare_command_prints_counts_and_missing_keys(partner, restored, stack, aws):
    partner.record([new_activity()])
    then, items = restored(partner.name)
    surroundings = {
        "AWS_ENDPOINT_URL": stack["endpoint"],
        "AWS_DEFAULT_REGION": stack["region"],
        "AWS_ACCESS_KEY_ID": stack["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": stack["secret_access_key"],
    }
    command = [sys.executable, str(INFRA / "compare.py"), stack["outputs"]["ActivitiesTable"], then]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{len(items)} the same, 0 missing, 0 different, 0 copied\n"), done.stderr
    aws("dynamodb").delete_item(TableName=stack["outputs"]["ActivitiesTable"], Key={name: items[0][name] for name in ("pk", "sk")})
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 1 and "1 missing" in done.stdout and f"missing    {items[0]['pk']['S']}" in done.stdout
    assert "0 the same" in subprocess.run([*command, "--sort-keys", "nothing"], env=surroundings, capture_output=True, text=True).stdout
