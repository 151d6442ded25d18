"""The stack at its limit, and with killed functions, loses and doubles nothing.

`LOAD_SECONDS=300` sets a longer load, `LOAD_SEED=` another one.
"""

import pytest
from amounts import amount, report, setting

from api import Partner
from load import BUSY, Load

SECONDS = amount("LOAD_SECONDS", 8, 120)
SEED = setting("LOAD_SEED", 1)


pytestmark = pytest.mark.alone


@pytest.fixture
def load(stack, operator, names):
    return Load(stack, [Partner(operator, names()).register() for _ in range(3)], SEED)


def report_load(tried, load, count, sent, there):
    killed = f"{sum(load.kills.values())} kills, " if load.kills else ""
    repeated = f"{sent} requests repeated ({there} of them recorded before)"
    report(tried, f"{SECONDS} s, {count:,} activities, {len(load.exports)} exports, {killed}{repeated}", SEED)
    print(f"answers {dict(load.statuses)}; killed {dict(load.kills)}; memory in KB {load.memory[0]} to {load.memory[-1]}")


def test_saturation_loses_and_doubles_nothing_in_flat_memory(load):
    load.run(SECONDS)
    sent, there = load.settle()
    count = load.check()
    report_load("load at saturation", load, count, sent, there)
    assert count > SECONDS and set(load.statuses) <= {200, 201, 202} | BUSY, load.statuses
    assert load.impatient == 0, "a refusal did not say when to retry"
    for name, peak in load.memory[-1].items():
        # The buffers of an export worker fill as exports grow with what is recorded meanwhile, so it is measured from half-time on.
        before = load.memory[name == "export-worker"]
        assert peak <= before.get(name, peak) * 1.25 + 4_000, f"{name} grows: {load.memory}"


def test_acknowledged_activities_survive_killed_processes(load):
    load.run(SECONDS, kill_every=0.5)
    sent, there = load.settle()
    count = load.check()
    report_load("load while processes are killed", load, count, sent, there)
    assert sum(load.kills.values()) >= SECONDS // 2, load.kills
