"""Least privilege: what the functions may do at the platform, tried with their own credentials.

A call that is refused is first made by the platform's root, so that nothing but the role can be what refuses it.
"""

import pytest
from botocore.exceptions import ClientError

FUNCTIONS = ["authorizer", "record", "query", "exports", "export-worker", "monthly", "portal"]
KEY = {"pk": {"S": "probe#2024-03"}, "sk": {"S": "2024-03-05T09:30:00.000000Z#probe"}}
# A write that is allowed and writes nothing: its condition fails after the role was asked.
NEVER = {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)"}

FORBIDDEN_ON_ACTIVITIES = {
    "Scan": lambda db, table: db.scan(TableName=table),
    "UpdateItem": lambda db, table: db.update_item(
        TableName=table, Key=KEY, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"S": "x"}}),
    "DeleteItem": lambda db, table: db.delete_item(TableName=table, Key=KEY),
    "BatchWriteItem": lambda db, table: db.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": KEY}}]}),
    "TransactWriteItems": lambda db, table: db.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": KEY}}]),
}


def allowed(call, *arguments, **options):
    """Whether the role allows the call; a condition that fails is asked after the role."""
    try:
        call(*arguments, **options)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("AccessDeniedException", "AccessDenied"):
            return False
        assert code == "ConditionalCheckFailedException", error
    return True


@pytest.fixture(scope="module")
def tables(stack):
    return stack["outputs"]["ActivitiesTable"], stack["outputs"]["ControlTable"]


@pytest.fixture(scope="module")
def stored(stack, aws, operator):
    """A file of an export and an object of details: something to read."""
    bucket, s3 = stack["outputs"]["DataBucket"], aws("s3")
    for key in ("exports/probe/file", "details/probe/file"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"probe")
    return bucket


@pytest.mark.parametrize("operation", FORBIDDEN_ON_ACTIVITIES)
def test_no_function_changes_removes_or_scans_activities(tables, aws, as_function, operation):
    call, (activities, _) = FORBIDDEN_ON_ACTIVITIES[operation], tables
    assert allowed(call, aws("dynamodb"), activities)
    refused = {name: not allowed(call, as_function(name)("dynamodb"), activities) for name in FUNCTIONS}
    assert refused == dict.fromkeys(FUNCTIONS, True)
    aws("dynamodb").delete_item(TableName=activities, Key=KEY)


# Which functions may do what, of all of them.
ROLES = {
    "put an activity": ({"record"}, lambda client, at: client("dynamodb").put_item(TableName=at["activities"], Item=KEY, **NEVER)),
    "get an activity": ({"query", "export-worker"}, lambda client, at: client("dynamodb").get_item(TableName=at["activities"], Key=KEY)),
    "query activities": ({"query", "export-worker"}, lambda client, at: query(client, at["activities"], "pk")),
    "query activities by customer": ({"query", "export-worker"}, lambda client, at: query(client, at["activities"], "ck", "by_customer")),
    "query late activities": ({"export-worker"}, lambda client, at: query(client, at["activities"], "lk", "late")),
    "get from control": (
        {"authorizer", "exports", "export-worker", "monthly"}, lambda client, at: client("dynamodb").get_item(TableName=at["control"], Key=KEY)),
    "put into control": ({"exports", "monthly"}, lambda client, at: client("dynamodb").put_item(TableName=at["control"], Item=KEY, **NEVER)),
    "update control": ({"exports", "export-worker", "monthly"}, lambda client, at: client("dynamodb").update_item(
        TableName=at["control"], Key=KEY, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"S": "x"}}, **NEVER)),
    "delete from control": ({"exports"}, lambda client, at: client("dynamodb").delete_item(TableName=at["control"], Key=KEY, **NEVER)),
    "query control": ({"exports"}, lambda client, at: query(client, at["control"], "pk")),
    "query what is due": ({"exports", "monthly"}, lambda client, at: query(client, at["control"], "dk", "due")),
    "scan control": (set(), lambda client, at: client("dynamodb").scan(TableName=at["control"])),
    "put details": ({"record"}, lambda client, at: client("s3").put_object(Bucket=at["bucket"], Key="details/probe/new", Body=b"")),
    "get details": ({"query", "export-worker"}, lambda client, at: client("s3").get_object(Bucket=at["bucket"], Key="details/probe/file")),
    "remove details": (set(), lambda client, at: client("s3").delete_object(Bucket=at["bucket"], Key="details/probe/other")),
    "put a file": ({"export-worker"}, lambda client, at: client("s3").put_object(Bucket=at["bucket"], Key="exports/probe/new", Body=b"")),
    "get a file": ({"exports", "export-worker"}, lambda client, at: client("s3").get_object(Bucket=at["bucket"], Key="exports/probe/file")),
    "remove a file": ({"exports", "export-worker"}, lambda client, at: client("s3").delete_object(Bucket=at["bucket"], Key="exports/probe/other")),
    "list the bucket": (set(), lambda client, at: client("s3").list_objects_v2(Bucket=at["bucket"])),
}


def query(client, table, key, index=None):
    client("dynamodb").query(
        TableName=table, KeyConditionExpression="#key = :key", ExpressionAttributeNames={"#key": key},
        ExpressionAttributeValues={":key": {"S": "probe"}}, **({"IndexName": index} if index else {}))


@pytest.mark.parametrize("what", ROLES)
def test_each_function_may_do_what_it_needs_and_no_more(tables, stored, aws, as_function, what):
    who, call = ROLES[what]
    at = {"activities": tables[0], "control": tables[1], "bucket": stored}
    assert allowed(call, aws, at)
    assert {name for name in FUNCTIONS if allowed(call, as_function(name), at)} == who


def test_no_function_takes_the_role_of_another(stack, as_function, aws):
    roles = {name: aws("lambda").get_function_configuration(FunctionName=stack["functions"][name])["Role"] for name in FUNCTIONS}
    assert len(set(roles.values())) == len(FUNCTIONS)
    for name in FUNCTIONS:
        for role in roles.values():
            assert not allowed(as_function(name)("sts").assume_role, RoleArn=role, RoleSessionName="probe")
