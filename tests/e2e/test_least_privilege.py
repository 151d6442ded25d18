"""Least privilege: calls to AWS with the credentials of each function.

The root of the emulator makes every call first, so that only the role can refuse the call.
"""

import pytest
from botocore.exceptions import ClientError

# The probes of a queue take messages that belong to others.
pytestmark = pytest.mark.alone

FUNCTIONS = ["authorizer", "record", "intake", "query", "exports", "admin", "export-worker", "monthly", "keeper", "notifier", "streams", "streamer", "portal"]
KEY = {"pk": {"S": "probe#2024-03"}, "sk": {"S": "2024-03-05T09:30:00.000000Z#probe"}}
SET = {"Key": KEY, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "x"}}}
# This write changes nothing: its condition fails after the check of the role.
NEVER = {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)"}


class Platform:
    """The stores, opened with the credentials of an identity."""

    def __init__(self, clients, outputs):
        self.db, self.s3, self.sqs = clients("dynamodb"), clients("s3"), clients("sqs")
        self.activities, self.control = {"TableName": outputs["ActivitiesTable"]}, {"TableName": outputs["ControlTable"]}
        self.audit = {"TableName": outputs["AuditTable"]}
        self.partners, self.limits = {"TableName": outputs["PartnersTable"]}, {"TableName": outputs["LimitsTable"]}
        self.secrets, self.details = {"TableName": outputs["SecretsTable"]}, outputs["DetailsBucket"]
        self.bucket, self.queue, self.intake = outputs["DataBucket"], outputs["ExportQueueUrl"], outputs["IntakeQueueUrl"]
        self.runs, self.notices = outputs["RunQueueUrl"], outputs["NoticeQueueUrl"]
        self.dead = {name: outputs[f"{name}DeadLetterQueueUrl"] for name in ("Intake", "Export", "Run", "Keeper", "Notice", "Stream")}
        self.streams, self.due = {"TableName": outputs["StreamsTable"]}, {"TableName": outputs["DueTable"]}

    def query(self, table, key, **index):
        self.db.query(**table, **index, KeyConditionExpression=f"{key} = :key", ExpressionAttributeValues={":key": {"S": "probe"}})

    def put(self, key, bucket=None):
        self.s3.put_object(Bucket=bucket or self.bucket, Key=key, Body=b"probe")

    def get(self, key, bucket=None):
        self.s3.get_object(Bucket=bucket or self.bucket, Key=key)

    def remove(self, key, bucket=None):
        self.s3.delete_object(Bucket=bucket or self.bucket, Key=key)


def allowed(call, *arguments, **options):
    """Says whether the role allows the call; AWS checks conditions after the role."""
    try:
        call(*arguments, **options)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("AccessDeniedException", "AccessDenied"):
            return False
        if code != "ConditionalCheckFailedException":
            raise
    return True


@pytest.fixture(scope="module")
def root(stack, aws):
    """The stores with root credentials and some data."""
    platform = Platform(aws, stack["outputs"])
    for key in ("details/probe/file", "downloads/probe/file", "exports/probe/file"):
        platform.put(key)
    platform.put("details/probe/file", platform.details)
    return platform


@pytest.fixture(scope="module")
def seen_by(stack, as_function):
    """The stores with the credentials of each function."""
    return {name: Platform(as_function(name), stack["outputs"]) for name in FUNCTIONS}


# Operations that change, remove or scan activities, and the functions that may call them. A transaction needs the rights of the
# operations in it.
CHANGES = {
    "Scan": ([], lambda at: at.db.scan(**at.activities)),
    "UpdateItem": (["keeper"], lambda at: at.db.update_item(**at.activities, **SET)),
    "DeleteItem": (["keeper"], lambda at: at.db.delete_item(**at.activities, Key=KEY)),
    "BatchWriteItem": ([], lambda at: at.db.batch_write_item(RequestItems={at.activities["TableName"]: [{"DeleteRequest": {"Key": KEY}}]})),
    "TransactWriteItems": (["keeper"], lambda at: at.db.transact_write_items(TransactItems=[{"Delete": {**at.activities, "Key": KEY}}])),
}


