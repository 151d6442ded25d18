"""Section *exports*: the export worker beside ordinary exports, on real engines and on pages from memory."""

import csv
import hashlib
import io
import json
import shutil
import sys
import time
from collections import defaultdict
from pathlib import Path

import build
import deployed
from build import LOG, MONTHS, PEERS, Tools
from deployed import PARTNER
from figures import Target, at_most, fraction, number, ratio, summary, table, verdict

from environments import UserFacingError, print_progress
from processes import Contestant, Runtime, Store

TITLE = "Exports"
CORRECT_ROWS = 10_000
SMALL = 100_000
FAULTS = {"fault_every": 25, "faults": ["throttle", "internal", "reset", "truncate"]}
LAMBDA_SECONDS = 900
# The worker stops a minute before the end of its invocation, which leaves it one second.
STOPPED_SECONDS = 61
PEER_SECONDS = 600
# The slowest peers export the small data set only, because their cost per row does not change with the rows.
SLOW = {"python", "node"}
SLOW_ROUNDS = 3
FORMS = {"plain": {}, "gzip": {"compression": "gzip"}, "plain, details": {"details": True}}
SHOWN = {
    "drain": "pages read and dropped",
    "floor": "pages read, CRC, UTF-8 check, one copy (the floor)",
    "daybook": "Daybook, the worker as deployed",
    "ordinary": "ordinary Rust: SDK, serde_dynamo, csv, flate2",
    "node": "Node 20: SDK v3 document client, csv-stringify, lib-storage",
    "python": "Python: boto3, csv",
}


class Exporter:
    """The export worker, with jobs in the form of the queue's messages."""

    def __init__(self, tools: Tools, runtime: Runtime, store: Store, endpoint_s3: str | None = None, below: tuple[str, ...] = ()):
        self._runtime, self._store = runtime, store
        variables = {"AWS_ENDPOINT_URL_S3": endpoint_s3} if endpoint_s3 else {}
        self.process = tools.start([*below, tools.programs["export-worker"]], "export-worker", runtime, store.url, **variables)

    def export(self, *, lambda_seconds: int = LAMBDA_SECONDS, **output) -> tuple[dict, float]:
        """Makes one export, and returns its job, files and number of invocations, and the seconds it took."""
        job = _job(f"01BENCH{time.monotonic_ns():019d}", {"format": "csv", "locale": "en", "details": False} | output)
        control = deployed.client("dynamodb", self._store.url)
        key = {"pk": {"S": PARTNER}, "sk": {"S": f"export#{job['id']}"}}
        control.put_item(TableName=deployed.NAMES["ControlTable"], Item=key | {"job": {"S": json.dumps(job)}, "state": {"S": "pending"}})
        message = json.dumps({"Records": [{
            "messageId": job["id"], "receiptHandle": "bench", "body": json.dumps({"partner": PARTNER, "export": job["id"]}),
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:export-jobs", "awsRegion": "us-east-1",
        }]}).encode()  # fmt: skip
        started = time.monotonic()
        for attempt in range(100):
            answered = self._runtime.invoke(message, seconds=lambda_seconds)
            item = control.get_item(TableName=deployed.NAMES["ControlTable"], Key=key)["Item"]
            if item["state"]["S"] == "ready":
                files = json.loads(item["files"]["S"])
                return {"job": job, "files": files, "invocations": attempt + 1}, time.monotonic() - started
        raise UserFacingError(f"an export did not become ready: {answered['last'][:300]} {item.get('problem')}")


def _job(identifier: str, output: dict) -> dict:
    """Returns a job in the form that the function `exports` stores."""
    return {
        "id": identifier, "kind": "on_demand", "created_at": "2026-11-01T00:00:00.000000Z", "created_by": "bench",
        "request": {"from": f"{MONTHS[0]}-01T00:00:00.000000Z", "to": "2026-11-01T00:00:00.000000Z", "time_zone": "UTC", "filter": {}, "output": output},
        "month": None, "recorded_before": None, "expires_at": "2036-11-01T00:00:00.000000Z",
    }  # fmt: skip


