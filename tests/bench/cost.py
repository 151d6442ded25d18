"""Section *cost*: the cost of a page depends on the rows of the page, not on the number of stored activities."""

import json

import build
import deployed
import events
from build import WORK, Tools
from figures import Target, number, ratio, summary, table, target_table, verdict

from environments import UserFacingError, print_progress
from processes import Runtime, Store

TITLE = "Cost of a page"
SMALL = 10_000
CALLS = 200
# The first half of the three stored months, so that its second page lies in the middle of the stored activities.
PERIOD = {"from": "2026-08-01", "to": "2026-09-14", "limit": "100"}
# Ten months; three of them hold activities.
LONG = {"from": "2026-01-01", "to": "2026-10-31", "limit": "100"}


def measure(tools: Tools, options) -> dict:
    """Reads the same page of a small and of a large table: requests, read units and CPU."""
    rows = options.rows
    found = {"rows": rows, "engine": {}, "memory": {}}
    schema = json.dumps(deployed.schema())
    (WORK / "objects" / "data").mkdir(parents=True, exist_ok=True)
    for count in (SMALL, rows):
        data = build.data(tools, activities=count, partners=1)
        print_progress(f"· a page of {count:,} activities, from a real engine")
        with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as store_server:
            runtime, store = Runtime(lambda_server), Store(store_server)
            with tools.servers("engine", json.dumps(deployed.tables()), str(WORK / "objects"), str(data)) as engine:
                settings = {"mode": "pass", "upstream": engine.addresses["url"]}
                found["engine"][str(count)] = _pages(tools, runtime, store, settings, 0)
    # Both tables are measured in the same rounds, so that a change of the machine's speed affects both.
    with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as small_server, tools.servers("store", schema) as large_server:
        runtime = Runtime(lambda_server)
        stores = {SMALL: Store(small_server), rows: Store(large_server)}
        for count, store in stores.items():
            store.load(build.data(tools, activities=count, partners=1))
        for turn in range(options.rounds):
            print_progress(f"· cost of a page, round {turn + 1} of {options.rounds}")
            for count, store in stores.items():
                pages = _pages(tools, runtime, store, {"mode": "replay"}, CALLS)
                kept = found["memory"].setdefault(str(count), pages | {"cpu_us": []})
                kept["cpu_us"].append(pages["cpu_us"])
    return found


def _pages(tools: Tools, runtime: Runtime, store: Store, settings: dict, calls: int) -> dict:
    function = tools.start([tools.programs["query"]], "query", runtime, store.url)

    def page(**query: str) -> dict:
        answered = runtime.invoke(events.listing(**query))
        if answered["statuses"] != {"200": 1}:
            raise UserFacingError(f"a page was answered with {answered['last'][:500]}")
        return json.loads(json.loads(answered["last"])["body"])

    try:
        store.configure(**settings)
        middle = PERIOD | {"cursor": page(**PERIOD)["next_cursor"]}
        store.configure(**settings)
        answered = page(**middle)
        if len(answered["activities"]) != 100 or not "2026-09-1" < answered["activities"][0]["occurred_at"] < "2026-09-15":
            raise UserFacingError("the page does not hold 100 activities from the middle of the period")
        found = {"middle": store.counts()}
        store.configure(**settings)
        page(**LONG)
        found["long"] = store.counts()
        if calls:
            event = events.listing(**middle)
            runtime.invoke(event, calls)
            before = function.cpu_seconds()
            runtime.invoke(event, calls)
            found["cpu_us"] = (function.cpu_seconds() - before) / calls * 1e6
        return found
    finally:
        function.kill()


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    small, large = str(SMALL), str(found["rows"])
    lines = []
    for tier, title in (("engine", "real engine"), ("memory", "from memory")):
        for count in (small, large):
            middle = found[tier][count]["middle"]
            cpu = number(summary(found[tier][count]["cpu_us"])["median"]) if tier == "memory" else "–"
            lines.append([f"{int(count):,}, {title}", str(sum(middle["calls"].values())), number(middle["units"]), f"{middle['rows_bytes']:,}", cpu])
    return (
        "The same page of 100 activities from the middle of three months, with few and with many activities stored. A proxy counts the requests and computes "
        "read units from the bytes of the items as DynamoDB bills them: half a unit for 4 KB, rounded up for each request, the directory of months included.\n\n"
        + table(["stored", "requests", "read units", "bytes of items", "CPU, µs"], lines)
        + "\n\n"
        + target_table(_checks(found))
    )


def targets(found: dict | None) -> list[Target]:
    """Returns no target of the overview: this section checks properties of its own."""
    return []


def _checks(found: dict) -> list[Target]:
    small, large = str(SMALL), str(found["rows"])
    same = all(found[tier][small]["middle"]["calls"] == found[tier][large]["middle"]["calls"] for tier in ("engine", "memory"))
    middle = found["engine"][large]["middle"]
    bound = middle["rows_bytes"] / 8_192
    apart = ratio(found["memory"][large]["cpu_us"], found["memory"][small]["cpu_us"])
    counts = [found[tier][count][what] for tier in ("engine", "memory") for count in found[tier] for what in ("middle", "long")]
    details = [key for each in counts for key in each["hashes"] if key.endswith("#details")]
    details += [each for each in counts if each["objects"]["calls"].get("GetObject", 0) + each["calls"].get("GetItem", 0)]
    empty = [key for each in counts for key in each["hashes"] if "#2026-" in key and key.split("#")[1][:7] not in build.MONTHS]
    return [
        Target("requests of the small and the large table", "the same", "the same" if same else "different", verdict(same)),
        Target(
            "read units of a page against the bytes of its rows / 8 KB",
            "≤ 1.1 ×",
            f"{number(middle['units'] / bound)} ×",
            verdict(middle["units"] <= 1.1 * bound),
        ),
        Target(
            "CPU of the large against the small table", "within 10 %", f"{number(apart['ratio'])} ×", verdict(abs(apart["ratio"] - 1) <= 0.1, apart["wide"])
        ),
        Target("details that a list reads", "none", "some" if details else "none", verdict(not details)),
        Target("requests for months without activities", "none", ", ".join(empty) or "none", verdict(not empty)),
    ]
