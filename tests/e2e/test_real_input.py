"""Real input: a public set of audit records is recorded, listed and exported, then compared with the originals."""

import hashlib
import json
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from amounts import amount

import spreadsheet
from api import Partner, batches, check_problem, compact, in_parallel, instant, members, newest_first

RECORDS = Path(__file__).parents[2] / ".." / "shared" / "data" / "cloudtrail.jsonl"
PERIOD = {"from": "2023-07-01", "to": "2023-07-31"}
ZONE = "Europe/Paris"
# Pages that a list of small pages reads.
PAGES = amount("PAGES", 20, 1_500)
# One in so many records is asked for alone.
STEP = amount("RECORDS_STEP", 10, 1)

pytestmark = pytest.mark.skipif(not RECORDS.exists(), reason="the records of ../shared/data/cloudtrail.jsonl are not here")


def words(name):
    """Converts `GetBucketAcl` to `get_bucket_acl`."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def read_as_activity(line):
    record = json.loads(line)
    who = record["userIdentity"]
    kinds = {"IAMUser": "user", "AssumedRole": "application", "AWSService": "system", None: "system"}
    actor = {
        "type": kinds[who.get("type")],
        "id": who.get("arn") or who.get("principalId") or who["invokedBy"],
        "ip": record["sourceIPAddress"],
        "user_agent": record["userAgent"],
    }
    if "userName" in who:
        actor["name"] = who["userName"]
    activity = {
        "id": record["eventID"],
        "occurred_at": record["eventTime"],
        "customer": {"id": record["recipientAccountId"]},
        "action": f"{words(record['eventSource'].split('.')[0])}.{words(record['eventName'])}",
        "status": "failed" if "errorCode" in record else "succeeded",
        "actor": actor,
    }
    if record.get("resources"):
        resource = record["resources"][0]
        activity["target"] = {"id": resource["ARN"]} | ({"type": resource["type"]} if "type" in resource else {})
    return activity


class Sent:
    """Returns an activity, and its details as the text of the record."""

    def __init__(self, line):
        self.activity, self.details = read_as_activity(line), line
        self.id, self.occurred_at = self.activity["id"], self.activity["occurred_at"]

    def json(self, **changes):
        return f'{compact(self.activity | changes)[:-1]},"details":{self.details}}}'


def batch_of(sent, **changes):
    return '{"activities":[' + ",".join(one.json(**changes) for one in sent) + "]}"


@pytest.fixture(scope="module")
def recorded(operator, names):
    """The partner, the sent activities (newest first), and the answer to each batch."""
    partner = Partner(operator, names()).register()
    sent = [Sent(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
    partner.answers = [partner.send(batch_of(batch)) for batch in batches(sent)]
    order = {activity["id"]: place for place, activity in enumerate(newest_first(one.activity for one in sent))}
    partner.sent = sorted(sent, key=lambda one: order[one.id])
    partner.in_order_of_sending = sent
    return partner


def test_every_record_is_recorded(recorded):
    assert len(recorded.sent) == 1_445
    results = []
    for answer in recorded.answers:
        assert answer.status_code == 200, answer.text[:500]
        results += answer.json()["results"]
        assert answer.json()["rejected"] == answer.json()["duplicates"] == 0
    assert [result["id"] for result in results] == [one.id for one in recorded.in_order_of_sending]
    assert {result["status"] for result in results} == {"recorded"}


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_every_record_is_listed_once_on_pages_of_any_size(recorded, limit):
    # Small pages list the newest records only.
    first = recorded.sent[: PAGES * limit][-1].occurred_at
    expected = [one for one in recorded.sent if instant(one.occurred_at) >= instant(first)]
    listed = recorded.all(**PERIOD | {"from": first}, limit=limit)
    assert [one["id"] for one in listed] == [one.id for one in expected]
    for shown, sent in zip(listed, expected, strict=True):
        assert instant(shown["occurred_at"]) == instant(sent.occurred_at)
        assert {name: shown[name] for name in sent.activity if name != "occurred_at"} == {
            name: value for name, value in sent.activity.items() if name != "occurred_at"
        }
        assert shown["details_size"] == len(sent.details.encode())


def test_details_of_every_record_come_back_unchanged(recorded):
    sent = recorded.sent[::STEP]
    shown = in_parallel(lambda one: members(recorded.show(one.activity))["details"], sent)
    assert shown == [one.details for one in sent]


def test_repeated_records_are_duplicates(recorded):
    for batch in batches(recorded.in_order_of_sending):
        answer = recorded.send(batch_of(batch))
        assert answer.status_code == 200, answer.text[:500]
        assert {result["status"] for result in answer.json()["results"]} == {"duplicate"}
        assert (answer.json()["recorded"], answer.json()["duplicates"]) == (0, len(batch))
    assert recorded.ids(**PERIOD, limit=1000) == [one.id for one in recorded.sent]


def test_same_ids_with_other_content_are_conflicts(recorded):
    batch = recorded.in_order_of_sending[:100]
    answer = recorded.send(batch_of(batch, correlation_id="changed"))
    for result in answer.json()["results"]:
        check_problem(result["problem"], 409, "conflict")
    single = recorded.send(batch[0].json(status="in_progress"))
    check_problem(single.json(), 409, "conflict")
    assert members(recorded.show(batch[0].activity))["details"] == batch[0].details
    assert recorded.ids(**PERIOD, limit=1000) == [one.id for one in recorded.sent]


@pytest.mark.parametrize(
    "locale, status",
    [
        ("en", {"succeeded": "Succeeded", "failed": "Failed"}),
        ("fr", {"succeeded": "Réussite", "failed": "Échec"}),
    ],
)
def test_every_record_is_exported_to_csv_unchanged(recorded, locale, status):
    export = recorded.export(**PERIOD, time_zone=ZONE, locale=locale)
    content = recorded.download(export)
    [file] = export["files"]
    assert (file["rows"], file["bytes"]) == (1_445, len(content))
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert export["progress"] == {"rows": 1_445, "bytes": len(content), "fraction": 1.0}
    assert content.count(b"\n") == content.count(b"\r\n") == 1_446

    header, rows = spreadsheet.rows(content, locale)
    assert len(header) == spreadsheet.COLUMNS
    for row, one in zip(rows, recorded.sent, strict=True):
        sent, target = one.activity, one.activity.get("target", {})
        assert row == [
            instant(one.occurred_at).astimezone(ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M:%S"),
            sent["customer"]["id"],
            sent["action"],
            sent["actor"].get("name") or sent["actor"]["id"],
            status[sent["status"]],
            "",
            f"{target.get('type', '')} {target.get('id', '')}".strip(),
            "",
            one.details,
            sent["customer"]["id"],
            sent["actor"]["id"],
            "",
            sent["actor"].get("ip", ""),
            target.get("type", ""),
            target.get("id", ""),
            sent["action"],
            "",
            sent.get("correlation_id", ""),
            sent.get("source", ""),
            one.id,
            one.occurred_at.replace("Z", ".000000Z"),
            row[spreadsheet.RECORDED_AT],
        ]


def test_every_record_is_exported_to_jsonl_unchanged(recorded):
    export = recorded.export(**PERIOD, format="jsonl")
    lines = recorded.download(export).decode().splitlines()
    shown = [members(line) for line in lines]
    assert [(json.loads(one["id"]), one["details"]) for one in shown] == [(one.id, one.details) for one in recorded.sent]


def test_records_are_found_and_exported_by_action(recorded):
    expected = [one.id for one in recorded.sent if one.activity["action"].startswith("iam.") and one.activity["status"] == "failed"]
    assert 0 < len(expected) < 1_445
    assert recorded.ids(**PERIOD, action="iam.*", status="failed", limit=5) == expected
    export = recorded.export(**PERIOD, action="iam.*", status="failed")
    _, rows = spreadsheet.rows(recorded.download(export), "en")
    assert [row[spreadsheet.ACTIVITY_ID] for row in rows] == expected
