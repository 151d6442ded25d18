"""Months: each calendar month in a partner's time zone becomes one export, after its end."""

import gzip
import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

import spreadsheet
from api import Partner, compact, eventually, in_parallel, instant, is_problem, new_activity, newest_first, now, rfc3339

MICROSECOND, SECOND = timedelta(microseconds=1), timedelta(seconds=1)


class Month:
    """Returns the first instant of a calendar month in a time zone, and of the next month."""

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
    """The time between the end of a month and its export."""
    variables = aws("lambda").get_function_configuration(FunctionName=stack["functions"]["monthly"])["Environment"]["Variables"]
    return timedelta(hours=int(variables["GRACE_HOURS"]))


@pytest.fixture(scope="module")
def run(stack, aws):
    """Runs the monthly function at a chosen time, as the scheduler does every hour."""

    def at(moment):
        answer = aws("lambda").invoke(FunctionName=stack["functions"]["monthly"], Payload=json.dumps({"now": rfc3339(moment)}))
        payload = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, payload
        return json.loads(payload)

    return at


@pytest.fixture
def later():
    """A time late enough that everything a test has recorded belongs to earlier months."""
    return now() + timedelta(minutes=10)


@pytest.fixture
def schedules():
    """Saves schedules, and removes them after the test, so that runs of other tests ignore them."""
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
    """Returns the monthly exports of a partner's month."""
    return [
        export for export in partner.exports(kind="monthly") if (instant(export["range"]["from"]), instant(export["range"]["to"])) == (month.start, month.end)
    ]


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
def test_month_run_twice_is_one_export_of_that_month(partner, schedules, run, grace, later, zone, only):
    month = last_ended(later - grace, zone, only)
    edges = [moment + offset for moment in (month.start, month.end) for offset in (-MICROSECOND, timedelta(), MICROSECOND)]
    # Every hour of the last two days of the month, with the change of clocks in Paris.
    hours = [month.end - timedelta(hours=hour, minutes=30) for hour in range(1, 24 * 8)]
    sent = newest_first(new_activity(occurred_at=rfc3339(moment), details={"of": month.name}) for moment in edges + hours)
    partner.record(sent)
    schedule = schedules(partner, enabled=True, time_zone=zone, **{"from": month.name})
    assert (schedule["enabled"], schedule["time_zone"], schedule["from"]) == (True, zone, month.name)

    run(later)
    made = partner.exports(kind="monthly")
    run(later)
    run(later + timedelta(hours=1))
    newest = made[0]["id"][:7]
    # An hour later the next month may be over, in some zone on some days.
    assert [export["id"] for export in partner.exports(kind="monthly") if export["id"][:7] <= newest] == [export["id"] for export in made]

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
def test_month_is_exported_after_its_end_and_the_grace_time(partner, schedules, run, grace, zone):
    month = Month.of(now(), zone)
    schedules(partner, time_zone=zone, **{"from": month.name})
    run(month.end)
    run(month.end + grace - SECOND)
    assert of_month(partner, month) == []
    run(month.end + grace)
    assert len(of_month(partner, month)) == 1


def test_missed_months_are_exported_later_once_each(partner, schedules, run, grace, later):
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


