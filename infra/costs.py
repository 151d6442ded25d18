#!/usr/bin/env python3
"""Calculates what an installation costs on AWS in a month, from list prices and from what activities take: `make costs`.

`sizes.json` has what activities of several sizes take in the table, its indexes and the bucket. The test `sizes` of the crate
`export` measures them. `--document` writes the tables of docs/costs.md again; a test compares them.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "costs.md"
SIZES = json.loads((ROOT / "infra" / "sizes.json").read_text())
MILLION, GB = 1e6, 1e9

# List prices of us-east-1 in dollars. docs/costs.md has their sources.
READ_UNIT, WRITE_UNIT = 0.125e-6, 0.625e-6
TABLE_GB, RECOVERY_GB, BACKUP_GB, OBJECT_BACKUP_GB, OBJECT_GB = 0.25, 0.20, 0.10, 0.05, 0.023
LAMBDA_SECOND, LAMBDA_REQUEST = 0.0000133334, 0.2e-6
OBJECT_WRITE, OBJECT_READ = 5e-6, 0.4e-6
LOG_GB = 0.50
ALARM, METRIC, DASHBOARD = 0.10, 0.30, 3.0
SQS_REQUEST, SCHEDULE_REQUEST = 0.4e-6, 1e-6
# A GB that leaves AWS; an event of up to 64 KB on a bus; a GB that Firehose takes in, and one that it turns into Parquet.
TRANSFER_GB, EVENT = 0.09, 1e-6
FIREHOSE_GB, PARQUET_GB = 0.029, 0.018
# The gateway's price of a request, by the number of requests in a month.
GATEWAY = [(333e6, 3.5e-6), (1e9, 2.8e-6), (20e9, 2.38e-6), (float("inf"), 1.51e-6)]
# Of people who sign in with the user pool, the first 10,000 in a month are free. Clients and their tokens are billed from the first on.
FREE_PEOPLE, PERSON = 10_000, 0.015
CLIENT, TOKEN = 6.0, 2.25e-3
KEY, KEY_CALL = 1.0, 3e-6
FIREWALL, FIREWALL_RULE, FIREWALL_REQUEST = 5.0, 1.0, 0.6e-6
TRACE = 5e-6

# DynamoDB bills this much more for each stored item, and reads in units of this size, eventually consistent.
ITEM_OVERHEAD, READ_BYTES = 100, 8_192
# Gigabytes of memory of record and query, of the export worker, and of the other functions.
MEMORY, WORKER_MEMORY, SMALL_MEMORY = 1, 2, 0.5
# Seconds that a request takes a function, and each activity in it: assumptions, with a few milliseconds for each call of a store.
REQUEST_SECONDS, ACTIVITY_SECONDS, PAGE_SECONDS = 0.010, 0.0005, 0.020
# Bytes that a worker reads in a second from a partition: 3,000 read units.
READ_PACE = 3_000 * READ_BYTES
PART_BYTES, FILE_BYTES = 5 * 1_024 * 1_024, 600
PAGE = 100
# Bytes of the lines that an invocation logs, Lambda's own included, and of a line of the gateway's log.
LOG_BYTES, ACCESS_LOG_BYTES = 800, 450
# Entries of the audit for a person in a month: an hour of reading, twice on each of 22 days. Each takes up to two write units.
ENTRIES, ENTRY_UNITS = 44, 2
HOURS, MINUTES, SECONDS = 720, 43_200, 2_592_000
# A client gets a token when its last one expires.
TOKENS = HOURS
# Alarms without those of backups; metrics of the functions, if each occurs; queues that Lambda asks for messages.
ALARMS, METRICS, QUEUES = 25, 28, 6
# Requests to an empty queue in a minute: five long polls of 20 seconds side by side.
POLLS = 5 * 3
# Calls of Query and seconds of each hourly run: monthly, keeper.
HOURLY_RUNS = [(64, 2.0), (1, 2.0)]
# Partitions of the due marks, which the streamer reads every minute, and the seconds that this takes. Bytes of a mark.
DUE_PARTITIONS, DUE_SECONDS, MARK_BYTES = 16, 0.05, 150
# Pairs of a role and a table that it may use, and queues with two keys in use. Each renews its key twelve times an hour.
KEY_PAIRS, KEY_QUEUES = 47, 6
KEY_CALLS = HOURS * 12 * (KEY_PAIRS + KEY_QUEUES * 2)
# Rules of infra/firewall.yaml. X-Ray traces a request in each second, and this share of the others.
FIREWALL_RULES, TRACED_SHARE = 4, 0.05

# A visit of a stream: write units to take and to give back the lease, read units of settings and positions, SQS requests, seconds,
# bytes of log. A stream's item has 1 to 2 KB, so each write of it takes two units.
STREAM_UNITS = 2
VISIT_WRITES, VISIT_READS, VISIT_REQUESTS, VISIT_SECONDS, VISIT_LOG_BYTES = 2 * STREAM_UNITS, 5, 3, 0.1, 1_300
# Visits of a minute with recordings: one while other such minutes follow, three or four if none follows.
VISITS_IN_A_ROW, VISITS_ALONE = 1, 3.5
# Bytes of a row of the feed. Seconds of a request to a destination, and of each activity in it: assumptions.
ROW_BYTES, SEND_SECONDS, SENT_ACTIVITY_SECONDS = 130, 0.2, 0.0003
# Bytes that an activity takes on its way, compressed: among 22 others, and alone. Made-up activities.
SENT_BYTES = {"daybook": (118, 475), "ocsf": (124, 647)}
# The most activities in a request, by the kind of destination.
PER_REQUEST = {"https": 500, "eventbridge": 10, "s3": 500}
STREAM_ITEM_BYTES = 1_600
# Firehose bills each record as a multiple of this. It writes an object every 15 minutes.
FIREHOSE_BYTES, FIREHOSE_OBJECTS = 5_000, HOURS * 4
# The shares of sizes in a log of a portal.
MIX = {"short": 0.70, "order of 5 lines": 0.25, "order of 100 lines": 0.049, "order of 3,000 lines": 0.001}


@dataclass(frozen=True)
class Activity:
    """Averages of an activity."""

    item: float
    index_copies: float
    twin: float
    twins: float
    object: float
    objects: float
    write_units: float

    @property
    def table_bytes(self) -> float:
        """Bytes in the table, overhead included."""
        return self.item + self.twin + ITEM_OVERHEAD * (1 + self.twins)

    @property
    def index_bytes(self) -> float:
        """Bytes in the indexes, overhead included."""
        return self.index_copies * (self.item + ITEM_OVERHEAD)


def average(mix: dict[str, float]) -> Activity:
    """Returns the average of the sizes of a mix."""
    names = {"item": "item_bytes", "index_copies": "index_copies", "twin": "twin_bytes", "twins": "twins", "object": "object_bytes", "objects": "objects"}
    names["write_units"] = "write_units"
    return Activity(**{name: sum(share * SIZES[size][figure] for size, share in mix.items()) for name, figure in names.items()})


@dataclass(frozen=True)
class Installation:
    """How an installation is used in a month."""

    activities: int
    # Activities in each request that records.
    per_request: int = 1
    people: int = 0
    # Machine clients of the user pool, the operator's included.
    clients: int = 2
    # Pages of 100 activities that people and programs read.
    pages: int = 0
    # Activities that counts read.
    counted: int = 0
    # Months that are kept, of the same size.
    months: int = 12
    # Streams of partners that record in every minute, and the activities that all of them send.
    streams: int = 0
    streamed: int = 0
    mix: dict[str, float] = field(default_factory=lambda: MIX)


def gateway(requests: float) -> float:
    """Returns the price of the requests of a month."""
    total, before = 0.0, 0.0
    for end, price in GATEWAY:
        total += max(0.0, min(requests, end) - before) * price
        before = end
    return total


def invocations(count: float, seconds: float, memory: float = MEMORY) -> float:
    """Returns the price of invocations of a function."""
    return count * (LAMBDA_REQUEST + seconds * memory * LAMBDA_SECOND)


def recording(of: Activity, count: float, per_request: float) -> dict[str, float]:
    """Returns the prices of recording activities."""
    requests = count / per_request
    return {
        "write units of table and indexes": count * of.write_units * WRITE_UNIT,
        "large details in S3": count * of.objects * OBJECT_WRITE,
        "gateway": gateway(requests),
        "Lambda": invocations(requests, REQUEST_SECONDS + per_request * ACTIVITY_SECONDS),
        "logs": requests * LOG_BYTES / GB * LOG_GB,
    }


def keeping(of: Activity, count: float) -> dict[str, float]:
    """Returns the prices of keeping activities for a month."""
    return {
        "table": count * of.table_bytes / GB * TABLE_GB,
        "indexes": count * of.index_bytes / GB * TABLE_GB,
        "point-in-time recovery": count * of.table_bytes / GB * RECOVERY_GB,
        "large details in S3": count * of.object / GB * OBJECT_GB,
    }


def listing(of: Activity, pages: float) -> float:
    """Returns the price of reading pages."""
    units = -(-PAGE * of.item // (READ_BYTES / 2)) / 2
    return pages * units * READ_UNIT + gateway(pages) + invocations(pages, PAGE_SECONDS) + pages * LOG_BYTES / GB * LOG_GB


def counting(of: Activity, count: float) -> float:
    """Returns the price of counting activities: the units, and a call for each 16 MB."""
    calls = count * of.item / 16e6
    return count * of.item / READ_BYTES * READ_UNIT + gateway(calls) + invocations(calls, 16e6 / READ_PACE)


def exporting(of: Activity, count: float) -> float:
    """Returns the price of exporting activities with all details, as CSV."""
    read = of.item + of.twin
    parts = count * FILE_BYTES / PART_BYTES
    return count * (read / READ_BYTES * READ_UNIT + read / READ_PACE * WORKER_MEMORY * LAMBDA_SECOND + of.objects * OBJECT_READ) + parts * OBJECT_WRITE


def deleting(of: Activity, count: float) -> float:
    """Returns the price of deleting activities row by row: reading their month, and one write for each stored copy."""
    return count * ((of.item + of.twin) / READ_BYTES * READ_UNIT + of.write_units * WRITE_UNIT)


@dataclass(frozen=True)
class Stream:
    """What a stream sends in a month."""

    activities: float
    # Minutes in which the partner records.
    minutes: float = MINUTES
    # Whether no other such minute comes within the next ones.
    is_alone: bool = False
    kind: str = "https"
    form: str = "daybook"

    @property
    def visits(self) -> float:
        """Visits of the streamer."""
        return self.minutes * (VISITS_ALONE if self.is_alone else VISITS_IN_A_ROW)

    @property
    def requests(self) -> float:
        """Requests to the destination: as few as possible for each minute."""
        return self.minutes * -(-self.activities // (self.minutes * PER_REQUEST[self.kind])) if self.minutes else 0


def delivering(of: Stream) -> dict[str, float]:
    """Returns the prices of a stream without details, the feed of its partner included."""
    seconds = of.visits * VISIT_SECONDS + of.requests * SEND_SECONDS + of.activities * SENT_ACTIVITY_SECONDS
    # A mark that no later one replaces is removed.
    marks = of.minutes * (2 if of.is_alone else 1)
    among_others, alone = SENT_BYTES[of.form]
    sent = 0 if of.kind != "https" else alone if of.activities <= of.requests else among_others
    return {
        "rows of the feed": of.activities * WRITE_UNIT,
        "due marks": marks * WRITE_UNIT,
        "visits: lease and positions": of.visits * (VISIT_WRITES * WRITE_UNIT + VISIT_READS * READ_UNIT),
        "visits: SQS": of.visits * VISIT_REQUESTS * SQS_REQUEST,
        # One consistent read unit for each activity of up to 4 KB.
        "activities read": of.activities * (1 + ROW_BYTES / (READ_BYTES / 2)) * READ_UNIT,
        "progress saved": max(of.requests, of.visits) * STREAM_UNITS * WRITE_UNIT,
        "Lambda": of.visits * LAMBDA_REQUEST + seconds * SMALL_MEMORY * LAMBDA_SECOND,
        "logs": of.visits * VISIT_LOG_BYTES / GB * LOG_GB,
        "data to the Internet": of.activities * sent / GB * TRANSFER_GB,
    }


def receiving(of: Stream, through_firehose: bool = False) -> dict[str, float]:
    """Returns the prices that the owner of a bus or a bucket pays to AWS, without storage."""
    events = of.activities * EVENT if of.kind == "eventbridge" else 0
    taken = of.activities * FIREHOSE_BYTES / GB if through_firehose else 0
    objects = FIREHOSE_OBJECTS if through_firehose else of.requests if of.kind == "s3" else 0
    return {
        "events on the bus": events,
        "Firehose": taken * FIREHOSE_GB,
        "Firehose, JSON to Parquet": taken * PARQUET_GB,
        "objects written": objects * OBJECT_WRITE,
    }


def visiting(streams: float = 0, marks: float = 0) -> dict[str, float]:
    """Returns the prices of a month of looking for due marks, and of keeping streams. `marks` are due at a time, on average."""
    units = DUE_PARTITIONS / 2 + marks * MARK_BYTES / READ_BYTES
    return {
        "schedule, every minute": MINUTES * SCHEDULE_REQUEST,
        "due marks read": MINUTES * units * READ_UNIT,
        "Lambda and its log": invocations(MINUTES, DUE_SECONDS, SMALL_MEMORY) + MINUTES * LOG_BYTES / GB * LOG_GB,
        "settings of streams kept": streams * STREAM_ITEM_BYTES / GB * (TABLE_GB + RECOVERY_GB),
    }


def fixed() -> dict[str, float]:
    """Returns the prices of a month in which nobody uses an installation."""
    return {
        "alarms": ALARMS * ALARM,
        "metrics, if each has a value": METRICS * METRIC,
        "dashboard": DASHBOARD,
        "empty queues": QUEUES * POLLS * MINUTES * SQS_REQUEST,
        "hourly runs": sum(HOURS * calls * READ_UNIT + invocations(HOURS, seconds, SMALL_MEMORY) for calls, seconds in HOURLY_RUNS),
        "due marks, every minute": sum(visiting().values()),
        "key for digests of erased ids": KEY,
    }


def auditing(people: float) -> float:
    """Returns the price of the entries of people who read."""
    return people * ENTRIES * ENTRY_UNITS * WRITE_UNIT


def month(of: Installation) -> dict[str, float]:
    """Returns the prices of a month of an installation, by purpose."""
    activity = average(of.mix)
    return {
        "recording": sum(recording(activity, of.activities, of.per_request).values()),
        f"keeping {of.months} months": sum(keeping(activity, of.activities * of.months).values()),
        "lists": listing(activity, of.pages),
        "counts": counting(activity, of.counted),
        "one export of each activity": exporting(activity, of.activities),
        "streams": of.streams * sum(delivering(Stream(of.streamed / of.streams)).values()) if of.streams else 0.0,
        "audit": auditing(of.people),
        "people of the user pool": max(0, of.people - FREE_PEOPLE) * PERSON,
        "machine clients and their tokens": of.clients * (CLIENT + TOKENS * TOKEN),
        "alarms, metrics, schedules": sum(fixed().values()),
    }


def options(of: Installation) -> dict[str, float]:
    """Returns the prices of a month of the parameters that protect an installation."""
    activity, kept = average(of.mix), of.activities * of.months
    requests = of.activities / of.per_request + of.pages + of.counted * activity.item / 16e6
    return {
        "`EncryptionKey`": KEY + KEY_CALLS * KEY_CALL,
        "`AccessLog`": requests * ACCESS_LOG_BYTES / GB * LOG_GB,
        "`Firewall`": FIREWALL + FIREWALL_RULES * FIREWALL_RULE + requests * FIREWALL_REQUEST,
        "`Tracing`": (min(requests, SECONDS) + TRACED_SHARE * max(0, requests - SECONDS)) * TRACE,
        "`BackupPlan`, 7 days": 7 * kept * activity.table_bytes / GB * BACKUP_GB + kept * activity.object / GB * OBJECT_BACKUP_GB,
    }


# ---------------------------------------------------------------- tables

INSTALLATIONS = {
    "1 million": Installation(1_000_000, 1, people=100, pages=20_000, counted=5_000_000, streams=1, streamed=200_000),
    "50 million": Installation(50_000_000, 10, people=5_000, clients=20, pages=1_000_000, counted=100_000_000, streams=20, streamed=10_000_000),
    "1 billion": Installation(1_000_000_000, 100, people=50_000, clients=200, pages=10_000_000, counted=1_000_000_000, streams=200, streamed=200_000_000),
}


def dollars(value: float) -> str:
    """Formats dollars with two digits, or three significant ones below a dollar."""
    return f"${value:,.0f}" if value >= 1_000 else f"${value:,.2f}" if value >= 1 or not value else f"${value:.4f}" if value < 0.01 else f"${value:.3f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Formats a Markdown table: text in the first column, figures in the others."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def columns(title: str, found: dict[str, dict[str, float]], total: bool = True) -> str:
    """Formats prices side by side, with their sums."""
    rows = [[name, *(dollars(each[name]) for each in found.values())] for name in next(iter(found.values()))]
    if total:
        rows.append(["**total**", *(f"**{dollars(sum(each.values()))}**" for each in found.values())])
    return table([title, *found], rows)


def sizes() -> str:
    """Formats what activities of each size take, and their average."""
    kinds = {size: average({size: 1.0}) for size in SIZES} | {"**the mix**": average(MIX)}
    rows = []
    for size, each in kinds.items():
        sent = f"{SIZES[size]['request_bytes']:,.0f}" if size in SIZES else "–"
        share = f"{MIX[size]:.1%}".replace(".0%", "%") if size in MIX else "–"
        shown = [each.item, each.twin, each.object]
        rows.append([size, share, sent, *(f"{value:,.0f}" for value in shown), f"{each.table_bytes + each.index_bytes:,.0f}", f"{each.write_units:.2f}"])
    return table(["", "share", "sent", "item", "twin item", "object in S3", "kept in table and indexes", "write units"], rows)


def tables() -> dict[str, str]:
    """Returns the tables of docs/costs.md by their names in it."""
    mixed = average(MIX)
    ways = {"one by one": 1, "10 in a request": 10, "100 in a request": 100}
    kinds = {"short": average({"short": 1.0}), "order of 100 lines": average({"order of 100 lines": 1.0}), "the mix": mixed}
    work = {
        name: {
            "listed, in pages of 100": listing(each, MILLION / PAGE),
            "counted": counting(each, MILLION),
            "exported with all details, CSV": exporting(each, MILLION),
            "deleted row by row": deleting(each, MILLION),
        }
        for name, each in kinds.items()
    }
    streams = {
        "HTTPS": Stream(MILLION),
        "HTTPS, OCSF": Stream(MILLION, form="ocsf"),
        "EventBridge": Stream(MILLION, kind="eventbridge"),
        "S3": Stream(MILLION, kind="s3"),
        "HTTPS, 500 at once": Stream(MILLION, minutes=2_000, is_alone=True),
        "HTTPS, each alone": Stream(MILLION, minutes=MILLION, is_alone=True),
    }
    lakes = {
        "S3 destination": receiving(Stream(MILLION, kind="s3")),
        "EventBridge and Firehose": receiving(Stream(MILLION, kind="eventbridge"), through_firehose=True),
    }
    hourly = Stream(HOURS, minutes=HOURS, is_alone=True)
    # Marks are due as long as visits come.
    numbers = {"no stream": (0, 0), "10,000 idle streams": (10_000, 0), "10,000 partners, one activity an hour each": (10_000, 10_000 * VISITS_ALONE / 60)}
    idle = {name: visiting(*each) | {"delivering": sum(delivering(hourly).values()) * 10_000 if each[1] else 0.0} for name, each in numbers.items()}
    year = {name: {part: 12 * price for part, price in keeping(each, MILLION).items()} for name, each in kinds.items()}
    months = {name: month(each) for name, each in INSTALLATIONS.items()}
    return {
        "sizes": sizes(),
        "recording": columns("a million activities of the mix", {name: recording(mixed, MILLION, count) for name, count in ways.items()}),
        "keeping": columns("a million activities for a year", year),
        "work": columns("a million activities", work, total=False),
        "streams": columns("a million activities in a month", {name: delivering(each) for name, each in streams.items()}),
        "idle": columns("a month", idle),
        "lakes": columns("a million activities in a month", lakes),
        "installations": columns("activities a month", months),
        "options": columns("activities a month", {name: options(each) for name, each in INSTALLATIONS.items()}, total=False),
        "fixed": columns("a month", {"": fixed()}),
    }


def marked(name: str, text: str) -> str:
    """Writes a table between the marks by which it is found again."""
    return f"<!-- {name}: make costs -->\n{text}\n<!-- end -->"


def write_document() -> None:
    """Writes the tables of docs/costs.md again."""
    text = DOCUMENT.read_text("utf-8")
    for name, each in tables().items():
        parts = re.split(rf"<!-- {name}: make costs -->\n.*?<!-- end -->", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise SystemExit(f"{DOCUMENT} has no place for the table {name}.")
        text = marked(name, each).join(parts)
    DOCUMENT.write_text(text, "utf-8")


def count(text: str) -> int:
    """Reads a number of things, such as `50000000` or `50,000,000`."""
    digits = re.sub(r"[,_]", "", text)
    if not (digits.isascii() and digits.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on, such as 50000000")
    return int(digits)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make costs", description=__doc__.split("\n")[0])
    parser.add_argument("--activities", type=count, default=1_000_000, help="activities that are recorded in a month")
    parser.add_argument("--per-request", type=count, default=1, help="activities in a request")
    parser.add_argument("--people", type=count, default=100, help="people who sign in")
    parser.add_argument("--clients", type=count, default=2, help="machine clients of the user pool, the operator's included")
    parser.add_argument("--pages", type=count, default=20_000, help="pages of 100 activities that are read")
    parser.add_argument("--counted", type=count, default=5_000_000, help="activities that counts read")
    parser.add_argument("--months", type=count, default=12, help="months that are kept")
    parser.add_argument("--streams", type=count, default=0, help="streams of partners that record in every minute")
    parser.add_argument("--streamed", type=count, default=0, help="activities that all streams send")
    parser.add_argument("--document", action="store_true", help="write the tables of docs/costs.md again")
    chosen = vars(parser.parse_args())
    if chosen.pop("document"):
        write_document()
        return 0
    if not chosen["per_request"]:
        parser.error("argument --per-request: a request has at least one activity")
    if bool(chosen["streams"]) != bool(chosen["streamed"]):
        parser.error("arguments --streams and --streamed: give both, or neither")
    installation = Installation(**chosen)
    print(columns("dollars a month", {"": month(installation)}))
    print("\n" + columns("dollars a month, by parameter", {"": options(installation)}, total=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
