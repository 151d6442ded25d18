"""The answers to a security questionnaire in docs/trust.md follow the template."""

import re

import pytest

from application import CONSTANTS, ROOT

TEXT = (ROOT / "docs" / "trust.md").read_text("utf-8")
DAY = 86_400
# The names under which the page lists the services of a template, by the beginning of a resource's type.
SERVICES = {
    "AWS::ApiGateway": "API Gateway",
    "AWS::Backup": "AWS Backup",
    "AWS::CloudFormation": "CloudFormation",
    "AWS::CloudWatch": "CloudWatch",
    "AWS::Cognito": "Cognito",
    "AWS::DynamoDB": "DynamoDB",
    "AWS::Events": "EventBridge",
    "AWS::Glue": "Glue",
    "AWS::IAM": "IAM",
    "AWS::KMS": "KMS",
    "AWS::KinesisFirehose": "Data Firehose",
    "AWS::Lambda": "Lambda",
    "AWS::Logs": "CloudWatch",
    "AWS::S3": "S3",
    "AWS::SNS": "SNS",
    "AWS::SQS": "SQS",
    "AWS::Scheduler": "EventBridge Scheduler",
    "AWS::WAFv2": "WAF",
}


def section(title):
    """Returns the text below a heading of the third level."""
    return TEXT.split(f"\n### {title}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]


@pytest.fixture(scope="module")
def remains():
    """What remains after a deletion, by the words of the page."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section("Deletion").split("What remains", 1)[1], re.MULTILINE)
    return {what: days for what, days in rows if re.search(r"\d|`", days)}


def test_trust_page_names_the_days_after_which_copies_are_gone(template, remains):
    rules = {rule["Id"]: rule for bucket in template.of_type("AWS::S3::Bucket").values() for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}
    older = lambda rule: rules[rule]["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert {rule for rule in rules if "NoncurrentVersionExpiration" in rules[rule]} == {
        "drop-old-exports", "drop-downloads", "keep-removed-details", "drop-removed-details"
    }  # fmt: skip
    queues = {name: queue["Properties"]["MessageRetentionPeriod"] for name, queue in template.of_type("AWS::SQS::Queue").items()}
    assert older("drop-old-exports") == older("drop-downloads") == 1
    expected = {
        "point-in-time recovery of the tables": "35 days",
        "older versions of details in the buckets": f"{max(older('keep-removed-details'), older('drop-removed-details'))} days",
        "removed files of exports and downloads, as older versions": "1 day",
        "daily backups, and their copies in another account (`BackupPlan`)": "`BackupDays`",
        "messages in queues, until they are processed": f"{max(kept for name, kept in queues.items() if not name.endswith('Dead')) // DAY} days",
        "dead letters": f"{max(kept for name, kept in queues.items() if name.endswith('Dead')) // DAY} days",
        "logs of functions and gateway: ids, subjects, IP addresses, no content": "`LogRetentionDays`",
        "records of notifications, with the recipient's address": f"{CONSTANTS['seconds']['delivery_kept'] // DAY} days",
    }
    assert remains == expected
    assert {"BackupDays", "LogRetentionDays", "BackupPlan"} <= set(template.parameters)


def test_trust_page_lists_every_service_as_a_subprocessor(expanded, watch, firewall, backup, lake):
    types = {each["Type"] for resources in (expanded, watch.resources, firewall.resources, backup.resources, lake.resources) for each in resources.values()}
    listed = section("Residency and subprocessors")
    for type in types:
        service = SERVICES["::".join(type.split("::")[:2])]
        assert service in listed, f"{type}: name its service on the page"


def test_trust_page_names_parameters_that_exist(template):
    answers = TEXT.split("## What was tried")[0]
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", answers)) - {"PutItem", "ActivityIntake"}
    assert named <= set(template.parameters)
    assert template.parameters["LogRetentionDays"]["Default"] == 30
