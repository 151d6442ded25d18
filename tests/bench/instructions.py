"""Section *instructions*: instruction counts of the functions, compared with the committed counts.

The release bootstraps run under callgrind with answers from memory. The count of a call is the slope between few and many
calls, so the start of the function is not in it. Counts do not depend on the load of the machine, only on the compiler, the
C library and the code.
"""

import json
import re
import shutil
from statistics import median

import build
import deployed
import events
import exports
from build import BENCH, WORK, Tools
from figures import Target, table
from start import PAGE

from environments import UserFacingError, print_progress
from processes import Contestant, Runtime, Store

TITLE = "Instructions"
COMMITTED = BENCH / "instructions.json"
TOLERANCE = 0.02
FEW, MANY = 40, 140
REPEATS = 3
COLLECTED = re.compile(r"Collected : (\d+)")


def measure(tools: Tools, options) -> dict:
    """Counts instructions, and compares the counts with the committed ones."""
    if not shutil.which("valgrind"):
        raise UserFacingError("valgrind counts the instructions and is missing (Debian: apt-get install valgrind); or choose other sections with ONLY=…")
    data = build.data(tools, activities=20_000, partners=20)
    counted, noise = {}, 0.0
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(data)
        store.configure(mode="replay")
        for name, function, event, scale in (
            ("a page of 100 activities", "query", events.listing(**PAGE), 1),
            ("one activity recorded", "record", events.singles(1, 999_999), 1),
            ("100 activities recorded in a batch", "record", events.batches(1, 100, 999_998), 10),
        ):
            print_progress(f"· counting instructions: {name}")
            few, many = FEW // scale, MANY // scale
            slopes = [
                (_calls(tools, runtime, store, function, event, many) - _calls(tools, runtime, store, function, event, few)) / (many - few)
                for _ in range(REPEATS)
            ]
            noise = max(noise, _keep(counted, name, slopes))
        print_progress("· counting instructions: exports")
        with build.engines(tools) as engine:
            store.load(build.data(tools, activities=exports.CORRECT_ROWS, partners=1))
            store.configure(mode="replay", upstream=engine.addresses["url"])
            for form, title in exports.FORM_TITLES.items():
                slopes = [_exports(tools, runtime, store, form, 2) - _exports(tools, runtime, store, form, 1) for _ in range(REPEATS)]
                noise = max(noise, _keep(counted, f"{exports.CORRECT_ROWS:,} activities: {title}", slopes))
    if options.accept:
        COMMITTED.write_text(json.dumps({"profile": tools.profile, "counts": counted}, indent=2) + "\n")
    committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    return {
        "counted": counted,
        "committed": committed.get("counts", {}),
        "profile": tools.profile,
        "committed_profile": committed.get("profile"),
        "noise": noise,
    }


def _keep(counted: dict, name: str, counts: list[float]) -> float:
    counted[name] = round(median(counts))
    return (max(counts) - min(counts)) / counted[name]


def _callgrind() -> tuple[str, ...]:
    log = WORK / "callgrind.log"
    log.unlink(missing_ok=True)
    return (shutil.which("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}")


def _stop_and_count(process: Contestant) -> int:
    process.terminate()
    log = WORK / "callgrind.log"
    found = COLLECTED.search(log.read_text())
    if not found:
        raise UserFacingError(f"callgrind counted nothing; see {log}")
    return int(found[1])


def _calls(tools: Tools, runtime: Runtime, store: Store, function: str, event: bytes, calls: int) -> int:
    process = tools.start([*_callgrind(), tools.programs[function]], function, runtime, store.url)
    answered = runtime.invoke(event, calls)
    if sum(answered["statuses"].get(status, 0) for status in ("200", "201")) != calls:
        raise UserFacingError(f"under callgrind, {function} answered {answered['last'][:500]}")
    return _stop_and_count(process)


def _exports(tools: Tools, runtime: Runtime, store: Store, form: str, count: int) -> int:
    exporter = exports.Exporter(tools, runtime, store, below=_callgrind())
    for _ in range(count):
        exporter.export(**exports.FORMS[form])
    return _stop_and_count(exporter.process)


def out_of_bounds(found: dict) -> list[str]:
    """Returns the names of the counts that left the committed ones by more than 2 %, if both come from one build profile."""
    if found["profile"] != found["committed_profile"]:
        return []
    committed = found["committed"]
    return [name for name, count in found["counted"].items() if name in committed and abs(count / committed[name] - 1) > TOLERANCE]


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    broken = out_of_bounds(found)
    rows = []
    for name, count in found["counted"].items():
        before = found["committed"].get(name)
        change = f"{count / before - 1:+.2%}" if before else "–"
        comparable = before and found["profile"] == found["committed_profile"]
        verdict = "**out of bounds**" if name in broken else "within 2 %" if comparable else "not compared"
        rows.append([name, f"{count:,}", f"{before:,}" if before else "–", change, verdict])
    return (
        "Instructions of one call in user space, counted by callgrind on the deployed bootstraps, with answers from memory. The counts guard against regressions: `make bench "
        "ONLY=instructions` fails if a count leaves the committed one by more than 2 % in either direction, and `ACCEPT=1` commits to the new counts. "
        f"{REPEATS} repeated counts differed by {found['noise']:.2%} at most.\n\n" + table(["", "counted", "committed", "change", ""], rows)
    )


def targets(found: dict | None) -> list[Target]:
    """Returns no target of the overview: the counts are a regression gate."""
    return []
