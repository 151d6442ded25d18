"""The template keeps the limits of AWS that the emulator does not enforce.

A comment before each limit names its source, below https://docs.aws.amazon.com/ unless it says otherwise. A limit that AWS
raises for an account is tested at its default.
"""

import json
import re

import pytest

from application import Template

FUNCTIONS = sorted(Template().functions)

# The longest values of what a test cannot know. CloudFormation keeps the names that it makes within their service's limit;
# DynamoDB has the longest, 255 characters.
LONGEST = {"AWS::Region": 16, "AWS::URLSuffix": 20, "AWS::StackName": 128, "AWS::Partition": 12, "AWS::AccountId": 12}
LONGEST_NAME = 255
# An SQS queue's URL: https://sqs.{region}.{suffix}/{account}/{name of 80 characters}.
LONGEST_QUEUE_URL = 170
# AmazonS3/latest/userguide/bucketnamingrules.html: the longest name of a bucket.
LONGEST_BUCKET = 63
OF_TYPE = {"AWS::SQS::Queue": LONGEST_QUEUE_URL, "AWS::S3::Bucket": LONGEST_BUCKET}


def longest(template, value):
    """Returns the length of the longest text that a property can become."""
    if not isinstance(value, dict):
        return len(str(value))
    ((function, argument),) = value.items()
    if function == "Ref":
        return longest_reference(template, argument)
    if function == "Fn::GetAtt":
        return LONGEST_NAME
    if function == "Fn::If":
        return max(longest(template, branch) for branch in argument[1:])
    if function == "Fn::FindInMap":
        return max(len(each) for row in template.body["Mappings"][argument[0]].values() for each in row.values())
    if function == "Fn::Sub":
        text, variables = argument if isinstance(argument, list) else (argument, {})
        filled = [longest(template, variables[name]) if name in variables else longest_reference(template, name) for name in re.findall(r"\$\{([^}]+)\}", text)]
        return len(re.sub(r"\$\{[^}]+\}", "", text)) + sum(filled)
    raise AssertionError(f"unknown function {function}")


def longest_reference(template, name):
    name = name.split(".")[0]
    if name in LONGEST or name == "AWS::NoValue":
        return LONGEST.get(name, 0)
    if name in template.resources:
        return OF_TYPE.get(template.resources[name]["Type"], LONGEST_NAME)
    rule = template.parameters[name]
    if "AllowedValues" in rule:
        return max(len(str(each)) for each in rule["AllowedValues"])
    if rule["Type"] == "Number":
        return len(str(rule["MaxValue"]))
    assert "MaxLength" in rule, f"the parameter {name} needs a MaxLength, because a function's environment has a limit"
    return rule["MaxLength"]


# ---------------------------------------------------------------- Lambda


# lambda/latest/dg/gettingstarted-limits.html: 4 KB for all environment variables of a function.
@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_fits_when_all_values_are_longest(template, function):
    sizes = {name: len(name) + longest(template, value) for name, value in template.variables(function).items()}
    # The text of a JSON object has six more characters for each variable.
    assert sum(sizes.values()) + 6 * len(sizes) <= 4_096, sizes


# lambda/latest/dg/configuration-envvars.html: reserved names. API_Environment.html: the pattern.
@pytest.mark.parametrize("function", FUNCTIONS)
def test_variable_names_are_allowed_and_not_reserved(template, function):
    reserved = re.compile(
        r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_.*|AWS_ACCESS_KEY.*|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN"
    )
    for name in template.variables(function):
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", name), name
        assert not reserved.fullmatch(name), name


# lambda/latest/dg/gettingstarted-limits.html: 900 seconds, 128 to 10,240 MB. API_CreateFunction.html: descriptions of 256.
def test_functions_have_allowed_sizes(template):
    common = template.body["Globals"]["Function"]
    for name, function in template.functions.items():
        assert 1 <= function.get("Timeout", common["Timeout"]) <= 900, name
        assert 128 <= function.get("MemorySize", common["MemorySize"]) <= 10_240, name
        assert len(function["Description"]) <= 256, name


