"""Intake: activities that arrive through the queue, each message on its own."""

import json

import pytest
import redrive

from api import ALL_OF_2024, compact, eventually, new_activity


@pytest.fixture
def send(aws, stack):
    """Sends a message to the intake."""

    def send(body):
        body = body if isinstance(body, str) else compact(body)
        aws("sqs").send_message(QueueUrl=stack["outputs"]["IntakeQueueUrl"], MessageBody=body)

    return send


@pytest.fixture
def dead(aws, stack):
    """The bodies of what is among the dead letters."""

    def dead():
        queue = stack["outputs"]["IntakeDeadLetterQueueUrl"]
        found = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [message["Body"] for message in found]

    return dead


@pytest.fixture
def impatient(aws, stack):
    """Lets messages that failed come back after a second instead of minutes."""
    queue = stack["outputs"]["IntakeQueueUrl"]
    usual = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    yield
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes=usual)


def test_intake_records_activities_batches_and_cloud_events(partner, send):
    one, *many, evented = sent = [new_activity(details={"n": number}) for number in range(5)]
    send({"partner": partner.name, "activity": one})
    send({"partner": partner.name, "activities": many})
    data = {name: value for name, value in evented.items() if name not in ("id", "occurred_at", "action")}
    send(
        {
            "specversion": "1.0",
            "partner": partner.name,
            "id": evented["id"],
            "source": "billing",
            "type": evented["action"],
            "time": evented["occurred_at"],
            "data": data,
        }
    )
    # The queue may deliver twice: so may a sender.
    send({"partner": partner.name, "activities": many})
    found = eventually(lambda: len(ids := partner.ids(**ALL_OF_2024)) == len(sent) and ids, "all are recorded")
    assert sorted(found) == sorted(activity["id"] for activity in sent)
    assert json.loads(partner.show(one))["details"] == {"n": 0}


def test_malformed_message_goes_to_the_dead_letters_alone(partner, send, dead, impatient, aws, stack):
    good, half = [new_activity() for _ in range(6)], new_activity()
    nameless = {name: value for name, value in new_activity().items() if name != "id"}
    bad = [
        "no JSON",
        compact({"partner": "no such name!", "activity": new_activity()}),
        compact({"partner": partner.name, "activity": new_activity(action="Order")}),
        compact({"partner": partner.name, "activity": nameless}),
        compact({"partner": partner.name, "activities": [half, new_activity(occurred_at="never")]}),
    ]
    for number, activity in enumerate(good):
        send({"partner": partner.name, "activity": activity})
        if number < len(bad):
            send(bad[number])
    expected = sorted(activity["id"] for activity in [*good, half])
    eventually(lambda: sorted(partner.ids(**ALL_OF_2024)) == expected, "the good ones are recorded")
    eventually(lambda: set(dead()) == set(bad), "the others are dead letters", seconds=240)
    # Messages that are redriven stay malformed, and their good activities are not recorded twice.
    moved = redrive.move_all(aws("sqs"), stack["outputs"])
    assert moved["intake"] == len(bad)
    eventually(lambda: set(dead()) == set(bad), "they are dead letters again", seconds=240)
    assert sorted(partner.ids(**ALL_OF_2024)) == expected
    aws("sqs").purge_queue(QueueUrl=stack["outputs"]["IntakeDeadLetterQueueUrl"])
