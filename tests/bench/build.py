"""Preparation of a benchmark: binaries, packages of the peers, data sets."""

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

WORK = TOOLS / "bench"
LOG = WORK / "contestants.log"
BENCH = Path(__file__).resolve().parent
PEERS = BENCH / "peers"
FUNCTIONS = ["record", "query", "export-worker", "streams", "streamer"]
MONTHS = ["2026-08", "2026-09", "2026-10"]


@dataclass(frozen=True)
class Tools:
    """Programs by name, the profile of the functions, and the folder of the peers in Node."""

    programs: dict[str, str]
    profile: str
    node: Path | None

    def servers(self, *arguments: str) -> Server:
        """Starts one of the benchmark's servers."""
        return Server(self.programs["bench-servers"], *arguments, log=WORK / "servers.log")

    def start(self, command: list[str], function: str, runtime: Runtime, endpoint: str, **variables: str) -> Contestant:
        """Starts a contestant with the variables of a function, and returns when the contestant waits for an event."""
        runtime.reset()
        contestant = Contestant(command, deployed.variables(function, runtime.api, endpoint) | variables, LOG)
        try:
            runtime.wait_until_idle()
        except UserFacingError as error:
            contestant.kill()
            raise UserFacingError(f"{command[0]} never asked for an event; see {LOG}") from error
        return contestant


def build(profile: str, with_peers: bool) -> Tools:
    """Builds the functions and the peers with one profile, and the servers with a profile that builds faster."""
    WORK.mkdir(parents=True, exist_ok=True)
    for log in (WORK / "servers.log", LOG):
        log.unlink(missing_ok=True)
    # The functions are built together, as their deployment does, so that all have the same features.
    programs = _cargo(ROOT, FUNCTIONS, profile)
    if with_peers:
        programs |= _cargo(BENCH, ["bench-peers"], profile)
    programs |= _cargo(BENCH, ["bench-servers"], "harness")
    return Tools(programs, profile, _node() if with_peers else None)


def _cargo(workspace: Path, packages: list[str], profile: str) -> dict[str, str]:
    print_progress(f"· building {', '.join(packages)} ({profile})")
    command = ["cargo", "build", "--manifest-path", str(workspace / "Cargo.toml"), "--profile", profile]
    command += ["--message-format", "json-render-diagnostics"]
    for package in packages:
        command += ["-p", package]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        raise UserFacingError("could not build the programs of the benchmark; cargo's message is above")
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    return {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}


def _node() -> Path | None:
    """Installs the peers in Node and returns their folder, or nothing if Node is missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        print_progress("· Node is missing, so its peers are left out (Debian: apt-get install nodejs npm)")
        return None
    folder = WORK / "node"
    folder.mkdir(exist_ok=True)
    source = PEERS / "node"
    lock = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()
    for file in source.iterdir():
        if file.suffix in (".json", ".mjs"):
            shutil.copy(file, folder)
    stamp = folder / "made-of"
    if not stamp.exists() or stamp.read_text() != lock:
        print_progress("· installing the packages of the peers in Node")
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, stdout=sys.stderr).returncode:
            raise UserFacingError("could not install the packages of the peers; npm's message is above")
        stamp.write_text(lock)
    return folder


def commands(tools: Tools, function: str) -> dict[str, list[str]]:
    """Returns the commands that start a function and its peers, by contestant."""
    found = {"daybook": [tools.programs[function]], "python": [sys.executable, str(PEERS / "python" / "function.py"), function]}
    if tools.node:
        found["node"] = [shutil.which("node"), str(tools.node / "function.mjs"), function]
    return found


def data(tools: Tools, **plan) -> Path:
    """Returns a file of generated activities, written by the recording function itself.

    The file is kept until the plan or the code that decides its contents changes.
    """
    plan = {"seed": 1, "months": MONTHS, "details": True, "batch_bytes": 4_000_000, "shards": 1} | plan
    name = f"{plan['activities']}-{plan['partners']}-{len(plan['months'])}-{plan['shards']}{'' if plan['details'] else '-even'}"
    file = WORK / f"data-{name}-{_fingerprint(plan)}.zst"
    if file.exists():
        return file
    for old in WORK.glob(f"data-{name}-*.zst"):
        old.unlink()
    print_progress(f"· recording {plan['activities']:,} generated activities")
    shards = plan.pop("shards")
    with tools.servers("lambda") as lambda_server, tools.servers("store", json.dumps(deployed.schema())) as store_server, engines(tools) as engine:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.configure(mode="capture", upstream=engine.addresses["url"])
        if shards > 1:
            deployed.spread(engine.addresses["url"], plan["months"][0], shards)
        recorder = start_recorder(tools, runtime, store)
        try:
            runtime.generate(plan)
        finally:
            recorder.kill()
        unfinished = file.with_suffix(".unfinished")
        store.save(unfinished)
        unfinished.rename(file)
    return file


def start_recorder(tools: Tools, runtime: Runtime, store: Store) -> Contestant:
    """Starts the recording function for generated activities."""
    # Generated activities are months old. A long grace time keeps them out of the index of late activities.
    return tools.start([tools.programs["record"]], "record", runtime, store.url, GRACE_HOURS="1000000")


def _fingerprint(plan: dict) -> str:
    """Returns a digest of everything that decides how the recorder stores the activities of a plan."""
    sources = [file for folder in _storing_code() for file in sorted(folder.rglob("*.rs"))]
    sources += [BENCH / "servers" / "src" / name for name in ("generate.rs", "details.rs")]
    # Count `format` up when the format of the data file changes.
    digest = hashlib.sha256(json.dumps(plan | {"format": 1}).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _storing_code() -> list[Path]:
    crates = ROOT / "crates"
    return [crates / "domain" / "src", crates / "store" / "src" / "ledger", ROOT / "functions" / "record" / "src"]


def engines(tools: Tools, data: Path | None = None) -> Server:
    """Starts DynamoDB on SQLite and S3 on a folder, with the template's tables and bucket, and with the data of a file."""
    folder = WORK / "objects"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    return tools.servers("engine", json.dumps(deployed.tables()), str(folder), *([str(data)] if data else []))