@pytest.mark.parametrize("operation", CHANGES)
def test_only_the_keeper_changes_and_removes_activities_and_nobody_scans_them(root, seen_by, operation):
    who, call = CHANGES[operation]
    assert allowed(call, root)
    assert [name for name in FUNCTIONS if allowed(call, seen_by[name])] == who
    root.db.delete_item(**root.activities, Key=KEY)


# Operations, and the functions that may call them.
MAY = {
    "put an activity": (["record", "intake"], lambda at: at.db.put_item(**at.activities, Item=KEY, **NEVER)),
    # Recording functions read the directory of months only. The emulator does not know that condition: see tests/template.
    "get an activity": (["record", "intake", "query", "export-worker", "keeper", "streamer"], lambda at: at.db.get_item(**at.activities, Key=KEY)),
    "query activities": (["query", "admin", "export-worker", "keeper", "streamer"], lambda at: at.query(at.activities, "pk")),
    "query a customer's": (["query", "export-worker", "streamer"], lambda at: at.query(at.activities, "ck", IndexName="by_customer_id")),
    "query late activities": (["admin", "export-worker", "monthly"], lambda at: at.query(at.activities, "lk", IndexName="late")),
    "get from control": (["authorizer", "exports", "admin", "export-worker", "keeper", "notifier"], lambda at: at.db.get_item(**at.control, Key=KEY)),
    "put into control": (["exports", "admin", "monthly", "keeper", "notifier"], lambda at: at.db.put_item(**at.control, Item=KEY, **NEVER)),
    "update control": (["exports", "admin", "export-worker", "monthly", "keeper", "notifier"], lambda at: at.db.update_item(**at.control, **SET, **NEVER)),
    "delete from control": (["exports", "admin", "keeper"], lambda at: at.db.delete_item(**at.control, Key=KEY, **NEVER)),
    "query control": (["exports", "admin", "monthly", "keeper"], lambda at: at.query(at.control, "pk")),
    "query a month": (["admin", "monthly"], lambda at: at.query(at.control, "mk", IndexName="by_month")),
    "query what is due": (["admin", "monthly"], lambda at: at.query(at.control, "dk", IndexName="due")),
    "scan control": ([], lambda at: at.db.scan(**at.control)),
    "get settings": (
        ["record", "intake", "query", "exports", "admin", "export-worker", "keeper", "streams", "streamer"],
        lambda at: at.db.get_item(**at.partners, Key={"pk": {"S": "probe"}}),
    ),
    "put settings": ([], lambda at: at.db.put_item(**at.partners, Item={"pk": {"S": "probe"}}, **NEVER)),
    "change settings": (["admin", "keeper", "streams"], lambda at: at.db.update_item(**at.partners, **(SET | {"Key": {"pk": {"S": "probe"}}}), **NEVER)),
    "count": (["record", "query"], lambda at: at.db.update_item(**at.limits, **(SET | {"Key": {"pk": {"S": "probe"}}}), **NEVER)),
    "remove settings": ([], lambda at: at.db.delete_item(**at.partners, Key={"pk": {"S": "probe"}})),
    "add to the audit": (
        ["record", "query", "exports", "admin", "export-worker", "monthly", "keeper", "streams"],
        lambda at: at.db.put_item(**at.audit, Item=KEY, **NEVER),
    ),
    "query the audit": (["query", "keeper", "streamer"], lambda at: at.query(at.audit, "pk")),
    "get from the audit": (["keeper", "streamer"], lambda at: at.db.get_item(**at.audit, Key=KEY)),
    "change the audit": (["keeper"], lambda at: at.db.update_item(**at.audit, **SET, **NEVER)),
    "remove from the audit": (["keeper"], lambda at: at.db.delete_item(**at.audit, Key=KEY, **NEVER)),
    "scan the audit": ([], lambda at: at.db.scan(**at.audit)),
    "put details": (["record", "intake"], lambda at: at.put("details/probe/new", at.details)),
    "put details as before": ([], lambda at: at.put("details/probe/new")),
    "get details": (["query", "export-worker", "keeper", "streamer"], lambda at: at.get("details/probe/file", at.details)),
    "get details of before": (["query", "export-worker", "keeper", "streamer"], lambda at: at.get("details/probe/file")),
    "remove details": (["keeper"], lambda at: at.remove("details/probe/other", at.details)),
    "remove details of before": (["keeper"], lambda at: at.remove("details/probe/other")),
    "put a download": (["query"], lambda at: at.put("downloads/probe/new")),
    "get a download": (["query"], lambda at: at.get("downloads/probe/file")),
    "remove a download": (["keeper"], lambda at: at.remove("downloads/probe/other")),
    "put a file": (["export-worker"], lambda at: at.put("exports/probe/new")),
    "get a file": (["exports", "export-worker"], lambda at: at.get("exports/probe/file")),
    "remove a file": (["exports", "export-worker", "keeper"], lambda at: at.remove("exports/probe/other")),
    # Conditions on the keys divide the secrets of schedules and of streams. The emulator does not know them; `test_functions` reads them.
    "get a secret": (["exports", "notifier", "streams", "streamer"], lambda at: at.db.get_item(**at.secrets, Key=KEY)),
    "query secrets": ([], lambda at: at.query(at.secrets, "pk")),
    "put a secret": (["exports", "streams"], lambda at: at.db.put_item(**at.secrets, Item=KEY, **NEVER)),
    "remove a secret": (["exports", "keeper", "streams"], lambda at: at.db.delete_item(**at.secrets, Key=KEY, **NEVER)),
    "get a stream": (["streams", "streamer"], lambda at: at.db.get_item(**at.streams, Key=KEY)),
    "query streams": (["keeper", "streams", "streamer"], lambda at: at.query(at.streams, "pk")),
    "put a stream": (["streams", "streamer"], lambda at: at.db.put_item(**at.streams, Item=KEY, **NEVER)),
    "change a stream": (["keeper", "streams", "streamer"], lambda at: at.db.update_item(**at.streams, **SET, **NEVER)),
    "remove a stream": (["keeper", "streams"], lambda at: at.db.delete_item(**at.streams, Key=KEY, **NEVER)),
    "mark a partner as due": (["record", "intake"], lambda at: at.db.update_item(**at.due, **SET, **NEVER)),
    "mark a stream as due": (["streams", "streamer"], lambda at: at.db.put_item(**at.due, Item=KEY, **NEVER)),
    "query marks": (["streamer"], lambda at: at.query(at.due, "pk")),
    "remove a mark": (["streamer"], lambda at: at.db.delete_item(**at.due, Key=KEY, **NEVER)),
    "list the bucket": (["keeper"], lambda at: at.s3.list_objects_v2(Bucket=at.bucket)),
    "look at the queue": (["export-worker"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.queue, AttributeNames=["All"])),
    "look at the intake": (["intake"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.intake, AttributeNames=["All"])),
    "look at runs": (["monthly"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.runs, AttributeNames=["All"])),
    "look at notifications": (["notifier"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.notices, AttributeNames=["All"])),
    "send to the intake": ([], lambda at: at.sqs.send_message(QueueUrl=at.intake, MessageBody="{}")),
    "bury activities": (["intake", "keeper"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Intake"], MessageBody="{}")),
    "bury a job": (["export-worker"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Export"], MessageBody="{}")),
    "bury a run": (["monthly"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Run"], MessageBody="{}")),
    "bury a keeper's run": (["keeper"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Keeper"], MessageBody="{}")),
    "bury a notification": (["notifier"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Notice"], MessageBody="{}")),
    "bury a run of streams": (["streamer"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Stream"], MessageBody="{}")),
    "look at dead letters": ([], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.dead["Intake"], AttributeNames=["All"])),
}


@pytest.mark.parametrize("what", MAY)
def test_each_function_has_exactly_its_permissions(root, seen_by, what):
    who, call = MAY[what]
    assert allowed(call, root)
    assert [name for name in FUNCTIONS if allowed(call, seen_by[name])] == who


def test_no_function_can_assume_the_role_of_another(stack, aws, as_function):
    roles = {name: aws("lambda").get_function_configuration(FunctionName=stack["functions"][name])["Role"] for name in FUNCTIONS}
    assert len(set(roles.values())) == len(FUNCTIONS)
    for name in FUNCTIONS:
        for role in roles.values():
            assert not allowed(as_function(name)("sts").assume_role, RoleArn=role, RoleSessionName="probe")