# lambda/latest/dg/gettingstarted-limits.html: 20 KB for the policy that says who may invoke a function. Each route of the
# function is a statement of it.
def test_invocation_policies_fit(template, expanded):
    sizes = {}
    for name, each in expanded.items():
        if each["Type"] == "AWS::Lambda::Permission":
            properties = each["Properties"]
            ((_, path),) = re.findall(r'(\$\{__Stage__\}|\$\{[^}]+\}|\*)/([^"]*)"', json.dumps(properties["SourceArn"]))[-1:] or [("", "")]
            statement = {
                # CloudFormation names a statement after the stack and the resource, with a random end.
                "Sid": "s" * 40 + name + "-" + "x" * 13,
                "Effect": "Allow",
                "Principal": {"Service": "apigateway.amazonaws.com"},
                "Action": "lambda:InvokeFunction",
                "Resource": "arn:aws-us-gov:lambda:us-gov-west-1:000000000000:function:" + "f" * 64,
                "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws-us-gov:execute-api:us-gov-west-1:000000000000:abcdefghij/*/" + path}},
            }
            function = json.dumps(properties["FunctionName"])
            sizes[function] = sizes.get(function, 100) + len(json.dumps(statement, separators=(",", ":"))) + 1
    assert len(sizes) >= 6
    assert max(sizes.values()) <= 20_480, sizes


# lambda/latest/api/API_ScalingConfig.html: from 2 to 1,000. API_CreateEventSourceMapping.html: batches of more than 10 messages need a window.
def test_event_sources_have_allowed_sizes(template):
    for name, function in template.functions.items():
        for event in function.get("Events", {}).values():
            if event["Type"] != "SQS":
                continue
            source = event["Properties"]
            assert source["BatchSize"] <= 10 or source["MaximumBatchingWindowInSeconds"] >= 1, name
            assert source["BatchSize"] <= 10_000, name
            if concurrency := source.get("ScalingConfig", {}).get("MaximumConcurrency"):
                if isinstance(concurrency, dict):
                    rule = template.parameters[concurrency["Ref"]]
                    assert rule["MinValue"] >= 2 and rule["MaxValue"] <= 1_000, name
                else:
                    assert 2 <= concurrency <= 1_000, name


# ---------------------------------------------------------------- SQS


def consumers(template):
    """Yields each queue that a function reads, with the function's properties."""
    for function in template.functions.values():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                yield event["Properties"]["Queue"]["Fn::GetAtt"][0], function


# AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html: the ranges.
def test_queues_have_allowed_attributes(template):
    ranges = {"VisibilityTimeout": (0, 43_200), "MessageRetentionPeriod": (60, 1_209_600), "DelaySeconds": (0, 900), "MaximumMessageSize": (1_024, 1_048_576)}
    for name, queue in template.of_type("AWS::SQS::Queue").items():
        for attribute, (low, high) in ranges.items():
            assert low <= queue["Properties"].get(attribute, low) <= high, (name, attribute)
        if redrive := queue["Properties"].get("RedrivePolicy"):
            assert 1 <= redrive["maxReceiveCount"] <= 1_000, name


# lambda/latest/dg/services-sqs-configure.html: Lambda refuses an event source whose queue shows messages again before the
# function's timeout has passed.
def test_queue_hides_messages_as_long_as_its_function_runs(template):
    found = dict(consumers(template))
    assert set(found) == {"ActivityIntake", "ExportJobs", "KeeperRuns", "MonthRuns", "Notices", "StreamRuns"}
    for queue, function in found.items():
        timeout = function.get("Timeout", template.body["Globals"]["Function"]["Timeout"])
        assert template.resources[queue]["Properties"]["VisibilityTimeout"] >= timeout, queue


