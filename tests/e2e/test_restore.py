"""Restore: items that a restored table has and the current one lacks are found and written back, and so are large details."""

import secrets
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from api import ALL_OF_2024, new_activity, now
from lifecycle import Calendar, rules

INFRA = Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA))

import compare
import compare_details


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


@pytest.fixture
def details(partner, stack, aws):
    """Large details of three activities: the activities, what they show, and the keys of the objects."""
    sent = [new_activity(details={"noise": secrets.token_hex(120_000)}) for _ in range(3)]
    partner.record(sent)
    listed = aws("s3").list_objects_v2(Bucket=stack["outputs"]["DetailsBucket"], Prefix=f"details/{partner.name}/")
    return sent, [partner.show(each) for each in sent], [each["Key"] for each in listed["Contents"]]


def test_removed_and_overwritten_details_are_put_back(partner, details, stack, aws):
    s3, bucket = aws("s3"), stack["outputs"]["DetailsBucket"]
    sent, shown, keys = details
    prefix = f"details/{partner.name}/"
    calendar = Calendar(s3, bucket, rules({}, "DetailsBucket"), prefix)
    quietly = {"prefix": prefix, "say": lambda _: None}
    assert len(keys) == 3 and compare_details.compare(s3, bucket, **quietly).same == 3
    s3.delete_object(Bucket=bucket, Key=keys[0])
    s3.put_object(Bucket=bucket, Key=keys[1], Body=b"spoilt")
    get = lambda activity: partner.caller.get(f"{partner.path}/activities/{activity['id']}", params={"occurred_at": activity["occurred_at"]})
    assert sorted(get(each).status_code == 200 for each in sent) == [False, False, True]

    # The damage may be noticed days later.
    calendar.pass_days(6)
    calendar.sweep()
    found = compare_details.compare(s3, bucket, **quietly)
    assert (found.same, found.missing, found.different) == (1, [keys[0]], [keys[1]])
    found = compare_details.compare(s3, bucket, since=now() + timedelta(days=1), **quietly)
    assert (found.missing, found.different) == ([], []), "damage of before does not count"
    assert compare_details.compare(s3, bucket, copy=True, **quietly).copied == 2
    found = compare_details.compare(s3, bucket, **quietly)
    assert (found.same, found.missing, found.different) == (3, [], [])
    assert [partner.show(each) for each in sent] == shown
    # The rules of the bucket end the older versions, and the copies stay.
    calendar.pass_days(400)
    calendar.sweep()
    assert [partner.show(each) for each in sent] == shown


def test_compare_details_command_prints_counts_and_keys(partner, details, stack, aws):
    bucket, (_, _, keys) = stack["outputs"]["DetailsBucket"], details
    surroundings = {
        "AWS_ENDPOINT_URL": stack["endpoint"],
        "AWS_DEFAULT_REGION": stack["region"],
        "AWS_ACCESS_KEY_ID": stack["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": stack["secret_access_key"],
    }
    command = [sys.executable, str(INFRA / "compare_details.py"), bucket]
    aws("s3").delete_object(Bucket=bucket, Key=keys[0])
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 1 and f"missing    {keys[0]}" in done.stdout, done.stderr
    # An hour from now, whatever other tests have damaged is of before.
    done = subprocess.run([*command, "--since", (now() + timedelta(hours=1)).isoformat()], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0 and " 0 missing, 0 different, 0 copied" in done.stdout, done.stderr
