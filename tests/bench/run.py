"""Runs the sections that are asked for, keeps their figures, writes the report of all there are."""

import argparse
import json
import platform
import subprocess
from datetime import datetime, timezone

import build
import cost
import exports
import instructions
import report
import small
from build import PLACE

import processes
from environments import ROOT

RESULTS = PLACE / "results.json"


def run(chosen: argparse.Namespace) -> int:
    """Measures and writes; 1 where a gate is broken."""
    processes.stay_out_of_the_way()
    only = set(chosen.only.split(","))
    tools = build.build(chosen.profile)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    sections = {
        "small": ({"record", "query"}, lambda: small.measure(tools, chosen.rounds)),
        "cost": ({"cost"}, lambda: cost.measure(tools, chosen.rounds, chosen.rows)),
        "exports": ({"exports"}, lambda: exports.measure(tools, chosen.rounds, chosen.rows)),
        "instructions": ({"instructions"}, lambda: instructions.measure(tools, chosen.accept)),
    }
    for name, (wanted, measure) in sections.items():
        if wanted & only:
            results[name] = {"figures": measure(), "measured": _when(chosen)}
            RESULTS.write_text(json.dumps(results))
    return report.write(results)


def _when(chosen: argparse.Namespace) -> dict:
    """When and on what a section was measured."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "at": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "machine": f"{model}, {len(processes.CORES)} cores, {platform.system()} {platform.release()}",
        "profile": chosen.profile,
        "rounds": chosen.rounds,
    }