# lambda/latest/dg/services-sqs-configure.html: Lambda asks for these three when the event source is created.
def test_role_of_a_queue_reader_may_read_the_queue(template):
    for name, function in template.functions.items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                allowed = {action for actions, resources in template.statements(name) if event["Properties"]["Queue"] in resources for action in actions}
                assert allowed >= {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, name


# ---------------------------------------------------------------- DynamoDB


# amazondynamodb/latest/APIReference/API_Projection.html: 20 names in a list, and 100 in all lists of a table.
# amazondynamodb/latest/developerguide/ServiceQuotas.html: 20 global indexes for each table.
def test_indexes_name_few_attributes(template):
    for name, table in template.of_type("AWS::DynamoDB::Table").items():
        indexes = table["Properties"].get("GlobalSecondaryIndexes", [])
        assert len(indexes) <= 20, name
        named = [index["Projection"].get("NonKeyAttributes", []) for index in indexes]
        assert all(len(each) <= 20 for each in named), name
        assert sum(map(len, named)) <= 100, name
        assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", index["IndexName"]) for index in indexes), name


# amazondynamodb/latest/APIReference/API_CreateTable.html: the attributes that are defined are exactly those of the keys.
def test_tables_define_the_attributes_of_their_keys(template):
    for name, table in template.of_type("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        keys = [*properties["KeySchema"], *(key for index in properties.get("GlobalSecondaryIndexes", []) for key in index["KeySchema"])]
        defined = [each["AttributeName"] for each in properties["AttributeDefinitions"]]
        assert sorted(defined) == sorted({key["AttributeName"] for key in keys}), name
        # The code writes texts only.
        assert {each["AttributeType"] for each in properties["AttributeDefinitions"]} == {"S"}, name
        assert len(properties["KeySchema"]) <= 2, name


# ---------------------------------------------------------------- API Gateway


# apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html: 29 seconds for an integration, 300
# resources and 10 authorizers for each API, 6 MB for its definition.
def test_api_fits(template, expanded):
    definition = expanded["Api"]["Properties"]["Body"]
    nodes = {"/".join(path.split("/")[: depth + 1]) for path in definition["paths"] for depth in range(1, len(path.split("/")))}
    assert len(nodes) + 1 <= 300
    assert len(template.resources["Api"]["Properties"]["Auth"]["Authorizers"]) <= 10
    assert len(json.dumps(definition)) <= 6 * 1_024 * 1_024
    for name, function in template.functions.items():
        if template.routes(name) or name == "authorizer":
            assert function.get("Timeout", template.body["Globals"]["Function"]["Timeout"]) <= 29, name


# The same page: stage variables. API_CreateStage.html: their names and values. API_CreateAuthorizer.html: an hour at most.
def test_stage_and_authorizer_have_allowed_values(template):
    properties = template.resources["Api"]["Properties"]
    for name, value in properties["Variables"].items():
        assert re.fullmatch(r"[A-Za-z0-9_]{1,64}", name)
        # A user pool's client ids consist of lower-case letters and digits.
        assert value == {"Fn::If": ["OwnPool", {"Ref": "PortalClient"}, {"Ref": "ClientId"}]}
    client = template.parameters["ClientId"]
    assert client["MaxLength"] <= 512 and client["AllowedPattern"] == "[A-Za-z0-9._~:/?#&=,-]*"
    assert all(0 <= each["Identity"]["ReauthorizeEvery"] <= 3_600 for each in properties["Auth"]["Authorizers"].values())
    assert 0 <= properties["MinimumCompressionSize"] <= 10_485_760


# apigateway/latest/developerguide/api-gateway-gateway-response-definition.html, supported-gateway-response-types.html. A static
# value of a header stands in single quotes and contains none.
def test_gateway_answers_have_static_headers(template):
    for kind, answer in template.resources["Api"]["Properties"]["GatewayResponses"].items():
        for header, value in answer["ResponseParameters"]["Headers"].items():
            text = value["Fn::Sub"] if isinstance(value, dict) else value
            assert re.fullmatch(r"'[^']+'", text), (kind, header)
        assert re.fullmatch(r"[1-5]\d\d", str(answer["StatusCode"])), kind
    assert "'" not in template.parameters["AllowedOrigin"]["AllowedPattern"].replace("/' ", "")


# ---------------------------------------------------------------- IAM


# IAM/latest/UserGuide/reference_iam-quotas.html: 10,240 characters for all policies inside a role and 2,048 for its trust
# policy, without white space; 128 for a policy's name.
def test_policies_fit_into_their_roles(template, expanded):
    def size(document):
        # The longest ARN of a resource of this template is one of a queue, a table or an index.
        return len(re.sub(r'\{"(Fn::GetAtt|Fn::Sub|Ref)":("[^"]*"|\[[^]]*\])\}', '"' + "a" * 180 + '"', json.dumps(document, separators=(",", ":"))))

    roles = {name: each["Properties"] for name, each in expanded.items() if each["Type"] == "AWS::IAM::Role"}
    assert len(roles) > len(FUNCTIONS)
    for name, role in roles.items():
        policies = [each["Fn::If"][1] if "Fn::If" in each else each for each in role.get("Policies", [])]
        assert sum(size(policy["PolicyDocument"]) for policy in policies) <= 10_240, name
        assert size(role["AssumeRolePolicyDocument"]) <= 2_048, name
        assert len({str(policy["PolicyName"]) for policy in policies}) == len(policies), name
        assert "RoleName" not in role, name


# AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html: 8,192 bytes, 20 statements, 7 actions in each.
# AmazonS3/latest/userguide/bucket-policies.html: 20 KB. object-lifecycle-mgmt.html: 1,000 rules.
def test_policies_of_bucket_and_queues_fit(template):
    for name, policy in template.of_type("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy").items():
        document = policy["Properties"]["PolicyDocument"]
        # ARNs take the place of the references.
        assert len(json.dumps(document)) + 300 * len(document["Statement"]) <= 8_192 and len(document["Statement"]) <= 20, name
        assert all(isinstance(each["Action"], str) or len(each["Action"]) <= 7 for each in document["Statement"]), name
    assert len(template.resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]) <= 1_000


# ---------------------------------------------------------------- Cognito, access log


# cognito-user-identity-pools/latest/APIReference/API_SchemaAttributeType.html: 20 characters for an attribute's name.
# API_CreateUserPoolDomain.html: 63 for a domain, without the words aws, amazon and cognito.
def test_user_pool_has_allowed_names(template):
    pool = template.resources["UserPool"]["Properties"]
    assert all(1 <= len(attribute["Name"]) <= 20 for attribute in pool["Schema"])
    text, variables = template.resources["UserPoolDomain"]["Properties"]["Domain"]["Fn::Sub"]
    assert list(variables) == ["Id"]
    # The first part of a stack's id has eight hexadecimal digits.
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", text.replace("${Id}", "01234567"))
    assert not re.search("aws|amazon|cognito", text)


# cognito-user-identity-pools/latest/APIReference/API_PasswordPolicyType.html: 6 to 99 characters, 0 to 365 days.
def test_password_policy_has_allowed_values(template):
    length, days = template.parameters["PasswordLength"], template.parameters["TemporaryPasswordDays"]
    assert 6 <= length["MinValue"] <= length["Default"] <= length["MaxValue"] <= 99
    assert 0 <= days["MinValue"] <= days["Default"] <= days["MaxValue"] <= 365


# apigateway/latest/developerguide/set-up-logging.html: a format has a request id and at most 3 KB.
def test_access_log_has_an_allowed_format(template):
    text = template.resources["Api"]["Properties"]["AccessLogSetting"]["Fn::If"][1]["Format"]
    assert "$context.requestId" in text and "\n" not in text and len(text) <= 3_072


# ---------------------------------------------------------------- KMS, AWS Backup


# kms/latest/developerguide/resource-limits.html: 32 KB for a key's policy. API_CreateAlias.html: 256 characters, not alias/aws/….
def test_key_and_alias_have_allowed_values(template):
    assert len(json.dumps(template.resources["Key"]["Properties"]["KeyPolicy"])) <= 32_768
    alias = template.resources["KeyAlias"]["Properties"]["AliasName"]
    assert re.fullmatch(r"alias/\$\{AWS::StackName\}", alias["Fn::Sub"]) and longest(template, alias) <= 256


# aws-backup/latest/devguide/API_CreateBackupVault.html: 2 to 50 letters, digits, hyphens and underscores. API_Lifecycle.html: 1 to 36,500 days.
def test_backups_have_allowed_values(template, backup):
    text, variables = template.resources["Backups"]["Properties"]["Parameters"]["VaultName"]["Fn::Sub"]
    assert list(variables) == ["Id"]
    # The first part of a stack's id has eight hexadecimal digits.
    assert re.fullmatch(r"[a-zA-Z0-9_-]{2,50}", text.replace("${Id}", "01234567"))
    days = template.parameters["BackupDays"]
    assert 1 <= days["MinValue"] <= days["MaxValue"] <= 36_500
    (rule,) = backup.resources["Plan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert rule["TargetBackupVault"] == {"Ref": "Vault"} and rule["Lifecycle"] == {"DeleteAfterDays": {"Ref": "Days"}}


# ---------------------------------------------------------------- CloudWatch, WAF


# AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html: 1,024 characters. API_MetricDatum.html: names of namespaces.
# waf/latest/developerguide/aws-waf-capacity-units.html: 5,000 units; each managed group names its own.
def test_alarms_and_firewall_have_allowed_sizes(template, watch, firewall):
    assert all(len(alarm["Properties"]["AlarmDescription"]) <= 1_024 for alarm in watch.of_type("AWS::CloudWatch::Alarm").values())
    assert re.fullmatch(r"[0-9A-Za-z.\-_/#:${}]+", template.resources["Watch"]["Properties"]["Parameters"]["Namespace"]["Fn::Sub"])
    units = {"AWSManagedRulesKnownBadInputsRuleSet": 200, "AWSManagedRulesAmazonIpReputationList": 25, "AWSManagedRulesCommonRuleSet": 700}
    groups = [rule["Statement"].get("ManagedRuleGroupStatement", {}).get("Name") for rule in firewall.resources["Acl"]["Properties"]["Rules"]]
    # A rule that counts requests takes two.
    assert sum(units.get(group, 2) for group in groups) <= 5_000


# ---------------------------------------------------------------- CloudFormation


# AWSCloudFormation/latest/UserGuide/cloudformation-limits.html: 500 resources, 200 parameters and outputs, 1 MB for a template in S3,
# 1,024 bytes for its description, 4,000 for a parameter's and 4,096 for a parameter's value.
def test_template_fits(template, expanded, watch, firewall, backup):
    assert len(expanded) <= 500
    assert len(json.dumps(expanded)) <= 1_000_000
    for each in (template, watch, firewall, backup):
        assert len(each.resources) <= 500 and len(each.parameters) <= 200 and len(each.body.get("Outputs", {})) <= 200
        assert len(each.body["Description"]) <= 1_024
        for name, parameter in each.parameters.items():
            assert len(parameter["Description"].encode()) <= 4_000, name
            assert parameter.get("MaxLength", 0) <= 4_096, name


# Properties that must be unique in an account and region, by type. Other names, such as a user pool's, may occur twice.
UNIQUE = {
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Cognito::UserPoolDomain": "Domain",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::WAFv2::WebACL": "Name",
}


def test_two_installations_share_no_name(expanded, watch, firewall, backup):
    for resources in (expanded, watch.resources, firewall.resources, backup.resources):
        for name, each in resources.items():
            if (given := each.get("Properties", {}).get(UNIQUE.get(each["Type"]))) is not None:
                # Either of these differs between two stacks.
                assert re.search(r"AWS::Stack(Name|Id)|Installation|VaultName", json.dumps(given)), name
    # CloudWatch tells metrics of a web ACL apart by this name only.
    metric = firewall.resources["Acl"]["Properties"]["VisibilityConfig"]["MetricName"]
    assert metric == {"Ref": "AWS::StackName"}
