"""Streams: every destination receives everything that is recorded, in the order of the feed, through faults and real roles."""

import gzip
import json
import random
import time
import uuid
from datetime import timedelta

import pytest
from amounts import amount, report, setting

import stack as local
from api import batches, eventually, instant, new_activity, now, rfc3339
from receiver import Receiver

COUNT = amount("STREAM_ACTIVITIES", 300, 20_000)
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


def test_every_destination_receives_everything_in_order(partner, stack, aws, theirs, receivers):
    receiver, auditor = receivers
    name = f"stream-{uuid.uuid4().hex[:8]}"
    s3, events, sqs = theirs("s3"), theirs("events"), theirs("sqs")
    s3.create_bucket(Bucket=name)
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["daybook"]}))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "queue", "Arn": queue_arn}])
    role = lambda kind: f"arn:aws:iam::{PARTNERS_ACCOUNT}:role/{name}-{kind}"
    https = create(partner, name="siem", destination={"kind": "https", "url": receiver.url, "framing": "array"})
    lake = create(partner, name="lake", destination={"kind": "s3", "bucket": name, "prefix": "log/", "role_arn": role("s3")})
    rules = create(partner, name="rules", destination={"kind": "eventbridge", "bus_arn": bus, "role_arn": role("bus")}, format="ocsf")
    audit = create(partner, name="auditor", destination={"kind": "https", "url": auditor.url}, source="audit")
    trust(theirs, aws, f"{name}-s3", lake["external_id"], "s3:PutObject", f"arn:aws:s3:::{name}/*")
    trust(theirs, aws, f"{name}-bus", rules["external_id"], "events:PutEvents", bus)

    begins_at = instant(partner.caller.get(f"{partner.path}/settings").json()["feed_begins_at"])
    time.sleep(max(0, (begins_at - now()).total_seconds()))
    chance = random.Random(SEED)
    sent = [new_activity(occurred_at=rfc3339(now() - timedelta(seconds=chance.randint(0, 10_000_000)))) for _ in range(COUNT)]
    for batch in batches(sent):
        partner.record(batch)
        time.sleep(0.2)

    arrived = []

    def drain():
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                arrived.append(json.loads(message["Body"])["detail"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def stored():
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=f"log/partner={partner.name}/")
        keys = sorted(each["Key"] for page in pages for each in page.get("Contents", []))
        bodies = (gzip.decompress(s3.get_object(Bucket=name, Key=key)["Body"].read()) for key in keys)
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    posted = receiver.activities
    wanted = {activity["id"] for activity in sent}

    def all_are_there():
        # As the schedule does every minute.
        aws("lambda").invoke(FunctionName=stack["functions"]["streamer"], Payload=b"{}")
        drain()
        time.sleep(2)
        found = [{each["id"] for each in posted()}, {each["id"] for each in stored()}, {each["metadata"]["uid"].rsplit("/", 1)[-1] for each in arrived}]
        # The audit has an entry at least: that its own stream was created.
        return all(wanted <= each for each in found) and auditor.activities()

    eventually(all_are_there, "every destination has everything", 400)
    order = lambda activity: (activity["recorded_at"], instant(activity["occurred_at"]), activity["id"])
    for received in (posted(), stored()):
        assert [each["id"] for each in received] == [each["id"] for each in sorted(received, key=order)]
        assert len(received) == COUNT, "nothing is repeated: a refused batch was not taken"
    assert len(arrived) == COUNT and all(each["class_uid"] == 6003 for each in arrived)
    entries = auditor.activities()
    assert {entry["action"] for entry in entries} <= {"stream.saved", "settings.saved"}, entries
    assert [entry["recorded_at"] for entry in entries] == sorted(entry["recorded_at"] for entry in entries)
    assert partner.caller.get(f"{partner.path}/streams/{audit['id']}").json()["state"]["status"] == "active"
    for stream in (https, lake, rules):
        state = partner.caller.get(f"{partner.path}/streams/{stream['id']}").json()["state"]
        assert (state["status"], state["attempts"]) == ("active", 0), state
        assert instant(state["delivered_through"]) >= instant(posted()[-1]["recorded_at"]), state
    waits = sorted((each.at - instant(activity["recorded_at"])).total_seconds() for each in receiver.accepted for activity in json.loads(each.body))
    median, almost_all = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    figures = f"delivered after {median:.0f} s (median), {almost_all:.0f} s (99th percentile), with a visit every few seconds instead of each minute"
    report("streams to a server, a bucket and a bus", f"{COUNT} activities, one of five requests to the server refused; {figures}", SEED)