def test_simultaneous_runs_export_a_month_once(partner, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    partner.record([new_activity(occurred_at=rfc3339(month.start))])
    schedules(partner, **{"from": month.name})
    in_parallel(lambda _: run(later), range(4), width=4)
    [export] = partner.exports(kind="monthly")
    assert partner.ready(export["id"])["files"][0]["rows"] == 1


def test_disabled_or_removed_schedule_exports_nothing(operator, names, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    off, removed = Partner(operator, names()).register(), Partner(operator, names()).register()
    for partner, enabled in ((off, False), (removed, True)):
        schedules(partner, enabled=enabled, **{"from": month.name})
    assert operator.delete(f"{removed.path}/export-schedule").status_code == 204
    run(later)
    assert off.exports() == removed.exports() == []
    is_problem(operator.get(f"{removed.path}/export-schedule"), 404, "not-found")
    assert operator.get(f"{off.path}/export-schedule").json()["enabled"] is False


def test_schedule_decides_the_form_of_the_export(partner, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    partner.record([new_activity(occurred_at=rfc3339(month.start), details={"a": 1})])
    saved = schedules(partner, format="csv", locale="fr", compression="gzip", rows="lines", details=False, **{"from": month.name})
    assert (saved["format"], saved["locale"], saved["compression"], saved["rows"], saved["details"]) == ("csv", "fr", "gzip", "lines", False)
    assert partner.caller.get(f"{partner.path}/export-schedule").json() == saved
    run(later)
    [export] = of_month(partner, month)
    header, rows = spreadsheet.rows(gzip.decompress(partner.download(partner.ready(export["id"]))), "fr")
    assert header[1] == "Client" and rows[0][spreadsheet.DETAILS] == ""


def test_schedule_filters_its_exports(partner, schedules, run, grace, later):
    month = last_ended(later - grace, "UTC")
    failed, other = (new_activity(occurred_at=rfc3339(month.start), status=status) for status in ("failed", "succeeded"))
    partner.record([failed, other])
    saved = schedules(partner, filters={"status": "failed", "action": ["!user.*"]}, **{"from": month.name})
    assert saved["filters"] == {"action": ["!user.*"], "status": ["failed"]}
    run(later)
    [export] = of_month(partner, month)
    export = partner.ready(export["id"])
    assert export["filters"] == saved["filters"]
    assert export["files"][0]["name"] == f"activity_{partner.name}_{month.name}_filtered_failed_not-user.csv"
    _, rows = spreadsheet.rows(partner.download(export), export["locale"])
    assert [row[spreadsheet.ACTIVITY_ID] for row in rows] == [failed["id"]]
    # A member that is absent stays, null removes the filters, and a filter without a value is refused.
    address = f"{partner.path}/export-schedule"
    assert partner.caller.put(address, json={"rows": "lines"}).json()["filters"] == saved["filters"]
    is_problem(partner.caller.put(address, json={"filters": {"status": []}}), 400, "invalid-request", "/filters/status")
    is_problem(partner.caller.put(address, json={"filters": {"states": "failed"}}), 400, "invalid-request", "/filters/states")
    assert partner.caller.put(address, json={"filters": None}).json()["filters"] == {}


def test_schedule_starts_with_the_previous_month_by_default(partner, schedules):
    saved = schedules(partner, time_zone="Pacific/Kiritimati")
    assert saved["from"] == Month.of(now(), "Pacific/Kiritimati").before().name
    assert saved["enabled"] is True


@pytest.mark.parametrize(
    "schedule, field",
    [
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
        ({"notify": ["http://portal.example/hook"]}, "/notify/0"),
        ({"notify": ["https://portal.example/hook", "https://ana:secret@portal.example/"]}, "/notify/1"),
        ({"notify": ["https://169.254.169.254/latest/meta-data/"]}, "/notify/0"),
        ({"notify": ["https://3232235521/"]}, "/notify/0"),
        ({"notify": ["https://[::ffff:10.0.0.1]/"]}, "/notify/0"),
        ({"notify": ["mailto:finance"]}, "/notify/0"),
        ({"notify": ["mailto:a@contoso.example?bcc=b@contoso.example"]}, "/notify/0"),
        ({"notify": ["finance@contoso.example"]}, "/notify/0"),
        ({"notify": [f"https://portal.example/{number}" for number in range(11)]}, "/notify"),
        ({"until": "2026-12"}, "/until"),
    ],
    ids=compact,
)
def test_invalid_schedule_is_refused_and_not_saved(partner, schedule, field):
    path = f"{partner.path}/export-schedule"
    is_problem(partner.caller.put(path, json=schedule), 400, "invalid-request", field)
    is_problem(partner.caller.get(path), 404, "not-found")


def test_absent_members_of_a_schedule_stay_and_null_resets(partner, schedules):
    wanted = {"enabled": True, "time_zone": "Europe/Paris", "format": "jsonl", "locale": "fr", "compression": "gzip", "rows": "lines", "details": False}
    wanted |= {"from": "2024-01", "notify": ["https://portal.example/hook"]}
    saved = schedules(partner, **wanted)
    shown = {name: saved[name] for name in wanted}
    assert shown == wanted
    paused = schedules(partner, enabled=False)
    assert {name: paused[name] for name in wanted} == wanted | {"enabled": False}
    resumed = schedules(partner, enabled=True)
    assert {name: resumed[name] for name in wanted} == wanted
    reset = schedules(partner, **dict.fromkeys(wanted))
    defaults = {"enabled": True, "time_zone": "UTC", "format": "csv", "locale": "en", "compression": "none", "rows": "activities", "details": True}
    assert {name: reset[name] for name in defaults} == defaults
    assert (reset["from"], reset["notify"]) == (Month.of(now(), "UTC").before().name, [])


def test_all_faults_of_a_schedule_are_named_at_once(partner):
    body = {"enabled": "yes", "time_zone": "Mars", "format": "pdf", "from": "soon", "notify": [5, "http://x.example/"], "until": 1}
    found = is_problem(partner.caller.put(f"{partner.path}/export-schedule", json=body), 400, "invalid-request")
    pointers = {error["pointer"] for error in found["errors"]}
    assert pointers == {"/enabled", "/time_zone", "/format", "/from", "/notify/0", "/notify/1", "/until"}


def test_operator_exports_a_month_for_one_partner_or_all(operator, names, schedules, run, grace, later):
    month = last_ended(now() - grace, "Europe/Paris")
    first, second, without = [Partner(operator, names()).register() for _ in range(3)]
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
    assert len(of_month(first, month)) == len(of_month(second, month)) == 1
    assert without.exports() == []


def test_month_outside_the_schedule_is_not_exported(operator, partner, schedules):
    month = Month.of(now(), "UTC")
    schedules(partner, **{"from": month.name})
    for asked, reason in ((month, "has ended and the grace period is over"), (month.before(), f"begins with {month.name}")):
        assert reason in idle_run(operator, asked.name, {"partner": partner.name})
    assert partner.exports() == []


def idle_run(operator, month, body=None):
    """Runs a month for which nothing is due, and returns the reason that the answer gives."""
    answer = operator.post(f"/v1/months/{month}/run", json=body)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["due"], answer.json()["created"], answer.json()["complete"]) == (0, 0, True)
    return answer.json()["reason"]


def test_operator_run_says_why_nothing_is_due(operator, partner, schedules):
    unfinished = Month.of(now() + timedelta(days=40), "UTC")
    assert "Check its id" in idle_run(operator, "2026-01", {"partner": partner.name})
    assert f"can be exported from {rfc3339(unfinished.end)[:8]}" in idle_run(operator, unfinished.name)
    assert "No enabled export schedule" in idle_run(operator, "0500-01")
    schedules(partner, enabled=False)
    assert "schedule is off" in idle_run(operator, "2026-01", {"partner": partner.name})


def test_operator_run_holds_what_was_just_recorded(operator, partner, schedules, grace):
    month = last_ended(now() - grace, "UTC")
    schedules(partner, **{"from": month.name})
    partner.record([new_activity(occurred_at=rfc3339(month.start))])
    asked_at = now()
    answer = operator.post(f"/v1/months/{month.name}/run", json={"partner": partner.name}).json()
    assert (answer["due"], answer["created"], answer["reason"]) == (1, 1, None)
    # The file is made two minutes later; the tests in Rust read it.
    [export] = of_month(partner, month)
    assert instant(export["complete_through"]) > asked_at
    following = Month.of(month.end, "UTC")
    shown = partner.caller.get(f"{partner.path}/export-schedule").json()
    assert (shown["next_month"], instant(shown["next_run_at"])) == (following.name, following.end + grace)


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/v1/months/2026-13/run", {}, "/month"),
        ("/v1/months/october/run", {}, "/month"),
        ("/v1/months/2026-01/run", {"partner": "a b"}, "/partner"),
        ("/v1/months/2026-01/run", {"partners": ["contoso"]}, "/partners"),
    ],
    ids=str,
)
def test_invalid_run_is_refused(operator, path, body, field):
    is_problem(operator.post(path, json=body), 400, "invalid-request", field)


