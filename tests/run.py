#!/usr/bin/env python3
"""Runs every test there is and ends with one line of totals. The exit status says whether all passed."""

import contextlib
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

from environments import TOOLS, UserFacingError, ensure

CARGO_TEST = ["cargo", "test", "--workspace"]
RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)


def main() -> int:
    """Rust first: what does not compile cannot be deployed. Then its tests run beside the end-to-end tests, which mostly wait."""
    started = time.monotonic()
    totals = [0, 0, 0]
    try:
        if subprocess.run([*CARGO_TEST, "--no-run"], cwd=ROOT).returncode:
            raise UserFacingError("The tests in Rust do not compile.")
        with rust() as collect:
            outcomes = [python(), collect()]
        totals = [sum(parts) for parts in zip(*outcomes)]
    except UserFacingError as error:
        print(error, file=sys.stderr)
        totals[1] += 1
    finally:
        stop_all()
    passed, failed, skipped = totals
    print(f"\nall tests took {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


@contextlib.contextmanager
def rust() -> Iterator[Callable[[], tuple[int, int, int]]]:
    """Unit, property, snapshot, storage and documentation tests, in the background; what is given waits for them, prints
    what they said, and counts."""
    with tempfile.TemporaryFile("w+") as said:
        command = [*CARGO_TEST, "--no-fail-fast"]
        running = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)

        def collect() -> tuple[int, int, int]:
            running.wait()
            said.seek(0)
            text = said.read()
            print(text, flush=True)
            passed, failed, skipped = (sum(map(int, counts)) for counts in zip(("0", "0", "0"), *RESULT.findall(text)))
            # What ends otherwise than by a test's result is a failure all the same.
            return passed, failed or int(running.returncode != 0), skipped

        try:
            yield collect
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
                running.wait()


def python() -> tuple[int, int, int]:
    """The tests of the template, of the page's files and of exports' files, and those against a deployed stack."""
    install_programs()
    interpreter = ensure("tests") / "bin" / "python"
    places = [str(ROOT / "tests" / name) for name in ("template", "page", "formats", "e2e")]
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [str(interpreter), "-m", "pytest", "-p", "no:cacheprovider", "-rs", f"--junitxml={report}", *places]
        status = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}).returncode
        if not report.exists():
            return 0, 1, 0
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    tests, errors, failures, skipped = (sum(int(each.get(name)) for each in suites) for name in ("tests", "errors", "failures", "skipped"))
    failed = errors + failures
    return max(tests - failed - skipped, 0), failed or int(status != 0), skipped


def install_programs() -> None:
    """In CI no test is skipped for want of a program: it is installed. Elsewhere that is for the person to decide."""
    if "CI" not in os.environ:
        return
    wanted = {
        "libreoffice-calc-nogui": ["soffice"],
        "chromium": ["chromium", "chromium-browser", "google-chrome"],
        "npm": ["npm"],
        "docker.io": ["dockerd"],
        # What the engine's network is made with; some machines have the engine's client only.
        "iptables": ["iptables"],
    }
    packages = [package for package, programs in wanted.items() if not any(map(shutil.which, programs))]
    apt = ["apt-get"] if os.geteuid() == 0 else ["sudo", "-n", "apt-get"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    steps = [[*apt, "update", "-qq"], [*apt, "install", "-qq", "--no-install-recommends", *packages]] if packages else []
    # What checks accessibility comes from npm, in the versions of the lock file.
    place = ROOT / "tests" / "browser"
    if not (place / "node_modules" / "axe-core" / "axe.min.js").exists():
        steps.append(["npm", "ci", "--silent", "--no-audit", "--no-fund", f"--prefix={place}"])
    for command in steps:
        # Once more where it fails: networks do, in passing.
        for _ in range(2):
            try:
                failed = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode
            except OSError as error:
                failed = error
            if not failed:
                break
        if failed:
            print(f"{' '.join(command)} failed ({failed}): tests that need it are skipped.", file=sys.stderr, flush=True)


def stop_all() -> None:
    """Ends the stacks that tests started and did not end; the one of `make up` is not theirs."""
    from emulator import Emulator

    for pid_file in TOOLS.glob("*/emulator.pid"):
        Emulator(pid_file.parent).stop()


if __name__ == "__main__":
    sys.exit(main())
