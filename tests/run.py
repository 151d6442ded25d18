#!/usr/bin/env python3
"""Runs all tests and ends with one line of totals. The exit status is 0 if all tests passed.

    python3 tests/run.py          # small amounts: make test
    python3 tests/run.py --soak   # large amounts, an hour or two: make soak
    python3 tests/run.py --soak --rust histories --python "streams or feed"   # these only: make soak RUST=… PYTHON=…
    python3 tests/run.py --install   # only installs the programs that the tests need, if CI is set

Everything is compiled first, in two calls of cargo that share all libraries. Then the tests of the deployed stack run side by side.
Some of these change what all share, so they run one after the other; they wait most of the time, and all other tests, in Rust and in
Python, run beside them. In a long run nothing runs beside the tests in Rust.
"""

import argparse
import contextlib
import datetime
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "infra" / "local"))

import cargo_build
from environments import TOOLS, UserFacingError, ensure, installing

# Processes of pytest. Some files wait for minutes; the others keep two processors busy.
PROCESSES = 6
STACK = TOOLS / "e2e"
# The exit status of pytest if none of the tests is chosen.
NO_TESTS = 5
SUMMARY = re.compile(r"Summary \[.*?\] +[\d/]+ tests? run: (.*)$", re.MULTILINE)
# The tests that find more in a long run; `make soak` runs these and all tests in Rust.
SOAK_PYTHON = [
    "tests/formats",
    "tests/workspace/test_zones.py",
    *(
        f"tests/e2e/test_{name}.py"
        for name in (
            *("access_matrix", "bombs", "feed", "killed", "load", "openapi", "page", "real_input", "roles", "stream_all", "streams"),
            *(f"page_{view}" for view in ("details", "exports", "list", "oversight", "overview", "schedules", "search", "states", "streams")),
        )
    ),
]
ROW = re.compile(r"^ *tried \| (.+?) \| (.+?) \| (\d+)$", re.MULTILINE)
TRUST = ROOT / "docs" / "trust.md"
HEADING, TABLE = "## Last results of `make soak`", re.compile(r"(\|---\|--:\|---\|---\|---\|\n)((?:\|.*\n)*)")

Totals = tuple[int, int, int]


