"""Writes docs/benchmarks.md from the figures of the last measurement of each section."""

from functools import partial
from types import SimpleNamespace

import cost
import counting
import dollars
import exports
import instructions
import pace
import start
import streaming
from figures import target_table

import functions
from environments import ROOT, print_progress

REPORT = ROOT / "docs" / "benchmarks.md"


def _function(name: str) -> SimpleNamespace:
    """Returns the section of one function, in the form of the other sections' modules."""
    parts = {part: partial(getattr(functions, part), function=name) for part in ("measure", "report", "targets")}
    return SimpleNamespace(TITLE=functions.TITLES[name], **parts)


SECTIONS = {
    "start": start,
    "record": _function("record"),
    "query": _function("query"),
    "dollars": dollars,
    "cost": cost,
    "exports": exports,
    "pace": pace,
    "counts": counting,
    "streams": streaming,
    "instructions": instructions,
}
METHOD = """\
# Benchmarks

`make bench` measures the cost of Daybook beside the ordinary ways to do the same, and writes this file. No figure in it is typed by hand.

```sh
make bench                                       # everything: builds, installs, measures, writes this file
make bench ROUNDS=3 ONLY=start,record,query      # some sections; the others keep their last figures
make bench ROWS=100000 ONLY=cost,exports         # smaller data sets
make bench ONLY=instructions                     # the gate: fails if a count leaves the committed one by more than 2 %
```

The benchmark needs two processors, 8 GB of memory, Rust and Python; Node and npm for the peers in Node; valgrind for the instruction counts."""
TARGETS = """\
## Targets

The targets count what a user waits for or pays for. Machines differ by a factor of two, so a target is a ratio to a contestant of the same rounds."""
DETAILS = """\
## Method

- **Deployed functions.** The benchmark starts the release bootstraps of `functions/*` as Lambda does, with the variables that `template.yaml` sets. A server of the
  benchmark imitates the Runtime API; events have the form of the gateway's proxy integration.
- **Peers** (`tests/bench/peers`) do the same in the ordinary way of their language: the same items with the same attributes, the same conditional put with a digest of
  the content, the same checks of required fields, the same list, the same columns. Their default export reads the twin items with compressed details beside the activities,
  decompresses, parses the JSON for the subscriptions of the order's lines, and writes the same texts.
- **Tier A, real engines**: DynamoDB on SQLite and S3 on a folder, each in its own process. They are slower than the contestants, so they prove correctness, not speed.
- **Tier B, from memory**: a small server keeps the items that the recording function wrote. The server answers `Query` by DynamoDB's rules (pages of 1 MB, limits,
  positions), and drops puts and uploads after it has checked their CRC. Plain HTTP.
- **Tier C, at AWS's pace**: tier B with AWS's latency, AWS's limits for a partition key and for the table, and with faults.
- **CPU** is user and system time of all threads, read from the kernel's clock of the process while the process waits for its next event. Memory comes from the kernel too.
  Only tier C compares wall time, because the machine is shared.
- **Rounds** alternate between the contestants in changing order. Contestants and servers run on different cores. The tables show the minimum and the median of all rounds.
  A ratio is the ratio of medians, with the smallest and the largest ratio of single rounds. ⚠ marks a spread too wide to claim.
- **Data** come from a seed: sizes are log-normal with a median of 350 bytes and a 99th percentile of 20 KB; one activity in a thousand has 100 to 350 KB; two in a
  hundred contain other scripts, separators, quotes, line breaks, and cells that begin like formulas. The activities spread over three months. Details are lines of orders and
  steps of requests: names come from a catalogue; ids, prices, quantities and times differ. The section on exports states how well they compress.

## Unfair points

In Daybook's favour: the languages of the peers are not compiled. The Node peer runs 1,000 calls before the measurement, and its compiler may still get better. A Python
function in Lambda's ordinary runtime client, which is written in C, would save some of its loop. Plain HTTP leaves out TLS, which costs everybody the same.

Against Daybook: the peers leave out all that is not the ordinary way. In lists and recordings: the directory of months (one request more for a list), details in items of their
own, detection of late activities, refusal of numbers and texts that other programs could not read back, errors that name all faults, languages. In exports: the checkpoint, the
lease, the running digest, the check of each details' digest, the guard of cells, the labels of actions. Their pages lie in one partition, so they need not merge months.

Against the peers: they read activities and details one page after the other, which costs time at AWS's pace and no CPU. They parse all details as JSON to find subscriptions, as
one would; Daybook first looks for the word. Node 20 has no zstd of its own, so its peer uses the C library as WebAssembly; from Node 22.15 on, the peer uses Node's own.

In both directions: over plain HTTP the SDKs sign bodies with their SHA-256, which they do not for uploads over TLS. Processors with other SHA and AES instructions change the share of signing."""


def write(results: dict) -> int:
    """Writes the report, and returns 1 if an instruction count is out of bounds.

    A section without figures on this machine keeps its text.
    """
    written = REPORT.read_text().split("\n\n## ") if REPORT.exists() else []
    targets = [target for name, section in SECTIONS.items() for target in section.targets(results.get(name, {}).get("figures"))]
    parts = [METHOD, TARGETS, target_table(targets), DETAILS]
    for name, section in SECTIONS.items():
        if name in results:
            parts += [f"## {section.TITLE}", _conditions(results[name]["measured"]), section.report(results[name]["figures"])]
        else:
            parts += [f"## {before.strip()}" for before in written if before.startswith(f"{section.TITLE}\n")]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n\n".join(parts) + "\n")
    print_progress(f"· written: {REPORT.relative_to(ROOT)}")
    broken = instructions.out_of_bounds(results["instructions"]["figures"]) if "instructions" in results else []
    for name in broken:
        print_progress(f"  {name}: the instruction count left the committed one by more than 2 %")
    return 1 if broken else 0


def _conditions(measured: dict) -> str:
    built = "release bootstraps" if measured["profile"] == "release" else f"**not release bootstraps but `{measured['profile']}`**"
    return f"Measured {measured['at']} at {measured['commit']}, {built}, {measured['rounds']} rounds, on {measured['machine']}."
