"""Counts: the numbers of the list, call by call, by time, by status and by values."""

import random
from collections import Counter
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urljoin, urlsplit
from zoneinfo import ZoneInfo

import pytest

from api import ALL_OF_2024, Caller, Partner, instant, is_problem, new_activity, now

PARIS = ZoneInfo("Europe/Paris")
STATUSES = ["succeeded", "failed", "in_progress", "declined"]
ACTIONS = ["order.created", "order.shipped", "subscription.updated", "kms.decrypt"]
FACETS = ["status", "action", "category", "customer", "actor", "target_type", "source"]
OCTOBER = {"from": "2024-10-01", "to": "2024-10-31", "time_zone": "Europe/Paris"}


@pytest.fixture(scope="module")
def book(operator, names):
    """A partner with 600 activities of sixty customers; `sent` holds them."""
    chance = random.Random(11)
    sent = []
    for number in range(600):
        activity = new_activity(
            occurred_at=f"2024-{chance.choice(['08', '10', '10', '11'])}-{chance.randrange(1, 30):02}T{chance.randrange(24):02}:{chance.randrange(60):02}:00.000000Z",
            action=chance.choice(ACTIONS),
            status=chance.choice(STATUSES),
            actor={"type": "user", "id": chance.choice(["ana@contoso.example", "Ana@Contoso.example", "ben@contoso.example"])},
        )
        if number % 5:
            customer = chance.randrange(60)
            activity["customer"] = {"id": f"c-{customer}", "name": f"Société de l’Été n° {customer}" if customer == 50 else f"Customer {customer}"}
        if number % 3 == 0:
            activity |= {"source": "portal", "target": {"type": "order", "id": f"o-{number}"}}
        sent.append(activity)
    partner = Partner(operator, names()).register()
    partner.record(sent)
    partner.sent = sent
    return partner


def ask(partner, **parameters):
    return partner.caller.get(f"{partner.path}/counts", params=parameters)


def calls(partner, **parameters):
    """Yields the answer of each call."""
    cursor = {}
    while cursor is not None:
        answer = ask(partner, **parameters | cursor)
        assert answer.status_code == 200, answer.text[:500]
        counts = answer.json()
        assert counts["complete"] == (counts["next_cursor"] is None)
        yield counts
        cursor = counts["next_cursor"] and {"cursor": counts["next_cursor"]}


def counted(partner, **parameters):
    """Adds up the answers of all calls: the total, the buckets by their bounds, the values of each facet."""
    total, buckets, by = 0, {}, {}
    for counts in calls(partner, **parameters):
        total += counts["total"]
        for bucket in counts["buckets"]:
            buckets.setdefault((bucket["from"], bucket["to"]), Counter()).update(bucket["counts"])
        for facet, values in counts["by"].items():
            by.setdefault(facet, Counter()).update({value["value"]: value["count"] for value in values})
    return total, buckets, by


def value_of(facet, activity):
    match facet:
        case "customer":
            return activity.get("customer", {}).get("id")
        case "actor":
            return activity["actor"]["id"].lower()
        case "target_type":
            return activity.get("target", {}).get("type")
        case "category":
            return {"order": "order", "subscription": "subscription"}.get(activity["action"].split(".")[0], "other")
        case _:
            return activity.get(facet)


@pytest.mark.parametrize("facets", [FACETS[:4], FACETS[3:]])
@pytest.mark.parametrize("filters", [{}, {"customer": ["c-1", "C-2", "c-50"]}, {"status": "!failed", "q": "customer"}, {"action": "order.*"}])
def test_counts_equal_the_list(book, facets, filters):
    listed = book.all(**ALL_OF_2024, **filters, limit=1000)
    total, buckets, by = counted(book, **ALL_OF_2024, **filters, interval="month", by=facets)
    assert total == len(listed) > 0
    assert sum(buckets.values(), Counter()) == Counter(one["status"] for one in listed)
    assert len(buckets) == 12
    for (start, end), statuses in buckets.items():
        inside = [one for one in listed if instant(start) <= instant(one["occurred_at"]) < instant(end)]
        assert +statuses == Counter(one["status"] for one in inside)
    for facet in facets:
        lowered = Counter()
        for value, count in by[facet].items():
            lowered[value.lower() if facet == "actor" else value] += count
        assert lowered == Counter(value_of(facet, one) for one in listed), facet


