"""Least privilege: calls to AWS with the credentials of each function.

The root of the emulator makes every call first, so that only the role can refuse the call.
"""

import pytest
from botocore.exceptions import ClientError

# The probes of a queue take messages that belong to others.
pytestmark = pytest.mark.alone

FUNCTIONS = ["authorizer", "record", "intake", "query", "exports", "admin", "export-worker", "monthly", "notifier", "portal"]
KEY = {"pk": {"S": "probe#2024-03"}, "sk": {"S": "2024-03-05T09:30:00.000000Z#probe"}}
SET = {"Key": KEY, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "x"}}}
# This write changes nothing: its condition fails after the check of the role.
NEVER = {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)"}


class Platform:
    """The stores, opened with the credentials of an identity."""

    def __init__(self, clients, outputs):
        self.db, self.s3, self.sqs = clients("dynamodb"), clients("s3"), clients("sqs")
        self.activities, self.control = {"TableName": outputs["ActivitiesTable"]}, {"TableName": outputs["ControlTable"]}
        self.partners, self.limits = {"TableName": outputs["PartnersTable"]}, {"TableName": outputs["LimitsTable"]}
        self.bucket, self.queue, self.intake = outputs["DataBucket"], outputs["ExportQueueUrl"], outputs["IntakeQueueUrl"]
        self.runs, self.notices = outputs["RunQueueUrl"], outputs["NoticeQueueUrl"]
        self.dead = {name: outputs[f"{name}DeadLetterQueueUrl"] for name in ("Intake", "Export", "Run", "Notice")}

    def query(self, table, key, **index):
        self.db.query(**table, **index, KeyConditionExpression=f"{key} = :key", ExpressionAttributeValues={":key": {"S": "probe"}})

    def put(self, key):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"probe")

    def get(self, key):
        self.s3.get_object(Bucket=self.bucket, Key=key)

    def remove(self, key):
        self.s3.delete_object(Bucket=self.bucket, Key=key)


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
    return platform


@pytest.fixture(scope="module")
def seen_by(stack, as_function):
    """The stores with the credentials of each function."""
    return {name: Platform(as_function(name), stack["outputs"]) for name in FUNCTIONS}


NEVER_DONE = {
    "Scan": lambda at: at.db.scan(**at.activities),
    "UpdateItem": lambda at: at.db.update_item(**at.activities, **SET),
    "DeleteItem": lambda at: at.db.delete_item(**at.activities, Key=KEY),
    "BatchWriteItem": lambda at: at.db.batch_write_item(RequestItems={at.activities["TableName"]: [{"DeleteRequest": {"Key": KEY}}]}),
    "TransactWriteItems": lambda at: at.db.transact_write_items(TransactItems=[{"Delete": {**at.activities, "Key": KEY}}]),
}


@pytest.mark.parametrize("operation", NEVER_DONE)
def test_no_function_changes_removes_or_scans_activities(root, seen_by, operation):
    call = NEVER_DONE[operation]
    assert allowed(call, root)
    root.db.delete_item(**root.activities, Key=KEY)
    assert [name for name in FUNCTIONS if allowed(call, seen_by[name])] == []


# Operations, and the functions that may call them.
MAY = {
    "put an activity": (["record", "intake"], lambda at: at.db.put_item(**at.activities, Item=KEY, **NEVER)),
    "get an activity": (["query", "export-worker"], lambda at: at.db.get_item(**at.activities, Key=KEY)),
    "query activities": (["query", "export-worker"], lambda at: at.query(at.activities, "pk")),
    "query a customer's": (["query", "export-worker"], lambda at: at.query(at.activities, "ck", IndexName="by_customer_id")),
    "query late activities": (["admin", "export-worker", "monthly"], lambda at: at.query(at.activities, "lk", IndexName="late")),
    "get from control": (["authorizer", "exports", "admin", "export-worker", "notifier"], lambda at: at.db.get_item(**at.control, Key=KEY)),
    "put into control": (["exports", "admin", "monthly", "notifier"], lambda at: at.db.put_item(**at.control, Item=KEY, **NEVER)),
    "update control": (["exports", "admin", "export-worker", "monthly", "notifier"], lambda at: at.db.update_item(**at.control, **SET, **NEVER)),
    "delete from control": (["exports", "admin"], lambda at: at.db.delete_item(**at.control, Key=KEY, **NEVER)),
    "query control": (["exports", "admin", "monthly"], lambda at: at.query(at.control, "pk")),
    "query a month": (["admin", "monthly"], lambda at: at.query(at.control, "mk", IndexName="by_month")),
    "query what is due": (["admin", "monthly"], lambda at: at.query(at.control, "dk", IndexName="due")),
    "scan control": ([], lambda at: at.db.scan(**at.control)),
    "get settings": (["record", "intake", "query", "exports", "admin"], lambda at: at.db.get_item(**at.partners, Key={"pk": {"S": "probe"}})),
    "put settings": (["admin"], lambda at: at.db.put_item(**at.partners, Item={"pk": {"S": "probe"}}, **NEVER)),
    "change settings": ([], lambda at: at.db.update_item(**at.partners, **(SET | {"Key": {"pk": {"S": "probe"}}}), **NEVER)),
    "count": (["record", "query"], lambda at: at.db.update_item(**at.limits, **(SET | {"Key": {"pk": {"S": "probe"}}}), **NEVER)),
    "remove settings": ([], lambda at: at.db.delete_item(**at.partners, Key={"pk": {"S": "probe"}})),
    "put details": (["record", "intake"], lambda at: at.put("details/probe/new")),
    "get details": (["query", "export-worker"], lambda at: at.get("details/probe/file")),
    "remove details": ([], lambda at: at.remove("details/probe/other")),
    "put a download": (["query"], lambda at: at.put("downloads/probe/new")),
    "get a download": (["query"], lambda at: at.get("downloads/probe/file")),
    "remove a download": ([], lambda at: at.remove("downloads/probe/other")),
    "put a file": (["export-worker"], lambda at: at.put("exports/probe/new")),
    "get a file": (["exports", "export-worker"], lambda at: at.get("exports/probe/file")),
    "remove a file": (["exports", "export-worker"], lambda at: at.remove("exports/probe/other")),
    "list the bucket": ([], lambda at: at.s3.list_objects_v2(Bucket=at.bucket)),
    "look at the queue": (["export-worker"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.queue, AttributeNames=["All"])),
    "look at the intake": (["intake"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.intake, AttributeNames=["All"])),
    "look at runs": (["monthly"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.runs, AttributeNames=["All"])),
    "look at notifications": (["notifier"], lambda at: at.sqs.get_queue_attributes(QueueUrl=at.notices, AttributeNames=["All"])),
    "send to the intake": ([], lambda at: at.sqs.send_message(QueueUrl=at.intake, MessageBody="{}")),
    "bury activities": (["intake"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Intake"], MessageBody="{}")),
    "bury a job": (["export-worker"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Export"], MessageBody="{}")),
    "bury a run": (["monthly"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Run"], MessageBody="{}")),
    "bury a notification": (["notifier"], lambda at: at.sqs.send_message(QueueUrl=at.dead["Notice"], MessageBody="{}")),
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
