"""Functions and tests compile each library once, with the same features."""

from pathlib import Path

import unified_features

TESTS = Path(__file__).resolve().parents[1]


def test_functions_and_tests_share_one_set_of_features():
    assert unified_features.differences() == {}, "run: make features"


def test_no_test_compiles_a_crate_by_itself():
    # Alone, a crate asks its libraries for fewer features, and cargo compiles them again.
    calls = [line for path in TESTS.rglob("*.py") if "bench" not in path.parts for line in path.read_text().splitlines() if '"cargo", "run"' in line]
    assert calls and not [line for line in calls if '"-p"' in line or '"--package"' in line]
