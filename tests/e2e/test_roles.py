"""Roles: every operation of the used services, by each function, on our resources and on others.

The permissions of each role come from the table of the template's tests. An identity without permissions may call some operations
too, because they need none or because the emulator does not check them. FREE lists these operations, and no others.
"""

import json
import sys
import uuid
from pathlib import Path

import boto3
import pytest
from amounts import amount
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "template"))

from test_functions import ALLOWED, FUNCTIONS

import stack as local

# The probes of a queue take messages that belong to others.
pytestmark = pytest.mark.alone

SERVICES = [
    "apigateway",
    "cognito-idp",
    "dynamodb",
    "dynamodbstreams",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "scheduler",
    "ses",
    "sesv2",
    "sns",
    "sqs",
    "sts",
]
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "403"}
# Any caller may ask for its own identity and present another proof of identity. A person's operations at a user pool take the person's token instead of a role. The
# emulator does not check the others; on AWS each needs an action that no role has.
FREE = {
    "sts": {"AssumeRoleWithSAML", "GetCallerIdentity"},
    "cognito-idp": {
        "AssociateSoftwareToken", "ChangePassword", "CompleteWebAuthnRegistration", "ConfirmDevice", "ConfirmForgotPassword", "ConfirmSignUp",
        "DeleteUser", "DeleteUserAttributes", "DeleteWebAuthnCredential", "ForgetDevice", "ForgotPassword", "GetDevice",
        "GetTokensFromRefreshToken", "GetUser", "GetUserAttributeVerificationCode", "GetUserAuthFactors", "GlobalSignOut", "InitiateAuth",
        "ListDevices", "ListWebAuthnCredentials", "ResendConfirmationCode", "RespondToAuthChallenge", "RevokeToken", "SetUserMFAPreference",
        "SetUserSettings", "SignUp", "StartWebAuthnRegistration", "UpdateAuthEventFeedback", "UpdateDeviceStatus", "UpdateUserAttributes",
        "VerifySoftwareToken", "VerifyUserAttribute",
    },
    "logs": {"ListTagsForResource", "TagResource", "UntagResource"},
    "lambda": {
        "CheckpointDurableExecution", "CreateCapacityProvider", "CreateCodeSigningConfig", "DeleteCapacityProvider", "DeleteCodeSigningConfig",
        "DeleteEventSourceMapping", "DeleteLayerVersion", "DeleteResourcePolicy", "GetAccountSettings", "GetCapacityProvider",
        "GetCodeSigningConfig", "GetDurableExecution", "GetDurableExecutionHistory", "GetDurableExecutionState", "GetResourcePolicy", "InvokeAsync",
        "InvokeWithResponseStream", "ListCapacityProviders", "ListCodeSigningConfigs", "ListFunctionVersionsByCapacityProvider",
        "PutResourcePolicy", "RemoveLayerVersionPermission", "SendDurableExecutionCallbackFailure", "SendDurableExecutionCallbackHeartbeat",
        "SendDurableExecutionCallbackSuccess", "StopDurableExecution", "UpdateCapacityProvider", "UpdateCodeSigningConfig",
        "UpdateEventSourceMapping", "UpdateFunctionEventInvokeConfig",
    },
}  # fmt: skip
# Operations that an action allows besides the one of its name. The right side lists operations that it allows on AWS or at the
# emulator, but not on both: batches need the single action on AWS, and an action of their own at the emulator.
OPENS = {
    "s3:GetObject": ({"GetObject", "HeadObject"}, {"GetObjectTorrent", "SelectObjectContent"}),
    "s3:PutObject": ({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}, {"CopyObject", "UploadPartCopy", "RenameObject"}),
    "s3:DeleteObject": ({"DeleteObject"}, {"DeleteObjects"}),
    "s3:ListMultipartUploadParts": ({"ListParts"}, set()),
    "s3:ListBucket": (
        {"ListObjects", "ListObjectsV2", "HeadBucket"},
        # The emulator takes newer questions about a bucket for a list; on AWS they need actions of their own.
        {"HeadObject", "CreateSession", "GetBucketAbac", "GetBucketMetadataConfiguration", "GetBucketMetadataTableConfiguration"},
    ),
    # A transaction needs the rights of the operations in it, and these calls have none in them.
    "dynamodb:ConditionCheckItem": (set(), {"TransactWriteItems"}),
    "sqs:SendMessage": ({"SendMessage"}, {"SendMessageBatch"}),
    "sqs:DeleteMessage": ({"DeleteMessage"}, {"DeleteMessageBatch"}),
    "sqs:ChangeMessageVisibility": ({"ChangeMessageVisibility"}, {"ChangeMessageVisibilityBatch"}),
}


