"""What the runner of the tests reads from a report of pytest."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import run

TESTS = """
import pytest

def test_that_passes():
    print("tried | good | 1 text | 1")

def test_that_fails():
    print("tried | bad | 1 text | 1")
    raise AssertionError

@pytest.fixture
def broken():
    print("tried | broken | 1 text | 1")
    raise AssertionError

def test_that_does_not_begin(broken):
    pass
"""


def test_only_tests_that_pass_report_rows(tmp_path):
    (tmp_path / "test_them.py").write_text(TESTS)
    report = tmp_path / "report.xml"
    command = run.pytest_command(report, [str(tmp_path), f"--rootdir={tmp_path}"])
    totals, printed = run.read_report(report, subprocess.run(command, stdout=subprocess.DEVNULL).returncode)
    assert (totals, run.ROW.findall(printed)) == ((1, 2, 0), [("good", "1 text", "1")])
