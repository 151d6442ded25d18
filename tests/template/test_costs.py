"""The tables of docs/costs.md are what `make costs` calculates, at the prices that the page names and the benchmark uses."""

import re
import subprocess
import sys

import pytest

from application import ROOT, sources

sys.path.insert(0, str(ROOT / "infra"))

import costs

TEXT = (ROOT / "docs" / "costs.md").read_text("utf-8")


@pytest.mark.parametrize("name", costs.tables())
def test_cost_page_has_the_calculated_table(name):
    assert costs.marked(name, costs.tables()[name]) in TEXT, "run: python3 infra/costs.py --document"


def test_cost_page_has_no_other_calculated_tables():
    assert re.findall(r"^<!-- (\w+): make costs -->", TEXT, re.MULTILINE) == list(costs.tables())


def test_prices_are_those_of_the_benchmark_and_of_the_page():
    bench = (ROOT / "tests" / "bench" / "dollars.py").read_text("utf-8")
    assert "READ, WRITE, S3_WRITE, S3_READ, SQS = 0.125e-6, 0.625e-6, 0.005e-3, 0.4e-6, 0.4e-6" in bench and "GB_MONTH = 0.25\n" in bench
    assert (costs.READ_UNIT, costs.WRITE_UNIT, costs.OBJECT_WRITE, costs.OBJECT_READ, costs.TABLE_GB) == (0.125e-6, 0.625e-6, 5e-6, 0.4e-6, 0.25)
    named = TEXT.split("## What an activity takes")[0]
    for price in (
        "$0.625, $0.125",
        "$0.25, $0.20",
        "$0.10, $0.05",
        "$3.50",
        "$0.0000133334",
        "$0.023",
        "$0.50 a GB of logs",
        "$0.015",
        "$0.029, $0.018",
        "$1.00 a million",
        "$0.09 a GB",
        "$6 a client",
        "$2.25 a thousand",
        "$5 a web ACL, $1 a rule",
        "$0.60 a million requests",
        "$5 a million traces",
    ):
        assert price in named, price


def test_short_activity_costs_two_write_units():
    short = costs.average({"short": 1.0})
    assert short.write_units == 2 and not short.twin and not short.object
    found = costs.recording(short, costs.MILLION, 1)
    assert round(found["write units of table and indexes"], 4) == 1.25
    assert round(found["gateway"], 4) == 3.5


def test_storage_counts_the_overhead_of_each_stored_item():
    activity = costs.Activity(item=900, index_copies=1, twin=2_000, twins=1, object=0, objects=0, write_units=4)
    assert (activity.table_bytes, activity.index_bytes) == (3_100, 1_000)
    kept = costs.keeping(activity, 1e9 / 1_000)
    assert {part: round(price, 6) for part, price in kept.items()} == {
        "table": 0.775,
        "indexes": 0.25,
        "point-in-time recovery": 0.62,
        "large details in S3": 0,
    }


def test_gateway_is_cheaper_by_tiers():
    assert round(costs.gateway(333e6), 2) == 1_165.50
    assert round(costs.gateway(1e9), 2) == round(1_165.50 + 667 * 2.80, 2)
    assert round(costs.gateway(2e9) - costs.gateway(1e9), 2) == 2_380


def test_shares_of_the_mix_are_a_whole():
    assert sum(costs.MIX.values()) == pytest.approx(1)
    assert set(costs.MIX) <= set(costs.SIZES)


def test_fixed_costs_count_what_the_templates_create(template, watch):
    alarms = watch.of_type("AWS::CloudWatch::Alarm").values()
    assert costs.ALARMS == len([alarm for alarm in alarms if "Condition" not in alarm])
    assert len(watch.of_type("AWS::CloudWatch::Dashboard")) == 1
    events = [event for function in template.functions.values() for event in function.get("Events", {}).values()]
    assert costs.QUEUES == len([event for event in events if event["Type"] == "SQS"])
    schedules = [event["Properties"]["ScheduleExpression"] for event in events if event["Type"] == "ScheduleV2"]
    assert schedules.count("rate(1 hour)") == len(costs.HOURLY_RUNS) and schedules.count("rate(1 minute)") == 1 and len(schedules) == 3
    assert template.resources["ErasureKey"].get("Condition") is None


def test_operations_page_has_the_numbers_of_alarms_and_rules(watch):
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    every = len(watch.of_type("AWS::CloudWatch::Alarm"))
    assert f"| alarms | {costs.ALARMS} at $0.10 a month, {every} with `BackupPlan` |" in text
    rules = re.findall(r"^          Priority: ", (ROOT / "infra" / "firewall.yaml").read_text("utf-8"), re.MULTILINE)
    assert costs.FIREWALL_RULES == len(rules) == 4 and "$9 a month with its four rules" in text


def test_client_costs_a_price_of_its_own_and_a_token_an_hour():
    one, three = (costs.month(costs.Installation(0, clients=count)) for count in (1, 3))
    changed = {name: three[name] - one[name] for name in one if three[name] != one[name]}
    assert changed == {"machine clients and their tokens": pytest.approx(2 * (6 + 720 * 0.00225))}
    assert "costs $7.62 a month" in TEXT


def test_firewall_and_traces_cost_by_the_request():
    small, large = (costs.options(costs.Installation(count)) for count in (1_000_000, 10_000_000))
    assert (small["`Firewall`"], large["`Firewall`"]) == pytest.approx((9.6, 15.0))
    assert (small["`Tracing`"], large["`Tracing`"]) == pytest.approx((5.0, (2_592_000 + 0.05 * 7_408_000) * 5e-6))


