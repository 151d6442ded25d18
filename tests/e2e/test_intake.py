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

    queue = stack["outputs"]["IntakeDeadLetterQueueUrl"]

    def dead():
        found = {}
        while messages := aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=30).get("Messages", []):
            found |= {message["MessageId"]: message for message in messages}
        for message in found.values():
            aws("sqs").change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        return [message["Body"] for message in found.values()]

    return dead


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


def test_malformed_message_goes_to_the_dead_letters_alone(partner, send, dead, aws, stack):
    """The messages fail for good at their first try: the queue would deliver them again after six minutes only."""
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
    eventually(lambda: set(bad) <= set(dead()), "the others are dead letters")
    # Messages that are redriven stay malformed, and their good activities are not recorded twice.
    moved = redrive.work(aws("sqs"), stack["outputs"], [redrive.ALL], []).sent
    assert moved["intake"] >= len(bad)
    eventually(lambda: set(bad) <= set(dead()), "they are dead letters again")
    assert sorted(partner.ids(**ALL_OF_2024)) == expected
    aws("sqs").purge_queue(QueueUrl=stack["outputs"]["IntakeDeadLetterQueueUrl"])


def test_dead_letter_names_reason_and_activity(partner, send, dead, aws, stack):
    good, bad, changed = new_activity(), new_activity(action="Order", colour=1), new_activity()
    assert partner.send(changed).status_code == 201
    send({"partner": partner.name, "activities": [good, bad, changed | {"status": "failed"}]})
    body = compact({"partner": partner.name, "activities": [good, bad, changed | {"status": "failed"}]})
    eventually(lambda: body in dead(), "the message is a dead letter")
    found = redrive.work(aws("sqs"), stack["outputs"], [], [])
    (letter,) = [letter for letter in found.kept if letter.partner == partner.name]
    assert letter.queue == "intake" and letter.activities == [bad["id"], changed["id"]]
    assert f"activity 1 ({bad['id']}): /colour" in letter.reason and "/action" in letter.reason
    assert f"activity 2 ({changed['id']}): another activity with this id and occurred_at" in letter.reason
    assert sorted(partner.ids(**ALL_OF_2024)) == sorted([good["id"], changed["id"]])
    dropped = redrive.work(aws("sqs"), stack["outputs"], [], [letter.id])
    assert dropped.dropped["intake"] == 1 and letter.id not in [each.id for each in dropped.kept]
    assert body not in dead()


def test_dead_letters_are_chosen_by_queue_or_id(partner, send, dead, aws, stack):
    activities = [new_activity(action="Order") for _ in range(3)]
    bodies = [compact({"partner": partner.name, "activity": activity}) for activity in activities]
    for body in bodies:
        send(body)
    eventually(lambda: set(bodies) <= set(dead()), "all are dead letters")
    shown = [letter for letter in redrive.work(aws("sqs"), stack["outputs"], [], []).kept if letter.partner == partner.name]
    assert len(shown) == len(bodies)
    (first,) = [letter for letter in shown if letter.activities == [activities[0]["id"]]]
    sent = redrive.work(aws("sqs"), stack["outputs"], [first.id[:13]], [])
    assert sent.sent["intake"] == 1
    # The letter that was sent again may be back already, under another id.
    kept = {letter.id for letter in sent.kept if letter.partner == partner.name}
    assert first.id not in kept and {letter.id for letter in shown} - {first.id} <= kept
    eventually(lambda: bodies[0] in dead(), "the letter that was sent again is one again")
    # Letters that are back at once do not keep the command busy.
    assert redrive.work(aws("sqs"), stack["outputs"], ["intake"], []).sent["intake"] >= len(bodies)
    eventually(lambda: set(bodies) <= set(dead()), "all are dead letters again")
    for words in (["nobody-has-this-id"], ["short"]):
        with pytest.raises(redrive.UserFacingError):
            redrive.work(aws("sqs"), stack["outputs"], words, [])
    assert redrive.work(aws("sqs"), stack["outputs"], [], ["intake"]).dropped["intake"] >= len(bodies)
    assert not set(bodies) & set(dead())
