"""Section *exports*: the export worker beside the ordinary ways to export, on real engines, on pages from memory, and on
pages at AWS's pace with and without faults."""

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
import events
from build import MONTHS, PEERS, PLACE, Tools
from figures import number, ratio, summary, table, verdict

from environments import UserFacingError, print_progress
from processes import Contestant, Runtime, Store

PARTNER = events.PARTNER
CORRECT_ROWS = 10_000
SMALL = 100_000
# A month in one partition, and one in eight.
SHARDS = {"one partition": 1, "8 shards": 8}
# AWS's pace: 20 to 40 ms for a page, 3,000 read units a second for a hash key.
PACE = {"latency_ms": [20, 40], "units_per_second": 3_000}
FAULTS = {"fault_every": 25, "faults": ["throttle", "internal", "reset", "truncate"]}
SECONDS = 900
# The worker stops a minute before its function's time is over: this leaves it one second.
STOPPED_SECONDS = 61
PEER_SECONDS = 600
# The slowest peers are given the small data set only: their cost grows with the rows alone.
SLOW = {"python", "node"}


def measure(tools: Tools, rounds: int, rows: int) -> dict:
    """All figures of the section."""
    found = {"rows": rows, "small": min(SMALL, rows)}
    found["correct"] = _correct(tools)
    data = {count: build.data(tools, activities=count, partners=1) for count in dict.fromkeys((found["small"], rows))}
    found["stopped"] = _stopped(tools, data[rows], rows)
    found["replay"] = _replay(tools, data, rounds)
    found["paced"] = {name: _paced(tools, rows, shards, max(1, rounds // 3)) for name, shards in SHARDS.items()}
    return found


class Exporter:
    """The export worker, handed jobs as the queue hands them."""

    def __init__(self, tools: Tools, runtime: Runtime, store: Store, endpoint_s3: str | None = None, below: tuple[str, ...] = ()):
        self._runtime, self._store = runtime, store
        runtime.reset()
        variables = deployed.variables("export-worker", runtime.api, store.url)
        if endpoint_s3:
            variables["AWS_ENDPOINT_URL_S3"] = endpoint_s3
        self.process = Contestant([*below, tools.programs["export-worker"]], variables, PLACE / "contestants.log")
        runtime.wait_until_idle()

    def export(self, *, lambda_seconds: int = SECONDS, **output) -> tuple[dict, float]:
        """Makes one export: what its job says at the end, and the seconds that it took. A function has so many seconds each time."""
        job = _job(f"01BENCH{time.monotonic_ns():019d}", {"format": "csv", "locale": "en", "details": False} | output)
        control = deployed.client("dynamodb", self._store.url)
        control.put_item(TableName=deployed.NAMES["ControlTable"], Item={
            "pk": {"S": PARTNER}, "sk": {"S": f"export#{job['id']}"}, "job": {"S": json.dumps(job)}, "state": {"S": "pending"},
        })  # fmt: skip
        message = {"Records": [{
            "messageId": job["id"], "receiptHandle": "bench", "body": json.dumps({"partner": PARTNER, "export": job["id"]}),
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:export-jobs", "awsRegion": "us-east-1",
        }]}  # fmt: skip
        started = time.monotonic()
        for attempt in range(100):
            answered = self._runtime.invoke(json.dumps(message).encode(), seconds=lambda_seconds)
            item = control.get_item(TableName=deployed.NAMES["ControlTable"], Key={"pk": {"S": PARTNER}, "sk": {"S": f"export#{job['id']}"}})["Item"]
            if item["state"]["S"] == "ready":
                files = json.loads(item["files"]["S"])
                return {"job": job, "files": files, "tries": attempt + 1}, time.monotonic() - started
        raise UserFacingError(f"an export did not become ready: {answered['last'][:300]} {item.get('problem')}")


def _job(identifier: str, output: dict) -> dict:
    """A job as the function that takes requests writes it."""
    return {
        "id": identifier, "kind": "on_demand", "created_at": "2026-11-01T00:00:00.000000Z", "created_by": "bench",
        "request": {"from": f"{MONTHS[0]}-01T00:00:00.000000Z", "to": "2026-11-01T00:00:00.000000Z", "time_zone": "UTC", "filter": {}, "output": output},
        "month": None, "recorded_before": None, "expires_at": "2036-11-01T00:00:00.000000Z",
    }  # fmt: skip


def _correct(tools: Tools) -> dict:
    """Tier A and the same from memory: every activity once, in order, the same bytes, the digest that the job names."""
    print_progress("· exports from real engines: are they right?")
    data = build.data(tools, activities=CORRECT_ROWS, partners=1)
    schema = json.dumps(deployed.schema())
    with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as store_server, build.engines(tools, data) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        found = {"rows": CORRECT_ROWS}
        digests = {}
        for name, settings in {
            "real engines": {"mode": "pass"},
            "memory": {"mode": "replay"},
            "memory, with faults": {"mode": "replay", "pace": FAULTS | {"fault_every": 3}},
        }.items():
            if settings["mode"] == "replay":
                store.tell("load", str(data))
            store.settings(upstream=engine.addresses["url"], keeps_objects=True, **settings)
            exporter = Exporter(tools, runtime, store, engine.addresses["s3_url"] if name == "real engines" else None)
            try:
                made, seconds = exporter.export()
            finally:
                exporter.process.end()
            body = b"".join(_body(store, engine, made["job"], file, name) for file in made["files"] if file["name"].endswith(".csv"))
            digests[name] = hashlib.sha256(body).hexdigest()
            rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
            places = [(row["Occurred at (UTC)"], row["Activity ID"]) for row in rows]
            problems = []
            if len(rows) != CORRECT_ROWS or len(set(places)) != CORRECT_ROWS:
                problems.append(f"{len(rows)} rows, {len(set(places))} different")
            if places != sorted(places, reverse=True):
                problems.append("not in order")
            if len(made["files"]) == 1 and made["files"][0]["sha256"] != digests[name]:
                problems.append("another digest than the job names")
            if problems:
                raise UserFacingError(f"an export from {name} is wrong: {', '.join(problems)}")
            found[name] = {"seconds": seconds, "bytes": len(body), "faults": store.counts()["faults"]}
    if len(set(digests.values())) != 1:
        raise UserFacingError(f"exports of the same activities differ: {digests}")
    return found


def _stopped(tools: Tools, data: Path, rows: int) -> dict:
    """An export of all there is, made at once and made a second at a time: the same bytes, and what was read again."""
    found = {}
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.tell("load", str(data))
        for name, seconds in (("at once", SECONDS), ("stopped", STOPPED_SECONDS)):
            print_progress(f"· an export of {rows:,} rows {name}")
            store.settings(mode="replay", upstream=engine.addresses["url"])
            # A real object store: what a worker puts aside when it stops is read by the next one.
            exporter = Exporter(tools, runtime, store, engine.addresses["s3_url"])
            try:
                made, _ = exporter.export(lambda_seconds=seconds)
            finally:
                exporter.process.end()
            digest, places = hashlib.sha256(), []
            for file in made["files"]:
                if file["name"].endswith(".csv"):
                    body = _body(store, engine, made["job"], file, "real engines")
                    digest.update(body)
                    shown = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))
                    places += [(row["Occurred at (UTC)"], row["Activity ID"]) for row in shown]
            if len(places) != rows or len(set(places)) != rows:
                raise UserFacingError(f"an export {name} has {len(places):,} rows, {len(set(places)):,} different, instead of {rows:,}")
            found[name] = {"runs": made["tries"], "digest": digest.hexdigest(), "bytes": store.counts()["bytes"]}
    if found["at once"]["digest"] != found["stopped"]["digest"]:
        raise UserFacingError(f"an export that was stopped differs: {found}")
    return found


def _body(store: Store, engine, job: dict, file: dict, name: str) -> bytes:
    key = f"exports/{PARTNER}/{job['id']}/{file['name']}"
    if name == "real engines":
        return deployed.client("s3", engine.addresses["s3_url"]).get_object(Bucket="data", Key=key)["Body"].read()
    return store.object(key)


def _contestants(tools: Tools, store: Store, form: str) -> dict[str, list[str]]:
    hashes = [f"{PARTNER}#{month}" for month in reversed(MONTHS)]
    to = [deployed.NAMES["ActivitiesTable"], deployed.NAMES["DataBucket"], "exports/peer.csv", form, *hashes]
    found = {
        "ordinary": [tools.programs["ordinary"], *to],
        "python": [sys.executable, str(PEERS / "python" / "export.py"), *to],
    }
    if tools.node:
        found["node"] = [shutil.which("node"), str(tools.node / "export.mjs"), *to]
    if form == "plain":
        address = store.url.removeprefix("http://")
        found |= {kind: [tools.programs["drain"], address, deployed.NAMES["ActivitiesTable"], kind, *hashes] for kind in ("drain", "floor")}
    return found


def _replay(tools: Tools, data: dict[int, Path], rounds: int) -> dict:
    """Tier B: processor time and memory, pages from memory, uploads into nothing."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    schema = json.dumps(deployed.schema())
    small = min(data)
    for count, place in data.items():
        with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as store_server, build.engines(tools) as engine:
            runtime, store = Runtime(lambda_server), Store(store_server)
            store.tell("load", str(place))
            for number_of_round in range(rounds if count == small else max(2, rounds // 2)):
                print_progress(f"· exports of {count:,} rows, round {number_of_round + 1}")
                for form, output in _forms():
                    store.settings(mode="replay", upstream=engine.addresses["url"])
                    mark = f"{form} {count}"
                    cpu, peak, made = _worker(tools, runtime, store, output)
                    if made is not None:
                        found["daybook"][mark]["cpu"].append(cpu / count * 1e6)
                        found["daybook"][mark]["mb"].append(peak)
                        found["daybook"][mark]["bytes"].append(sum(file["bytes"] for file in made["files"]))
                    if form == "plain, details":
                        continue
                    for name, command in _contestants(tools, store, form).items():
                        if name in SLOW and (count != small or number_of_round >= 3):
                            continue
                        process = Contestant(command, deployed.variables("export-worker", runtime.api, store.url), PLACE / "contestants.log")
                        cpu, peak = process.finish(PEER_SECONDS)
                        found[name][mark]["cpu"].append(cpu / count * 1e6)
                        found[name][mark]["mb"].append(peak)
    return json.loads(json.dumps(found))


def _forms() -> list[tuple[str, dict]]:
    return [("plain", {}), ("gzip", {"compression": "gzip"}), ("plain, details", {"details": True})]


def _worker(tools: Tools, runtime: Runtime, store: Store, output: dict) -> tuple[float, float, dict | None]:
    """One worker from its start to its one export's end; nothing where it does not know this form."""
    exporter = Exporter(tools, runtime, store)
    try:
        try:
            made, _ = exporter.export(**output)
        except UserFacingError:
            if "compression" not in output:
                raise
            return 0.0, 0.0, None
        if "compression" in output and not made["files"][0]["name"].endswith(".gz"):
            return 0.0, 0.0, None
        return exporter.process.cpu(), exporter.process.resident()[1], made
    finally:
        exporter.process.end()


def _paced(tools: Tools, rows: int, shards: int, rounds: int) -> dict:
    """Tier C: a month at AWS's pace, how much of the time is the table's, how much ours; and what faults cost."""
    found = defaultdict(list)
    data = build.data(tools, activities=rows, partners=1, months=MONTHS[-1:], shards=shards)
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, build.engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.tell("load", str(data))
        sizes = [size for key, (_, size) in store.sizes().items() if _holds_activities(key)]
        if len(sizes) != shards:
            raise UserFacingError(f"the month has {len(sizes)} partitions instead of {shards}")
        # Exports read eventually consistent: a unit for 8 KB. The fullest partition is the last to end.
        limit = max(sizes) / 8_192 / PACE["units_per_second"]
        # The server puts a partition in order when it is first asked for it: that export is not counted.
        store.settings(mode="replay", upstream=engine.addresses["url"])
        _worker(tools, runtime, store, {})
        for _ in range(rounds):
            for name, pace in (("undisturbed", PACE), ("with faults", PACE | FAULTS)):
                print_progress(f"· exports at AWS's pace, {shards} at once, {name}")
                store.settings(mode="replay", upstream=engine.addresses["url"], pace=pace)
                exporter = Exporter(tools, runtime, store)
                try:
                    made, seconds = exporter.export()
                    counts = store.counts()
                    found[name].append({
                        "seconds": seconds, "cpu": exporter.process.cpu(), "mb": exporter.process.resident()[1],
                        "tries": made["tries"], "faults": counts["faults"], "units": counts["units"],
                    })  # fmt: skip
                finally:
                    exporter.process.end()
    return {"runs": found, "limit": limit, "bytes": sum(sizes)}


def _holds_activities(key: str) -> bool:
    """Whether a hash key is of a month's activities, or of a shard of them."""
    _, month, *shard = key.split("#")
    return month in MONTHS and len(shard) < 2 and all(number.isdigit() for number in shard)


SHOWN = {
    "drain": "pages read and dropped",
    "floor": "pages read, CRC, UTF-8 checked, copied (the floor)",
    "daybook": "Daybook, the worker as deployed",
    "ordinary": "Rust, the ordinary way: SDK, serde_dynamo, csv, flate2",
    "node": "Node 20: SDK v3 document client, csv-stringify, lib-storage",
    "python": "Python: boto3, csv",
}


def report(found: dict) -> str:
    """The section in Markdown."""
    replay, small, large = found["replay"], found["small"], found["rows"]
    parts = []
    correct = found["correct"]
    parts.append(
        f"**Right first** (tier A): {correct['rows']:,} activities exported from a real engine into a real object store, from memory, and from memory with "
        f"{correct['memory, with faults']['faults']} faults on the way: every activity once, in order, the same bytes, the digest that the job names. "
        f"It took {number(correct['real engines']['seconds'])} s from the engine, {number(correct['memory']['seconds'])} s from memory: the engine is what takes the time, and no speed is claimed from it."
    )
    once, stopped = found["stopped"]["at once"], found["stopped"]["stopped"]
    again = (stopped["bytes"] - once["bytes"]) / 1e6
    parts.append(
        f"**Stopped and continued**: {large:,} activities, the worker stopped after each second of work, in {stopped['runs']} runs: every activity once, the same bytes "
        f"as at once. Of {number(once['bytes'] / 1e6)} MB of items it read {number(again)} MB again, {number(again / max(1, stopped['runs'] - 1))} MB for each stop: what it had read ahead."
    )
    for count in dict.fromkeys((large, small)):
        rows = []
        for name, title in SHOWN.items():
            cells = [title]
            for form in ("plain", "gzip"):
                of = replay.get(name, {}).get(f"{form} {count}")
                cells += _cells(of["cpu"]) if of else ["–", "–"]
            of = replay.get(name, {}).get(f"plain {count}")
            cells.append(number(summary(of["mb"])["median"]) if of else "–")
            rows.append(cells)
        parts.append(
            f"**{count:,} rows** (tier B): CPU seconds for a million rows, and the most memory, MB\n\n"
            + table(["", "plain, min", "median", "gzip, min", "median", "memory"], rows)
        )
    detailed = replay["daybook"].get(f"plain, details {large}")
    if detailed:
        parts.append(f"With all details in the file, which no peer here does, the worker takes {number(summary(detailed['cpu'])['median'])} CPU seconds for a million rows ({number(summary(detailed['bytes'])['median'] / large)} bytes a row) and {number(summary(detailed['mb'])['median'])} MB.")
    rows = []
    for place, paced in found["paced"].items():
        for name, measured in paced["runs"].items():
            seconds = summary([run["seconds"] for run in measured])["median"]
            cpu, faults, units = (sum(run[what] for run in measured) / len(measured) for what in ("cpu", "faults", "units"))
            memory = summary([run["mb"] for run in measured])["median"]
            rows.append([
                f"{place}, {name}", number(paced["bytes"] / 1e6), number(paced["limit"]), number(seconds), number(paced["bytes"] / 1e6 / seconds),
                f"{paced['limit'] / seconds:.0%}", number(cpu), number(memory), f"{units:,.0f}", number(faults), str(max(run["tries"] for run in measured)),
            ])  # fmt: skip
    parts.append(
        f"**At AWS's pace** (tier C): a month of {large:,} activities; 20–40 ms for a page, 3,000 read units a second for a hash key, which is 24.6 MB/s of eventually "
        "consistent reads. The limit is the time that the fullest partition takes at that pace.\n\n"
        + table(["", "MB of items", "limit, s", "seconds", "MB/s", "of the limit", "CPU, s", "memory", "read units", "faults", "deliveries"], rows)
    )
    parts.append("**Targets**\n\n" + table(["target", "figure", "verdict"], _targets(found)))
    return "\n\n".join(parts)


def _cells(values: list[float]) -> list[str]:
    each = summary(values)
    return [number(each["min"]), number(each["median"]) + (" ⚠" if each["spread"] > 0.25 else "")]


def _targets(found: dict) -> list[list[str]]:
    replay, small, large = found["replay"], found["small"], found["rows"]
    rows = []
    for form, seconds in (("plain", 1.5), ("gzip", 2.6)):
        ours = summary(replay["daybook"][f"{form} {large}"]["cpu"])["median"]
        rows.append([f"{form}: at most {seconds} CPU seconds for a million rows", number(ours), verdict(ours <= seconds)])
        for peer, times, count in (("node", 10, small), ("python", 20, small), ("ordinary", 2, large)):
            mark = f"{form} {count}"
            if mark in replay.get(peer, {}):
                apart = ratio(replay[peer][mark]["cpu"], replay["daybook"][mark]["cpu"])
                rows.append([f"{form}: at most 1/{times} of {SHOWN[peer].split(':')[0]}", f"1/{number(apart['ratio'])} ({number(apart['min'])}–{number(apart['max'])})", verdict(apart["ratio"] >= times)])
    memory = {count: summary(replay["daybook"][f"plain {count}"]["mb"])["median"] for count in (small, large)}
    # Eight partitions side by side hold the most pages.
    most = max([*memory.values(), *(run["mb"] for paced in found["paced"].values() for runs in paced["runs"].values() for run in runs)])
    rows.append(["at most 64 MB of memory, the whole worker, from memory and at AWS's pace", f"{number(most)} MB", verdict(most <= 64)])
    if small != large:
        slope = (memory[large] - memory[small]) / (large - small) * 900_000
        rows.append([f"memory from {small:,} to {large:,} rows grows by at most 2 MB", f"{number(slope)} MB for 900,000 rows", verdict(slope <= 2)])
    for place, part in (("one partition", 0.9), ("8 shards", 0.85)):
        paced = found["paced"][place]
        reached = paced["limit"] / summary([run["seconds"] for run in paced["runs"]["undisturbed"]])["median"]
        rows.append([f"at AWS's pace at least {part:.0%} of the limit, {place}", f"{reached:.0%}", verdict(reached >= part)])
    return rows
