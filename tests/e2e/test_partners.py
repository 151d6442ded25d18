"""Partners are registered, suspended and leave."""

import json
import time
from datetime import timedelta

import pytest

from api import ALL_OF_2024, Partner, check_problem, eventually, instant, is_problem, new_activity, now, rfc3339


@pytest.fixture
def unknown(operator, names):
    """A partner that nobody has registered."""
    return Partner(operator, names())


def run_keeper(stack, aws, **event):
    """Runs the keeper once, as its schedule does."""
    answer = aws("lambda").invoke(FunctionName=stack["functions"]["keeper"], Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def test_partner_is_registered_shown_and_listed(unknown, operator):
    is_problem(operator.get(unknown.path), 404, "not-found")
    made = operator.put(unknown.path, json={"name": "Tailspin Toys", "time_zone": "Europe/Paris"})
    assert made.status_code == 201, made.text
    shown = made.json()
    assert shown["partner_id"] == unknown.name and shown["name"] == "Tailspin Toys" and shown["time_zone"] == "Europe/Paris"
    assert shown["status"] == "active" and shown["months"] == 0 and shown["first_month"] is None and shown["retention_months"] is None
    unknown.record([new_activity(), new_activity(occurred_at="2024-05-05T09:30:00Z")])
    # Absent members stay, null sets the default.
    changed = operator.put(unknown.path, json={"time_zone": None}).json()
    assert (changed["name"], changed["time_zone"]) == ("Tailspin Toys", "UTC")
    shown = operator.get(unknown.path).json()
    assert (shown["first_month"], shown["last_month"], shown["months"]) == ("2024-03", "2024-05", 2)
    assert set(shown["updated_by"]) == {"subject", "name"}

    def listed():
        found, cursor = [], None
        while True:
            answer = operator.get("/v1/partners", params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
            assert answer.status_code == 200, answer.text
            found += answer.json()["partners"]
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                return found

    found = eventually(lambda: [each for each in listed() if each["partner_id"] == unknown.name], "the partner is listed")
    assert found == [operator.get(unknown.path).json()]
    ids = [each["partner_id"] for each in listed()]
    assert ids == sorted(ids) and len(set(ids)) == len(ids) and "contoso" in ids


def test_recording_for_a_partner_that_is_not_registered_is_refused(unknown, operator):
    problem = is_problem(unknown.send(new_activity()), 404, "not-found")
    assert "registered" in problem["detail"]
    batch = unknown.send({"activities": [new_activity()]}).json()
    assert batch["rejected"] == 1
    check_problem(batch["results"][0]["problem"], 404, "not-found")
    is_problem(operator.get(f"{unknown.path}/retention"), 404, "not-found")
    assert unknown.list(**ALL_OF_2024).json()["activities"] == []


def test_a_message_for_a_partner_that_is_not_registered_becomes_a_dead_letter(stack, aws, unknown):
    sqs, outputs = aws("sqs"), stack["outputs"]
    activity = new_activity()
    sqs.send_message(QueueUrl=outputs["IntakeQueueUrl"], MessageBody=json.dumps({"partner": unknown.name, "activity": activity}))

    def letter():
        found = sqs.receive_message(QueueUrl=outputs["IntakeDeadLetterQueueUrl"], MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=1)
        return [each for each in found.get("Messages", []) if activity["id"] in each["Body"]]

    (found,) = eventually(letter, "the message is a dead letter")
    assert "registered" in found["MessageAttributes"]["reason"]["StringValue"]
    sqs.delete_message(QueueUrl=outputs["IntakeDeadLetterQueueUrl"], ReceiptHandle=found["ReceiptHandle"])


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 257}, "/name"),
        ({"name": 5}, "/name"),
        ({"time_zone": "Mars"}, "/time_zone"),
        ({"status": "gone"}, "/status"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_faulty_registration_is_refused_and_changes_nothing(unknown, operator, body, pointer):
    is_problem(operator.put(unknown.path, json=body), 400, "invalid-request", pointer)
    is_problem(operator.get(unknown.path), 404, "not-found")


def test_the_installations_own_name_is_no_partner(operator):
    is_problem(operator.put("/v1/partners/_installation", json={}), 400, "invalid-request", "/partner")


def test_suspended_partner_reads_and_records_again_within_a_minute(partner, operator):
    partner.record([new_activity()])
    assert operator.put(partner.path, json={"status": "suspended"}).json()["status"] == "suspended"
    refused = partner.refusal(new_activity(), 403)
    assert "suspended" in is_problem(refused, 403, "forbidden")["detail"]
    assert len(partner.list(**ALL_OF_2024).json()["activities"]) >= 1
    assert partner.download(partner.export(**ALL_OF_2024))
    assert operator.put(partner.path, json={"status": "active"}).json()["status"] == "active"
    eventually(lambda: partner.send(new_activity()).status_code == 201, "the partner records again", 70)


def test_partner_leaves_with_a_last_export_and_a_record_stays(stack, aws, partner, operator):
    activity = new_activity(details={"text": "of the partner that leaves " * 100})
    partner.record([activity])
    for days in ("0", "x", "4000"):
        is_problem(operator.delete(f"{partner.path}?days={days}"), 400, "invalid-request", "/days")
    leaving = operator.delete(f"{partner.path}?days=1")
    assert leaving.status_code == 202, leaving.text
    shown = leaving.json()
    assert shown["status"] == "leaving"
    ordered_at, deletes_at = (instant(shown["leaving"][name]) for name in ("ordered_at", "deletes_at"))
    assert deletes_at - ordered_at == timedelta(days=1)
    # The last export holds everything, and can be downloaded.
    export = partner.ready(shown["leaving"]["last_export"])
    assert activity["id"].encode() in partner.download(export)
    # Taken back, nothing is deleted; ordered again, the days count anew and the export stays.
    assert operator.put(partner.path, json={"status": "active"}).json()["status"] == "active"
    again = operator.delete(f"{partner.path}?days=1&export=false").json()
    assert again["leaving"]["last_export"] is None
    # For a minute, a function may remember that the partner records.
    time.sleep(61)
    is_problem(partner.send(new_activity()), 403, "forbidden")
    # A hold puts the deletion off.
    hold = operator.post(f"{partner.path}/holds", json={"reason": "a court asks"}).json()
    later = rfc3339(now() + timedelta(days=1, hours=1))
    run_keeper(stack, aws, now=later, partner=partner.name)
    assert operator.get(partner.path).json()["status"] == "leaving"
    assert operator.delete(f"{partner.path}/holds/{hold['id']}").status_code == 204
    run_keeper(stack, aws, now=later, partner=partner.name)
    gone = eventually(lambda: (found := operator.get(partner.path).json())["status"] == "deleted" and found, "the partner is deleted")
    assert gone["name"] is None and gone["left"][0]["counts"]["activities"] >= 1
    assert partner.list(**ALL_OF_2024).json()["activities"] == []
    is_problem(partner.caller.get(f"{partner.path}/exports/{export['id']}"), 404, "not-found")
    # Sent again, the activity is gone for good, also for a partner of the same name.
    problem = partner.refusal(activity, 410)
    is_problem(problem, 410, "gone")
    assert operator.put(partner.path, json={}).status_code == 201
    is_problem(partner.send(activity), 410, "gone")
