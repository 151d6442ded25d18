"""Section *pace*: the export worker on pages at AWS's pace, with and without faults."""

import json
from collections import defaultdict

import build
import deployed
from build import MONTHS, Tools
from exports import FAULTS, FORMS, Exporter, run_worker
from figures import Target, number, summary, table, verdict

from environments import UserFacingError, print_progress
from processes import Runtime, Store

TITLE = "Exports at AWS's pace"
SHARDS = {"one partition": 1, "8 shards": 8}
# The imitated pace: 20 to 40 ms for a read, 3,000 read units a second for a partition key, 40,000 for the table.
PACE = {"latency_ms": [20, 40], "units_per_second": 3_000, "table_units_per_second": 40_000}
# An eventually consistent read of so many bytes costs one unit.
UNIT_BYTES = 8_192
FAULTY = {"undisturbed": PACE, "with faults": PACE | FAULTS}
FORM_TITLES = {"details": "all details", "plain": "without details"}
TARGETS = {
    ("details", "one partition", "undisturbed"): 0.9,
    ("plain", "one partition", "undisturbed"): 0.95,
    ("plain", "8 shards", "undisturbed"): 0.85,
    ("plain", "8 shards", "with faults"): 0.7,
}


def measure(tools: Tools, options) -> dict:
    """Measures the seconds of an export of one month, in one partition and in eight."""
    return {"rows": options.rows} | {name: _paced(tools, options.rows, shards, max(1, options.rounds // 3)) for name, shards in SHARDS.items()}


def _paced(tools: Tools, rows: int, shards: int, rounds: int) -> dict:
    found = {form: {"runs": defaultdict(list)} for form in FORM_TITLES}
    data = build.data(tools, activities=rows, partners=1, months=MONTHS[-1:], shards=shards)
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(data)
        for form, paced in found.items():
            paced |= _limits(store, form, shards)
            # The server sorts a partition when it is first read, so the first export is not counted.
            store.configure(mode="replay", upstream=engine.addresses["url"])
            run_worker(tools, runtime, store, FORMS[form])
        for turn in range(rounds):
            for form in found:
                for name, pace in FAULTY.items():
                    print_progress(f"· exports at AWS's pace, {FORM_TITLES[form]}, partitions: {shards}, {name}, round {turn + 1} of {rounds}")
                    store.configure(mode="replay", upstream=engine.addresses["url"], pace=pace)
                    found[form]["runs"][name].append(_export(tools, runtime, store, form))
    return found


def _export(tools: Tools, runtime: Runtime, store: Store, form: str) -> dict:
    exporter = Exporter(tools, runtime, store)
    try:
        made, seconds = exporter.export(**FORMS[form])
        counts = store.counts()
        return {
            "seconds": seconds, "cpu": exporter.process.cpu_seconds(), "mb": exporter.process.memory_mb()[1],
            "invocations": made["invocations"], "faults": counts["faults"], "units": counts["units"],
        }  # fmt: skip
    finally:
        exporter.process.kill()


def _limits(store: Store, form: str, shards: int) -> dict:
    """Returns the bytes of the items that an export reads, and the seconds that AWS needs for them at least, by what limits them."""
    sizes = {"activities": [], "details": []}
    for key, (_, size) in store.sizes().items():
        _, month, *rest = key.split("#")
        if month in MONTHS and rest[-1:] == ["details"]:
            sizes["details"].append(size)
        elif month in MONTHS and all(shard.isdigit() for shard in rest):
            sizes["activities"].append(size)
    if len(sizes["activities"]) != shards:
        raise UserFacingError(f"the month has {len(sizes['activities'])} partitions instead of {shards}")
    if form != "details":
        del sizes["details"]
    # The fullest partition is the last to end. Activities and details have partition keys of their own, which AWS serves side by side.
    limits = {kind: max(each) / UNIT_BYTES / PACE["units_per_second"] for kind, each in sizes.items()}
    read = {kind: sum(each) for kind, each in sizes.items()}
    limits["the table"] = sum(read.values()) / UNIT_BYTES / PACE["table_units_per_second"]
    return {"bytes": read, "limits": limits, "limit": max(limits.values()), "limited_by": max(limits, key=limits.get)}


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    rows, limits = [], []
    for form, title in FORM_TITLES.items():
        for name in SHARDS:
            paced = found[name][form]
            megabytes = sum(paced["bytes"].values()) / 1e6
            limits.append([f"{title}, {name}", *(number(paced["bytes"].get(kind, 0) / 1e6) for kind in ("activities", "details")),
                           *(number(paced["limits"][kind]) if kind in paced["limits"] else "–" for kind in ("activities", "details", "the table")), paced["limited_by"]])  # fmt: skip
            for run, measured in paced["runs"].items():
                seconds, memory = (summary([each[what] for each in measured])["median"] for what in ("seconds", "mb"))
                cpu, faults, units = (sum(each[what] for each in measured) / len(measured) for what in ("cpu", "faults", "units"))
                rows.append([
                    f"{title}, {name}, {run}", number(megabytes), number(paced["limit"]), number(seconds), number(megabytes / seconds),
                    f"{paced['limit'] / seconds:.0%}", number(cpu), number(memory), f"{units:,.0f}", number(faults), str(max(each["invocations"] for each in measured)),
                ])  # fmt: skip
    return (
        f"A month of {found['rows']:,} activities (tier C): 20–40 ms for a page, an item or an object of details; 3,000 read units a second for a partition key, which is 24.6 MB/s of "
        "eventually consistent reads; 40,000 for the table. Uploads take no time. Faults are throttles, internal errors, resets and cut answers, in turn, for one page of 25.\n\n"
        "**The limit.** Activities and their compressed details lie in partitions with different keys, and AWS serves each key at 3,000 units a second. So the default export may read both "
        "side by side, and its limit is the time of the fullest partition of the two kinds, or of the table where that is longer. Details in objects of S3 have no limit besides their latency.\n\n"
        "The limit assumes that DynamoDB has moved the busy keys to physical partitions of their own, which its adaptive capacity does within minutes.\n\n"
        + table(["", "MB of activities", "MB of details", "activities, s", "details, s", "the table, s", "limit"], limits)
        + "\n\n**Measured**\n\n"
        + table(["", "MB of items", "limit, s", "seconds", "MB/s", "of the limit", "CPU, s", "memory", "read units", "faults", "invocations"], rows)
    )


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    made = []
    for (form, name, run), wanted in TARGETS.items():
        export = "default export" if form == "details" else "export without details"
        shown = f"{export} at AWS's pace, {name}, {run}, of the limit"
        if not found:
            made.append(Target(shown, f"≥ {wanted:.0%}"))
            continue
        paced = found[name][form]
        reached = paced["limit"] / summary([each["seconds"] for each in paced["runs"][run]])["median"]
        made.append(Target(shown, f"≥ {wanted:.0%}", f"{reached:.0%}", verdict(reached >= wanted)))
    name = "peak memory of the worker, at AWS's pace"
    if found:
        runs = [runs for name in SHARDS for form in FORM_TITLES for runs in found[name][form]["runs"].values()]
        most = max(each["mb"] for measured in runs for each in measured)
        made.append(Target(name, "≤ 64 MB", f"{number(most)} MB", verdict(most <= 64)))
    else:
        made.append(Target(name, "≤ 64 MB"))
    return made
