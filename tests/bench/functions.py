"""Sections *record* and *query*: calls to a warm function, beside the same function of the peers."""

import json
from collections import defaultdict

import build
import deployed
import events
from build import WORK, Tools
from figures import Target, at_least, fraction, number, ratio, summary, table, target_table, verdict
from start import HELLO, PAGE, SHOWN

from environments import UserFacingError, print_progress
from processes import Runtime, Store

CALLS = 1_000
BATCH = 500
BATCHES = 6
TITLES = {"record": "Record", "query": "Query"}
CALL = {"record": "one activity recorded", "query": "one page of 100 activities"}


def measure(tools: Tools, options, function: str) -> dict:
    """Measures a function and its peers with answers from memory, then with a real engine."""
    data = build.data(tools, activities=20_000, partners=20)
    found = {}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server:
        store = Store(store_server)
        store.load(data)
        store.configure(mode="replay")
        found["memory"] = _rounds(tools, Runtime(lambda_server), store.url, function, options.rounds, CALLS)
    (WORK / "objects" / "data").mkdir(parents=True, exist_ok=True)
    with tools.servers("lambda") as lambda_server, tools.servers("engine", json.dumps(deployed.tables()), str(WORK / "objects"), str(data)) as engine:
        # The engine is slower than the contestants, so that few rounds show all there is to see.
        found["engine"] = _rounds(tools, Runtime(lambda_server), engine.addresses["url"], function, max(1, options.rounds // 2), CALLS // 4)
    return found


def _rounds(tools: Tools, runtime: Runtime, endpoint: str, function: str, rounds: int, calls: int) -> dict:
    found = defaultdict(lambda: defaultdict(list))
    contestants = build.commands(tools, function)
    if function == "query":
        contestants[HELLO] = [tools.programs[HELLO]]
    for turn in range(rounds):
        print_progress(f"· {function}, round {turn + 1} of {rounds}")
        for name in contestants if turn % 2 else reversed(list(contestants)):
            for what, value in _measure_process(tools, contestants[name], runtime, endpoint, function, name, calls).items():
                found[name][what].append(value)
    return json.loads(json.dumps(found))


def _measure_process(tools: Tools, command: list[str], runtime: Runtime, endpoint: str, function: str, name: str, calls: int) -> dict:
    contestant = tools.start(command, function, runtime, endpoint)

    def cost(body: bytes, calls: int, status: str, times: int = 1) -> float:
        before = contestant.cpu_seconds()
        answered = runtime.invoke(body, times)
        if answered["statuses"] != {status: calls}:
            raise UserFacingError(f"{command[0]} answered {answered['statuses']} instead of {calls} times {status}: {answered['last'][:600]}")
        return (contestant.cpu_seconds() - before) / calls

    try:
        if function == "record":
            cost(events.singles(calls, events.next_seed()), calls, "201")
            found = {"call_us": cost(events.singles(calls, events.next_seed()), calls, "201") * 1e6}
            found["mb"] = contestant.memory_mb()[0]
            cost(events.batches(1, BATCH, events.next_seed()), 1, "200")
            found["batch_rate"] = BATCH / cost(events.batches(BATCHES, BATCH, events.next_seed()), BATCHES, "200")
            found["batch_mb"] = contestant.memory_mb()[1]
        else:
            page = events.listing(**PAGE)
            cost(page, calls, "200", calls)
            found = {"call_us": cost(page, calls, "200", calls) * 1e6}
            found["mb"] = contestant.memory_mb()[0]
        return found
    finally:
        contestant.kill()


def report(found: dict, function: str) -> str:
    """Returns the section in Markdown."""
    memory, engine = found["memory"], found["engine"]

    def block(title: str, of: dict, what: str) -> str:
        each = {name: summary(of[name][what]) for name in SHOWN if name in of}
        rows = [[SHOWN[name], number(one["min"]), number(one["median"]), f"{one['spread']:.0%}"] for name, one in each.items()]
        return f"{title}\n\n" + table(["", "min", "median", "spread"], rows)

    parts = [
        block(f"**{CALL[function].capitalize()}**, CPU in µs, answers from memory (tier B)", memory, "call_us"),
        block("**The same with a real engine** (tier A), CPU in µs", engine, "call_us"),
        block("**Memory** after 2,000 calls: resident, MB", memory, "mb"),
    ]
    if function == "record":
        parts.insert(2, block(f"**Batches of {BATCH}**: activities recorded in a second of CPU, answers from memory", memory, "batch_rate"))
        parts.append(block(f"**Memory** with batches of {BATCH}: peak, MB", memory, "batch_mb"))
    resident = summary(memory["daybook"]["mb"])["median"]
    parts.append(target_table([Target("memory after 2,000 calls", "≤ 25 MB", f"{number(resident)} MB", verdict(resident <= 25))]))
    return "\n\n".join(parts)


def targets(found: dict | None, function: str) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    name, batches = f"{CALL[function]}, CPU against Node", "batches, activities in a second of CPU against Node"
    if not found or "node" not in found["memory"]:
        return [Target(name, "≤ 1/3")] + ([Target(batches, "≥ 8 ×")] if function == "record" else [])
    node, ours = found["memory"]["node"], found["memory"]["daybook"]
    made = [fraction(name, 3, ratio(node["call_us"], ours["call_us"]))]
    if function == "record":
        made.append(at_least(batches, 8, ratio(ours["batch_rate"], node["batch_rate"])))
    return made
