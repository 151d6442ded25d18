"""Section *exports*: the export worker beside ordinary exports, on real engines and on pages from memory."""

import csv
import hashlib
import io
import json
import re
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

from environments import ROOT, UserFacingError, print_progress
from processes import Contestant, Runtime, Store

TITLE = "Exports"
CORRECT_ROWS = 10_000
SMALL = 100_000
FAULTS = {"fault_every": 25, "faults": ["throttle", "internal", "reset", "truncate"]}
LAMBDA_SECONDS = 900
# The worker stops a minute before the end of its invocation, which leaves it one second.
STOPPED_SECONDS = 61
PEER_SECONDS = 600
PEER_FILE = "exports/peer.csv"
# The slowest peers export the small data set only, because their cost per row does not change with the rows.
SLOW = {"python", "node"}
SLOW_ROUNDS = 3
# The default export has all details. Each name is also the argument of the peers.
FORMS = {"details": {}, "plain": {"details": False}, "gzip": {"details": False, "compression": "gzip"}}
FORM_TITLES = {"details": "default export, with all details", "plain": "export without details", "gzip": "export without details, gzip"}
# The targets of each form: peer, wanted fraction, and whether the large data set counts.
FRACTIONS = {
    "details": [("node", 8, False), ("ordinary", 3, True)],
    "plain": [("node", 14, False), ("ordinary", 4, True)],
    "gzip": [("node", 14, False), ("ordinary", 4, True)],
}
# A cell is undone by this rule of docs/files.md; a cell longer than a spreadsheet's ends with the mark, and guards move its cut.
GUARD, CUT_MARK, BEFORE_CUT = re.compile(r"(^|[,;\t\r\n])'"), "… [cut: ", 32_000
SHOWN = {
    "drain": "pages of activities read and dropped",
    "floor": "the same with CRC, UTF-8 check, one copy (the floor)",
    "daybook": "Daybook, the worker as deployed",
    "ordinary": "ordinary Rust: SDK, serde_dynamo, serde_json, csv, flate2, zstd",
    "node": "Node 20: SDK v3 document client, csv-stringify, lib-storage, zstd-wasm",
    "python": "Python: boto3, csv, zstandard",
}


class Exporter:
    """The export worker, with jobs in the form of the queue's messages."""

    def __init__(self, tools: Tools, runtime: Runtime, store: Store, endpoint_s3: str | None = None, below: tuple[str, ...] = ()):
        self._runtime, self._store = runtime, store
        variables = {"AWS_ENDPOINT_URL_S3": endpoint_s3} if endpoint_s3 else {}
        self.process = tools.start([*below, tools.programs["export-worker"]], "export-worker", runtime, store.url, **variables)

    def export(self, *, lambda_seconds: int = LAMBDA_SECONDS, **output) -> tuple[dict, float]:
        """Makes one export, and returns its job, files and number of invocations, and the seconds it took."""
        job = _job(f"01BENCH{time.monotonic_ns():019d}", {"format": "csv", "locale": "en", "details": True} | output)
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
    # A worker starts a job of an older form again, so the version must be the current one.
    source = (ROOT / "crates" / "domain" / "src" / "job.rs").read_text()
    form_version = int(re.search(r"pub const FORM_VERSION: u32 = (\d+);", source)[1])
    return {
        "id": identifier, "kind": "on_demand", "created_at": "2026-11-01T00:00:00.000000Z", "created_by": "bench", "created_by_subject": "bench",
        "request": {
            "from": f"{MONTHS[0]}-01T00:00:00.000000Z", "to": "2026-11-01T00:00:00.000000Z", "time_zone": "UTC", "filter": {},
            "output": {"compression": "none", "rows": "activities"} | output,
        },
        "month": None, "version": 1, "recorded_from": None, "recorded_before": None, "expires_at": "2036-11-01T00:00:00.000000Z",
        "manifest": True, "form_version": form_version,
    }  # fmt: skip


def measure(tools: Tools, options) -> dict:
    """Checks that exports are correct, then measures CPU and memory of every contestant."""
    rows, small = options.rows, min(SMALL, options.rows)
    found = {"rows": rows, "small": small, "correct": _correct(tools)}
    data = {count: build.data(tools, activities=count, partners=1) for count in dict.fromkeys((small, rows))}
    found["stopped"] = _stopped(tools, data[rows], rows)
    return found | _from_memory(tools, data, options.rounds)


