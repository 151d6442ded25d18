"""Monitoring is deployed with the installation: alarms, dashboard, limits of the stage, expiry of logs."""

import json

import pytest


@pytest.fixture(scope="module")
def alarms(stack, aws):
    pages = aws("cloudwatch").get_paginator("describe_alarms").paginate()
    return [alarm for page in pages for alarm in page["MetricAlarms"] if stack["outputs"]["AlarmTopic"] in alarm["AlarmActions"]]


def test_every_alarm_notifies_and_watches_a_real_resource(stack, aws, alarms):
    assert len(alarms) == 25
    topic = stack["outputs"]["AlarmTopic"]
    assert topic in [each["TopicArn"] for each in aws("sns").list_topics()["Topics"]]
    queues = {url.rsplit("/", 1)[-1] for url in aws("sqs").list_queues()["QueueUrls"]}
    there = {
        "QueueName": queues,
        "FunctionName": set(stack["functions"].values()),
        "TableName": {stack["outputs"][name] for name in ("ActivitiesTable", "ControlTable")},
        "ApiName": {each["name"] for each in aws("apigateway").get_rest_apis()["items"]},
        "Stage": {"live"},
        "service": set(stack["functions"]),
    }
    for alarm in alarms:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic], alarm["AlarmName"]
        assert "docs/operations.md#" in alarm["AlarmDescription"]
        for dimension in alarm["Dimensions"]:
            assert dimension["Value"] in there[dimension["Name"]], (alarm["AlarmName"], dimension)


def test_dashboard_shows_this_installation(stack, aws):
    body = json.loads(aws("cloudwatch").get_dashboard(DashboardName="daybook")["DashboardBody"])
    assert len(body["widgets"]) == 8
    text = json.dumps(body)
    for name in ("record", "intake", "query", "exports", "export-worker"):
        assert stack["functions"][name] in text
    assert "Daybook/daybook" in text and "${" not in text


def test_stage_has_limits_and_every_log_expires(stack, aws):
    api, stage = stack["outputs"]["ApiUrl"].split("/")[-2:]
    settings = aws("apigateway").get_stage(restApiId=api, stageName=stage)["methodSettings"]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (10_000, 5_000)
    functions = aws("lambda")
    groups = {group["logGroupName"]: group for page in aws("logs").get_paginator("describe_log_groups").paginate() for group in page["logGroups"]}
    for name, physical in stack["functions"].items():
        group = functions.get_function_configuration(FunctionName=physical)["LoggingConfig"]["LogGroup"]
        assert int(groups[group]["retentionInDays"]) == 30, name
