"""What has to be there before anything can be measured: binaries, the peers' packages, data."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import deployed

from environments import ROOT, TOOLS, UserFacingError, print_progress
from processes import Contestant, Runtime, Server, Store

PLACE = TOOLS / "bench"
PEERS = Path(__file__).resolve().parent / "peers"
FUNCTIONS = ["record", "query", "export-worker"]
MONTHS = ["2026-08", "2026-09", "2026-10"]


@dataclass(frozen=True)
class Tools:
    """Programs, by name, and how the functions were built."""

    programs: dict[str, str]
    profile: str
    node: Path | None

    def servers(self, *arguments: str) -> Server:
        """Starts a server of the harness."""
        return Server(self.programs["bench-servers"], *arguments, log=PLACE / "servers.log")


def build(profile: str) -> Tools:
    """The functions as they are deployed; the harness's own servers, faster to build; the peers."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for log in ("servers.log", "contestants.log"):
        (PLACE / log).unlink(missing_ok=True)
    programs = {}
    for packages, with_profile in ((FUNCTIONS, profile), (["bench-peers"], profile), (["bench-servers"], "harness")):
        programs |= _cargo(packages, with_profile)
    return Tools(programs, profile, _node())


def _cargo(packages: list[str], profile: str) -> dict[str, str]:
    print_progress(f"· building {', '.join(packages)} ({profile})")
    command = ["cargo", "build", "--profile", profile, "--message-format", "json-render-diagnostics"]
    for package in packages:
        command += ["-p", package]
    # Each function is built as `sam build` does it, and all of them with the same features.
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        raise UserFacingError("cargo could not build what is to be measured; its message is above.")
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    return {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}


def _node() -> Path | None:
    """The folder of the peers in Node, installed; none without Node."""
    if not shutil.which("node") or not shutil.which("npm"):
        print_progress("· there is no Node: its peers are left out (Debian: apt-get install nodejs npm)")
        return None
    place = PLACE / "node"
    place.mkdir(exist_ok=True)
    source = PEERS / "node"
    lock = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()
    for file in source.iterdir():
        if file.suffix in (".json", ".mjs"):
            shutil.copy(file, place)
    stamp = place / "made-of"
    if not stamp.exists() or stamp.read_text() != lock:
        print_progress("· installing the packages of the peers in Node")
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=place, stdout=sys.stderr).returncode:
            raise UserFacingError("npm could not install the peers' packages; its message is above.")
        stamp.write_text(lock)
    return place


def commands(tools: Tools, function: str) -> dict[str, list[str]]:
    """How to start a function and its peers."""
    found = {"daybook": [tools.programs[function]], "python": [sys.executable, str(PEERS / "python" / "function.py"), function]}
    if tools.node:
        found["node"] = [shutil.which("node"), str(tools.node / "function.mjs"), function]
    return found


def data(tools: Tools, **plan) -> Path:
    """Generated activities, recorded by the recording function itself; kept for as long as neither of them changes."""
    plan = {"seed": 1, "months": MONTHS, "details": True, "batch_bytes": 4_000_000, "shards": 1} | plan
    # What decides how an activity is stored; another form of the file itself needs another number here.
    domain = ROOT / "crates" / "daybook" / "src"
    stored = [file for file in domain.rglob("*.rs") if file.relative_to(domain).parts[0].removesuffix(".rs") in ("activity", "json", "ledger")]
    sources = [*sorted(stored), *sorted((ROOT / "functions" / "record" / "src").rglob("*.rs"))]
    sources.append(Path(__file__).resolve().parent / "servers" / "src" / "generate.rs")
    plan_and_form = json.dumps(plan | {"form": 1}).encode()
    made_of = hashlib.sha256(plan_and_form + b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    name = f"{plan['activities']}-{plan['partners']}-{len(plan['months'])}-{plan['shards']}{'' if plan['details'] else '-even'}"
    place = PLACE / f"data-{name}-{made_of}.zst"
    if place.exists():
        return place
    for old in PLACE.glob(f"data-{name}-*.zst"):
        old.unlink()
    print_progress(f"· recording {plan['activities']:,} generated activities")
    shards = plan.pop("shards")
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.settings(mode="capture", upstream=engine.addresses["url"])
        if shards > 1:
            deployed.spread(engine.addresses["url"], plan["months"][0], shards)
        # Generated activities are of months past; they are to look like those that were recorded in time.
        variables = deployed.variables("record", runtime.api, store.url) | {"GRACE_HOURS": "1000000"}
        recorder = Contestant([tools.programs["record"]], variables, PLACE / "contestants.log")
        try:
            runtime.generate(plan)
        finally:
            recorder.end()
        unfinished = place.with_suffix(".unfinished")
        store.tell("save", str(unfinished))
        unfinished.rename(place)
    return place


def engines(tools: Tools, data: Path | None = None) -> Server:
    """DynamoDB on SQLite and S3 on a folder, with the tables and the bucket of the template, and these activities."""
    folder = PLACE / "objects"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    return tools.servers("engine", json.dumps(deployed.tables()), str(folder), *([str(data)] if data else []))