def _correct(tools: Tools) -> dict:
    """Compares default exports from a real engine, from memory, and from memory with faults; then with those of the peers."""
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
        ours = [row for body in bodies for row in _contents(body, is_guarded=True)]
        found["with details"] = sum(bool(row["Details"]) for row in ours)
        found["peers"] = _compare_peers(tools, runtime, store, engine, ours)
    return found


def _compare_peers(tools: Tools, runtime: Runtime, store: Store, engine, ours: list[dict]) -> list[str]:
    """Checks that the peers export the same rows with the same details, and returns the names of the peers."""
    peers = _peers(tools, store, "details")
    for name, command in peers.items():
        print_progress(f"· the default export of a peer: {name}")
        store.configure(mode="replay", upstream=engine.addresses["url"], keeps_objects=True)
        Contestant(command, deployed.variables("export-worker", runtime.api, store.url), LOG).finish(PEER_SECONDS)
        theirs = _contents(store.object(PEER_FILE), is_guarded=False)
        if len(theirs) != len(ours):
            raise UserFacingError(f"the peer {name} exports {len(theirs)} rows instead of {len(ours)}")
        for expected, found in zip(ours, theirs):
            differing = [column for column, cell in expected.items() if not _is_same(cell, found.get(column))]
            if differing:
                column = differing[0]
                raise UserFacingError(
                    f"the peer {name} exports another {column} of {expected['Activity ID']}: {found.get(column)!r:.300} instead of {expected[column]!r:.300}"
                )
    return list(peers)


def _is_same(ours, theirs) -> bool:
    """Compares two cells; of a cell that Daybook has cut, the beginnings."""
    if isinstance(ours, str) and isinstance(theirs, str) and CUT_MARK in ours:
        return ours[:BEFORE_CUT] == theirs[:BEFORE_CUT]
    return ours == theirs


def _contents(body: bytes, is_guarded: bool) -> list[dict]:
    """Returns the rows of a file in a form that exporters share: without guards and labels, and with details parsed."""
    found = []
    for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")):
        if is_guarded:
            row = {column: GUARD.sub(r"\1", cell) for column, cell in row.items()}
        # Only Daybook writes labels of actions. Statuses are words in lower case for the peers, times of recording have milliseconds.
        del row["Action"]
        row |= {"Status": row["Status"].lower(), "Recorded at (UTC)": row["Recorded at (UTC)"][:23]}
        details = row["Details"]
        row["Details"] = details[:BEFORE_CUT] if CUT_MARK in details else json.loads(details) if details else None
        found.append(row)
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
                made, _ = exporter.export(lambda_seconds=seconds, **FORMS["plain"])
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
    details = {}
    schema = json.dumps(deployed.schema())
    small = min(data)
    for count, file in data.items():
        with tools.servers("lambda") as lambda_server, tools.servers("store", schema) as store_server, build.engines(tools) as engine:
            runtime, store = Runtime(lambda_server), Store(store_server)
            store.load(file)
            details[str(count)] = store.details()
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
                    for name, command in _peers(tools, store, form).items():
                        if name in SLOW and (count != small or turn >= SLOW_ROUNDS):
                            continue
                        process = Contestant(command, deployed.variables("export-worker", runtime.api, store.url), LOG)
                        cpu, peak = process.finish(PEER_SECONDS)
                        found[name][mark]["cpu"].append(cpu / count * 1e6)
                        found[name][mark]["mb"].append(peak)
    return {"memory": json.loads(json.dumps(found)), "details": details}


def _peers(tools: Tools, store: Store, form: str) -> dict[str, list[str]]:
    hashes = [f"{PARTNER}#{month}" for month in reversed(MONTHS)]
    activities = deployed.NAMES["ActivitiesTable"]
    arguments = [activities, deployed.NAMES["DataBucket"], PEER_FILE, form, *hashes]
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
    parts = [*_proofs(found), _data(found)]
    for count in dict.fromkeys((large, small)):
        rows = []
        for name, title in SHOWN.items():
            cells = [title]
            for form in FORMS:
                of = memory.get(name, {}).get(f"{form} {count}")
                cells += _cells(of["cpu"]) if of else ["–", "–"]
            for form in ("details", "plain"):
                of = memory.get(name, {}).get(f"{form} {count}")
                cells.append(number(summary(of["mb"])["median"]) if of else "–")
            rows.append(cells)
        header = ["", "default, min", "median", "without details, min", "median", "gzip, min", "median", "MB, default", "MB, without"]
        parts.append(f"**{count:,} rows** (tier B): CPU seconds for a million rows, and peak memory. The default has all details.\n\n" + table(header, rows))
    return "\n\n".join(parts)


