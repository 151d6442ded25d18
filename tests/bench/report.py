"""Writes docs/benchmarks.md from the figures of the last runs."""

import cost
import exports
import instructions
import small

from environments import ROOT, print_progress

PLACE = ROOT / "docs" / "benchmarks.md"
SECTIONS = {
    "small": ("Record and query", small.report),
    "cost": ("Cost follows the answer", cost.report),
    "exports": ("Exports", exports.report),
    "instructions": ("Instructions", instructions.report),
}
METHOD = """\
# Benchmarks

What Daybook costs, beside the ordinary ways to do the same. Written by `make bench`; no figure here is typed by hand.

```sh
make bench                                   # everything: builds, installs, measures, writes this file
make bench ROUNDS=3 ONLY=record,query        # some sections; of the others the last figures stay
make bench ROWS=100000 ONLY=cost,exports     # smaller data sets
make bench ONLY=instructions                 # the gate: fails where a count leaves the committed one by more than 2 %
```

## Method

- **The functions as deployed.** Release bootstraps of `functions/*`, with the variables that `template.yaml` gives them, are started as
  Lambda starts them and take their events from a Runtime API of the harness; events are those of the gateway's proxy integration.
- **The peers** (`tests/bench/peers`) do the same in the ordinary way of their language: the same items in the same attributes, the same
  conditional put with a digest of the content, the same checks of required fields, the same list, the same columns.
- **Tier A, real engines**: DynamoDB on SQLite and S3 on a folder, each in a process of its own. They are slower than what is measured, so that they prove what
  is right, not what is fast. **Tier B, from memory**: the items that the recording function itself wrote are kept by a small server, which answers
  `Query` by DynamoDB's rules (pages of 1 MB, limits, positions) and takes puts and uploads into nothing, checking their CRC. Plain HTTP. **Tier C**: the same at AWS's pace, with faults by choice.
- **CPU**, user and system, of all threads, read from the kernel's clock of the process while it waits for its next event; memory from the kernel as well.
  Wall time is nowhere compared: the machine is shared.
- **Rounds** alternate between contestants in changing order; contestant and servers are pinned to different cores. Shown are the least and the middle of all
  rounds, and the ratio of medians with the least and the most that single rounds gave. ⚠ marks what is spread too widely to claim.
- **Data** come from a seed: sizes log-normal with a median of 350 bytes and a 99th percentile of 20 KB, one in a thousand of 100 to 350 KB, two in a
  hundred with other scripts, separators, quotes, line breaks and cells that begin like formulas; spread over three months.

## What is unfair

In Daybook's favour: the peers' languages are not compiled; the Node peer is compared right after 1,000 calls, and its compiler may get better still; a Python function in the ordinary
runtime client of Lambda (in C) would save some of its loop; plain HTTP leaves out TLS, which costs all alike.

Against Daybook: the peers leave out what is not the ordinary way — the directory of months (Daybook asks it with every list: one request more), details put apart, detection of
late activities, refusal of numbers and texts that other programs would not read back, problem documents that name all faults, languages, and in exports the checkpoint, the lease, the
running digest, the guard of cells and the catalogue's labels. Their pages are of one partition, so that they need not merge months.

Both ways: over plain HTTP the SDKs sign bodies by their SHA-256, over TLS they would not for uploads; processors with other SHA and AES instructions shift signatures' share."""


def write(results: dict) -> int:
    """The report; 1 where a gate is broken. A section that was not measured here stays as it was written."""
    written = PLACE.read_text().split("\n\n## ") if PLACE.exists() else []
    parts = [METHOD]
    for name, (title, section) in SECTIONS.items():
        if name in results:
            measured = results[name]["measured"]
            built = "release bootstraps" if measured["profile"] == "release" else f"**not release bootstraps but `{measured['profile']}`**"
            noted = f"Measured {measured['at']} at {measured['commit']}, {built}, {measured['rounds']} rounds, on {measured['machine']}."
            parts += [f"## {title}", noted, section(results[name]["figures"])]
        else:
            parts += [f"## {before.strip()}" for before in written if before.startswith(f"{title}\n")]
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text("\n\n".join(parts) + "\n")
    print_progress(f"· written: {PLACE.relative_to(ROOT)}")
    broken = instructions.broken(results["instructions"]["figures"]) if "instructions" in results else []
    for name in broken:
        print_progress(f"  {name}: the count of instructions left the committed one by more than 2 %")
    return 1 if broken else 0
