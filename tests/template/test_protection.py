"""One key encrypts all data, the gateway's log holds no data, backups hold all data, and the user pool asks for strong secrets."""

import json
import re

import pytest

NOTHING = {"Ref": "AWS::NoValue"}
# The key's ARN, where the template has one.
ARN = {"Fn::If": ["CreatesKey", {"Fn::GetAtt": ["Key", "Arn"]}, {"Ref": "EncryptionKey"}]}
# The properties by which the key encrypts a resource, by its type.
ENCRYPTED = {
    "AWS::DynamoDB::Table": {"SSESpecification": {"Fn::If": ["HasKey", {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": ARN}, NOTHING]}},
    "AWS::Logs::LogGroup": {"KmsKeyId": {"Fn::If": ["HasKey", ARN, NOTHING]}},
    "AWS::S3::Bucket": {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {
                    "Fn::If": [
                        "HasKey",
                        {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ARN}},
                        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}},
                    ]
                }
            ]
        }
    },
    # Without the key, the keys of SQS encrypt a queue. AWS refuses both.
    "AWS::SQS::Queue": {"KmsMasterKeyId": {"Fn::If": ["HasKey", ARN, NOTHING]}, "SqsManagedSseEnabled": {"Fn::If": ["HasKey", False, True]}},
}
# Types of resources that store nothing of partners, or, like a user pool, have keys of AWS only.
WITHOUT_KEY = {
    "AWS::ApiGateway::Account",
    "AWS::CloudFormation::Stack",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Cognito::UserPoolResourceServer",
    # A bus hands events over and keeps none.
    "AWS::Events::EventBus",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Api",
    "AWS::Serverless::Function",
}


def test_every_resource_with_data_is_encrypted_with_the_key(template):
    for name, resource in template.resources.items():
        expected = ENCRYPTED.get(resource["Type"])
        assert expected or resource["Type"] in WITHOUT_KEY, f"{name}: add its type here, with the property for the key if it stores data"
        for property, value in (expected or {}).items():
            assert resource["Properties"].get(property) == value, f"{name} must be encrypted with EncryptionKey: see its neighbours"
    assert template.body["Conditions"]["HasKey"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "EncryptionKey"}, ""]}]}
    assert template.body["Conditions"]["CreatesKey"] == {"Fn::Equals": [{"Ref": "EncryptionKey"}, "create"]}
    assert template.parameters["EncryptionKey"]["Default"] == ""


def test_nested_stacks_encrypt_with_the_key(template, watch, backup):
    for stack in ("Watch", "Backups"):
        assert template.resources[stack]["Properties"]["Parameters"]["EncryptionKey"] == {"Fn::If": ["HasKey", ARN, ""]}
    given = {"Fn::If": ["HasKey", {"Ref": "EncryptionKey"}, NOTHING]}
    assert watch.resources["Topic"]["Properties"]["KmsMasterKeyId"] == given
    assert backup.resources["Vault"]["Properties"]["EncryptionKeyArn"] == given


