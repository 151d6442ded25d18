"""All activities on the installation's own event bus, and the table and the delivery of a lake, in a stack with these parameters.

The emulator delivers no event to Firehose, so no file is written.
"""

import json

import pytest
from amounts import amount, report

import stack as local
import tokens
from api import Caller, Partner, batches, eventually, new_activity
from emulator import free_port

COUNT = amount("STREAM_ALL_ACTIVITIES", 0, 500)
DIRECTORY = local.TOOLS / "stream-all"
LAKE = "lake-of-the-tests"

pytestmark = pytest.mark.skipif(COUNT == 0, reason="make soak deploys a stack with StreamAll and LakeBucket")


@pytest.fixture(scope="module")
def installation():
    """A stack with a bus of its own and a lake."""
    local.clean(DIRECTORY)
    try:
        yield local.up(DIRECTORY, free_port(), demo=False, overrides={"StreamAll": "ocsf", "LakeBucket": LAKE, "LakePrefix": "daybook/"})
    finally:
        local.clean(DIRECTORY)


@pytest.fixture(scope="module")
def client(installation):
    return local.clients(installation["port"])


def test_bus_gets_the_activities_of_every_partner_once(installation, client):
    operator = Caller(installation["api_url"], tokens.token(installation, "operator"))
    events, queues = client("events"), client("sqs")
    [bus] = [each["Name"] for each in events.list_event_buses()["EventBuses"] if each["Name"] != "default"]
    queue = queues.create_queue(QueueName="everything")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="everything", EventBusName=bus, EventPattern=json.dumps({"source": ["daybook"]}))
    events.put_targets(Rule="everything", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    partners = [Partner(operator, name).register() for name in ("northwind", "litware")]
    sent = {partner.name: [new_activity() for _ in range(COUNT)] for partner in partners}
    for partner in partners:
        for batch in batches(sent[partner.name]):
            partner.record(batch)
    arrived = []

    def everything_is_there():
        client("lambda").invoke(FunctionName=installation["functions"]["streamer"], Payload=b"{}")
        while messages := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            arrived.extend(json.loads(message["Body"]) for message in messages)
            entries = [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)]
            queues.delete_message_batch(QueueUrl=queue, Entries=entries)
        return len(arrived) >= 2 * COUNT

    eventually(everything_is_there, "the bus has everything", 400 + COUNT // 5)
    for partner in partners:
        of_partner = [event for event in arrived if event["detail"]["metadata"]["tenant_uid"] == partner.name]
        ids = [event["detail"]["metadata"]["uid"].rsplit("/", 1)[-1] for event in of_partner]
        assert sorted(ids) == sorted(each["id"] for each in sent[partner.name])
        assert {(event["detail"]["class_uid"], event["detail-type"]) for event in of_partner} == {(6003, sent[partner.name][0]["action"])}
        # No request shows or changes the stream of the installation.
        assert partner.caller.get(f"{partner.path}/streams").json()["streams"] == []
    report("all activities on the installation's bus", f"{2 * COUNT} activities of 2 partners", 0)

    # The columns of the table take every member of an event.
    [database] = [each["Name"] for each in client("glue").get_databases()["DatabaseList"] if each["Name"] != "default"]
    table = client("glue").get_table(DatabaseName=database, Name="activities")["Table"]
    columns = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
    assert {name for event in arrived for name in event["detail"]} <= columns
    [delivery] = client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    [destination] = client("firehose").describe_delivery_stream(DeliveryStreamName=delivery)["DeliveryStreamDescription"]["Destinations"]
    written = destination["ExtendedS3DestinationDescription"]
    assert written["BucketARN"] == f"arn:aws:s3:::{LAKE}" and written["DataFormatConversionConfiguration"]["Enabled"]
    targets = [
        target["Arn"]
        for rule in events.list_rules(EventBusName=bus)["Rules"]
        for target in events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
    ]
    assert any(f"deliverystream/{delivery}" in target for target in targets)
