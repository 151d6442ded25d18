"""Runs cargo-mutants on the domain crate, and fails if the tests catch less than 90 % of the viable mutants.

    python3 tests/mutants.py [--shard 3/8] [--file src/fold.rs src/time/month.rs]

All mutants are tried with the unit tests, with few cases of each property. Those that these miss are tried again with all tests of
the crate and the usual number of cases. A mutant that does not compile is not viable. The results are in `.local/mutants/unit` and
`.local/mutants/all`.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / ".local" / "mutants"
WANTED = 0.9
KINDS = ("caught", "missed", "timeout", "unviable")


def cargo_mutants(*options: str, environment: dict[str, str] | None = None, **how) -> subprocess.CompletedProcess:
    """Runs cargo-mutants for the domain crate, with a folder of its own for each copy of the tree."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "CARGO_BUILD_TARGET")}
    command = ["cargo", "mutants", "--package", "domain", "--no-shuffle", "--colors", "never", *options]
    return subprocess.run(command, cwd=ROOT, env=inherited | (environment or {}), text=True, **how)


def try_mutants(part: str, options: list[str], environment: dict[str, str]) -> dict[str, list[str]]:
    """Tries mutants, with the results in the folder `part`: the names of the mutants of each kind."""
    status = cargo_mutants("--output", str(OUTPUT / part), *options, environment={"CARGO_INCREMENTAL": "1"} | environment).returncode
    if status not in (0, 2, 3):
        # 2 and 3 are mutants that were missed or ran too long; anything else is an error of the run itself.
        sys.exit(status)
    return {kind: (OUTPUT / part / "mutants.out" / f"{kind}.txt").read_text().splitlines() for kind in KINDS}


def skip_all_but(part: str, wanted: list[str]) -> None:
    """Makes the next run with `--iterate` try only these mutants: it skips those that its folder names as caught before."""
    names = cargo_mutants("--list", check=True, stdout=subprocess.PIPE).stdout.splitlines()
    shutil.rmtree(OUTPUT / part, ignore_errors=True)
    (OUTPUT / part / "mutants.out").mkdir(parents=True)
    for kind in ("previously_caught", *KINDS):
        skipped = [name for name in names if name not in set(wanted)] if kind == "previously_caught" else []
        (OUTPUT / part / "mutants.out" / f"{kind}.txt").write_text("".join(f"{name}\n" for name in skipped))


def main() -> int:
    """Runs the mutants and prints the share that was caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shard", help="k/n tries the k-th of n parts, from 0")
    parser.add_argument("--file", nargs="+", default=[], help="files of the crate, such as src/fold.rs")
    parser.add_argument("--jobs", default="2")
    chosen = parser.parse_args()
    for part in ("unit", "all"):
        (OUTPUT / part).mkdir(parents=True, exist_ok=True)
    jobs = ["--jobs", chosen.jobs]
    # In turn, so that each part has mutants of every file.
    options = ["--shard", chosen.shard, "--sharding", "round-robin"] if chosen.shard else []
    options += [option for name in chosen.file for option in ("--file", f"crates/domain/{name}")]
    found = try_mutants("unit", [*jobs, *options, "--cargo-arg=--lib"], {"PROPTEST_CASES": "32"})
    if not any(found.values()):
        sys.exit("no mutants: name a file of crates/domain that has code, such as src/fold.rs")
    caught, missed = len(found["caught"]) + len(found["timeout"]), found["missed"]
    if missed:
        skip_all_but("all", missed)
        again = try_mutants("all", [*jobs, "--iterate", "--cargo-arg=--lib", "--cargo-arg=--tests"], {})
        caught, missed = caught + len(again["caught"]) + len(again["timeout"]), again["missed"]
    share = caught / max(caught + len(missed), 1)
    print(f"{caught} of {caught + len(missed)} viable mutants caught ({share:.1%}), {len(found['unviable'])} not viable")
    for name in missed:
        print(f"missed: {name}")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
