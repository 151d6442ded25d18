"""The stack at its limit, and with killed functions, loses and doubles nothing.

`LOAD_SECONDS=300` sets a longer load, `LOAD_SEED=` another one.
"""

import os

import pytest

from api import Partner
from load import BUSY, Load

SECONDS = int(os.environ.get("LOAD_SECONDS", "15"))
SEED = int(os.environ.get("LOAD_SEED", "1"))


@pytest.fixture
def load(stack, operator, names):
    return Load(stack, [Partner(operator, names()) for _ in range(3)], SEED)


def told(load, count, sent, there):
    print(f"\n{count:,} activities in {SECONDS} s, seed {SEED}; answers {dict(load.statuses)}; killed {dict(load.kills)}; "
          f"{sent} sent again, {there} of them there already; {len(load.exports)} exports; memory, KB {load.memory[0]} to {load.memory[-1]}")  # fmt: skip


def test_saturation_loses_and_doubles_nothing_in_flat_memory(load):
    load.run(SECONDS)
    sent, there = load.settle()
    count = load.check()
    told(load, count, sent, there)
    assert count > SECONDS and set(load.statuses) <= {200, 201, 202} | BUSY, load.statuses
    assert load.impatient == 0, "a refusal did not say when to retry"
    for name, peak in load.memory[-1].items():
        assert peak <= load.memory[0].get(name, peak) * 1.25 + 4_000, f"{name} grows: {load.memory}"


def test_acknowledged_activities_survive_killed_processes(load):
    load.run(SECONDS, kill_every=0.5)
    sent, there = load.settle()
    count = load.check()
    told(load, count, sent, there)
    assert sum(load.kills.values()) >= SECONDS // 2, load.kills
