"""Measures the chosen sections, keeps their figures, and writes the report of all sections."""

import argparse
import json
import platform
import subprocess
import time
from datetime import datetime, timezone

import build
import report
from build import WORK

import processes
from environments import ROOT, print_progress

RESULTS = WORK / "figures.json"


def run(options: argparse.Namespace) -> int:
    """Returns 1 if an instruction count is out of bounds."""
    processes.pin_to_server_core()
    chosen = set(options.only.split(","))
    tools = build.build(options.profile, with_peers=chosen != {"streams"})
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, section in report.SECTIONS.items():
        if name in chosen:
            started = time.monotonic()
            results[name] = {"figures": section.measure(tools, options), "measured": _conditions(options)}
            print_progress(f"· {name}: {time.monotonic() - started:.0f} s")
            RESULTS.write_text(json.dumps(results))
    return report.write(results)


def _conditions(options: argparse.Namespace) -> dict:
    """Describes the time, the code and the machine of a measurement."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "at": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "machine": f"{model}, {len(processes.CORES)} cores, {platform.system()} {platform.release()}",
        "profile": options.profile,
        "rounds": options.rounds,
    }
