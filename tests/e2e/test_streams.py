"""Streams: every destination receives everything that is recorded, in the order of the feed, through faults and real roles."""

import gzip
import json
import os
import random
import signal
import time
import uuid
from datetime import timedelta

import pytest
from amounts import amount, report, setting

import stack as local
from api import batches, eventually, instant, new_activity, now, rfc3339
from processes import running
from receiver import Receiver

COUNT = amount("STREAM_ACTIVITIES", 300, 20_000)
# Kills of the function `streamer` while the runs come twice. `functions/streamer/tests` has such deaths in `make test`.
KILLS = amount("STREAMER_KILLS", 0, 4)
SEED = setting("STREAM_SEED", 1)
# The owner of the buckets, buses and roles. The emulator takes twelve digits for the key of an account.
PARTNERS_ACCOUNT = "210987654321"


@pytest.fixture
def receivers():
    """Two servers, which refuse one of five requests: for activities, and for the audit."""

    def refusing():
        chance = random.Random(SEED)
        return Receiver(lambda: 503 if chance.random() < 0.2 else 204)

    made = refusing(), refusing()
    yield made
    for each in made:
        each.stop()


@pytest.fixture
def theirs(stack):
    """Returns clients of the partner's own account, as in `theirs("s3")`."""
    return local.clients(stack["port"], aws_access_key_id=PARTNERS_ACCOUNT, aws_secret_access_key="test")


def create(partner, **fields):
    answer = partner.caller.post(f"{partner.path}/streams", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def trust(theirs, aws, name, external_id, action, resource):
    """Makes a role of the partner that lets the installation do one thing, with the external id of one stream."""
    account = aws("sts").get_caller_identity()["Account"]
    who = {"Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Condition": {"StringEquals": {"sts:ExternalId": external_id}}}
    document = lambda **fields: json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | fields]})
    theirs("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document(Action="sts:AssumeRole", **who))
    theirs("iam").put_role_policy(RoleName=name, PolicyName="stream", PolicyDocument=document(Action=action, Resource=resource))


class Destinations:
    """A server, a bucket and a bus of the partner, each with a stream, and a server for a stream of the audit."""

    def __init__(self, partner, aws, theirs, receiver, auditor):
        self.partner, self.receiver, self.auditor = partner, receiver, auditor
        self.s3, self.sqs, self.arrived, self.stored = theirs("s3"), theirs("sqs"), [], {}
        self.name = name = f"stream-{uuid.uuid4().hex[:8]}"
        events = theirs("events")
        self.s3.create_bucket(Bucket=name)
        bus = events.create_event_bus(Name=name)["EventBusArn"]
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        queue_arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["daybook"]}))
        events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "queue", "Arn": queue_arn}])
        role = lambda kind: f"arn:aws:iam::{PARTNERS_ACCOUNT}:role/{name}-{kind}"
        https = create(partner, name="siem", destination={"kind": "https", "url": receiver.url, "framing": "array"})
        lake = create(partner, name="lake", destination={"kind": "s3", "bucket": name, "prefix": "log/", "role_arn": role("s3")})
        rules = create(partner, name="rules", destination={"kind": "eventbridge", "bus_arn": bus, "role_arn": role("bus")}, format="ocsf")
        self.audit = create(partner, name="auditor", destination={"kind": "https", "url": auditor.url}, source="audit")
        self.streams = [https, lake, rules]
        trust(theirs, aws, f"{name}-s3", lake["external_id"], "s3:PutObject", f"arn:aws:s3:::{name}/*")
        trust(theirs, aws, f"{name}-bus", rules["external_id"], "events:PutEvents", bus)

    def state(self, stream):
        return self.partner.caller.get(f"{self.partner.path}/streams/{stream['id']}").json()["state"]

    def collect(self):
        """Takes what has arrived since the last time from the queue behind the bus, and from the bucket."""
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            self.arrived += [json.loads(message["Body"])["detail"] for message in messages]
            entries = [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)]
            self.sqs.delete_message_batch(QueueUrl=self.queue, Entries=entries)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"log/partner={self.partner.name}/")
        for key in (each["Key"] for page in pages for each in page.get("Contents", [])):
            if key not in self.stored:
                body = gzip.decompress(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())
                self.stored[key] = [json.loads(line) for line in body.splitlines()]

    def received(self):
        """Returns the activities at the server, and in the bucket in the order of its keys."""
        return [self.receiver.activities(), [activity for _, lines in sorted(self.stored.items()) for activity in lines]]

    def ids(self):
        """Returns the ids at each destination, in the order of their arrival, but for the bus, which keeps none."""
        return [[each["id"] for each in received] for received in self.received()] + [[each["metadata"]["uid"].rsplit("/", 1)[-1] for each in self.arrived]]