def test_days_of_a_clock_change_are_buckets_of_25_hours(book):
    total, buckets, _ = counted(book, **OCTOBER, interval="day")
    days = [(instant(start).astimezone(PARIS), instant(end) - instant(start)) for start, end in buckets]
    assert [day.date().isoformat() for day, _ in days] == [f"2024-10-{day:02}" for day in range(1, 32)]
    assert all(day.hour == 0 for day, _ in days)
    assert [length for day, length in days if day.day == 27] == [timedelta(hours=25)]
    assert total == len(book.all(**OCTOBER, limit=1000))
    hours = list(calls(book, **OCTOBER | {"from": "2024-10-27", "to": "2024-10-27"}, interval="hour"))[0]["buckets"]
    assert len(hours) == 25


def test_weeks_begin_on_monday_and_are_cut_at_the_period(book):
    period = {"from": "2024-10-02T09:30:00+02:00", "to": "2024-10-16", "time_zone": "Europe/Paris"}
    _, buckets, _ = counted(book, **period, interval="week")
    starts = [instant(start).astimezone(PARIS).replace(tzinfo=None) for start, _ in buckets]
    assert starts == [datetime(2024, 10, 2, 9, 30), datetime(2024, 10, 7), datetime(2024, 10, 14)]
    assert instant(list(buckets)[-1][1]).astimezone(PARIS).replace(tzinfo=None) == datetime(2024, 10, 17)


def test_counts_without_interval_and_by_are_a_total(book):
    [counts] = calls(book, **OCTOBER)
    assert counts["buckets"] == [] and counts["by"] == {}
    assert counts["total"] == len(book.all(**OCTOBER, limit=1000))
    assert counts["range"]["time_zone"] == "Europe/Paris"
    assert instant(counts["complete_through"]) <= now() - timedelta(seconds=119)


def test_just_recorded_activity_is_counted(partner):
    for number in range(3):
        partner.record([new_activity()])
        assert ask(partner, **ALL_OF_2024).json()["total"] == number + 1


def test_values_are_found_by_part_of_their_name(book):
    [everything] = calls(book, **ALL_OF_2024, by="customer")
    assert len(everything["by"]["customer"]) == 61
    counts = [value["count"] for value in everything["by"]["customer"]]
    assert counts == sorted(counts, reverse=True)
    for match in ("SOCIETE", "l'ete", "Socie\u0301te\u0301", "  société de l’été n° 50 "):
        [found] = calls(book, **ALL_OF_2024, by="customer", match=match)
        [customer] = found["by"]["customer"]
        assert (customer["value"], customer["name"]) == ("c-50", "Société de l’Été n° 50")
        assert customer["count"] == sum(value_of("customer", one) == "c-50" for one in book.sent)
        assert found["total"] == len(book.sent)
    [found] = calls(book, **ALL_OF_2024, by=["action", "status"], match="creation de commande")
    assert [value["value"] for value in found["by"]["action"]] == ["order.created"] and found["by"]["status"] == []


def test_more_values_than_an_answer_holds_take_further_calls(operator, names):
    partner = Partner(operator, names()).register()
    partner.record([new_activity(actor={"id": f"a-{number}"}, occurred_at=f"2024-05-05T00:{number // 60:02}:{number % 60:02}Z") for number in range(1_500)])
    answers = list(calls(partner, **ALL_OF_2024, interval="month", by=["actor", "status"]))
    assert [answer["total"] for answer in answers] == [1_000, 500]
    assert [len(answer["by"]["actor"]) for answer in answers] == [1_000, 500]
    total, buckets, by = counted(partner, **ALL_OF_2024, interval="month", by=["actor", "status"])
    assert total == 1_500 and by["status"] == {"succeeded": 1_500}
    assert by["actor"] == {f"a-{number}": 1 for number in range(1_500)}
    assert sum(map(Counter.total, buckets.values())) == 1_500

    # The link leads to the next call, and the cursor belongs to this request of this partner.
    answer = ask(partner, **ALL_OF_2024, by="actor", q="a-", order="asc")
    link = urljoin(answer.url, answer.links["next"]["url"])
    cursor = answer.json()["next_cursor"]
    assert parse_qs(urlsplit(link).query)["cursor"] == [cursor]
    assert partner.caller.get(link.removeprefix(partner.caller.root)).json()["total"] == 500
    for changed in ({"by": "customer"}, {"interval": "day"}, {"match": "a-"}, {"q": "x"}, {"order": "desc"}, {"to": "2024-11-30"}):
        is_problem(ask(partner, **ALL_OF_2024 | {"by": "actor", "q": "a-", "order": "asc"} | changed | {"cursor": cursor}), 400, "invalid-request", "/cursor")
    other = Partner(operator, names()).register()
    is_problem(ask(other, **ALL_OF_2024, by="actor", q="a-", order="asc", cursor=cursor), 400, "invalid-request", "/cursor")
    listed = partner.list(**ALL_OF_2024, limit=1).json()["next_cursor"]
    is_problem(ask(partner, **ALL_OF_2024, cursor=listed), 400, "invalid-request", "/cursor")