def main() -> int:
    """Compiles, runs the tests and prints the totals."""
    asked = arguments()
    soak = asked.soak
    os.environ["DAYBOOK_AMOUNT"] = "soak" if soak else os.environ.get("DAYBOOK_AMOUNT", "test")
    if "CI" in os.environ:
        # Incremental compilation makes the first build slower, and CI has no second one.
        os.environ["CARGO_INCREMENTAL"] = "0"
    started = time.monotonic()
    totals: Totals = (0, 0, 0)
    try:
        install_programs()
        if asked.install:
            return 0
        with installing("tests", "emulator", "sam"):
            build()
        print(f"everything is built after {time.monotonic() - started:.0f} s", flush=True)
        text = ""
        for found, said in run(asked):
            totals, text = add(totals, found), text + said
        if soak:
            write_results(text, None if asked.chosen else totals)
    except UserFacingError as error:
        print(error, file=sys.stderr)
        totals = add(totals, (0, 1, 0))
    finally:
        stop_all()
    passed, failed, skipped = totals
    print(f"\nall tests took {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


def arguments() -> argparse.Namespace:
    """Reads the command line. `chosen` tells whether it chooses tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="only install the programs that the tests need")
    parser.add_argument("--soak", action="store_true", help="large amounts")
    parser.add_argument("--rust", metavar="NAME", help="run the tests in Rust whose names contain this, and no others")
    parser.add_argument("--python", metavar="EXPRESSION", help="run the tests in Python that pytest's -k chooses, and no others")
    asked = parser.parse_args()
    asked.chosen = bool(asked.rust or asked.python)
    return asked


def cargo_environment() -> dict[str, str]:
    """Returns the environment in which every call of cargo uses the same folder for its output."""
    return os.environ | {"CARGO_BUILD_TARGET": cargo_build.host(), "CARGO_TARGET_DIR": str(cargo_build.target_directory())}


def nextest(*options: str) -> list[str]:
    """Returns a command of the pinned nextest, whichever other one is installed."""
    return [str(ensure("rust") / "bin" / "cargo-nextest"), "nextest", "run", "--locked", *options]


def build() -> None:
    """Compiles tests and functions, because code that does not compile cannot be deployed either."""
    if subprocess.run(nextest("--no-run"), cwd=ROOT, env=cargo_environment()).returncode:
        raise UserFacingError("The tests in Rust do not compile.")


@contextlib.contextmanager
def beside(command: list[str], environment: dict[str, str]) -> Iterator[Callable[[], tuple[int, str]]]:
    """Runs a command in the background; the result waits for its end, prints its output, and returns both."""
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(["nice", *command], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

        def collect() -> tuple[int, str]:
            running.wait()
            output.seek(0)
            text = re.sub(r"\x1b\[[0-9;]*m", "", output.read())
            print(text, flush=True)
            return running.returncode, text

        try:
            yield collect
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
                running.wait()


@contextlib.contextmanager
def rust(asked: argparse.Namespace) -> Iterator[Callable[[], tuple[Totals, str]]]:
    """Runs the unit, property, snapshot and storage tests in the background; the result waits for them and counts."""
    if asked.chosen and not asked.rust:
        yield lambda: ((0, 0, 0), "")
        return
    command = nextest(*(["--profile", "soak"] if asked.soak else []), *([asked.rust] if asked.rust else []))
    with beside(command, cargo_environment()) as end:

        def collect() -> tuple[Totals, str]:
            status, text = end()
            totals: Totals = (0, 0, 0)
            for counts in SUMMARY.findall(text):
                passed, failed, late, broken, skipped = (count(word, counts) for word in ("passed", "failed", "timed out", "exec failed", "skipped"))
                totals = add(totals, (passed, failed + late + broken, skipped))
            # An end without results, such as a crash of the runner, is a failure too.
            return (totals[0], totals[1] or int(status != 0 or not totals[0]), totals[2]), text

        yield collect


def count(word: str, text: str) -> int:
    """Returns the number before a word, or 0."""
    return sum(map(int, re.findall(rf"(\d+) {word}", text)))


def python_environment() -> dict[str, str]:
    """Returns the environment of the tests in Python."""
    return cargo_environment() | {"PYTHONDONTWRITEBYTECODE": "1", "STACK_JSON": str(STACK / "stack.json")}


@contextlib.contextmanager
def python_without_stack(asked: argparse.Namespace) -> Iterator[Callable[[], tuple[Totals, str]]]:
    """Runs the tests of template, workspace, page and formats in the background; the result waits for them and counts."""
    if asked.soak or asked.chosen:
        yield lambda: ((0, 0, 0), "")
        return
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = pytest_command(report, [f"tests/{name}" for name in ("template", "workspace", "page", "formats")])
        with beside(command, python_environment()) as end:
            yield lambda: read_report(report, end()[0])


def run(asked: argparse.Namespace) -> Iterator[tuple[Totals, str]]:
    """Runs the tests that were asked for, and yields totals and texts of each kind."""
    places = [*(SOAK_PYTHON if asked.soak else ["tests/e2e"]), *(["-k", asked.python] if asked.python else [])]
    with_python = bool(asked.python or not asked.chosen)
    if with_python:
        deploy_stack()
        yield pytest([*places, "-m", "not alone and not last", "-n", str(PROCESSES)])
    with rust(asked) as rust_end, python_without_stack(asked) as python_end:
        if asked.soak:
            yield rust_end()
        if with_python:
            yield pytest([*places, "-m", "alone"])
        if not asked.soak and not asked.chosen:
            yield pytest([*places, "-m", "last"])
        stop_all()
        yield python_end()
        if not asked.soak:
            yield rust_end()


def deploy_stack() -> None:
    """Deploys the stack of the tests from nothing, in a process of its own because it needs the tools of another environment."""
    command = [str(ensure("tests") / "bin" / "python"), str(ROOT / "tests" / "e2e" / "deploy_stack.py")]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise UserFacingError("The stack of the end-to-end tests was not deployed.")


def pytest(arguments: list[str]) -> tuple[Totals, str]:
    """Runs pytest once, and returns the totals and the rows for docs/trust.md."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        status = subprocess.run(pytest_command(report, arguments), cwd=ROOT, env=python_environment()).returncode
        return read_report(report, status)


def pytest_command(report: Path, arguments: list[str]) -> list[str]:
    """Returns the command that runs pytest and writes a report."""
    command = [str(ensure("tests") / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--durations=25", "-o", "junit_logging=system-out"]
    return [*command, "-o", "junit_log_passing_tests=true", f"--junitxml={report}", *arguments]


def read_report(report: Path, status: int) -> tuple[Totals, str]:
    """Returns the totals of a report of pytest, and what the tests that passed have printed."""
    if not report.exists():
        return (0, 1, 0), ""
    tree = ElementTree.parse(report).getroot()
    suites = list(tree.iter("testsuite"))
    tests, errors, failures, skipped = (sum(int(each.get(name)) for each in suites) for name in ("tests", "errors", "failures", "skipped"))
    failed = errors + failures
    passed = [case for case in tree.iter("testcase") if case.find("failure") is None and case.find("error") is None]
    printed = "\n".join(case.findtext("system-out", "") for case in passed)
    return (max(tests - failed - skipped, 0), failed or int(status not in (0, NO_TESTS)), skipped), printed


def write_results(text: str, totals: Totals | None) -> None:
    """Writes the rows that tests have reported to the table of docs/trust.md, and the totals of a whole run.

    A run of chosen tests replaces the rows of what it tried and leaves the others. A test that fails reports no row.
    """
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    rows = [f"| {tried} | {tried_amount} | passed | {seed} | {today} |\n" for tried, tried_amount, seed in dict.fromkeys(ROW.findall(text))]
    document = TRUST.read_text()
    before, heading, after = document.partition(HEADING)
    if totals is None:
        now_tried = {row.split(" | ")[0] for row in rows}
        rows = [row for row in TABLE.search(after)[2].splitlines(keepends=True) if row.split(" | ")[0] not in now_tried] + rows
    else:
        passed, failed, skipped = totals
        rows.insert(0, f"| all tests | {passed} passed, {failed} failed, {skipped} skipped | {'failed' if failed else 'passed'} | | {today} |\n")
    TRUST.write_text(before + heading + TABLE.sub(lambda found: found[1] + "".join(rows), after, count=1))
    print(f"\nwritten to {TRUST.relative_to(ROOT)}:\n{''.join(rows)}")


def install_programs() -> None:
    """Installs the programs that tests need if `CI` is set, so that CI skips no test. Elsewhere the user decides."""
    if "CI" not in os.environ:
        return
    wanted = {
        "libreoffice-calc-nogui": ["soffice"],
        "chromium-headless-shell": ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"],
        "npm": ["npm"],
        "docker.io": ["dockerd"],
        # The engine makes its network with iptables; some machines have the engine's client only.
        "iptables": ["iptables"],
    }
    packages = [package for package, programs in wanted.items() if not any(map(shutil.which, programs))]
    apt = ["apt-get"] if os.geteuid() == 0 else ["sudo", "-n", "apt-get"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    steps = [[*apt, "update", "-qq"], [*apt, "install", "-qq", "--no-install-recommends", *packages]] if packages else []
    # The accessibility checker comes from npm, in the versions of the lock file.
    place = ROOT / "tests" / "browser"
    if not (place / "node_modules" / "axe-core" / "axe.min.js").exists():
        steps.append(["npm", "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund", f"--prefix={place}"])
    for command in steps:
        # Networks fail now and then, so further tries are worth their time.
        for pause in (0, 5, 20):
            time.sleep(pause)
            try:
                failed = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode
            except OSError as error:
                failed = error
            if not failed:
                break
        if failed:
            print(f"{' '.join(command)} failed ({failed}): tests that need it are skipped.", file=sys.stderr, flush=True)


def stop_all() -> None:
    """Stops the stacks that tests have left running, but not the stack of `make up`."""
    from emulator import Emulator

    for pid_file in TOOLS.glob("*/emulator.pid"):
        Emulator(pid_file.parent).stop()


def add(one: Totals, other: Totals) -> Totals:
    """Adds totals."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


if __name__ == "__main__":
    sys.exit(main())
