"""Section *pace*: the export worker on pages at AWS's pace, with and without faults."""

import json
from collections import defaultdict

import build
import deployed
from build import MONTHS, Tools
from exports import FAULTS, Exporter, run_worker
from figures import Target, number, summary, table, verdict

from environments import UserFacingError, print_progress
from processes import Runtime, Store

TITLE = "Exports at AWS's pace"
SHARDS = {"one partition": 1, "8 shards": 8}
# The imitated pace: 20 to 40 ms for a page, 3,000 read units a second for a partition key.
PACE = {"latency_ms": [20, 40], "units_per_second": 3_000}
RUNS = {"undisturbed": PACE, "with faults": PACE | FAULTS}
TARGETS = {("one partition", "undisturbed"): 0.95, ("8 shards", "undisturbed"): 0.85, ("8 shards", "with faults"): 0.7}


def measure(tools: Tools, options) -> dict:
    """Measures the seconds of an export of one month, in one partition and in eight."""
    return {"rows": options.rows} | {name: _paced(tools, options.rows, shards, max(1, options.rounds // 3)) for name, shards in SHARDS.items()}


def _paced(tools: Tools, rows: int, shards: int, rounds: int) -> dict:
    found = defaultdict(list)
    data = build.data(tools, activities=rows, partners=1, months=MONTHS[-1:], shards=shards)
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(data)
        sizes = [size for key, (_, size) in store.sizes().items() if _holds_activities(key)]
        if len(sizes) != shards:
            raise UserFacingError(f"the month has {len(sizes)} partitions instead of {shards}")
        # An eventually consistent read of 8 KB costs one unit. The fullest partition is the last to end.
        limit = max(sizes) / 8_192 / PACE["units_per_second"]
        # The server sorts a partition when it is first read, so the first export is not counted.
        store.configure(mode="replay", upstream=engine.addresses["url"])
        run_worker(tools, runtime, store, {})
        for turn in range(rounds):
            for name, pace in RUNS.items():
                print_progress(f"· exports at AWS's pace, partitions: {shards}, {name}, round {turn + 1} of {rounds}")
                store.configure(mode="replay", upstream=engine.addresses["url"], pace=pace)
                exporter = Exporter(tools, runtime, store)
                try:
                    made, seconds = exporter.export()
                    counts = store.counts()
                    found[name].append({
                        "seconds": seconds, "cpu": exporter.process.cpu_seconds(), "mb": exporter.process.memory_mb()[1],
                        "invocations": made["invocations"], "faults": counts["faults"], "units": counts["units"],
                    })  # fmt: skip
                finally:
                    exporter.process.kill()
    return {"runs": found, "limit": limit, "bytes": sum(sizes)}


def _holds_activities(key: str) -> bool:
    """Says whether a partition key is the key of a month's activities, or of one of its shards."""
    _, month, *shard = key.split("#")
    return month in MONTHS and len(shard) < 2 and all(number.isdigit() for number in shard)


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    rows = []
    for name in SHARDS:
        paced = found[name]
        for run, measured in paced["runs"].items():
            seconds, memory = (summary([each[what] for each in measured])["median"] for what in ("seconds", "mb"))
            cpu, faults, units = (sum(each[what] for each in measured) / len(measured) for what in ("cpu", "faults", "units"))
            rows.append([
                f"{name}, {run}", number(paced["bytes"] / 1e6), number(paced["limit"]), number(seconds), number(paced["bytes"] / 1e6 / seconds),
                f"{paced['limit'] / seconds:.0%}", number(cpu), number(memory), f"{units:,.0f}", number(faults), str(max(each["invocations"] for each in measured)),
            ])  # fmt: skip
    return (
        f"A month of {found['rows']:,} activities (tier C): 20–40 ms for a page, 3,000 read units a second for a partition key, which is 24.6 MB/s of eventually "
        "consistent reads. The limit is the time of the fullest partition at that pace. Faults are throttles, internal errors, resets and cut answers, in turn, for one read of 25.\n\n"
        + table(["", "MB of items", "limit, s", "seconds", "MB/s", "of the limit", "CPU, s", "memory", "read units", "faults", "invocations"], rows)
    )


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    made = []
    for (name, run), wanted in TARGETS.items():
        shown = f"export at AWS's pace, {name}, {run}, of the limit"
        if not found:
            made.append(Target(shown, f"≥ {wanted:.0%}"))
            continue
        paced = found[name]
        reached = paced["limit"] / summary([each["seconds"] for each in paced["runs"][run]])["median"]
        made.append(Target(shown, f"≥ {wanted:.0%}", f"{reached:.0%}", verdict(reached >= wanted)))
    name = "peak memory of the worker, at AWS's pace"
    if found:
        most = max(each["mb"] for name in SHARDS for runs in found[name]["runs"].values() for each in runs)
        made.append(Target(name, "≤ 64 MB", f"{number(most)} MB", verdict(most <= 64)))
    else:
        made.append(Target(name, "≤ 64 MB"))
    return made
