"""Measures the cost of Daybook and of its peers, and writes docs/benchmarks.md."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

from environments import UserFacingError, run_inside

SECTIONS = ["start", "record", "query", "dollars", "cost", "exports", "pace", "counts", "streams", "instructions"]


def main() -> int:
    """Reads the command line, measures and writes the report."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each contestant; fewer than 7 prove little")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections to measure again: {', '.join(SECTIONS)}")
    parser.add_argument("--rows", type=int, default=1_000_000, help="activities of the large data sets")
    parser.add_argument("--profile", default="release", help="build profile of the functions; anything but release is for work on the benchmarks")
    parser.add_argument("--accept", action="store_true", help="commit to the instruction counts of this run")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; choose from {', '.join(SECTIONS)}")
    try:
        run_inside("bench")
        import run

        return run.run(options)
    except UserFacingError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
