"""Section *dollars*: what AWS bills for a million activities, from counted requests and bytes.

A proxy counts the requests of the functions. DynamoDB on SQLite says the units of each request that it answers; the proxy
computes the units of the requests that it answers from memory. Prices are those of docs/costs.md.
"""

import json

import build
import deployed
import events
from build import MONTHS, Tools
from deployed import PARTNER
from exports import FORMS, run_worker
from figures import Target, table, verdict

from environments import UserFacingError, print_progress
from processes import Runtime, Store

TITLE = "Dollars"
RECORDED = 20_000
EXPORTED = 100_000
# US dollars in us-east-1: for a read unit, a write unit, an S3 request that writes, one that reads, an SQS request.
READ, WRITE, S3_WRITE, S3_READ, SQS = 0.125e-6, 0.625e-6, 0.005e-3, 0.4e-6, 0.4e-6
GB_MONTH = 0.25
# DynamoDB bills storage with this many bytes more for each item.
ITEM_OVERHEAD = 100
UNIT_BYTES = 8_192
PART_BYTES = 5 * 1_024 * 1_024
# Requests for a file besides its parts: create, complete.
FILE_REQUESTS = 2
READING_CALLS = {"GetObject", "HeadObject"}


def measure(tools: Tools, options) -> dict:
    """Counts requests, units and bytes of recordings, lists and exports."""
    exported = min(options.rows, EXPORTED)
    return {"recorded": _record(tools), "listed": _list(tools)} | _export(tools, exported)


def _record(tools: Tools) -> dict:
    """Records generated activities in batches on a real engine."""
    print_progress(f"· counting the requests that record {RECORDED:,} activities")
    plan = {"seed": 2, "activities": RECORDED, "partners": 20, "months": MONTHS, "details": True, "batch_bytes": 4_000_000}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.configure(mode="pass", upstream=engine.addresses["url"], bills=True)
        recorder = build.start_recorder(tools, runtime, store)
        try:
            runtime.generate(plan)
        finally:
            recorder.kill()
        return {"activities": RECORDED, "counts": store.counts()}


def _list(tools: Tools) -> dict:
    """Lists a month of one partner, page by page."""
    print_progress("· counting the requests of a list")
    listed, cursor = 0, {}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(build.data(tools, activities=20_000, partners=1))
        store.configure(mode="replay", upstream=engine.addresses["url"], bills=True)
        function = tools.start([tools.programs["query"]], "query", runtime, store.url)
        try:
            while cursor is not None:
                answered = runtime.invoke(events.listing(**{"from": f"{MONTHS[-1]}-01", "to": f"{MONTHS[-1]}-31", "limit": "100"}, **cursor))
                if answered["statuses"] != {"200": 1}:
                    raise UserFacingError(f"a page was answered with {answered['last'][:500]}")
                page = json.loads(json.loads(answered["last"])["body"])
                listed += len(page["activities"])
                cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        finally:
            function.kill()
        return {"activities": listed, "counts": store.counts()}


def _export(tools: Tools, rows: int) -> dict:
    """Exports all activities of one partner, with details, which is the default, and without."""
    found = {}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(build.data(tools, activities=rows, partners=1))
        sizes = store.sizes()
        for form in ("details", "plain"):
            print_progress(f"· counting the requests of an export of {rows:,} activities ({form})")
            store.configure(mode="replay", upstream=engine.addresses["url"], bills=True)
            _, _, made = run_worker(tools, runtime, store, FORMS[form])
            keys = [
                key for key in sizes if key.startswith(f"{PARTNER}#") and not key.endswith("#months") and (not key.endswith("#details") or form == "details")
            ]
            file_bytes = sum(file["bytes"] for file in made["files"] if file["name"].endswith(".csv"))
            found[f"exported, {form}"] = {
                "activities": rows,
                "counts": store.counts(),
                "item_bytes": sum(sizes[key][1] for key in keys),
                "file_bytes": file_bytes,
            }
    return found