def test_functions_with_data_use_the_key_through_their_services(template):
    stores = ("dynamodb:", "s3:", "sqs:")
    for function in template.functions:
        has_data = any(action.startswith(stores) for actions, _ in template.statements(function) for action in actions)
        rules = template.conditional_rules(function)
        assert ("HasKey" in rules) == has_data, f"{function}: add the policy use-key"
        if not has_data:
            continue
        (statement,) = rules["HasKey"]
        assert statement["Resource"] == ARN
        assert set(statement["Action"]) == {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"}
        services = [f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}" for service in ("dynamodb", "s3", "sqs")]
        assert statement["Condition"] == {"StringEquals": {"kms:ViaService": [{"Fn::Sub": service} for service in services]}}


def test_created_key_rotates_and_outlives_the_stack(template):
    key = template.resources["Key"]
    assert key["Condition"] == template.resources["KeyAlias"]["Condition"] == "CreatesKey"
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert key["Properties"]["EnableKeyRotation"] is True
    allowed = {statement["Sid"]: statement for statement in key["Properties"]["KeyPolicy"]["Statement"]}
    assert set(allowed) == {"Account", "Logs", "Alarms"}
    assert allowed["Account"]["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    (logs,) = allowed["Logs"]["Condition"]["ArnLike"].values()
    assert logs["Fn::Sub"].endswith(":log-group:${AWS::StackName}-*"), "groups of other stacks must not use the key"
    assert allowed["Alarms"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    # A reference to a role or a table would make the template circular.
    assert not re.search(r"GetAtt|\"Ref\"", json.dumps(key["Properties"]["KeyPolicy"]))


@pytest.mark.parametrize(
    "value, fits",
    [
        ("", True),
        ("create", True),
        ("arn:aws:kms:eu-west-3:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", True),
        ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", True),
        ("yes", False),
        # An alias can be moved to another key, and policies of roles do not resolve it.
        ("arn:aws:kms:eu-west-3:111122223333:alias/daybook", False),
    ],
)
def test_key_is_named_by_its_arn(template, value, fits):
    assert bool(re.fullmatch(template.parameters["EncryptionKey"]["AllowedPattern"], value)) == fits


# Access log


@pytest.fixture
def access_log(template):
    condition, setting, otherwise = template.resources["Api"]["Properties"]["AccessLogSetting"]["Fn::If"]
    assert (condition, otherwise) == ("HasAccessLog", NOTHING)
    return setting


def test_access_log_holds_no_token_path_query_or_name(access_log):
    logged = json.loads(access_log["Format"])
    assert set(logged.values()) == {
        f"$context.{name}"
        for name in (
            "authorizer.partner", "authorizer.principalId", "error.responseType", "extendedRequestId", "httpMethod", "identity.sourceIp",
            "integrationLatency", "integrationStatus", "protocol", "requestId", "requestTimeEpoch", "resourcePath", "responseLatency",
            "responseLength", "status", "wafResponseCode",
        )
    }  # fmt: skip


def test_access_log_needs_no_role_of_the_account_by_default(template, access_log):
    assert template.parameters["AccessLog"]["Default"] == template.parameters["AccessLogRole"]["Default"] == "false"
    group = {"Fn::GetAtt": ["AccessLogGroup", "Arn"]}
    assert access_log["DestinationArn"] == {"Fn::If": ["CreatesAccessLogRole", {"Fn::Select": [1, [{"Ref": "AccessLogAccount"}, group]]}, group]}
    for name in ("AccessLogAccount", "AccessLogAccountRole"):
        resource = template.resources[name]
        assert resource["Condition"] == "CreatesAccessLogRole"
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), "other APIs of the account may use it"


# Backups


def test_backups_hold_every_table_and_bucket_that_outlives_the_stack(template, backup):
    given = template.resources["Backups"]["Properties"]["Parameters"]
    kept = lambda type: [{"Fn::GetAtt": [name, "Arn"]} for name, each in template.of_type(type).items() if each.get("DeletionPolicy") == "Retain"]
    for parameter, type in (("Tables", "AWS::DynamoDB::Table"), ("Buckets", "AWS::S3::Bucket")):
        separator, listed = given[parameter]["Fn::Join"]
        assert separator == "," and sorted(map(str, listed)) == sorted(map(str, kept(type))), f"list it under Backups.{parameter}"
    selected = json.dumps(backup.resources["Selection"]["Properties"]["BackupSelection"]["Resources"])
    assert '{"Ref": "Tables"}' in selected and '{"Ref": "Buckets"}' in selected


def test_backups_are_made_only_if_the_parameter_says_so(template):
    assert template.resources["Backups"]["Condition"] == "HasBackups"
    assert template.parameters["BackupPlan"]["Default"] == "false"


def test_backup_role_reads_these_tables_and_buckets_only(backup):
    policies = backup.resources["Role"]["Properties"]["Policies"]
    statements = [statement for policy in policies for statement in policy.get("Fn::If", [None, policy])[1]["PolicyDocument"]["Statement"]]
    actions = lambda statement: statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    for statement in statements:
        assert not [action for action in actions(statement) if "*" in action]
        reads = [action for action in actions(statement) if action.startswith(("s3:Get", "s3:Put", "s3:ListBucket", "dynamodb:Start", "dynamodb:Create"))]
        assert not reads or re.search(r'"Ref": "(Tables|Buckets)"', json.dumps(statement["Resource"])), statement
    everywhere = [action for statement in statements if statement["Resource"] == "*" for action in actions(statement)]
    assert sorted(everywhere) == ["cloudwatch:GetMetricData", "events:ListRules", "s3:ListAllMyBuckets", "tag:GetResources"]
    assert not [statement for statement in statements if "s3:DeleteObject" in actions(statement) or "dynamodb:DeleteItem" in actions(statement)]


# User pool


def test_user_pool_takes_second_factor_and_passwords_from_parameters(template):
    pool = template.resources["UserPool"]["Properties"]
    assert pool["MfaConfiguration"] == {"Ref": "Mfa"}
    # Cognito refuses a list of factors while the second factor is off.
    assert pool["EnabledMfas"] == {"Fn::If": ["HasMfa", ["SOFTWARE_TOKEN_MFA"], NOTHING]}
    assert template.parameters["Mfa"]["AllowedValues"] == ["OFF", "OPTIONAL", "ON"]
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] == {"Ref": "PasswordLength"}
    assert policy["TemporaryPasswordValidityDays"] == {"Ref": "TemporaryPasswordDays"}
    assert all(policy[f"Require{kind}"] for kind in ("Lowercase", "Numbers", "Symbols", "Uppercase"))
    assert template.parameters["PasswordLength"]["MinValue"] >= 12


def test_user_pool_has_no_feature_that_is_paid_by_the_user(template):
    assert not {"UserPoolTier", "UserPoolAddOns"} & set(template.resources["UserPool"]["Properties"])
