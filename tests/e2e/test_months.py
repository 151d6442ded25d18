"""Months: each calendar month of a partner's zone becomes one export, made once, after it has ended there."""

import gzip
import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

import spreadsheet
from api import Partner, compact, in_parallel, instant, is_problem, new_activity, newest_first, now, rfc3339

MICROSECOND, SECOND = timedelta(microseconds=1), timedelta(seconds=1)


class Month:
    """A calendar month of a zone, from its first instant to the first after it."""

    def __init__(self, zone, year, month):
        self.zone, self.year, self.month, self.name = zone, year, month, f"{year:04}-{month:02}"
        first = datetime(year, month, 1, tzinfo=ZoneInfo(zone))
        after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(zone))
        self.start, self.end = first.astimezone(timezone.utc), after.astimezone(timezone.utc)

    @classmethod
    def of(cls, moment, zone):
        local = moment.astimezone(ZoneInfo(zone))
        return cls(zone, local.year, local.month)

    def before(self, count=1):
        month = self
        for _ in range(count):
            month = Month.of(month.start - SECOND, self.zone)
        return month


@pytest.fixture(scope="module")
def grace(stack, aws):
    """How long after its end a month is made."""
    variables = aws("lambda").get_function_configuration(FunctionName=stack["functions"]["monthly"])["Environment"]["Variables"]
    return timedelta(hours=int(variables["GRACE_HOURS"]))


@pytest.fixture(scope="module")
def run(stack, aws):
    """Runs the monthly function, as the scheduler does every hour, at a time of its own."""

    def at(moment):
        answer = aws("lambda").invoke(FunctionName=stack["functions"]["monthly"], Payload=json.dumps({"now": rfc3339(moment)}))
        payload = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, payload
        return json.loads(payload)

    return at


@pytest.fixture
def later():
    """Late enough for whatever a test has recorded to belong to the months before: what is recorded meanwhile is settled."""
    return now() + timedelta(minutes=10)


@pytest.fixture
def schedules():
    """Saves schedules, and removes them after the test: no other test's run makes their months."""
    saved = []

    def save(partner, **schedule):
        saved.append(partner)
        answer = partner.caller.put(f"{partner.path}/export-schedule", json=schedule)
        assert answer.status_code == 200, answer.text
        return answer.json()

    yield save
    for partner in saved:
        assert partner.caller.delete(f"{partner.path}/export-schedule").status_code == 204



def of_month(partner, month):
    """The monthly exports that a partner has of a month."""
    return [export for export in partner.exports(kind="monthly")
            if (instant(export["range"]["from"]), instant(export["range"]["to"])) == (month.start, month.end)]


def last_ended(moment, zone, only=range(1, 13)):
    month = Month.of(moment, zone).before()
    while month.month not in only:
        month = month.before()
    return month


ZONES = {
    "summer time begins": ("Europe/Paris", [3]),
    "summer time ends": ("Europe/Paris", [10]),
    "furthest ahead": ("Pacific/Kiritimati", range(1, 13)),
    "furthest behind": ("Pacific/Pago_Pago", range(1, 13)),
    "half an hour off": ("Asia/Kolkata", range(1, 13)),
    "UTC": ("UTC", range(1, 13)),
}


@pytest.mark.parametrize("zone, only", ZONES.values(), ids=ZONES)
def test_a_month_run_twice_is_one_export_of_exactly_that_month(partner, schedules, run, grace, later, zone, only):
    month = last_ended(later - grace, zone, only)
    edges = [moment + offset for moment in (month.start, month.end) for offset in (-MICROSECOND, timedelta(), MICROSECOND)]
    # Every hour of the month's last day but one and of its last: among them those of the change of clocks in Paris.
    hours = [month.end - timedelta(hours=hour, minutes=30) for hour in range(1, 24 * 8)]
    sent = newest_first(new_activity(occurred_at=rfc3339(moment), details={"of": month.name}) for moment in edges + hours)
    partner.record(sent)
    schedule = schedules(partner, enabled=True, time_zone=zone, **{"from": month.name})
    assert (schedule["enabled"], schedule["time_zone"], schedule["from"]) == (True, zone, month.name)

    run(later)
    made = partner.exports(kind="monthly")
    run(later)
    run(later + timedelta(hours=1))
    assert [export["id"] for export in partner.exports(kind="monthly")] == [export["id"] for export in made]

    [export] = of_month(partner, month)
    assert (export["kind"], export["range"]["time_zone"]) == ("monthly", zone)
    export = partner.ready(export["id"])
    [file] = export["files"]
    assert file["name"] == f"activity_{partner.name}_{month.name}.csv"
    _, rows = spreadsheet.rows(partner.download(export), "en")
    inside = [one for one in sent if month.start <= instant(one["occurred_at"]) < month.end]
    assert len(sent) - len(inside) == 3
    assert [row[spreadsheet.ACTIVITY_ID] for row in rows] == [one["id"] for one in inside]
    assert [row[spreadsheet.OCCURRED_AT] for row in rows] == [one["occurred_at"] for one in inside]
    assert all(row[spreadsheet.DATE].startswith(month.name) for row in rows)
    assert partner.exports(kind="on_demand") == []
    assert export in partner.exports()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Europe/Paris", "Pacific/Pago_Pago"])
def test_a_month_is_made_when_it_has_ended_there_and_the_grace_is_over(partner, schedules, run, grace, zone):
    month = Month.of(now(), zone)
    schedules(partner, time_zone=zone, **{"from": month.name})
    run(month.end)
    run(month.end + grace - SECOND)
    assert of_month(partner, month) == []
    run(month.end + grace)
    assert len(of_month(partner, month)) == 1


