"""Runs cargo-mutants on the domain crate, and fails if the tests catch less than 90 % of the viable mutants.

    python3 tests/mutants.py [--shard 3/8] [--file src/time.rs]

The mutants that no test caught are in `.local/mutants/mutants.out/missed.txt`. A mutant that does not compile is not viable.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / ".local" / "mutants"
WANTED = 0.9


def main() -> int:
    """Runs the mutants and prints the share that was caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shard", help="k/n tries the k-th of n parts, from 0")
    parser.add_argument("--file", help="a file of the crate, such as src/time.rs")
    parser.add_argument("--jobs", default="2")
    chosen = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    command = ["cargo", "mutants", "--package", "domain", "--output", str(OUTPUT), "--jobs", chosen.jobs, "--no-shuffle", "--colors", "never"]
    command += ["--shard", chosen.shard] if chosen.shard else []
    command += ["--file", f"crates/domain/{chosen.file}"] if chosen.file else []
    # The copies of the tree have a folder for their output each.
    environment = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "CARGO_BUILD_TARGET")}
    status = subprocess.run(command, cwd=ROOT, env=environment).returncode
    if status not in (0, 2, 3):
        # 2 and 3 are mutants that were missed or ran too long; anything else is an error of the run itself.
        return status
    found = {name: (OUTPUT / "mutants.out" / f"{name}.txt").read_text().splitlines() for name in ("caught", "missed", "timeout", "unviable")}
    caught, missed = len(found["caught"]) + len(found["timeout"]), len(found["missed"])
    share = caught / max(caught + missed, 1)
    print(
        f"{caught} of {caught + missed} viable mutants caught ({share:.1%}), {len(found['unviable'])} not viable; missed: {OUTPUT / 'mutants.out' / 'missed.txt'}"
    )
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