def _proofs(found: dict) -> list[str]:
    """Returns the paragraphs on correctness."""
    correct, large = found["correct"], found["rows"]
    once, stopped = found["stopped"]["at once"], found["stopped"]["stopped"]
    again = (stopped["bytes"] - once["bytes"]) / 1e6
    peers = ", ".join(SHOWN[name].split(":")[0] for name in correct["peers"])
    return [
        f"**Correct** (tier A): {correct['rows']:,} activities exported with all details from a real engine into a real object store, from memory, and from memory with "
        f"{correct['memory, with faults']['faults']} faults. Each file holds every activity once, in order; the bytes are the same and match the job's digest. "
        f"The export took {number(correct['real engines']['seconds'])} s from the engine and {number(correct['memory']['seconds'])} s from memory: the engine is the slow part, so its times prove nothing.",
        f"**The same work**: the default exports of {peers} have the same rows in the same order, and the same cells: of {correct['with details']:,} activities with details, the parsed JSON is "
        "equal. Two columns differ: Daybook writes labels for actions and statuses, the peers write the recorded words. Daybook's guards are undone before the comparison.",
        f"**Stopped and continued**: {large:,} activities without details; the worker stopped after each second of work, {stopped['invocations']} invocations in all. The file holds every activity once, with the same "
        f"bytes as an export in one invocation. Of {number(once['bytes'] / 1e6)} MB of items the worker read {number(again)} MB twice, {number(again / max(1, stopped['invocations'] - 1))} MB for each stop: the pages that it had fetched ahead.",
    ]


def _data(found: dict) -> str:
    """Returns the table of the details' sizes before and after compression."""
    large = found["rows"]
    sizes = found["details"][str(large)]
    row_bytes = {form: summary(found["memory"]["daybook"][f"{form} {large}"]["bytes"])["median"] / large for form in FORMS}
    rows = []
    for place, title in (("inline", "in the activity's item, as text"), ("twins", "in a twin item, zstd"), ("objects", "in an object of S3, zstd")):
        of = sizes[place]
        share = f"{of['bytes'] / of['stored']:.2f} ×" if of["stored"] else "–"
        rows.append([title, f"{of['count']:,}", number(of["bytes"] / 1e6), number(of["stored"] / 1e6), share])
    return (
        f"**Details** of the {large:,} activities: the lines of orders and the steps of requests, with ids, prices, quantities and times that differ from line to line. "
        f"A row of the default file takes {number(row_bytes['details'])} bytes, a row without details {number(row_bytes['plain'])}, {number(row_bytes['gzip'])} with gzip.\n\n"
        + table(["details", "activities", "MB of JSON", "MB stored", "compression"], rows)
    )


def _cells(values: list[float]) -> list[str]:
    each = summary(values)
    return [number(each["min"]), number(each["median"]) + (" ⚠" if each["spread"] > 0.25 else "")]


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, the default export first, without figures if nothing was measured."""
    memory = found["memory"] if found else {}
    small, large = (found["small"], found["rows"]) if found else (SMALL, 1_000_000)
    ours = memory.get("daybook", {})
    made = []
    for form, fractions in FRACTIONS.items():
        for peer, wanted, is_large in fractions:
            name, mark = f"{FORM_TITLES[form]}, CPU against {SHOWN[peer].split(':')[0]}", f"{form} {large if is_large else small}"
            of = memory.get(peer, {}).get(mark)
            made.append(fraction(name, wanted, ratio(of["cpu"], ours[mark]["cpu"])) if of else Target(name, f"≤ 1/{wanted}"))
        if form == "details":
            name = f"{FORM_TITLES[form]}, CPU against the export without"
            cpu = [ours.get(f"{each} {large}", {}).get("cpu") for each in ("details", "plain")]
            made.append(at_most(name, 4, ratio(*cpu)) if all(cpu) else Target(name, "≤ 4 ×"))
    name, mark = f"{FORM_TITLES['plain']}, CPU against the floor", f"plain {large}"
    floor = memory.get("floor", {}).get(mark)
    made.append(at_most(name, 10, ratio(ours[mark]["cpu"], floor["cpu"])) if floor else Target(name, "≤ 10 ×"))
    growth = f"memory of the worker, growth from {small:,} to {large:,} rows, the worst form"
    if ours and small != large:
        peak = lambda form, count: summary(ours[f"{form} {count}"]["mb"])["median"]
        grown = max(peak(form, large) - peak(form, small) for form in FORMS)
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