def measure(tools: Tools, options) -> dict:
    """Checks that exports are correct, then measures CPU and memory of every contestant."""
    rows, small = options.rows, min(SMALL, options.rows)
    found = {"rows": rows, "small": small, "correct": _correct(tools)}
    data = {count: build.data(tools, activities=count, partners=1) for count in dict.fromkeys((small, rows))}
    found["stopped"] = _stopped(tools, data[rows], rows)
    found["memory"] = _from_memory(tools, data, options.rounds)
    return found


def _correct(tools: Tools) -> dict:
    """Compares exports from a real engine, from memory, and from memory with faults."""
    print_progress("· exports from real engines: are they correct?")
    data = build.data(tools, activities=CORRECT_ROWS, partners=1)
    found = {"rows": CORRECT_ROWS}
    digests = {}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools, data) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        for name, settings in {
            "real engines": {"mode": "pass"},
            "memory": {"mode": "replay"},
            "memory, with faults": {"mode": "replay", "pace": FAULTS | {"fault_every": 3}},
        }.items():
            if settings["mode"] == "replay":
                store.load(data)
            store.configure(upstream=engine.addresses["url"], keeps_objects=True, **settings)
            exporter = Exporter(tools, runtime, store, engine.addresses["s3_url"] if name == "real engines" else None)
            try:
                made, seconds = exporter.export()
            finally:
                exporter.process.kill()
            bodies = [_body(store, engine, made["job"], file, name) for file in made["files"] if file["name"].endswith(".csv")]
            digests[name] = hashlib.sha256(b"".join(bodies)).hexdigest()
            positions = [position for body in bodies for position in _positions(body)]
            problems = []
            if len(positions) != CORRECT_ROWS or len(set(positions)) != CORRECT_ROWS:
                problems.append(f"it has {len(positions)} rows, {len(set(positions))} of them different")
            if positions != sorted(positions, reverse=True):
                problems.append("its rows are not in order")
            if len(made["files"]) == 1 and made["files"][0]["sha256"] != digests[name]:
                problems.append("its digest differs from the job's")
            if problems:
                raise UserFacingError(f"an export from {name} is wrong: {', '.join(problems)}")
            found[name] = {"seconds": seconds, "bytes": sum(map(len, bodies)), "faults": store.counts()["faults"]}
    if len(set(digests.values())) != 1:
        raise UserFacingError(f"exports of the same activities differ: {digests}")
    return found


def _stopped(tools: Tools, data: Path, rows: int) -> dict:
    """Compares an export of all rows in one invocation with an export that stops after every second of work."""
    found = {}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(data)
        for name, seconds in (("at once", LAMBDA_SECONDS), ("stopped", STOPPED_SECONDS)):
            print_progress(f"· an export of {rows:,} rows, {name}")
            store.configure(mode="replay", upstream=engine.addresses["url"])
            # A stopped worker saves its tail for the next one, which needs an object store that keeps bytes.
            exporter = Exporter(tools, runtime, store, engine.addresses["s3_url"])
            try:
                made, _ = exporter.export(lambda_seconds=seconds)
            finally:
                exporter.process.kill()
            digest, positions = hashlib.sha256(), []
            for file in made["files"]:
                if file["name"].endswith(".csv"):
                    body = _body(store, engine, made["job"], file, "real engines")
                    digest.update(body)
                    positions += _positions(body)
            if len(positions) != rows or len(set(positions)) != rows:
                raise UserFacingError(f"an export {name} has {len(positions):,} rows, {len(set(positions)):,} of them different, instead of {rows:,}")
            found[name] = {"invocations": made["invocations"], "digest": digest.hexdigest(), "bytes": store.counts()["bytes"]}
    if found["at once"]["digest"] != found["stopped"]["digest"]:
        raise UserFacingError(f"a stopped export differs from one made at once: {found}")
    return found


