"""Measures what Daybook costs, beside the ordinary ways to do the same, and writes docs/benchmarks.md."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

from environments import UserFacingError, run_inside

SECTIONS = ["record,query", "cost", "instructions", "exports"]


def main() -> int:
    """Reads the command line, measures, writes."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each contestant; fewer than 7 prove little")
    parser.add_argument("--only", default="record,query,cost,instructions,exports", help="sections to measure anew")
    parser.add_argument("--rows", type=int, default=1_000_000, help="activities of the large data sets")
    parser.add_argument("--profile", default="release", help="how the functions are built; anything but release is for work on the benchmarks")
    parser.add_argument("--accept", action="store_true", help="take the counted instructions as those to compare with from now on")
    chosen = parser.parse_args()
    try:
        run_inside("bench")
        import run

        return run.run(chosen)
    except UserFacingError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
