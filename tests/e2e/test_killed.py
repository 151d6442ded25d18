"""Deployed programs are killed (SIGKILL) at random points and started again; unfinished messages are delivered again.

No activity is lost or doubled, and an export has the same bytes as an undisturbed one. The last test leaves the deliveries to
the emulator's own queue.

`KILLS=200` sets the kills of each test, `KILL_SEED=` other points.
"""

import io
import json
import os
import random
import signal
import uuid
import zipfile

import pytest
from amounts import amount, report, setting

import spreadsheet
from api import ALL_OF_2024, eventually, instant, new_activity
from host import Host, Process, messages, request
from processes import running

KILLS = amount("KILLS", 5, 60)
SEED = setting("KILL_SEED", 1)
# These tests switch off the stack's own workers.
pytestmark = pytest.mark.alone
RESOURCE = "/v1/partners/{partner}/activities"


@pytest.fixture
def chance():
    print(f"\nKILL_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture
def host(stack, aws, chance):
    """Starts functions whose processes are killed."""
    made = []

    def make(name):
        made.append(Host(lambda: Process(stack, aws, name), chance))
        return made[-1]

    yield make
    for each in made:
        each.end()


def some(chance):
    """Returns the activities of a message, with details in the item, in an item of their own, and in the bucket."""
    size = lambda: chance.choice([20] * 8 + [4_000] * 3 + [120_000])
    return [new_activity(details={"noise": chance.randbytes(size() // 2).hex()}) for _ in range(10)]


def test_killed_recorders_lose_and_double_nothing(host, partner, chance):
    record, sent, statuses = host("record"), [], {"recorded": 0, "duplicate": 0}
    waiting = []
    while record.killed < KILLS or waiting:
        if not waiting:
            waiting = [some(chance)]
            sent += waiting[0]
        batch = waiting.pop()
        present = set(partner.ids(**ALL_OF_2024, limit=1_000))
        answer = record.invoke(request("POST", RESOURCE, partner.name, {"activities": batch}), kill=record.killed < KILLS)
        if answer is None:
            waiting.append(batch)
            continue
        assert answer["statusCode"] == 200, answer
        found = set(partner.ids(**ALL_OF_2024, limit=1_000))
        for activity, result in zip(batch, json.loads(answer["body"])["results"]):
            assert result["status"] in statuses, result
            # A write of a killed process may arrive after its end.
            assert result["status"] == "duplicate" or activity["id"] not in present, result
            assert activity["id"] in found, "an acknowledged activity is missing"
            statuses[result["status"]] += 1
        if chance.random() < 0.3:
            waiting.append(batch)
    check(partner, sent, chance)
    report("recorders killed", f"{record.killed} kills, {len(sent)} activities", SEED)


def test_killed_intakes_lose_and_double_nothing(host, partner, chance):
    intake, sent, deliveries = host("intake"), [], 0
    waiting = {}
    while intake.killed < KILLS or waiting:
        if intake.killed < KILLS:
            for activities in [some(chance) for _ in range(4)]:
                body = json.dumps({"partner": partner.name, "activities": activities})
                # A queue may deliver a message several times.
                copies = chance.choice([1, 1, 1, chance.randint(2, 10)])
                waiting |= {str(uuid.uuid4()): body for _ in range(copies)}
                sent += activities
        taken = dict(chance.sample(sorted(waiting.items()), min(len(waiting), 8)))
        deliveries += len(taken)
        answer = intake.invoke(messages(taken), kill=intake.killed < KILLS)
        if answer is not None:
            failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            waiting = {name: body for name, body in waiting.items() if name not in taken or name in failed}
    check(partner, sent, chance)
    report("intake killed", f"{intake.killed} kills, {len(sent)} activities, {deliveries} deliveries", SEED)


def check(partner, sent, chance):
    """Checks that every sent activity is stored once and unchanged."""
    listed = partner.ids(**ALL_OF_2024, limit=1_000)
    assert sorted(listed) == sorted(activity["id"] for activity in sent)
    for activity in chance.sample(sent, min(len(sent), 20)):
        assert json.loads(partner.show(activity))["details"] == activity["details"]


@pytest.fixture
def jobs(stack, aws):
    """Receives export jobs from their queue, while the emulator's own worker is off."""
    functions, queue = aws("lambda"), aws("sqs").get_queue_url
    worker = stack["functions"]["export-worker"]
    source = functions.list_event_source_mappings(FunctionName=worker)["EventSourceMappings"][0]
    name = source["EventSourceArn"].rsplit(":", 1)[-1]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)

    def take():
        url = queue(QueueName=name)["QueueUrl"]
        [message] = aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message["Body"]

    yield take
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)


@pytest.fixture
def expected(partner):
    """Activities that fill several parts of a file, with the files of undisturbed exports by format."""
    sent = [
        new_activity(occurred_at=f"2024-{1 + number % 12:02}-05T09:30:00.{number:06}Z", details={"text": "x" * 25_000, "number": number})
        for number in range(1_000)
    ]
    for start in range(0, len(sent), 200):
        partner.record(sent[start : start + 200])
    return {name: contents(partner, partner.export(**ALL_OF_2024, **form)) for name, form in FORMS.items()}


FORMS = {
    "csv": {"format": "csv"},
    "jsonl": {"format": "jsonl"},
    "gzip": {"format": "jsonl", "compression": "gzip"},
    "xlsx": {"format": "xlsx"},
}


def contents(partner, export):
    files = [partner.download(export, number) for number in range(len(export["files"]))]
    return [parts_of_workbook(content, export) for content in files] if export["format"] == "xlsx" else files


def parts_of_workbook(content, export):
    """Returns the bytes of each part of a workbook, and the facts of its first sheet.

    One fact differs between exports, and must be that of this export: the instant through which the data are complete, to the second."""
    facts, _ = spreadsheet.workbook(content)
    assert facts.pop("Complete through") == instant(export["complete_through"]).replace(microsecond=0, tzinfo=None)
    with zipfile.ZipFile(io.BytesIO(content)) as workbook:
        return [(name, workbook.read(name)) for name in workbook.namelist() if name != "xl/worksheets/sheet1.xml"], facts


def test_killed_export_workers_write_the_same_bytes(host, partner, expected, jobs, chance, stack, aws):
    worker, made, deliveries = host("export-worker"), 0, 0
    control = stack["outputs"]["ControlTable"]
    while worker.killed < KILLS:
        form = list(FORMS)[made % len(FORMS)]
        ordered = partner.order({**ALL_OF_2024, **FORMS[form]})
        assert ordered.status_code == 202, ordered.text
        export, body = ordered.json()["id"], jobs()
        made += 1
        for tries in range(1, 100):
            deliveries += 1
            # A job whose workers have died five times has failed.
            answer = worker.invoke(messages({str(uuid.uuid4()): body}), seconds=900, kill=tries <= 4)
            shown = partner.caller.get(f"{partner.path}/exports/{export}").json()
            if shown["status"] == "ready":
                assert contents(partner, shown) == expected[form], f"{form}: the bytes differ"
            if answer == {"batchItemFailures": []}:
                break
            pass_lease(aws, control, partner, export)
        assert shown["status"] == "ready", shown
        # A repeated message changes nothing.
        assert worker.invoke(messages({"again": body}), seconds=900, kill=False) == {"batchItemFailures": []}
        assert partner.caller.get(f"{partner.path}/exports/{export}").json() == shown
    report("export workers killed", f"{worker.killed} kills, {made} exports, {deliveries} deliveries", SEED)


def pass_lease(aws, table, partner, export):
    """Ends the lease of a dead worker, which otherwise lasts five minutes."""
    job = {"pk": {"S": partner.name}, "sk": {"S": f"export#{export}"}}
    if "lease" in job_of(aws, table, partner, export):
        aws("dynamodb").update_item(
            TableName=table, Key=job, UpdateExpression="SET lease = :past", ExpressionAttributeValues={":past": {"S": "2024-01-01T00:00:00.000000Z"}}
        )


def job_of(aws, table, partner, export):
    return aws("dynamodb").get_item(TableName=table, Key={"pk": {"S": partner.name}, "sk": {"S": f"export#{export}"}})["Item"]


@pytest.fixture
def short_lease(stack, aws):
    """Shortens the lease of the deployed worker from five minutes to 15 seconds, and so the time that its messages stay hidden."""
    functions, name = aws("lambda"), {"FunctionName": stack["functions"]["export-worker"]}
    usual = functions.get_function_configuration(**name)["Environment"]["Variables"]
    functions.update_function_configuration(**name, Environment={"Variables": usual | {"LEASE_SECONDS": "15"}})
    yield
    functions.update_function_configuration(**name, Environment={"Variables": usual})


def test_queue_gives_the_job_of_a_killed_worker_to_another(stack, aws, partner, short_lease):
    """Nothing but the worker is killed: its message comes back by itself, long before the queue's own visibility timeout."""
    sent = [new_activity(details={"text": "x" * 25_000, "number": number}) for number in range(400)]
    for start in range(0, len(sent), 200):
        partner.record(sent[start : start + 200])
    whole = partner.export(**ALL_OF_2024)
    table, export, state = stack["outputs"]["ControlTable"], None, "ready"
    # A worker that has finished before it is killed shows nothing.
    for _ in range(5):
        export = partner.order(ALL_OF_2024).json()["id"]
        eventually(lambda job=export: "S" in job_of(aws, table, partner, job).get("progress", {}), "a worker has reported progress")
        for number, name in running(stack):
            if name == "export-worker":
                os.kill(number, signal.SIGKILL)
        state = job_of(aws, table, partner, export)["state"]["S"]
        if state == "running":
            break
    assert state == "running", "no worker was killed in time"
    timeout = aws("sqs").get_queue_attributes(QueueUrl=stack["outputs"]["ExportQueueUrl"], AttributeNames=["VisibilityTimeout"])
    assert int(timeout["Attributes"]["VisibilityTimeout"]) > 120, "longer than this test waits for the export"
    assert contents(partner, partner.ready(export)) == contents(partner, whole)
    assert job_of(aws, table, partner, export).keys().isdisjoint({"tries", "lease", "worker"})
