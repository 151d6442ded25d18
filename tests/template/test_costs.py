"""The tables of docs/costs.md are what `make costs` calculates, at the prices that the page names and the benchmark uses."""

import re
import sys

import pytest

from application import ROOT

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
    for price in ("$0.625, $0.125", "$0.25, $0.20", "$0.10, $0.05", "$3.50", "$0.0000133334", "$0.023", "$0.50 a GB of logs", "$0.015"):
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