@pytest.fixture(scope="module")
def resources(stack, aws):
    """Resources by service: ours, by the template's names, and others of the same account."""
    other = f"other-{uuid.uuid4().hex[:8]}"
    db, s3, sqs = aws("dynamodb"), aws("s3"), aws("sqs")
    db.create_table(
        TableName=other,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    s3.create_bucket(Bucket=other)
    queue = sqs.create_queue(QueueName=other)["QueueUrl"]
    # A role of another account, which the key names at the emulator. It trusts whomever our account allows to assume it.
    iam = local.clients(stack["port"], aws_access_key_id="210987654321", aws_secret_access_key="test")("iam")
    account = aws("sts").get_caller_identity()["Account"]
    given = {"StringEquals": {"sts:ExternalId": "probe"}}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Condition": given}
    role = iam.create_role(RoleName=other, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"]["Arn"]
    pages = aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=local.NAME)
    ours = [each for page in pages for each in page["StackResourceSummaries"]]

    def of_type(kind):
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in ours if each["ResourceType"] == kind}

    tables = of_type("AWS::DynamoDB::Table") | {"other": other}
    queues = of_type("AWS::SQS::Queue") | {"other": queue}
    buckets = of_type("AWS::S3::Bucket")
    bucket, details = buckets["DataBucket"], buckets["DetailsBucket"]
    objects = {
        "DataBucket/exports/*": (bucket, "exports/probe"),
        "DataBucket/details/*": (bucket, "details/probe"),
        "DataBucket/downloads/*": (bucket, "downloads/probe"),
        "DataBucket": (bucket, "probe"),
        "DetailsBucket/details/*": (details, "details/probe"),
        "DetailsBucket": (details, "probe"),
        "other": (other, "exports/probe"),
    }
    assert len(tables) > 3 and len(queues) > 8
    yield {
        "dynamodb": {name: {"TableName": table, "Key": {}, "RequestItems": {table: {}}} for name, table in tables.items()},
        "s3": {name: {"Bucket": bucket, "Key": key} for name, (bucket, key) in objects.items()},
        "sqs": {name: {"QueueUrl": url, "MaxNumberOfMessages": 0} for name, url in queues.items()},
        "kms": {name: {"KeyId": key} for name, key in of_type("AWS::KMS::Key").items()},
        "lambda": {"functions": {"FunctionName": stack["functions"]["query"]}},
        "sts": {"role/*": {"RoleArn": role, "RoleSessionName": "probe", "ExternalId": "probe"}},
    }
    iam.delete_role(RoleName=other)
    db.delete_table(TableName=other)
    sqs.delete_queue(QueueUrl=queue)
    s3.delete_bucket(Bucket=other)


# Indexes are resources of their own.
INDEXES = {"ActivitiesTable": ["by_customer_id", "late"], "ControlTable": ["due", "by_month"], "PartnersTable": ["registered"]}

# Operations that somebody is allowed. Each of the others is tried for some of the functions.
EXPECTED = {(service, operation) for service, operations in FREE.items() for operation in operations} | {
    (action.split(":")[0], operation)
    for allowed_actions in ALLOWED.values()
    for _, action in allowed_actions
    for operation in set().union(*OPENS.get(action, ({action.split(":")[1]}, set())))
}
EXPECTED.add(("sts", "GetSessionToken"))
STEP = amount("ROLES_STEP", 12, 1)


