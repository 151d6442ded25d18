"""Section *instructions*: what the functions execute, counted, and compared with what was committed.

Counted on the release bootstraps as they are deployed, run under callgrind against canned answers: a call's count is the
slope between few and many calls, so that starting does not count. Counts do not depend on what else the machine does;
they depend on the compiler, on the C library, and on nothing else that this repository does not pin.
"""

import json
import re
import shutil
from pathlib import Path
from statistics import median

import build
import deployed
import events
import exports
from build import PLACE, Tools
from figures import table

from environments import UserFacingError, print_progress
from processes import Contestant, Runtime, Store

COMMITTED = Path(__file__).resolve().parent / "instructions.json"
TOLERANCE = 0.02
FEW, MANY = 40, 140
REPEATS = 3
COLLECTED = re.compile(r"Collected : (\d+)")


def measure(tools: Tools, accept: bool) -> dict:
    """The counts, beside those committed."""
    if not shutil.which("valgrind"):
        raise UserFacingError("Instructions are counted by valgrind (Debian: apt-get install valgrind), or leave them out with ONLY=….")
    data = build.data(tools, activities=20_000, partners=20)
    counted, noise = {}, 0.0
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.tell("load", str(data))
        store.settings(mode="replay")
        page = events.listing(**{"from": "2026-10-01", "to": "2026-10-31", "limit": "100"})
        one = events.singles(1, 999_999)
        batch = events.batches(1, 100, 999_998)
        for name, function, event in (("a page of 100 activities", "query", page), ("one activity recorded", "record", one), ("100 activities recorded in a batch", "record", batch)):
            print_progress(f"· counting instructions: {name}")
            scale = 10 if event is batch else 1
            few, many = FEW // scale, MANY // scale
            slopes = [(_count(tools, runtime, store, function, event, many) - _count(tools, runtime, store, function, event, few)) / (many - few) for _ in range(REPEATS)]
            noise = max(noise, _keep(counted, name, slopes))
        print_progress("· counting instructions: an export")
        with build.engines(tools) as engine:
            store.tell("load", str(build.data(tools, activities=exports.CORRECT_ROWS, partners=1)))
            store.settings(mode="replay", upstream=engine.addresses["url"])
            made = [(_count_exports(tools, runtime, store, 2) - _count_exports(tools, runtime, store, 1)) for _ in range(REPEATS)]
            noise = max(noise, _keep(counted, f"{exports.CORRECT_ROWS:,} activities exported as CSV", made))
    committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    if accept:
        COMMITTED.write_text(json.dumps({"profile": tools.profile, "counts": counted}, indent=2) + "\n")
        committed = json.loads(COMMITTED.read_text())
    return {"counted": counted, "committed": committed.get("counts", {}), "profile": tools.profile, "of": committed.get("profile"), "noise": noise}


def _keep(counted: dict, name: str, counts: list[float]) -> float:
    counted[name] = round(median(counts))
    return (max(counts) - min(counts)) / counted[name]


def _callgrind() -> tuple[str, ...]:
    (PLACE / "callgrind.log").unlink(missing_ok=True)
    return (shutil.which("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={PLACE / 'callgrind.log'}")


def _collected(process: Contestant) -> int:
    process.terminate()
    found = COLLECTED.search((PLACE / "callgrind.log").read_text())
    if not found:
        raise UserFacingError(f"callgrind counted nothing; see {PLACE / 'callgrind.log'}.")
    return int(found[1])


def _count(tools: Tools, runtime: Runtime, store: Store, function: str, event: bytes, calls: int) -> int:
    runtime.reset()
    command = [*_callgrind(), tools.programs[function]]
    process = Contestant(command, deployed.variables(function, runtime.api, store.url), PLACE / "contestants.log")
    runtime.wait_until_idle()
    answered = runtime.invoke(event, calls)
    if sum(answered["statuses"].get(status, 0) for status in ("200", "201")) != calls:
        raise UserFacingError(f"under callgrind {function} answered {answered['last'][:500]}")
    return _collected(process)


def _count_exports(tools: Tools, runtime: Runtime, store: Store, exports_made: int) -> int:
    exporter = exports.Exporter(tools, runtime, store, below=_callgrind())
    for _ in range(exports_made):
        exporter.export()
    return _collected(exporter.process)


def broken(found: dict) -> list[str]:
    """What is out of bounds; nothing when the functions were not built as they were when the counts were committed."""
    if found["profile"] != found["of"]:
        return []
    return [name for name, count in found["counted"].items() if name in found["committed"] and abs(count / found["committed"][name] - 1) > TOLERANCE]


def report(found: dict) -> str:
    """The section in Markdown."""
    out_of_bounds = broken(found)
    rows = []
    for name, count in found["counted"].items():
        before = found["committed"].get(name)
        change = f"{count / before - 1:+.2%}" if before else "–"
        verdict = "**out of bounds**" if name in out_of_bounds else "within 2 %" if before and found["profile"] == found["of"] else "not compared"
        rows.append([name, f"{count:,}", f"{before:,}" if before else "–", change, verdict])
    return (
        "Instructions of one call in user space, counted by callgrind on the bootstraps as deployed, answers from memory. `make bench "
        "ONLY=instructions` fails where a count leaves the committed one by more than 2 % in either direction; `ACCEPT=1` commits to new ones. "
        f"Counted {REPEATS} times, they differed by {found.get('noise', 0):.2%} at most.\n\n"
        + table(["", "counted", "committed", "change", ""], rows)
    )
