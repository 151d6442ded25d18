"""Data are retained, private and encrypted. The template works in every AWS partition. The gateway answers with problem documents."""

import json
import re
import sys

import pytest

from application import CONSTANTS, ROOT, Template

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Security headers of the gateway's own answers, as on the answers of the functions.
GUARDS = {
    "Strict-Transport-Security": "'max-age=31536000'",
    "X-Content-Type-Options": "'nosniff'",
    "Referrer-Policy": "'no-referrer'",
    "X-Frame-Options": "'DENY'",
}
STATEFUL = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool")


def test_data_outlive_the_stack(template):
    found = template.of_type(*STATEFUL)
    # Counters of rate limits are worthless after an hour.
    assert found.pop("LimitsTable")["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert len(found) == 5
    for name, resource in found.items():
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_tables_are_on_demand_and_recoverable(template):
    for name, table in template.of_type("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        if name == "LimitsTable":
            continue
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["Protected", True, False]}


def test_activities_never_expire(template):
    assert "TimeToLiveSpecification" not in template.resources["ActivitiesTable"]["Properties"]


def test_bucket_is_private_and_encrypted(template):
    bucket = template.resources["DataBucket"]["Properties"]
    assert all(bucket["PublicAccessBlockConfiguration"].values()) and len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["BucketEncryption"]


def test_bucket_expires_only_exports_and_incomplete_uploads(template):
    rules = {rule["Id"]: rule for rule in template.resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    assert rules.pop("drop-incomplete-uploads")["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    old = rules.pop("drop-old-exports")
    assert (old["Prefix"], old["ExpirationInDays"]) == ("exports/", {"Ref": "RetentionDays"})
    assert not rules


def test_bucket_and_queues_refuse_plain_http(template):
    policies = template.of_type("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
    assert len(policies) == 1 + len(template.of_type("AWS::SQS::Queue")) == 9
    for name, policy in policies.items():
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*"), name
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, name
        assert policy["Condition"] == "TlsOnly", name
    assert template.parameters["RequireTls"]["Default"] == "true"


def test_export_job_stays_invisible_while_a_worker_may_run(template):
    queue, worker = template.resources["ExportJobs"]["Properties"], template.functions["export-worker"]
    assert queue["VisibilityTimeout"] >= 6 * worker["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == CONSTANTS["export_job_tries"] == 5
    assert template.resources["ExportJobsDead"]["Properties"]["MessageRetentionPeriod"] == 14 * 86_400
    source = worker["Events"]["Jobs"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 1
    assert all(queue["Properties"]["SqsManagedSseEnabled"] for queue in template.of_type("AWS::SQS::Queue").values())


def test_intake_message_settles_before_readers_rely_on_it(template):
    queue, intake = template.resources["ActivityIntake"]["Properties"], template.functions["intake"]
    source = intake["Events"]["Messages"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["VisibilityTimeout"] >= 6 * intake["Timeout"] + source["MaximumBatchingWindowInSeconds"]
    assert template.resources["ActivityIntakeDead"]["Properties"]["MessageRetentionPeriod"] == 14 * 86_400
    settle = CONSTANTS["settle_seconds"]
    # Twice the timeout, because clocks may differ.
    assert 2 * intake["Timeout"] <= settle and 2 * template.body["Globals"]["Function"]["Timeout"] <= settle


def test_every_queue_has_dead_letters_that_raise_an_alarm(template, watch):
    queues = template.of_type("AWS::SQS::Queue")
    alarms = [alarm["Properties"] for alarm in watch.of_type("AWS::CloudWatch::Alarm").values()]
    handed = template.resources["Watch"]["Properties"]["Parameters"]
    watched = {
        handed[alarm["Dimensions"][0]["Value"]["Ref"]]["Fn::GetAtt"][0]
        for alarm in alarms
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible" and alarm["Threshold"] == 0
    }
    live = {name: queue["Properties"] for name, queue in queues.items() if not name.endswith("Dead")}
    assert len(live) == 4
    for name, queue in live.items():
        assert queue["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": [f"{name}Dead", "Arn"]}, "maxReceiveCount": 5}
        assert f"{name}Dead" in watched


def test_nested_stack_gets_all_its_parameters_and_no_others(template, watch):
    assert set(template.resources["Watch"]["Properties"]["Parameters"]) == set(watch.parameters)
    assert set(template.resources["Wall"]["Properties"]["Parameters"]) == set(Template("infra/firewall.yaml").parameters)


def test_every_alarm_notifies_and_links_to_the_operations_page(watch):
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for name, alarm in watch.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        assert properties["AlarmActions"] == [{"Fn::If": ["OwnTopic", {"Ref": "Topic"}, {"Ref": "AlarmTopic"}]}], name
        assert len(properties["AlarmDescription"]) <= 1024
        (anchor,) = re.findall(r"docs/operations\.md#([a-z0-9-]+)$", properties["AlarmDescription"])
        assert anchor in anchors, name


def test_alarms_and_dashboard_show_metrics_of_the_code(watch):
    written = set(CONSTANTS["metrics"])
    assert {
        alarm["Properties"]["MetricName"]
        for alarm in watch.of_type("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("Namespace") == {"Ref": "Namespace"}
    } == {"export_age", "months_unmade"}
    body = watch.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    own = [row for widget in json.loads(body)["widgets"] for row in widget["properties"]["metrics"]]
    shown, namespace = set(), None
    for namespace_of_row, *rest in own:
        namespace = namespace if namespace_of_row in (".", "...") else namespace_of_row
        if namespace == "${Namespace}" and namespace_of_row != "...":
            shown.add(rest[0])
    assert shown and shown <= written


def test_firewall_protects_the_stage_if_the_parameter_says_so(template):
    assert template.resources["Wall"]["Condition"] == "HasFirewall"
    assert template.parameters["Firewall"]["Default"] == "false"
    rules = Template("infra/firewall.yaml").resources["Acl"]["Properties"]["Rules"]
    assert [rule["Priority"] for rule in rules] == list(range(len(rules)))
    assert rules[0]["Action"] == {"Block": {}} and rules[0]["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    managed = {rule["Statement"]["ManagedRuleGroupStatement"]["Name"] for rule in rules[1:]}
    assert managed == {"AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet"}


def test_stage_is_throttled_and_workers_have_own_concurrency(template):
    (settings,) = template.resources["Api"]["Properties"]["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == ({"Ref": "RequestRate"}, {"Ref": "RequestBurst"})
    worker = template.functions["export-worker"]
    reserved = worker["ReservedConcurrentExecutions"]["Fn::If"]
    assert reserved[:2] == ["ReservesWorkers", worker["Events"]["Jobs"]["Properties"]["ScalingConfig"]["MaximumConcurrency"]]


def test_run_and_notice_stay_invisible_while_a_function_runs(template):
    for queue, function in (("MonthRuns", "monthly"), ("Notices", "notifier")):
        assert template.resources[queue]["Properties"]["VisibilityTimeout"] >= 6 * template.functions[function]["Timeout"]
    assert CONSTANTS["notification_lease_seconds"] > template.functions["notifier"]["Timeout"]


def test_notification_retries_span_hours(template):
    waits = [int(wait) for wait in template.parameters["NotifyWaits"]["Default"].split(",")]
    assert waits == sorted(waits) and 12 * 3600 < sum(waits) < 4 * 86_400


def test_monthly_function_runs_every_hour_in_utc(template):
    schedule = template.functions["monthly"]["Events"]["Hourly"]
    assert schedule["Type"] == "ScheduleV2"
    assert schedule["Properties"]["ScheduleExpression"] == "rate(1 hour)"
    assert schedule["Properties"]["ScheduleExpressionTimezone"] == "UTC"


def test_user_pool_is_absent_with_another_issuer(template):
    for name, resource in template.resources.items():
        if resource["Type"].startswith("AWS::Cognito::"):
            assert resource.get("Condition") == "OwnPool", name


def test_user_cannot_choose_a_partner(template):
    client = template.resources["PortalClient"]["Properties"]
    assert client["WriteAttributes"] == ["name"]
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlows"] == ["code"]
    assert template.resources["UserPool"]["Properties"]["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}


def test_user_groups_are_the_roles_of_the_code(template):
    groups = {each["Properties"]["GroupName"] for each in template.of_type("AWS::Cognito::UserPoolGroup").values()}
    assert groups == set(CONSTANTS["user_roles"])


@pytest.mark.parametrize("literal", [r"arn:aws[^$]", r"(us|eu|ap)-(gov-)?(east|west|central|south|north)\w*-\d", r"AWS_ENDPOINT", r"localhost", r"\b\d{12}\b"])
def test_template_contains_no(template, literal):
    assert not re.findall(f".*{literal}.*", template.text)


def test_aws_host_names_come_from_the_partition(template):
    hosts = [line.strip() for line in template.text.splitlines() if "amazonaws.com" in line]
    # Service principals are called so in every partition.
    assert all("lambda.amazonaws.com" in host for host in hosts)


def test_no_resource_has_a_fixed_name(template):
    fixed = {"FunctionName", "TableName", "BucketName", "QueueName", "RoleName", "LogGroupName"}
    for name, resource in template.resources.items():
        assert not fixed & set(resource.get("Properties", {})), name


def test_every_parameter_is_described_and_listed(template):
    groups = template.body["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template.parameters)
    for name, parameter in template.parameters.items():
        assert parameter["Description"], name
        assert "Default" in parameter, name
    assert template.parameters["Architecture"]["Default"] == "arm64"
    assert template.parameters["StageName"]["Default"] == "live"


def test_gateway_answers_with_the_problems_of_the_code(template):
    for kind, answer in template.resources["Api"]["Properties"]["GatewayResponses"].items():
        problem = json.loads(answer["ResponseTemplates"]["application/json"])
        assert list(problem) == ["type", "title", "status", "detail", "trace_id"], kind
        slug = problem["type"].removeprefix(CONSTANTS["problem_uri"])
        assert problem["trace_id"] == "$context.requestId"
        assert problem["status"] == answer["StatusCode"], kind
        assert [problem["title"], problem["status"]] == CONSTANTS["problems"][slug], kind
        headers = answer["ResponseParameters"]["Headers"]
        assert headers["Content-Type"] == "'application/problem+json'", kind
        assert headers["Cache-Control"] == "'no-store'", kind
        assert {name: headers[name] for name in GUARDS} == GUARDS, kind
        assert ("Retry-After" in headers) == (problem["status"] in (429, 503)), kind


def test_every_gateway_refusal_is_a_problem(template):
    kinds = set(template.resources["Api"]["Properties"]["GatewayResponses"])
    # The two defaults stand for all others, with their status too.
    assert kinds >= {
        "DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED", "MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND",
        "REQUEST_TOO_LARGE", "THROTTLED", "QUOTA_EXCEEDED", "INTEGRATION_TIMEOUT", "INTEGRATION_FAILURE", "EXPIRED_TOKEN",
        "INVALID_SIGNATURE", "WAF_FILTERED",
    }  # fmt: skip


def test_samconfig_has_aws_local_and_govcloud_environments():
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert {"default", "local", "gov"} <= set(environments)
    assert environments["gov"]["global"]["parameters"]["region"].startswith("us-gov-")
