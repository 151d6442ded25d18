"""Writes docs/benchmarks.md from the figures of the last runs."""

import small
from environments import ROOT, say

PLACE = ROOT / "docs" / "benchmarks.md"
SECTIONS = {"small": ("Record and query", small.report)}


def write(results: dict) -> int:
    """The report; 1 where a gate is broken."""
    parts = ["# Benchmarks"]
    for name, (title, section) in SECTIONS.items():
        if name in results:
            parts += [f"## {title}", section(results[name]["figures"])]
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text("\n\n".join(parts) + "\n")
    say(f"· written: {PLACE.relative_to(ROOT)}")
    return 0
