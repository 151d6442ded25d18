"""Objects live as long as somebody needs them: the rules of the template's bucket, applied to each kind of object."""

import json
import secrets
from datetime import timedelta

import pytest
import requests

from api import ALL_OF_2024, compact, instant, is_problem, months_back, new_activity, now, rfc3339
from lifecycle import Calendar, rules

MONTH = f"{months_back(now(), 2):%Y-%m}"


@pytest.fixture(scope="module")
def retention(stack, aws):
    """The days for which exported files are kept."""
    variables = aws("lambda").get_function_configuration(FunctionName=stack["functions"]["exports"])["Environment"]["Variables"]
    return int(variables["RETENTION_DAYS"])


@pytest.fixture
def calendar(stack, aws, partner, retention):
    """The passing of days for the partner's objects."""
    return Calendar(aws("s3"), stack["outputs"]["DataBucket"], rules({"RetentionDays": retention}), f"exports/{partner.name}/")


@pytest.fixture
def monthly(operator, partner):
    """Makes what the month lacks, and returns its export when it is ready."""
    saved = partner.caller.put(f"{partner.path}/export-schedule", json={"from": MONTH, "enabled": True})
    assert saved.status_code == 200, saved.text

    def make():
        answer = operator.post(f"/v1/months/{MONTH}/run", json={"partner": partner.name})
        assert (answer.status_code, answer.json()["created"]) == (202, 1), answer.text
        return partner.ready(MONTH)

    yield make
    assert partner.caller.delete(f"{partner.path}/export-schedule").status_code == 204


@pytest.fixture
def grow_old(stack, aws, partner, calendar):
    """Lets days pass for the partner's objects and for one of its monthly exports."""
    table = {"TableName": stack["outputs"]["ControlTable"]}

    def pass_days(days, export):
        calendar.pass_days(days)
        key = {"pk": {"S": partner.name}, "sk": {"S": f"month#{export}"}}
        job = json.loads(aws("dynamodb").get_item(**table, Key=key)["Item"]["job"]["S"])
        # Not `renewed_at`, which is part of the objects' keys.
        for name in ("created_at", "expires_at"):
            job[name] = rfc3339(instant(job[name]) - timedelta(days=days))
        aws("dynamodb").update_item(
            **table,
            Key=key,
            UpdateExpression="SET job = :job, ea = :ends",
            ExpressionAttributeValues={":job": {"S": compact(job)}, ":ends": {"S": job["expires_at"]}},
        )

    return pass_days


def test_export_can_be_downloaded_until_it_expires(partner, calendar, monthly, grow_old, retention):
    export = monthly()
    content = partner.download(export)
    grow_old(retention - 1, MONTH)
    calendar.sweep()
    assert partner.download(partner.ready(MONTH)) == content
    grow_old(1, MONTH)
    path = f"{partner.path}/exports/{MONTH}"
    assert partner.caller.get(path).json()["status"] == "expired"
    is_problem(partner.caller.get(f"{path}/files/{export['files'][0]['name']}"), 410, "gone")
    # S3 acts at the next midnight.
    grow_old(1, MONTH)
    calendar.sweep()
    assert calendar.keys() == []
    grow_old(retention + 2, MONTH)
    calendar.sweep()
    calendar.sweep()
    assert calendar.leftovers() == []


def test_renewed_month_outlives_the_files_of_its_first_export(partner, calendar, monthly, grow_old, retention):
    first = monthly()
    content, old = partner.download(first), calendar.keys()
    # Expired, but not yet removed: S3 acts up to days later.
    grow_old(retention, MONTH)
    again = monthly()
    assert again["files"] == first["files"]
    assert instant(again["expires_at"]) > now() + timedelta(days=retention - 1)
    calendar.pass_days(1)
    calendar.sweep()
    assert not set(old) & set(calendar.keys())
    assert partner.download(again) == content
    link = partner.link(again, "manifest.json")
    assert requests.get(link, timeout=60).json()["files"] == first["files"]
    # The same again for the renewed export.
    grow_old(retention, MONTH)
    assert partner.download(monthly()) == content


def test_removed_export_is_gone_for_good_within_days(partner, calendar, stack, aws):
    partner.record([new_activity()])
    export = partner.export(**ALL_OF_2024)
    link = partner.link(export, export["files"][0]["name"])
    assert partner.caller.delete(f"{partner.path}/exports/{export['id']}").status_code == 204
    assert requests.get(link, timeout=60).status_code == 404
    assert calendar.keys() == []
    calendar.pass_days(2)
    calendar.sweep()
    markers = aws("s3").list_object_versions(Bucket=stack["outputs"]["DataBucket"], Prefix=f"exports/{partner.name}/")
    assert "Versions" not in markers, markers


def test_details_stay_and_half_written_files_go(partner, calendar, stack, aws):
    activity = new_activity(details={"noise": secrets.token_hex(120_000)})
    partner.record([activity])
    details = Calendar(aws("s3"), stack["outputs"]["DetailsBucket"], rules({}, "DetailsBucket"), f"details/{partner.name}/")
    assert len(details.keys()) == 1
    s3, bucket = aws("s3"), stack["outputs"]["DataBucket"]
    part = {"Bucket": bucket, "Key": f"exports/{partner.name}/J/file.csv"}
    s3.create_multipart_upload(**part)
    # As long as a job's message may wait in its queue.
    queue = aws("sqs").get_queue_attributes(QueueUrl=stack["outputs"]["ExportQueueUrl"], AttributeNames=["MessageRetentionPeriod"])
    calendar.pass_days(int(queue["Attributes"]["MessageRetentionPeriod"]) // 86_400)
    calendar.sweep()
    assert part["Key"] in calendar.leftovers(), "the worker that goes on needs the parts"
    for each in (calendar, details):
        each.pass_days(3_650)
        each.sweep()
    assert part["Key"] not in calendar.leftovers()
    assert json.loads(partner.show(activity))["details"] == activity["details"]
