"""Section *cost follows the answer*: a page costs what is on it, however much is stored."""

import json

import build
import deployed
import events
from build import PLACE, Tools
from figures import number, ratio, summary, table, verdict

from environments import UserFacingError, print_progress
from processes import Contestant, Runtime, Store

SMALL = 10_000
CALLS = 200
# Of the three months stored, the first half: its second page is in the middle of what is stored.
PERIOD = {"from": "2026-08-01", "to": "2026-09-14", "limit": "100"}
# Ten months, of which three have activities.
LONG = {"from": "2026-01-01", "to": "2026-10-31", "limit": "100"}


def measure(tools: Tools, rounds: int, rows: int) -> dict:
    """The same page of a small and a large table: what is asked, what is read, what it takes."""
    found = {"rows": rows, "engine": {}, "replay": {}}
    for count in (SMALL, rows):
        data = build.data(tools, activities=count, partners=1)
        print_progress(f"· a page of {count:,} activities, from a real engine")
        folder = PLACE / "objects"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        schema = json.dumps(deployed.schema())
        with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as store_server:
            runtime, store = Runtime(lambda_server), Store(store_server)
            with tools.servers("engine", json.dumps(deployed.tables()), str(folder), str(data)) as engine:
                ask = lambda store=store, engine=engine: store.settings(mode="pass", upstream=engine.addresses["url"])
                found["engine"][str(count)] = _pages(tools, runtime, store, ask, 0)
    # Replayed side by side, so that a change of the machine's mood meets both.
    with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as small_server, tools.servers("store", schema) as large_server:
        runtime = Runtime(lambda_server)
        stores = {SMALL: Store(small_server), rows: Store(large_server)}
        for count, store in stores.items():
            store.tell("load", str(build.data(tools, activities=count, partners=1)))
        for number_of_round in range(rounds):
            print_progress(f"· cost of a page, round {number_of_round + 1} of {rounds}")
            for count, store in stores.items():
                pages = _pages(tools, runtime, store, lambda store=store: store.settings(mode="replay"), CALLS)
                kept = found["replay"].setdefault(str(count), pages | {"cpu_us": []})
                kept["cpu_us"].append(pages["cpu_us"])
    return found


def _pages(tools: Tools, runtime: Runtime, store: Store, ask, calls: int) -> dict:
    runtime.reset()
    variables = deployed.variables("query", runtime.api, store.url)
    function = Contestant([tools.programs["query"]], variables, PLACE / "contestants.log")

    def page(**query: str) -> dict:
        answered = runtime.invoke(events.listing(**query))
        if answered["statuses"] != {"200": 1}:
            raise UserFacingError(f"a page was answered by {answered['last'][:500]}")
        return json.loads(json.loads(answered["last"])["body"])

    try:
        runtime.wait_until_idle()
        ask()
        middle = PERIOD | {"cursor": page(**PERIOD)["next_cursor"]}
        ask()
        answered = page(**middle)
        if len(answered["activities"]) != 100 or not "2026-09-1" < answered["activities"][0]["occurred_at"] < "2026-09-15":
            raise UserFacingError("the page is not one of 100 activities from the middle")
        found = {"middle": store.counts()}
        ask()
        page(**LONG)
        found["long"] = store.counts()
        if calls:
            event = events.listing(**middle)
            runtime.invoke(event, calls)
            before = function.cpu()
            runtime.invoke(event, calls)
            found["cpu_us"] = (function.cpu() - before) / calls * 1e6
        return found
    finally:
        function.end()


def report(found: dict) -> str:
    """The section in Markdown."""
    small, large = str(SMALL), str(found["rows"])
    lines = []
    for tier, title in (("engine", "real engine"), ("replay", "from memory")):
        for count in (small, large):
            middle = found[tier][count]["middle"]
            cpu = number(summary(found[tier][count]["cpu_us"])["median"]) if tier == "replay" else "–"
            lines.append([f"{int(count):,}, {title}", str(sum(middle["calls"].values())), number(middle["units"]), f"{middle['rows_bytes']:,}", cpu])
    stored = table(["stored", "requests", "read units", "bytes of items", "CPU, µs"], lines)
    apart = ratio(found["replay"][large]["cpu_us"], found["replay"][small]["cpu_us"])
    targets = []
    same = all(found[tier][small]["middle"]["calls"] == found[tier][large]["middle"]["calls"] for tier in ("engine", "replay"))
    targets.append(["the same requests, however much is stored", "same" if same else "different", verdict(same)])
    middle = found["engine"][large]["middle"]
    bound = middle["rows_bytes"] / 8_192
    targets.append(["read units of a page at most 1.1 × its rows' bytes / 8 KB", number(middle["units"] / bound), verdict(middle["units"] <= 1.1 * bound)])
    targets.append(["CPU within 10 %", number(apart["ratio"]), verdict(abs(apart["ratio"] - 1) <= 0.1, apart["wide"])])
    details = [key for each in _counts(found) for key in each["hashes"] if key.endswith("#details")]
    gets = sum(each["objects"]["calls"].get("GetObject", 0) + each["calls"].get("GetItem", 0) for each in _counts(found))
    targets.append(["a list never reads details", "none read" if not details and not gets else "read", verdict(not details and not gets)])
    empty = [key for each in _counts(found) for key in each["hashes"] if "#2026-" in key and key.split("#")[1][:7] not in build.MONTHS]
    targets.append(["empty months are never asked (a period of ten months, three with data)", "none asked" if not empty else ", ".join(empty), verdict(not empty)])
    return (
        "The same page of 100 activities from the middle of three months, with little and with much stored for the partner. Requests are counted "
        "by a proxy; read units are computed by it from the items' bytes as DynamoDB bills them (eventually consistent: half a unit for 4 KB, "
        f"rounded up per request, the directory of months included).\n\n{stored}\n\n**Targets**\n\n" + table(["target", "figure", "verdict"], targets)
    )


def _counts(found: dict) -> list[dict]:
    return [found[tier][count][what] for tier in ("engine", "replay") for count in found[tier] for what in ("middle", "long")]
