"""Logs: a trace finds its request, and no log line holds a caller's data."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from api import ALL_OF_2024, eventually, is_problem, new_activity, now

GROUPS = ["AuthorizerLog", "RecordLog", "QueryLog", "ExportsLog", "AdminLog", "ExportWorkerLog"]


@pytest.fixture
def logged(aws):
    """Returns the lines that the functions logged since the start of the test, by group."""
    logs, began = aws("logs"), int(now().timestamp() * 1000)
    groups = {
        name: group["logGroupName"]
        for group in logs.describe_log_groups()["logGroups"]
        for name in GROUPS
        if group["logGroupName"].rsplit("/", 1)[-1].startswith(name)
    }
    assert sorted(groups) == sorted(GROUPS)

    def since_then(name):
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=groups[name], startTime=began)
        return [event["message"] for page in pages for event in page["events"]]

    return since_then


def answered(lines, trace):
    """Returns the log line of a request."""
    return [json.loads(line) for line in lines if "answered" in line and trace in line]


def test_problem_is_found_in_the_log_by_its_trace(partner, logged):
    problem = is_problem(partner.send(new_activity(action="Order Created")), 400, "invalid-request", "/action")
    [line] = eventually(lambda: answered(logged("RecordLog"), problem["trace_id"]), "a line of the request")
    assert (line["level"], line["status"]) == ("INFO", 400)
    assert line["route"] == "POST /v1/partners/{partner}/activities"
    assert line["duration_ms"] >= 0


def test_invocation_logs_function_request_and_metrics(partner, logged, stack):
    sent = [new_activity() for _ in range(3)]
    partner.record(sent)
    partner.send({"activities": [*sent, new_activity(action="Not An Action")]})
    partner.list(**ALL_OF_2024)
    of_partner = f'"partner":"{partner.name}"'
    # The last line of each request, and the line of its metrics.
    mine = lambda name, kind: [json.loads(line) for line in logged(name) if kind in line and of_partner in line]
    first, second = eventually(lambda: len(mine("RecordLog", "_aws")) == 2 and mine("RecordLog", "_aws"), "metrics of both requests")
    assert (first["recorded"], first["duplicates"], first["rejected"]) == (3, 0, 0)
    assert (second["recorded"], second["duplicates"], second["rejected"]) == (0, 3, 1)
    [listed] = eventually(lambda: mine("QueryLog", "_aws"), "metrics of the list")
    answers = [*mine("RecordLog", "answered"), *mine("QueryLog", "answered")]
    assert listed["list_latency"] == [answers[-1]["duration_ms"]]
    for measured, answer, service in zip((first, second, listed), answers, ("record", "record", "query"), strict=True):
        assert measured["service"] == answer["span"]["service"] == service and answer["status"] == 200
        for name in ("cold_start", "function_request_id", "trace_id"):
            assert measured[name] == answer["span"][name]
        assert isinstance(measured["cold_start"], bool) and measured["function_request_id"] and measured["trace_id"]
        [directive] = measured["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Daybook/daybook", [["service"]])
        # Once a function has refused a request because of a limit, or has waited too long for an entry of the audit, these counts are
        # part of each line too.
        expected = {("list_latency", "Milliseconds")} if service == "query" else {(name, "Count") for name in ("recorded", "duplicates", "rejected")}
        assert {(metric["Name"], metric["Unit"]) for metric in directive["Metrics"]} - {("refused", "Count"), ("audit_failures", "Count")} == expected
        assert not measured.get("refused")
        assert abs(measured["_aws"]["Timestamp"] / 1000 - now().timestamp()) < 600


def test_logs_hold_no_token_content_address_or_link(partner, logged):
    marker = "nobody-else-knows-this"
    sent = new_activity(actor={"id": f"{marker}@contoso.example", "name": f"{marker} name"}, customer={"id": marker, "name": marker}, details={"a": marker})
    assert partner.send(sent).status_code == 201
    is_problem(partner.send(sent | {"status": "failed"}), 409, "conflict")
    is_problem(partner.send(sent | {"action": marker}), 400, "invalid-request", "/action")
    partner.show(sent)
    assert partner.ids(**ALL_OF_2024, actor=sent["actor"]["id"], q=marker) == [sent["id"]]
    export = partner.export(**ALL_OF_2024, customer=marker)
    link = partner.link(export, export["files"][0]["name"])
    eventually(lambda: any(export["id"] in line for line in logged("ExportWorkerLog")), "a line of the export")
    eventually(lambda: any("files/{name}" in line for line in logged("ExportsLog")), "a line of the download")
    eventually(lambda: any("activities/{id}" in line for line in logged("QueryLog")), "a line of the query")

    text = "\n".join(line for name in GROUPS for line in logged(name))
    token_signature = partner.caller.token.rsplit(".", 1)[-1]
    [link_signature] = parse_qs(urlsplit(link).query)["X-Amz-Signature"]
    for secret in (marker, token_signature, link_signature):
        assert secret not in text
