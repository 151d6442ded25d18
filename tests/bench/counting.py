"""Section *counts*: the sums of one month at AWS's pace."""

import json
import time

import build
import deployed
import events
from build import MONTHS, Tools
from figures import Target, number, summary, table, verdict
from pace import PACE, SHARDS, UNIT_BYTES

from environments import UserFacingError, print_progress
from processes import Runtime, Store

TITLE = "Counts at AWS's pace"
WANTED = 0.8
# As the page asks for its total, histogram and facets.
QUERY = {
    "from": f"{MONTHS[-1]}-01", "to": f"{MONTHS[-1]}-31", "interval": "day", "by": ["status", "category", "action", "target_type"],
}  # fmt: skip


def measure(tools: Tools, options) -> dict:
    """Measures the seconds in which all calls together count one month, in one partition and in eight."""
    return {"rows": options.rows} | {name: _paced(tools, options.rows, shards, max(1, options.rounds // 3)) for name, shards in SHARDS.items()}


def _paced(tools: Tools, rows: int, shards: int, rounds: int) -> dict:
    data = build.data(tools, activities=rows, partners=1, months=MONTHS[-1:], shards=shards)
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(data)
        sizes = [size for key, (_, size) in store.sizes().items() if key.split("#")[1] in MONTHS and key.split("#")[-1] != "details"]
        runs = []
        for turn in range(rounds + 1):
            print_progress(f"· counts at AWS's pace, partitions: {shards}, round {turn} of {rounds}")
            store.configure(mode="replay", upstream=engine.addresses["url"], pace=PACE)
            counter = tools.start([tools.programs["query"]], "query", runtime, store.url)
            try:
                started = time.monotonic()
                total, calls = _count(runtime)
                run = {
                    "seconds": time.monotonic() - started,
                    "cpu": counter.cpu_seconds(),
                    "mb": counter.memory_mb()[1],
                    "calls": calls,
                    "units": store.counts()["units"],
                }
            finally:
                counter.kill()
            if total != rows:
                raise UserFacingError(f"counted {total:,} of {rows:,} activities")
            # The server sorts a partition when it is first read, so the first run does not count.
            runs += [run] if turn else []
        return {"bytes": sum(sizes), "limit": max(sizes) / UNIT_BYTES / PACE["units_per_second"], "runs": runs}


def _count(runtime: Runtime) -> tuple[int, int]:
    """Follows the cursor to its end; the sum of all totals, and the number of calls."""
    total, calls, cursor = 0, 0, None
    while True:
        answered = runtime.invoke(events.counting(**QUERY, **({"cursor": cursor} if cursor else {})))
        if answered["statuses"] != {"200": 1}:
            raise UserFacingError(f"counts answered {answered['statuses']}: {answered['last'][:600]}")
        answer = json.loads(json.loads(answered["last"])["body"])
        total, calls, cursor = total + answer["total"], calls + 1, answer["next_cursor"]
        if cursor is None:
            return total, calls


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    rows = []
    for name in SHARDS:
        measured = found[name]
        seconds, cpu, memory, calls, units = (summary([run[what] for run in measured["runs"]])["median"] for what in ("seconds", "cpu", "mb", "calls", "units"))
        rows.append([name, number(measured["bytes"] / 1e6), number(measured["limit"]), number(seconds), f"{measured['limit'] / seconds:.0%}",
                     number(cpu), number(memory), f"{calls:,.0f}", f"{units:,.0f}"])  # fmt: skip
    return (
        f"`GET …/counts` of a month of {found['rows']:,} activities by day, status, category, action and type of target (tier C): the calls follow the cursor to its end, one after the "
        "other, as the page makes them. The limit is that of an export without details.\n\n"
        + table(["", "MB of items", "limit, s", "seconds", "of the limit", "CPU, s", "memory", "calls", "read units"], rows)
    )


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    made = []
    for name in SHARDS:
        shown = f"counts of a month at AWS's pace, {name}, of the limit"
        if not found:
            made.append(Target(shown, f"≥ {WANTED:.0%}"))
            continue
        reached = found[name]["limit"] / summary([run["seconds"] for run in found[name]["runs"]])["median"]
        made.append(Target(shown, f"≥ {WANTED:.0%}", f"{reached:.0%}", verdict(reached >= WANTED)))
    return made
