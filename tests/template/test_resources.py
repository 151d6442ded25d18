"""Data are retained, private and encrypted. The template works in every AWS partition. The gateway answers with problem documents."""

import json
import re
import sys

import pytest

from application import CONSTANTS, ROOT, Template, sources
from expansion import expand

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
# The rules of the managed groups, as AWS lists them in waf/latest/developerguide/aws-managed-rule-groups-baseline.html.
MANAGED = {
    "AWSManagedRulesCommonRuleSet": {
        "NoUserAgent_HEADER", "UserAgent_BadBots_HEADER", "SizeRestrictions_QUERYSTRING", "SizeRestrictions_Cookie_HEADER",
        "SizeRestrictions_BODY", "SizeRestrictions_URIPATH", "EC2MetaDataSSRF_BODY", "EC2MetaDataSSRF_COOKIE", "EC2MetaDataSSRF_URIPATH",
        "EC2MetaDataSSRF_QUERYARGUMENTS", "GenericLFI_QUERYARGUMENTS", "GenericLFI_URIPATH", "GenericLFI_BODY",
        "RestrictedExtensions_URIPATH", "RestrictedExtensions_QUERYARGUMENTS", "GenericRFI_QUERYARGUMENTS", "GenericRFI_BODY",
        "GenericRFI_URIPATH", "CrossSiteScripting_COOKIE", "CrossSiteScripting_QUERYARGUMENTS", "CrossSiteScripting_BODY",
        "CrossSiteScripting_URIPATH",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {
        "JavaDeserializationRCE_BODY", "JavaDeserializationRCE_URIPATH", "JavaDeserializationRCE_QUERYSTRING",
        "JavaDeserializationRCE_HEADER", "Host_localhost_HEADER", "PROPFIND_METHOD", "ExploitablePaths_URIPATH", "Log4JRCE_QUERYSTRING",
        "Log4JRCE_BODY", "Log4JRCE_URIPATH", "Log4JRCE_HEADER", "ReactJSRCE_BODY",
    },
    "AWSManagedRulesAmazonIpReputationList": {"AWSManagedIPReputationList", "AWSManagedReconnaissanceList", "AWSManagedIPDDoSList"},
}  # fmt: skip
# Rules that refuse what an ordinary client sends: an id that ends in .log, and no User-Agent.
TOO_STRICT = {"RestrictedExtensions_URIPATH", "NoUserAgent_HEADER"}
STATEFUL = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool")


def test_data_outlive_the_stack(template):
    found = template.of_type(*STATEFUL)
    # Counters of rate limits are worthless after an hour.
    assert found.pop("LimitsTable")["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    # Marks of what is due live for minutes, and every activity puts its own.
    del found["DueTable"]
    assert len(found) == 9
    for name, resource in found.items():
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_tables_are_on_demand_and_recoverable(template):
    for name, table in template.of_type("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        if name in ("LimitsTable", "DueTable"):
            continue
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["Protected", True, False]}


def test_activities_and_the_audit_never_expire(template):
    for table in ("ActivitiesTable", "AuditTable"):
        assert "TimeToLiveSpecification" not in template.resources[table]["Properties"], table


def test_bucket_is_private_and_encrypted(template):
    bucket = template.resources["DataBucket"]["Properties"]
    assert all(bucket["PublicAccessBlockConfiguration"].values()) and len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_bucket_keeps_versions_so_that_details_can_be_restored(template):
    assert template.resources["DataBucket"]["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    # A function that could read or remove older versions could undo a removal.
    for function in template.functions:
        actions = {action for actions, _ in template.statements(function) for action in actions}
        assert not [action for action in actions if action.startswith("s3:") and "Version" in action], function


def test_pages_may_read_files_and_resume_downloads(template):
    (rule,) = template.resources["DataBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [{"Ref": "AllowedOrigin"}]
    assert rule["AllowedMethods"] == ["GET", "HEAD"]
    assert {"Range", "If-Match"} <= set(rule["AllowedHeaders"])
    assert {"ETag", "Content-Range", "Content-Length"} <= set(rule["ExposedHeaders"])


def test_bucket_and_queues_refuse_plain_http(template):
    policies = template.of_type("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
    assert len(policies) == 2 + len(template.of_type("AWS::SQS::Queue")) == 14
    for name, policy in policies.items():
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*"), name
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, name
        assert policy["Condition"] == "TlsOnly", name
    assert template.parameters["RequireTls"]["Default"] == "true"


def test_queues_answer_for_each_message(template):
    for function, source in (("export-worker", "Jobs"), ("intake", "Messages"), ("notifier", "Notices")):
        events = template.functions[function]["Events"]
        assert events[source]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], function
    # An invocation is about one partner.
    assert template.functions["export-worker"]["Events"]["Jobs"]["Properties"]["BatchSize"] == 1


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
    assert len(live) == 6
    for name, queue in live.items():
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}Dead", "Arn"]}
        assert f"{name}Dead" in watched


def test_nested_stack_gets_all_its_parameters_and_no_others(template, watch):
    assert set(template.resources["Watch"]["Properties"]["Parameters"]) == set(watch.parameters)
    assert set(template.resources["Wall"]["Properties"]["Parameters"]) == set(Template("infra/firewall.yaml").parameters)
    assert set(template.resources["Backups"]["Properties"]["Parameters"]) == set(Template("infra/backup.yaml").parameters)
    assert set(template.resources["Lake"]["Properties"]["Parameters"]) == set(Template("infra/lake.yaml").parameters)


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
    alarms = [alarm["Properties"] for alarm in watch.of_type("AWS::CloudWatch::Alarm").values()]
    watched = [alarm for alarm in alarms if alarm.get("Namespace") == {"Ref": "Namespace"}]
    assert {alarm["MetricName"] for alarm in watched} == {"export_age", "months_unmade", "audit_failures", "stream_lag_seconds"} <= written
    # Every function that answers requests with a token.
    of_audit = {alarm["Dimensions"][0]["Value"] for alarm in watched if alarm["MetricName"] == "audit_failures"}
    assert of_audit == {"query", "exports", "record", "admin"}
    body = watch.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    own = [row for widget in json.loads(body)["widgets"] for row in widget["properties"]["metrics"]]
    shown, namespace = set(), None
    for namespace_of_row, *rest in own:
        namespace = namespace if namespace_of_row in (".", "...") else namespace_of_row
        if namespace == "${Namespace}" and namespace_of_row != "...":
            shown.add(rest[0])
    assert shown and shown <= written


def test_firewall_lets_recorded_attacks_pass(firewall):
    # An activity may hold what an attacker sent, and a list is searched for it.
    for rule in firewall.resources["Acl"]["Properties"]["Rules"][1:]:
        group = rule["Statement"]["ManagedRuleGroupStatement"]
        counted = {each["Name"] for each in group.get("RuleActionOverrides", []) if each["ActionToUse"] == {"Count": {}}}
        data = {name for name in MANAGED[group["Name"]] if name.endswith(("_BODY", "_QUERYARGUMENTS", "_QUERYSTRING"))}
        assert counted == data | (TOO_STRICT & MANAGED[group["Name"]]), group["Name"]
        assert len(group.get("RuleActionOverrides", [])) == len(counted)


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


def test_claims_of_the_user_pool_are_read_and_written_by_no_client(template):
    attributes = [f"custom:{each['Name']}" for each in template.resources["UserPool"]["Properties"]["Schema"]]
    assert template.parameters["PartnerClaim"]["Default"] in attributes and "custom:customers" in attributes
    # A client without a list of its own may write the standard attributes only.
    for name, client in template.of_type("AWS::Cognito::UserPoolClient").items():
        assert not set(attributes) & set(client["Properties"].get("WriteAttributes", [])), name
    # An ID token has the attributes that the client may read.
    assert set(attributes) <= set(template.resources["PortalClient"]["Properties"]["ReadAttributes"])


def test_nobody_is_restricted_to_customers_by_default(template):
    assert template.parameters["CustomersClaim"]["Default"] == ""
    assert template.variables("authorizer")["CUSTOMERS_CLAIM"] == {"Ref": "CustomersClaim"}


def test_user_groups_are_the_roles_of_the_code(template):
    groups = {each["Properties"]["GroupName"] for each in template.of_type("AWS::Cognito::UserPoolGroup").values()}
    assert groups == set(CONSTANTS["user_roles"])


@pytest.mark.parametrize("literal", [r"arn:aws[^$]", r"(us|eu|ap)-(gov-)?(east|west|central|south|north)\w*-\d", r"AWS_ENDPOINT", r"localhost", r"\b\d{12}\b"])
def test_templates_contain_no(template, watch, firewall, backup, literal):
    for each in (template, watch, firewall, backup):
        assert not re.findall(f".*{literal}.*", each.text)


def test_aws_host_names_come_from_the_partition(template):
    hosts = [line.strip() for line in template.text.splitlines() if "amazonaws.com" in line]
    # Service principals are called so in every partition.
    assert all(re.fullmatch(r"Principal: \{Service: [a-z]+\.amazonaws\.com\}", host) for host in hosts)


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


def test_gateway_says_how_the_size_of_a_request_counts(template):
    refused = template.resources["Api"]["Properties"]["GatewayResponses"]["REQUEST_TOO_LARGE"]
    detail = json.loads(refused["ResponseTemplates"]["application/json"])["detail"]
    assert "6,000,000 bytes" in detail and "counts twice" in detail
    assert "MAX_PAYLOAD_BYTES: usize = 6_000_000;" in sources("lambda", "crates")


def test_every_gateway_refusal_is_a_problem(template):
    kinds = set(template.resources["Api"]["Properties"]["GatewayResponses"])
    # The two defaults stand for all others, with their status too.
    assert kinds >= {
        "DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED", "MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND",
        "REQUEST_TOO_LARGE", "THROTTLED", "QUOTA_EXCEEDED", "INTEGRATION_TIMEOUT", "INTEGRATION_FAILURE", "EXPIRED_TOKEN",
        "INVALID_SIGNATURE", "WAF_FILTERED", "AUTHORIZER_FAILURE",
    }  # fmt: skip


def test_new_value_of_a_parameter_reaches_the_stage():
    # SAM names the deployment; only a new name makes CloudFormation deploy the API again.
    names = {name for second in (1, 2) for name, each in expand(second=second)["Resources"].items() if each["Type"] == "AWS::ApiGateway::Deployment"}
    assert len(names) == 2


def test_keys_of_the_user_pool_come_from_the_stack_region(template):
    assert template.body["Conditions"]["PoolHasFips"] == {
        "Fn::Or": [{"Fn::Equals": [{"Ref": "FipsEndpoints"}, "true"]}, {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-us-gov"]}]
    }
    urls = json.dumps(template.variables("authorizer")["JWKS_URL"])
    for host in ("cognito-idp-fips", "cognito-idp"):
        assert f"https://{host}.${{AWS::Region}}.${{AWS::URLSuffix}}/${{UserPool}}/.well-known/jwks.json" in urls
    # A second region of an environment would otherwise read the keys of the first.
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for name, environment in configured.items():
        if name != "version":
            assert not re.search(r"[a-z]{2}-(gov-)?[a-z]+-\d", environment["deploy"]["parameters"].get("parameter_overrides", "")), name


def test_samconfig_has_aws_local_and_govcloud_environments():
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert {"default", "local", "gov"} <= set(environments)
    assert environments["gov"]["global"]["parameters"]["region"].startswith("us-gov-")