@pytest.mark.parametrize(
    "parameters, field",
    [
        ({"interval": "minute"}, "/interval"),
        ({"interval": ["day", "week"]}, "/interval"),
        ({"interval": "hour"}, "/interval"),
        ({"by": "user"}, "/by"),
        ({"by": ["status", "status"]}, "/by"),
        ({"by": FACETS[:5]}, "/by"),
        ({"by": ""}, "/by"),
        ({"match": "x"}, "/match"),
        ({"by": "actor", "match": " "}, "/match"),
        ({"by": "actor", "match": "x" * 257}, "/match"),
        ({"cursor": "x"}, "/cursor"),
        ({"order": "up"}, "/order"),
        ({"limit": 10}, "/limit"),
        ({"group": "status"}, "/group"),
        ({"status": "done"}, "/status"),
        ({"customer": "!"}, "/customer"),
        ({"from": "2025-01-01"}, "/from"),
        ({"time_zone": "Mars"}, "/time_zone"),
    ],
)
def test_fault_names_its_field(partner, parameters, field):
    is_problem(ask(partner, **ALL_OF_2024 | parameters), 400, "invalid-request", field)


def test_all_faults_are_named_at_once(partner):
    document = is_problem(ask(partner, **{"from": "yesterday"}, interval="minute", by="user"), 400, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == ["/from", "/interval", "/by"]


def test_too_many_buckets_are_refused_with_an_interval_that_fits(partner):
    document = is_problem(ask(partner, **ALL_OF_2024, interval="hour"), 400, "invalid-request", "/interval")
    assert "choose day" in document["detail"]
    assert ask(partner, **ALL_OF_2024, interval="day").status_code == 200


def test_counts_are_for_who_may_read(stack, caller, book):
    path = "/v1/partners/contoso/counts"
    assert caller("contoso-helpdesk-agent").get(path).status_code == 200
    is_problem(caller("contoso-helpdesk-agent").get(f"{book.path}/counts"), 404, "not-found")
    is_problem(caller("recorder-contoso").get(path), 403, "forbidden")
    is_problem(Caller(stack["api_url"]).get(path), 401, "unauthorized")
    head = book.caller.request("HEAD", f"{book.path}/counts", params=ALL_OF_2024)
    assert head.status_code == 200 and head.content == b"" and head.headers["Content-Type"] == "application/json"


def test_counting_is_refused_when_the_read_units_are_used(operator, names):
    partner = Partner(operator, names()).register()
    assert operator.put(f"{partner.path}/settings", json={"limits": {"read_units_per_second": 1}}).status_code == 200
    partner.record([new_activity(details={"text": "x" * 700}) for _ in range(200)])
    answers = [ask(partner, **ALL_OF_2024) for _ in range(12)]
    assert answers[0].json()["total"] == 200
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        is_problem(answer, 429, "throttled")
        assert 1 <= int(answer.headers["Retry-After"]) <= 10


@pytest.mark.parametrize("locale, label", [("en", "Support request"), ("fr", "Demande d")])
def test_catalogue_names_the_categories(caller, locale, label):
    catalogue = caller("contoso-sales-agent").get("/v1/actions", params={"locale": locale}).json()
    labels = {entry["category"]: entry["category_label"] for entry in catalogue}
    assert labels["support_request"].startswith(label)
    assert all(label[0].isupper() for label in labels.values()), labels