def test_audit_page_has_the_prices_of_write_units():
    text = (ROOT / "docs" / "audit.md").read_text("utf-8")
    each, change = (units * costs.MILLION * costs.WRITE_UNIT for units in (costs.ENTRY_UNITS, costs.ENTRY_UNITS + 1))
    for row in (
        f"pages that each belong to another reader and hour | 1,000,000 | ${each:.2f} |",
        f"downloads | 1,000,000 | ${each:.2f} |",
        f"exports: asked for (three writes), finished (two) | 2,000,000 | ${each + change + 1e-9:.2f} |",
    ):
        assert f"| {row}" in text
    assert f"${each:.2f} a million entries, ${change + 1e-9:.2f} of changes" in (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.mark.parametrize(
    "given, says",
    {
        ("--per-request", "0"): "a request has at least one activity",
        ("--per-request", "-3"): "'-3' is not a whole number from 0 on",
        ("--activities", "many"): "'many' is not a whole number from 0 on",
        ("--pages", "1e6"): "'1e6' is not a whole number from 0 on",
        ("--streamed", "5"): "give both, or neither",
        ("--streams", "5"): "give both, or neither",
    }.items(),
)
def test_number_that_cannot_be_is_refused_by_its_name(given, says):
    ran = subprocess.run([sys.executable, ROOT / "infra" / "costs.py", *given], capture_output=True, text=True)
    assert ran.returncode == 2 and says in ran.stderr and given[0] in ran.stderr and not ran.stdout


def test_numbers_may_have_separators():
    totals = [
        subprocess.run([sys.executable, ROOT / "infra" / "costs.py", "--activities", number], capture_output=True, text=True, check=True).stdout
        for number in ("50000000", "50,000,000", "50_000_000")
    ]
    assert len(set(totals)) == 1


def test_fixed_costs_count_every_metric_of_every_function(template):
    def names(function):
        code = sources(function)
        # The crate `lambda` counts entries of the audit for those that store them with a request.
        audited = ["AuditFailures"] if "RequestAudit" in code or "note_refusal" in code else []
        return {*re.findall(r"\bMetric::([A-Z]\w+)", code), *audited}

    assert costs.METRICS == sum(len(names(function)) for function in template.functions)


def test_streamer_reads_every_partition_of_the_due_marks():
    control = (ROOT / "crates" / "store" / "src" / "control.rs").read_text("utf-8")
    assert f"PARTITIONS: u8 = {costs.DUE_PARTITIONS};" in control


def test_encryption_key_is_used_by_each_role_for_its_tables(template):
    tables = template.of_type("AWS::DynamoDB::Table")
    named = {
        (function, table)
        for function in template.functions
        for _, resources in template.statements(function)
        for table in tables
        if re.search(rf"\b{table}\b", str(resources))
    }
    assert costs.KEY_PAIRS == len(named)
    assert f"{costs.KEY_PAIRS} pairs of a role and a table that it may use + {costs.KEY_QUEUES} queues × 2" in TEXT
    assert costs.KEY_QUEUES == costs.QUEUES


def test_requests_of_streams_have_the_limits_of_the_code():
    batch = ROOT / "crates" / "domain" / "src" / "stream" / "batch"
    assert f"MAX_BATCH_ACTIVITIES: usize = {costs.PER_REQUEST['https']};" in (batch / "mod.rs").read_text("utf-8")
    assert f"MAX_ENTRIES: usize = {costs.PER_REQUEST['eventbridge']};" in (batch / "event_bridge.rs").read_text("utf-8")


def test_idle_stream_costs_nothing_but_storage():
    assert sum(costs.delivering(costs.Stream(0, minutes=0)).values()) == 0
    none, many = costs.visiting(), costs.visiting(streams=10_000)
    assert {name for name in none if none[name] != many[name]} == {"settings of streams kept"}
    assert many["settings of streams kept"] == pytest.approx(10_000 * 1_600 / 1e9 * 0.45)


def test_stream_costs_by_visits_and_requests():
    steady = costs.Stream(costs.MILLION)
    assert (steady.visits, steady.requests) == (43_200, 43_200)
    assert costs.Stream(costs.MILLION, kind="eventbridge").requests == 3 * 43_200, "23 activities are three calls"
    assert costs.Stream(1_000, minutes=1).requests == 2
    alone = costs.Stream(1_000, minutes=1_000, is_alone=True)
    assert (alone.visits, alone.requests) == (3_500, 1_000)
    found = costs.delivering(steady)
    assert found["rows of the feed"] == pytest.approx(0.625)
    assert found["due marks"] == pytest.approx(43_200 * 0.625e-6)
    assert found["activities read"] == pytest.approx(0.125 * (1 + 130 / 4_096))
    assert found["progress saved"] == pytest.approx(43_200 * 2 * 0.625e-6)


def test_only_servers_cost_data_transfer():
    sent = {kind: costs.delivering(costs.Stream(costs.MILLION, kind=kind))["data to the Internet"] for kind in costs.PER_REQUEST}
    assert sent["https"] > 0 and sent["eventbridge"] == sent["s3"] == 0
    assert sum(costs.receiving(costs.Stream(costs.MILLION)).values()) == 0, "the owner of a server pays AWS nothing"


def test_firehose_bills_each_activity_as_five_kilobytes():
    lake = costs.receiving(costs.Stream(costs.MILLION, kind="eventbridge"), through_firehose=True)
    assert (lake["events on the bus"], lake["Firehose"], lake["Firehose, JSON to Parquet"]) == pytest.approx((1.0, 0.145, 0.09))