def _billed(counts: dict) -> float:
    """Returns the dollars of counted requests."""
    tables = sum(bill["read_units"] * READ + bill["write_units"] * WRITE for bill in counts["bills"].values())
    objects = sum(calls * (S3_READ if call in READING_CALLS else S3_WRITE) for call, calls in counts["objects"]["calls"].items() if call != "Delete")
    queues = sum(calls * SQS for call, calls in counts["calls"].items() if call.startswith("SQS "))
    return tables + objects + queues


def _bound(name: str, found: dict) -> float:
    """Returns the dollars that no program could avoid for the same activities in the same items."""
    counts = found["counts"]
    if name == "recorded":
        # One write of each item and of its copies in the indexes, and one put of each large object of details.
        return counts["stored"]["write_units"] * WRITE + counts["objects"]["calls"].get("PutObject", 0) * S3_WRITE
    if name == "listed":
        # One eventually consistent read of each page, rounded up as DynamoDB bills any request.
        return counts["page_units"] * READ
    parts = max(1, -(-found["file_bytes"] // PART_BYTES))
    return found["item_bytes"] / UNIT_BYTES * READ + (parts + FILE_REQUESTS) * S3_WRITE + counts["objects"]["calls"].get("GetObject", 0) * S3_READ


SHOWN = {
    "recorded": "a million activities recorded, in batches",
    "listed": "a million activities listed, pages of 100",
    "exported, details": "a million activities exported as CSV, with all details",
    "exported, plain": "a million activities exported without details",
}


def _per_million(name: str, found: dict) -> tuple[float, float]:
    millions = found["activities"] / 1e6
    return _billed(found["counts"]) / millions, _bound(name, found) / millions


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    rows, details = [], []
    for name, title in SHOWN.items():
        billed, bound = _per_million(name, found[name])
        counts = found[name]["counts"]
        millions = found[name]["activities"] / 1e6
        units = [sum(bill[what] for bill in counts["bills"].values()) / millions for what in ("read_units", "write_units")]
        requests = sum(bill["calls"] for bill in counts["bills"].values()) / millions
        objects = sum(counts["objects"]["calls"].values()) / millions
        rows.append([title, f"${billed:.4f}", f"${bound:.4f}", f"{billed / bound:.2f} ×"])
        details.append([title, f"{requests:,.0f}", f"{units[0]:,.0f}", f"{units[1]:,.0f}", f"{objects:,.0f}"])
    stored, recorded = found["recorded"]["counts"]["stored"], found["recorded"]["activities"]
    kept = (stored["bytes"] + stored["index_bytes"] + ITEM_OVERHEAD * (stored["items"] + stored["index_items"])) / recorded
    return (
        "DynamoDB, S3 and SQS, in us-east-1, from counted requests and bytes at the prices of [costs](costs.md). The lower bound takes the same items: one write of each item and of "
        "its copies in the indexes; one eventually consistent read of each page; one read of each exported byte, and one upload in parts of 5 MiB. Gateway ($3.50 a million requests), "
        "Lambda's requests and its time cost any program about the same, and are not in the table.\n\n"
        + table(["", "billed", "lower bound", "billed / bound"], rows)
        + "\n\n**Counted for a million activities**\n\n"
        + table(["", "DynamoDB requests", "read units", "write units", "S3 requests"], details)
        + f"\n\n**Kept**: an activity of the generated sizes takes {kept:,.0f} bytes in the table and its indexes, item overhead included; a million activities cost "
        f"${kept / 1e3 * GB_MONTH:.2f} a month. Large details in S3 are not included."
    )


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    made = []
    for name, title in SHOWN.items():
        shown = f"dollars for {title}, against the lower bound"
        if not found:
            made.append(Target(shown, "≤ 1.1 ×"))
            continue
        billed, bound = _per_million(name, found[name])
        made.append(Target(shown, "≤ 1.1 ×", f"{billed / bound:.2f} × (${billed:.3f})", verdict(billed <= 1.1 * bound)))
    return made