def record(partner, chance, count):
    """Records activities of the last months."""
    sent = [new_activity(occurred_at=rfc3339(now() - timedelta(seconds=chance.randint(0, 10_000_000)))) for _ in range(count)]
    for batch in batches(sent):
        partner.record(batch)
        time.sleep(0.2)
    return sent


def recorded_order(activity):
    return activity["recorded_at"], instant(activity["occurred_at"]), activity["id"]


def test_every_destination_receives_everything_in_order(partner, stack, aws, theirs, receivers):
    receiver, auditor = receivers
    there = Destinations(partner, aws, theirs, receiver, auditor)
    begins_at = instant(partner.caller.get(f"{partner.path}/settings").json()["feed_begins_at"])
    time.sleep(max(0, (begins_at - now()).total_seconds()))
    chance = random.Random(SEED)
    sent = record(partner, chance, COUNT)
    wanted = {activity["id"] for activity in sent}

    # As the schedule does every minute.
    visit = lambda **how: aws("lambda").invoke(FunctionName=stack["functions"]["streamer"], Payload=b"{}", **how)

    def all_are_there():
        visit()
        there.collect()
        time.sleep(2)
        # The audit has an entry at least: that its own stream was created.
        return all(wanted <= set(ids) for ids in there.ids()) and auditor.activities()

    eventually(all_are_there, "every destination has everything", 400 + COUNT // 20)
    for received in there.received():
        assert [each["id"] for each in received] == [each["id"] for each in sorted(received, key=recorded_order)]
        assert len(received) == COUNT, "nothing is repeated: a refused batch was not taken"
    assert len(there.arrived) == COUNT and all(each["class_uid"] == 6003 for each in there.arrived)
    entries = auditor.activities()
    assert {entry["action"] for entry in entries} <= {"stream.saved", "settings.saved"}, entries
    assert [entry["recorded_at"] for entry in entries] == sorted(entry["recorded_at"] for entry in entries)
    assert there.state(there.audit)["status"] == "active"
    for stream in there.streams:
        state = there.state(stream)
        assert (state["status"], state["attempts"]) == ("active", 0), state
        assert instant(state["delivered_through"]) >= instant(receiver.activities()[-1]["recorded_at"]), state
    waits = sorted((each.at - instant(activity["recorded_at"])).total_seconds() for each in receiver.accepted for activity in json.loads(each.body))
    median, almost_all = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    figures = f"delivered after {median:.0f} s (median), {almost_all:.0f} s (99th percentile), with a visit every few seconds instead of each minute"
    report("streams to a server, a bucket and a bus", f"{COUNT} activities, one of five requests to the server refused; {figures}", SEED)
    if KILLS == 0:
        return

    # The same with runs that come twice, of a function that is killed. A killed run leaves its lease, so each kill takes minutes.
    sent += record(partner, chance, COUNT)
    wanted, killed = {activity["id"] for activity in sent}, 0

    def all_are_there_after_kills():
        nonlocal killed
        for _ in range(2):
            visit(InvocationType="Event")
        time.sleep(chance.random() * 3)
        ended = [number for number, function in running(stack) if function == "streamer" and killed < KILLS]
        for number in ended:
            os.kill(number, signal.SIGKILL)
        killed += len(ended)
        there.collect()
        return killed >= KILLS and all(wanted <= set(ids) for ids in there.ids())

    eventually(all_are_there_after_kills, "every destination has everything after kills", 600 + COUNT // 20 + 400 * KILLS)
    for received in there.received():
        # A repeated batch goes on where the killed run stood, so what comes first is in order.
        firsts = list({each["id"]: each for each in received}.values())
        assert [each["id"] for each in firsts] == [each["id"] for each in sorted(firsts, key=recorded_order)]
        assert {each["id"] for each in received} == wanted
    repeated = [len(ids) - len(wanted) for ids in there.ids()]
    report("the same, with each run twice and the function killed", f"{len(sent) - COUNT} activities, {killed} kills; repeated: {repeated}", SEED)