def test_months_that_were_missed_are_made_later_each_once(partner, schedules, run, grace, later):
    last = last_ended(later - grace, "Europe/Paris")
    months = [last.before(count) for count in range(5)]
    partner.record([new_activity(occurred_at=rfc3339(month.start + timedelta(days=9)), id=month.name) for month in months])
    schedules(partner, time_zone="Europe/Paris", **{"from": months[-1].name})
    run(later)
    run(later)
    assert len(partner.exports(kind="monthly")) == 5
    for month in months:
        [export] = of_month(partner, month)
        _, rows = spreadsheet.rows(partner.download(partner.ready(export["id"])), "en")
        assert [row[spreadsheet.ACTIVITY_ID] for row in rows] == [month.name]


def test_runs_at_the_same_time_make_a_month_once(partner, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    partner.record([new_activity(occurred_at=rfc3339(month.start))])
    schedules(partner, **{"from": month.name})
    in_parallel(lambda _: run(later), range(4), width=4)
    [export] = partner.exports(kind="monthly")
    assert partner.ready(export["id"])["files"][0]["rows"] == 1


def test_a_schedule_that_is_off_or_removed_makes_nothing(operator, names, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    off, removed = Partner(operator, names()), Partner(operator, names())
    for partner, enabled in ((off, False), (removed, True)):
        schedules(partner, enabled=enabled, **{"from": month.name})
    assert operator.delete(f"{removed.path}/export-schedule").status_code == 204
    run(later)
    assert off.exports() == removed.exports() == []
    is_problem(operator.get(f"{removed.path}/export-schedule"), 404, "not-found")
    assert operator.get(f"{off.path}/export-schedule").json()["enabled"] is False


def test_a_schedule_says_in_which_form(partner, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    partner.record([new_activity(occurred_at=rfc3339(month.start), details={"a": 1})])
    saved = schedules(partner, format="csv", locale="fr", compression="gzip", rows="lines", details=False, **{"from": month.name})
    assert (saved["format"], saved["locale"], saved["compression"], saved["rows"], saved["details"]) == ("csv", "fr", "gzip", "lines", False)
    assert partner.caller.get(f"{partner.path}/export-schedule").json() == saved
    run(later)
    [export] = of_month(partner, month)
    header, rows = spreadsheet.rows(gzip.decompress(partner.download(partner.ready(export["id"]))), "fr")
    assert header[1] == "Client" and rows[0][spreadsheet.DETAILS] == ""


def test_a_schedule_begins_with_the_month_before_unless_it_says_another(partner, schedules):
    saved = schedules(partner, time_zone="Pacific/Kiritimati")
    assert saved["from"] == Month.of(now(), "Pacific/Kiritimati").before().name
    assert saved["enabled"] is True


@pytest.mark.parametrize("schedule, field", [
    ({"time_zone": "Europe/Atlantis"}, "/time_zone"),
    ({"time_zone": 1}, "/time_zone"),
    ({"enabled": "yes"}, "/enabled"),
    ({"format": "pdf"}, "/format"),
    ({"locale": "de"}, "/locale"),
    ({"compression": "rar"}, "/compression"),
    ({"rows": "cells"}, "/rows"),
    ({"details": "no"}, "/details"),
    ({"from": "2026-13"}, "/from"),
    ({"from": "2026-1"}, "/from"),
    ({"from": "2026-01-01"}, "/from"),
    ({"from": "last"}, "/from"),
    ({"notify": "https://portal.example/hook"}, "/notify"),
    ({"until": "2026-12"}, "/until"),
], ids=compact)
def test_a_schedule_that_is_not_valid_is_refused_and_not_saved(partner, schedule, field):
    path = f"{partner.path}/export-schedule"
    is_problem(partner.caller.put(path, json=schedule), 400, "invalid-request", field)
    is_problem(partner.caller.get(path), 404, "not-found")


def test_the_operator_makes_a_month_at_once_for_one_partner_or_all(operator, names, schedules, run, grace, later):
    month = last_ended(now() - grace, "Europe/Paris")
    first, second, without = [Partner(operator, names()) for _ in range(3)]
    for partner in (first, second):
        schedules(partner, time_zone="Europe/Paris", **{"from": month.name})
    path = f"/v1/months/{month.name}/run"
    assert operator.post(path, json={"partner": first.name}).status_code == 202
    assert len(of_month(first, month)) == 1 and second.exports() == []
    for _ in range(2):
        assert operator.post(path).status_code == 202
    [export] = of_month(second, month)
    second.ready(export["id"])
    run(later)
    assert len(first.exports()) == len(second.exports()) == 1
    assert without.exports() == []


def test_a_month_that_has_not_ended_or_is_before_the_schedule_is_not_made(operator, partner, schedules):
    month = Month.of(now(), "UTC")
    schedules(partner, **{"from": month.name})
    for asked in (month, month.before()):
        assert operator.post(f"/v1/months/{asked.name}/run", json={"partner": partner.name}).status_code == 202
    assert partner.exports() == []


@pytest.mark.parametrize("path, body, field", [
    ("/v1/months/2026-13/run", {}, "/month"),
    ("/v1/months/october/run", {}, "/month"),
    ("/v1/months/2026-01/run", {"partner": "a b"}, "/partner"),
    ("/v1/months/2026-01/run", {"partners": ["contoso"]}, "/partners"),
], ids=str)
def test_a_run_that_is_not_valid_is_refused(operator, path, body, field):
    is_problem(operator.post(path, json=body), 400, "invalid-request", field)