# Late activities


@pytest.fixture
def cut():
    """Records the first activities of a test, and returns a time for a run that includes them and no later ones."""

    def record(partner, activities):
        partner.record(activities)
        moment = now() + timedelta(seconds=1)
        eventually(lambda: now() > moment + timedelta(milliseconds=500), "the cut is over")
        return moment + timedelta(minutes=2)

    return record


def rows_of(partner, export):
    # An export that the operator asks for begins two minutes later, when everything recorded before can be read.
    export = partner.ready(export, seconds=300)
    _, rows = spreadsheet.rows(partner.download(export), "en")
    return export, [row[spreadsheet.ACTIVITY_ID] for row in rows]


def test_late_activities_get_a_version_of_their_own(partner, schedules, run, cut, grace):
    month = last_ended(now() - grace - timedelta(days=1), "Europe/Paris")
    early = newest_first(new_activity(occurred_at=rfc3339(month.start + timedelta(days=day))) for day in range(3))
    schedules(partner, time_zone="Europe/Paris", **{"from": month.name})
    first_run = cut(partner, early)
    run(first_run)
    first, ids = rows_of(partner, month.name)
    assert (first["version"], ids) == (1, [one["id"] for one in early])

    late = newest_first(new_activity(occurred_at=rfc3339(moment)) for moment in (month.start, month.end - SECOND, month.end))
    partner.record(late)
    run(first_run + timedelta(hours=1))
    # Later than now, the present month may have ended too.
    assert len(of_month(partner, month)) == 1, "at most one version a day"
    run(first_run + timedelta(days=1))
    second, ids = rows_of(partner, f"{month.name}_v2")
    assert (second["version"], second["month"], second["range"]) == (2, month.name, first["range"])
    assert ids == [one["id"] for one in late if instant(one["occurred_at"]) < month.end]
    assert second["files"][0]["name"] == f"activity_{partner.name}_{month.name}_v2.csv"

    run(first_run + timedelta(days=1, hours=1))
    run(first_run + timedelta(days=2))
    assert sorted(export["id"] for export in of_month(partner, month)) == [month.name, f"{month.name}_v2"]
    assert partner.caller.get(f"{partner.path}/exports/{month.name}").json() == first, "version 1 is never rewritten"