def arguments(model, known):
    """Returns the least arguments that identify an operation and its resource.

    Other required arguments are missing, so an allowed call fails before it changes anything."""
    sent = {}
    if model.input_shape is None:
        return sent
    for name, shape in model.input_shape.members.items():
        if name in known:
            sent[name] = known[name]
        elif name in model.input_shape.required_members and (
            shape.serialization.get("location") in ("uri", "querystring", "headers", "header") or shape.serialization.get("hostLabel")
        ):
            kinds = {"integer": 1, "long": 1, "timestamp": 0, "list": ["probe"], "boolean": False}
            sent[name] = kinds.get(shape.type_name, (getattr(shape, "enum", None) or ["probe"])[0])
    return sent


def is_denied(client, operation, sent):
    try:
        client._make_api_call(operation, sent)
    except ClientError as error:
        return error.response["Error"]["Code"] in DENIED
    return False


def attempts(client, service, resources):
    """Yields every operation on every resource, as (operation, resource, arguments)."""
    for operation in client.meta.service_model.operation_names:
        model = client.meta.service_model.operation_model(operation)
        for resource, known in resources.get(service, {"any": {}}).items():
            sent = arguments(model, known)
            if "Key" in known and "Key" not in sent and "/" in resource:
                # About the bucket, which is tried under its own name.
                continue
            yield operation, resource, sent
            if service == "dynamodb" and operation in ("Query", "Scan"):
                for index in INDEXES.get(resource, ()):
                    yield operation, f"{resource}/index/{index}", sent | {"IndexName": index}
            if not set(sent) & set(known):
                # The operation names no resource, so one call is enough.
                break


def allowed(stack, credentials, resources, start=0):
    """Returns the operations that an identity is not denied, by service, and the number of calls.

    Of the operations that nobody should be allowed, it tries one in `STEP`, beginning with the number `start`."""
    session = boto3.Session(region_name=stack["region"], **credentials)
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False, inject_host_prefix=False, s3={"addressing_style": "path"})
    found, tried = {}, 0
    for service in SERVICES:
        client = session.client(service, endpoint_url=stack["endpoint"], config=config)
        for number, (operation, resource, sent) in enumerate(attempts(client, service, resources)):
            if (number + start) % STEP and (service, operation) not in EXPECTED:
                continue
            tried += 1
            if not is_denied(client, operation, sent):
                found.setdefault(service, set()).add((operation, resource))
    return found, tried


def test_identity_without_permissions_is_denied(stack, aws, resources):
    """Proves that the emulator checks permissions at all."""
    iam, name = aws("iam"), f"nobody-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        credentials = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        found, tried = allowed(stack, credentials, resources)
        assert tried > 1_500 / STEP
        # A user, unlike a role, may exchange its key for a short-lived one.
        free = FREE | {"sts": FREE["sts"] | {"GetSessionToken"}}
        assert {service: {operation for operation, _ in each} for service, each in found.items()} == free
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=name)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_may_use_only_its_operations_of_a_table(stack, resources, function):
    found, _ = allowed(stack, local.function_credentials(stack, function), resources, list(FUNCTIONS).index(function))
    must, may = set(), set()
    for resource, action in ALLOWED[function]:
        service, operation = action.split(":")
        always, sometimes = OPENS.get(action, ({operation}, set()))
        must |= {(service, each, resource) for each in always}
        may |= {(service, each, resource) for each in sometimes}
    got = {(service, *each) for service, all_of_it in found.items() for each in all_of_it if each[0] not in FREE.get(service, ())}
    assert sorted(got - must - may) == []
    assert sorted(must - got) == []


def test_no_deployed_role_has_a_wildcard_action(stack, aws):
    """Includes the roles that the SAM transform makes: for the monthly run and for the gateway's log."""
    iam = aws("iam")
    roles = [role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    ours = [role for role in roles if role.startswith("daybook")]
    assert len(ours) > len(FUNCTIONS)
    for role in ours:
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == [], role
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
            for statement in statements:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not [action for action in actions if "*" in action], (role, policy)