def _positions(body: bytes) -> list[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))
    return [(row["Occurred at (UTC)"], row["Activity ID"]) for row in rows]


def _body(store: Store, engine, job: dict, file: dict, name: str) -> bytes:
    key = f"exports/{PARTNER}/{job['id']}/{file['name']}"
    if name == "real engines":
        return deployed.client("s3", engine.addresses["s3_url"]).get_object(Bucket="data", Key=key)["Body"].read()
    return store.object(key)


def _from_memory(tools: Tools, data: dict[int, Path], rounds: int) -> dict:
    """Measures CPU and memory of every contestant with pages from memory and uploads into nothing (tier B)."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    schema = json.dumps(deployed.schema())
    small = min(data)
    for count, file in data.items():
        with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as store_server, build.engines(tools) as engine:
            runtime, store = Runtime(lambda_server), Store(store_server)
            store.load(file)
            for turn in range(rounds if count == small else max(2, rounds // 2)):
                print_progress(f"· exports of {count:,} rows, round {turn + 1}")
                for form, output in FORMS.items():
                    store.configure(mode="replay", upstream=engine.addresses["url"])
                    mark = f"{form} {count}"
                    ours = found["daybook"][mark]
                    cpu, peak, made = run_worker(tools, runtime, store, output)
                    ours["cpu"].append(cpu / count * 1e6)
                    ours["mb"].append(peak)
                    ours["bytes"].append(sum(each["bytes"] for each in made["files"]))
                    # No peer exports details yet.
                    peers = {} if "details" in output else _peers(tools, store, form)
                    for name, command in peers.items():
                        if name in SLOW and (count != small or turn >= SLOW_ROUNDS):
                            continue
                        process = Contestant(command, deployed.variables("export-worker", runtime.api, store.url), LOG)
                        cpu, peak = process.finish(PEER_SECONDS)
                        found[name][mark]["cpu"].append(cpu / count * 1e6)
                        found[name][mark]["mb"].append(peak)
    return json.loads(json.dumps(found))


def _peers(tools: Tools, store: Store, form: str) -> dict[str, list[str]]:
    hashes = [f"{PARTNER}#{month}" for month in reversed(MONTHS)]
    activities = deployed.NAMES["ActivitiesTable"]
    arguments = [activities, deployed.NAMES["DataBucket"], "exports/peer.csv", form, *hashes]
    found = {
        "ordinary": [tools.programs["ordinary"], *arguments],
        "python": [sys.executable, str(PEERS / "python" / "export.py"), *arguments],
    }
    if tools.node:
        found["node"] = [shutil.which("node"), str(tools.node / "export.mjs"), *arguments]
    if form == "plain":
        address = store.url.removeprefix("http://")
        found |= {kind: [tools.programs["drain"], address, activities, kind, *hashes] for kind in ("drain", "floor")}
    return found


def run_worker(tools: Tools, runtime: Runtime, store: Store, output: dict) -> tuple[float, float, dict]:
    """Runs a worker for one export, and returns its CPU seconds, its peak megabytes and the export."""
    exporter = Exporter(tools, runtime, store)
    try:
        made, _ = exporter.export(**output)
        return exporter.process.cpu_seconds(), exporter.process.memory_mb()[1], made
    finally:
        exporter.process.kill()


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    memory, small, large = found["memory"], found["small"], found["rows"]
    correct, once, stopped = found["correct"], found["stopped"]["at once"], found["stopped"]["stopped"]
    again = (stopped["bytes"] - once["bytes"]) / 1e6
    parts = [
        f"**Correct** (tier A): {correct['rows']:,} activities exported from a real engine into a real object store, from memory, and from memory with "
        f"{correct['memory, with faults']['faults']} faults. Each file holds every activity once, in order; the bytes are the same and match the job's digest. "
        f"The export took {number(correct['real engines']['seconds'])} s from the engine and {number(correct['memory']['seconds'])} s from memory: the engine is the slow part, so its times prove nothing.",
        f"**Stopped and continued**: {large:,} activities; the worker stopped after each second of work, {stopped['invocations']} invocations in all. The file holds every activity once, with the same "
        f"bytes as an export in one invocation. Of {number(once['bytes'] / 1e6)} MB of items the worker read {number(again)} MB twice, {number(again / max(1, stopped['invocations'] - 1))} MB for each stop: the pages that it had fetched ahead.",
    ]
    for count in dict.fromkeys((large, small)):
        rows = []
        for name, title in SHOWN.items():
            cells = [title]
            for form in ("plain", "gzip"):
                of = memory.get(name, {}).get(f"{form} {count}")
                cells += _cells(of["cpu"]) if of else ["–", "–"]
            of = memory.get(name, {}).get(f"plain {count}")
            cells.append(number(summary(of["mb"])["median"]) if of else "–")
            rows.append(cells)
        parts.append(
            f"**{count:,} rows** (tier B): CPU seconds for a million rows, and peak memory in MB\n\n"
            + table(["", "plain, min", "median", "gzip, min", "median", "memory"], rows)
        )
    detailed = memory["daybook"][f"plain, details {large}"]
    parts.append(
        f"**With all details in the file**, the worker takes {number(summary(detailed['cpu'])['median'])} CPU seconds for a million rows "
        f"({number(summary(detailed['bytes'])['median'] / large)} bytes a row) and {number(summary(detailed['mb'])['median'])} MB. No peer exports details yet."
    )
    return "\n\n".join(parts)


def _cells(values: list[float]) -> list[str]:
    each = summary(values)
    return [number(each["min"]), number(each["median"]) + (" ⚠" if each["spread"] > 0.25 else "")]


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    memory = found["memory"] if found else {}
    small, large = (found["small"], found["rows"]) if found else (SMALL, 1_000_000)
    ours = memory.get("daybook", {})
    made = []
    for form in ("plain", "gzip"):
        for peer, wanted, count in (("node", 14, small), ("ordinary", 4, large)):
            name, mark = f"export, {form}, CPU against {SHOWN[peer].split(':')[0]}", f"{form} {count}"
            of = memory.get(peer, {}).get(mark)
            made.append(fraction(name, wanted, ratio(of["cpu"], ours[mark]["cpu"])) if of else Target(name, f"≤ 1/{wanted}"))
    name, mark = "export, plain, CPU against the floor", f"plain {large}"
    floor = memory.get("floor", {}).get(mark)
    made.append(at_most(name, 10, ratio(ours[mark]["cpu"], floor["cpu"])) if floor else Target(name, "≤ 10 ×"))
    name = "default export, with all details, CPU against the export without"
    if ours:
        made.append(at_most(name, 4, ratio(ours[f"plain, details {large}"]["cpu"], ours[mark]["cpu"])))
    else:
        made.append(Target(name, "≤ 4 ×"))
    made += [
        Target("default export, CPU against Node, both with all details", "≤ 1/8"),
        Target("default export, CPU against ordinary Rust, both with all details", "≤ 1/3"),
    ]
    growth = f"memory of the worker, growth from {small:,} to {large:,} rows"
    if ours and small != large:
        at = {count: summary(ours[f"plain {count}"]["mb"])["median"] for count in (small, large)}
        grown = at[large] - at[small]
        made.append(Target(growth, "≤ 2 MB", f"{number(grown)} MB", verdict(grown <= 2)))
    else:
        made.append(Target(growth, "≤ 2 MB"))
    name = "peak memory of the worker, pages from memory"
    if ours:
        most = max(summary(ours[f"{form} {large}"]["mb"])["median"] for form in FORMS)
        made.append(Target(name, "≤ 64 MB", f"{number(most)} MB", verdict(most <= 64)))
    else:
        made.append(Target(name, "≤ 64 MB"))
    return made