def test_operator_run_exports_nothing_when_nothing_is_missing(operator, partner, schedules, run, cut, grace):
    month = last_ended(now() - grace - timedelta(days=1), "UTC")
    schedules(partner, **{"from": month.name})
    at = cut(partner, [new_activity(occurred_at=rfc3339(month.start))])
    run(at)
    assert rows_of(partner, month.name)[0]["version"] == 1
    path = f"/v1/months/{month.name}/run"
    answer = operator.post(path, json={"partner": partner.name})
    assert (answer.status_code, answer.json()["due"], answer.json()["created"], answer.json()["complete"]) == (202, 1, 0, True)


def test_deleted_month_is_exported_again_with_the_same_rows(operator, partner, schedules, run, cut, grace):
    month = last_ended(now() - grace - timedelta(days=1), "UTC")
    schedules(partner, **{"from": month.name})
    at = cut(partner, [new_activity(occurred_at=rfc3339(month.start)) for _ in range(3)])
    run(at)
    first, ids = rows_of(partner, month.name)
    path = f"{partner.path}/exports/{month.name}"
    assert partner.caller.delete(path).status_code == 204
    assert operator.post(f"/v1/months/{month.name}/run", json={"partner": partner.name}).json()["created"] == 1
    partner.record([new_activity(occurred_at=rfc3339(month.start))])
    again, same = rows_of(partner, month.name)
    assert (same, again["files"]) == (ids, first["files"])
    assert partner.caller.delete(path).status_code == 204
    run(at + timedelta(days=1))
    assert rows_of(partner, month.name)[1] == ids
    assert len(rows_of(partner, f"{month.name}_v2")[1]) == 1


def test_change_of_time_zone_exports_every_activity_once(operator, partner, schedules, run, later):
    zones = "Pacific/Kiritimati", "Pacific/Pago_Pago"
    second = Month.of(later, "UTC").before()
    first = second.before()
    # Times around the end of the first month in both zones, and between the two ends.
    ends = [Month(zone, first.year, first.month).end for zone in zones]
    moments = [ends[0] + timedelta(hours=hour, minutes=30) for hour in range(-26, 52)] + ends
    sent = newest_first(new_activity(occurred_at=rfc3339(moment)) for moment in moments)
    partner.record(sent)
    schedules(partner, time_zone=zones[0], **{"from": first.name})
    # The first month has just ended in the first zone, so later recordings go into its next version.
    run(ends[0] + timedelta(days=2))
    schedules(partner, time_zone=zones[1])
    run(later)
    run(later + timedelta(days=1))
    # An expired export is made again, with the same rows.
    for export in partner.exports(kind="monthly"):
        if export["status"] == "expired":
            assert operator.post(f"/v1/months/{export['month']}/run", json={"partner": partner.name}).status_code == 202
    ids = [(rows_of(partner, export["id"])) for export in partner.exports(kind="monthly")]
    bounds = {export["month"]: export["range"] for export, _ in ids}
    assert bounds[first.name]["to"] == bounds[second.name]["from"] == rfc3339(ends[0])
    assert instant(bounds[second.name]["to"]) == Month(zones[1], second.year, second.month).end
    inside = sorted(one["id"] for one in sent if instant(one["occurred_at"]) >= instant(bounds[first.name]["from"]))
    assert sorted(each for _, rows in ids for each in rows) == inside


# The schedule's results, and the operator's view


def test_schedule_shows_its_next_run_and_last_results(partner, schedules, run, grace, later):
    month = last_ended(later - grace, "Asia/Kolkata")
    partner.record([new_activity(occurred_at=rfc3339(month.start))])
    saved = schedules(partner, time_zone="Asia/Kolkata", **{"from": month.name})
    assert (saved["next_month"], saved["results"], saved["next_look_at"]) == (month.name, [], None)
    assert instant(saved["next_run_at"]) == month.end + grace
    run(later)
    partner.ready(month.name)
    shown = partner.caller.get(f"{partner.path}/export-schedule").json()
    [result] = shown["results"]
    assert (result["export"], result["month"], result["version"], result["status"], result["rows"]) == (month.name, month.name, 1, "ready", 1)
    assert result["deliveries"] == []
    following = Month.of(month.end, "Asia/Kolkata")
    assert (shown["next_month"], instant(shown["next_run_at"])) == (following.name, following.end + grace)
    assert instant(shown["next_look_at"]) == later.replace(microsecond=0) + timedelta(days=1)


def test_operator_lists_a_month_of_all_partners(operator, names, schedules, caller):
    month = Month("UTC", 2019, 4)
    partners = [Partner(operator, names()).register() for _ in range(3)]
    for partner in partners:
        schedules(partner, **{"from": month.name})
        assert operator.post(f"/v1/months/{month.name}/run", json={"partner": partner.name}).json()["created"] == 1
        partner.ready(month.name)
    assert operator.delete(f"{partners[0].path}/exports/{month.name}").status_code == 204

    def listed(**parameters):
        answer = operator.get("/v1/exports", params={"kind": "monthly", "month": month.name} | parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    page = eventually(lambda: (found := listed()) and found["counts"]["total"] == 3 and found["counts"]["cancelled"] == 1 and found, "all listed")
    assert (page["month"], page["counts"]["ready"], page["counts"]["failed"], page["next_cursor"]) == (month.name, 2, 0, None)
    assert sorted(each["partner_id"] for each in page["exports"]) == sorted(partner.name for partner in partners)
    [gone] = listed(status="cancelled")["exports"]
    assert (gone["partner_id"], gone["id"]) == (partners[0].name, month.name)
    assert operator.get(gone["url"]).json()["status"] == "cancelled"
    ids, cursor = [], {}
    while cursor is not None:
        page = listed(limit=1, **cursor)
        ids += [each["partner_id"] for each in page["exports"]]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    assert sorted(ids) == sorted(partner.name for partner in partners)
    is_problem(caller("contoso-global-admin").get("/v1/exports", params={"kind": "monthly", "month": month.name}), 403, "forbidden")


@pytest.mark.parametrize(
    "parameters, field",
    [
        ({}, "/kind"),
        ({"kind": "on_demand", "month": "2026-10"}, "/kind"),
        ({"kind": "monthly"}, "/month"),
        ({"kind": "monthly", "month": "october"}, "/month"),
        ({"kind": "monthly", "month": "2026-10", "status": "lost"}, "/status"),
        ({"kind": "monthly", "month": "2026-10", "cursor": "x"}, "/cursor"),
    ],
    ids=str,
)
def test_invalid_list_of_a_month_is_refused(operator, parameters, field):
    is_problem(operator.get("/v1/exports", params=parameters), 400, "invalid-request", field)
