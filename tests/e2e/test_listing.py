"""Lists: the right activities, once each, in order, on pages of any size."""

import random
import unicodedata
from datetime import timedelta, timezone
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest

from api import (
    ALL_OF_2024,
    Partner,
    compact,
    instant,
    is_problem,
    members,
    months_back,
    new_activity,
    newest_first,
    now,
    rfc3339,
)

ACTORS = [("ana@contoso.example", "Ana Trujillo"), ("ben@contoso.example", None), ("éric@contoso.example", "Éric Dupré")]
CUSTOMERS = [None, {"id": "fabrikam", "name": "Fabrikam SARL"}, {"id": "été-7", "name": "Société de l'ÉTÉ"}, {"id": "b c&d%+"}]
ACTIONS = ["order.created", "order.updated", "order_line.created", "user.deleted", "x.y.z"]
STATUSES = ["succeeded", "failed", "in_progress", "declined"]
TARGETS = [None, {"type": "order", "id": "o-1", "name": "Renewal"}, {"type": "user", "id": "u-1"}, {"type": "order", "id": "o-2"}]


@pytest.fixture(scope="module")
def book(operator, names):
    """A partner with 240 activities of four months, some at equal times; `sent` holds them newest first."""
    chance = random.Random(7)
    sent = []
    for number in range(240):
        actor, name = chance.choice(ACTORS)
        activity = new_activity(
            id=f"b-{chance.randrange(10**9):09}",
            occurred_at=f"2024-0{chance.choice('2345')}-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00.000000Z",
            action=chance.choice(ACTIONS),
            status=chance.choice(STATUSES),
            actor={"type": "user", "id": actor} | ({"name": name} if name else {}),
        )
        if number % 6 == 0:
            activity["occurred_at"] = "2024-03-31T23:59:59.999999Z"
        if customer := chance.choice(CUSTOMERS):
            activity["customer"] = customer
        if target := chance.choice(TARGETS):
            activity["target"] = target
        if number % 4 == 0:
            activity |= {"correlation_id": f"Trace-{number % 3}", "source": ["portal", "import"][number % 8 // 4]}
            activity["actor"] |= {"role": "admin_agent", "ip": "203.0.113.7"}
        if number % 3 == 0:
            activity["details"] = {"number": number, "text": "é" * number}
        sent.append(activity)
    partner = Partner(operator, names()).register()
    partner.record(sent)
    partner.sent = newest_first(sent)
    return partner


def ids(activities):
    return [activity["id"] for activity in activities]


def test_list_leaves_out_details_but_announces_them(book):
    listed = book.all(**ALL_OF_2024)
    for shown, sent in zip(listed, book.sent, strict=True):
        details = sent.get("details")
        assert "details" not in shown
        assert shown["has_details"] == (details is not None)
        assert shown["details_size"] == (len(compact(details).encode()) if details is not None else 0)
        assert {name: shown.get(name) for name in sent if name != "details"} == {name: value for name, value in sent.items() if name != "details"}
        assert shown["partner_id"] == book.name and shown["recorded_at"]


@pytest.mark.parametrize("limit", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_of_any_size_hold_each_activity_once_in_order(book, limit, order):
    # The smallest pages list the month with the equal times only.
    period, month = ({"from": "2024-03-01", "to": "2024-03-31"}, "2024-03") if limit < 7 else (ALL_OF_2024, "2024")
    sent = [activity for activity in book.sent if activity["occurred_at"].startswith(month)]
    pages = list(book.pages(**period, limit=limit, order=order))
    assert all(len(page["activities"]) <= limit for page in pages)
    listed = [activity for page in pages for activity in page["activities"]]
    assert ids(listed) == ids(sent if order == "desc" else reversed(sent))


def test_page_has_100_activities_by_default(book):
    assert len(book.list(**ALL_OF_2024).json()["activities"]) == 100


def test_page_links_to_the_next_page(book):
    answer = book.list(**ALL_OF_2024, limit=150, time_zone="Europe/Paris", order="asc", customer=["fabrikam", "b c&d%+"])
    while answer.json()["next_cursor"] is not None:
        link = answer.links["next"]["url"]
        url = urljoin(answer.url, link)
        assert parse_qs(urlsplit(url).query)["cursor"] == [answer.json()["next_cursor"]]
        followed = book.caller.get(url.removeprefix(book.caller.root))
        assert followed.status_code == 200, followed.text
        assert followed.json()["range"] == answer.json()["range"]
        answer = followed
    assert "next" not in answer.links
    assert book.list(**ALL_OF_2024, limit=1000).links == {}


def test_list_without_period_shows_the_most_recent_month(partner):
    asked = now()
    start, minutes = months_back(asked), timedelta(minutes=5)
    times = [asked - timedelta(seconds=1), start + minutes, start - minutes, asked + minutes]
    recent, inside, outside, ahead = [new_activity(occurred_at=rfc3339(time)) for time in times]
    partner.record([inside, outside, recent, ahead])
    before = now()
    answer = partner.list().json()
    after = now()
    assert ids(answer["activities"]) == [recent["id"], inside["id"]]
    assert answer["range"]["time_zone"] == "UTC"
    start, end = instant(answer["range"]["from"]), instant(answer["range"]["to"])
    assert before - timedelta(milliseconds=1) <= end <= after
    assert start == months_back(end)


@pytest.mark.parametrize(
    "zone, start, end",
    [
        ("UTC", "2024-03-31T00:00:00Z", "2024-04-01T00:00:00Z"),
        ("Europe/Paris", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"),  # 23 hours: the clocks change on this day
        ("Pacific/Kiritimati", "2024-03-30T10:00:00Z", "2024-03-31T10:00:00Z"),
        ("Pacific/Pago_Pago", "2024-03-31T11:00:00Z", "2024-04-01T11:00:00Z"),
        ("America/St_Johns", "2024-03-31T02:30:00Z", "2024-04-01T02:30:00Z"),
    ],
)
def test_dates_are_whole_days_of_the_time_zone(book, zone, start, end):
    answer = book.list(**{"from": "2024-03-31", "to": "2024-03-31"}, time_zone=zone, limit=1000).json()
    bounds = answer["range"]
    assert (instant(bounds["from"]), instant(bounds["to"]), bounds["time_zone"]) == (instant(start), instant(end), zone)
    inside = [one for one in book.sent if instant(start) <= instant(one["occurred_at"]) < instant(end)]
    assert ids(answer["activities"]) == ids(inside)


def test_period_of_instants_is_half_open_in_any_offset(partner):
    sent = [new_activity(occurred_at=f"2024-03-05T09:30:00.{micros:06}Z") for micros in (0, 1, 2, 3)]
    partner.record(sent)
    bounds = {"from": "2024-03-05T09:30:00.000001Z", "to": "2024-03-05T09:30:00.000003Z"}
    assert partner.ids(**bounds) == ids([sent[2], sent[1]])
    bounds = {"from": "2024-03-05T10:30:00.000001+01:00", "to": "2024-03-05T04:30:00.000003-05:00"}
    assert partner.ids(**bounds, time_zone="Asia/Tokyo") == ids([sent[2], sent[1]])


FILTERS = [
    {"customer": "fabrikam"},
    {"customer": "FabriKAM"},
    {"customer": ["fabrikam", "été-7"]},
    {"customer": "!fabrikam"},
    {"customer": ["B C&D%+", "!nobody"], "status": "!failed"},
    {"customer": "nobody"},
    {"correlation": ["TRACE-1", "trace-2"]},
    {"source": "!Portal"},
    {"actor": "éric@contoso.example"},
    {"action": "order.created"},
    {"action": "order.*"},
    {"action": ["order.*", "user.deleted"]},
    {"action": "x.*"},
    {"action": ["Order.*", "!order.updated"]},
    {"status": "failed"},
    {"status": ["failed", "declined"]},
    {"target_type": "order"},
    {"target": "o-2"},
    {"target": ["o-1", "u-1"], "status": "succeeded", "customer": ["fabrikam", "b c&d%+"]},
    {"q": "TRUJILLO"},
    {"q": "société de l'été"},
    {"q": "societe L’ETE"},
    {"q": unicodedata.normalize("NFD", "Éric Dupré")},
    {"q": "Création de commande"},
    {"q": "order created"},
    {"q": "échec"},
    {"q": "Declined renewal"},
    {"q": "203.0.113.7 trace-1"},
    {"q": "o-1"},
    {"q": "order_"},
    {"q": "nothing of the kind"},
]


LABELS = {
    "order.created": "Order created Création de commande",
    "order.updated": "Order updated Modification de commande",
    "user.deleted": "User deleted Suppression d’un utilisateur",
    "succeeded": "Succeeded Réussite",
    "failed": "Failed Échec",
    "in_progress": "In progress En cours",
    "declined": "Declined Refus",
}


def fold(text):
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return plain.lower().replace("’", "'")


def meets(activity, filters):
    customer, target, actor = activity.get("customer", {}), activity.get("target", {}), activity["actor"]
    action, status = activity["action"], activity["status"]

    def accepts(name, is_met):
        values = filters.get(name, [])
        values = [values] if isinstance(values, str) else values
        wanted, unwanted = [value for value in values if value[0] != "!"], [value[1:] for value in values if value[0] == "!"]
        return (not wanted or any(map(is_met, wanted))) and not any(map(is_met, unwanted))

    exact = {"customer": customer.get("id"), "actor": actor["id"], "status": status, "target_type": target.get("type"), "target": target.get("id")}
    exact |= {"correlation": activity.get("correlation_id"), "source": activity.get("source")}
    if not all(accepts(name, lambda value, id=id: id is not None and value.lower() == id.lower()) for name, id in exact.items()):
        return False
    if not accepts("action", lambda value: action.startswith(value[:-1].lower()) if value.endswith(".*") else action == value.lower()):
        return False
    texts = [customer.get("name"), customer.get("id"), actor.get("name"), actor["id"], actor.get("role"), actor.get("ip"), action, status]
    texts += [LABELS.get(action), LABELS[status], target.get("name"), target.get("type"), target.get("id"), activity["id"], activity.get("correlation_id")]
    seen = fold("\n".join(filter(None, texts)))
    return all(word in seen for word in fold(filters.get("q", "")).split())


@pytest.mark.parametrize("filters", FILTERS, ids=compact)
def test_filter_selects_the_same_activities_on_any_page_size(book, filters):
    expected = ids([activity for activity in book.sent if meets(activity, filters)])
    assert book.ids(**ALL_OF_2024, **filters, limit=1000) == expected
    assert book.ids(**ALL_OF_2024, **filters, limit=3) == expected
    assert book.ids(**ALL_OF_2024, **filters, limit=50, order="asc") == expected[::-1]


@pytest.mark.parametrize("customer", ["fabrikam", "FABRIkam", "été-7", "b c&d%+", "nobody", "!fabrikam"])
def test_customer_has_its_own_list(book, customer):
    path = f"{book.path}/customers/{quote(customer, safe='')}/activities"
    expected = [activity for activity in book.sent if activity.get("customer", {}).get("id", "").lower() == customer.lower()]
    assert ids(book.all(path, **ALL_OF_2024, limit=1000)) == ids(expected)
    assert ids(book.all(path, **ALL_OF_2024, limit=2)) == ids(expected)
    assert ids(book.all(path, **ALL_OF_2024, limit=7, order="asc")) == ids(expected)[::-1]
    failed = [activity for activity in expected if activity["status"] == "failed"]
    assert ids(book.all(path, **ALL_OF_2024, status="failed")) == ids(failed)
    if expected:
        whole = {activity["id"]: activity for activity in book.all(**ALL_OF_2024)}
        assert book.all(path, **ALL_OF_2024, limit=1000) == [whole[activity["id"]] for activity in expected]


def test_pages_stay_exact_while_equal_times_are_recorded(partner):
    first = [new_activity(id=f"m-{number:03}") for number in range(0, 60, 2)]
    partner.record(first)
    seen = []
    for number, page in enumerate(partner.pages(**ALL_OF_2024, limit=4)):
        seen += ids(page["activities"])
        partner.record([new_activity(id=f"m-{number * 10 + 1:03}"), new_activity(id=f"m-{59 - number * 2:03}-late")])
    assert len(seen) == len(set(seen))
    assert [id for id in seen if id in set(ids(first))] == ids(first)[::-1]
    assert seen == sorted(seen, reverse=True)


def test_activity_has_an_address_with_its_details(book):
    for listed, sent in zip(book.all(**ALL_OF_2024)[:20], book.sent, strict=False):
        answer = book.caller.get(listed["url"])
        assert answer.status_code == 200, answer.text
        assert answer.json().get("details") == sent.get("details")
        if "details" in sent:
            assert members(answer.text)["details"] == compact(sent["details"])
        assert {name: value for name, value in answer.json().items() if name != "details"} == listed


def test_activity_is_found_only_by_its_id_and_time(book):
    one = book.sent[0]
    path = f"{book.path}/activities/{one['id']}"
    is_problem(book.caller.get(path), 400, "invalid-request", "/occurred_at")
    is_problem(book.caller.get(path, params={"occurred_at": "soon"}), 400, "invalid-request", "/occurred_at")
    is_problem(book.caller.get(path, params={"occurred_at": "2024-01-01T00:00:00Z"}), 404, "not-found")
    is_problem(book.caller.get(f"{book.path}/activities/none", params={"occurred_at": one["occurred_at"]}), 404, "not-found")
    local = instant(one["occurred_at"]).astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    assert book.caller.get(path, params={"occurred_at": local}).status_code == 200


@pytest.mark.parametrize(
    "parameters, field",
    [
        ({"from": "2024-13-01"}, "/from"),
        ({"from": "2024-02-30", "to": "2024-03-01"}, "/from"),
        ({"from": "last week"}, "/from"),
        ({"to": "2024-03-05T09:30:00"}, "/to"),
        ({"from": "2024-03-06", "to": "2024-03-05"}, "/from"),
        ({"from": "2024-03-06T00:00:00Z", "to": "2024-03-06T00:00:00Z"}, "/from"),
        ({"time_zone": "Europe/Atlantis"}, "/time_zone"),
        ({"time_zone": "+02:00"}, "/time_zone"),
        ({"order": "newest"}, "/order"),
        *(
            ({name: value}, f"/{name}")
            for name in ("customer", "actor", "action", "status", "target_type", "target", "correlation", "source")
            for value in ("", " ", "!", ["x.y", ""])
            if (name, value) != ("status", ["x.y", ""])
        ),
        *(({name: ""}, f"/{name}") for name in ("q", "from", "to", "time_zone", "order", "limit")),
        ({"q": " \t"}, "/q"),
        ({"limit": "0"}, "/limit"),
        ({"limit": "1001"}, "/limit"),
        ({"limit": "-1"}, "/limit"),
        ({"limit": "ten"}, "/limit"),
        ({"status": "done"}, "/status"),
        ({"action": "Order"}, "/action"),
        ({"cursor": "garbage"}, "/cursor"),
        ({"cursor": "eyJhZnRlciI6IngifQ"}, "/cursor"),
        ({"colour": "blue"}, "/colour"),
    ],
    ids=compact,
)
def test_invalid_query_is_refused_by_parameter_name(book, parameters, field):
    is_problem(book.list(**parameters), 400, "invalid-request", field)
    is_problem(book.caller.get(f"{book.path}/customers/fabrikam/activities", params=parameters), 400, "invalid-request", field)


def test_all_faults_of_a_query_are_named_at_once(book, operator):
    query = {"from": "x", "to": "y", "limit": "0", "order": "up", "status": "done", "actor": "", "q": " ", "colour": "red", "a/b": "1"}
    found = is_problem(book.list(**query), 400, "invalid-request")
    assert {error["pointer"] for error in found["errors"]} == {"/a~1b"} | {f"/{name}" for name in query if name != "a/b"}
    for path, query, pointers in [
        (f"{book.path}/exports", {"kind": "x", "limit": "x", "colour": "red"}, {"/kind", "/limit", "/colour"}),
        (f"{book.path}/activities/e-1", {"occurred_at": "soon", "colour": "red"}, {"/occurred_at", "/colour"}),
        ("/v1/exports", {"status": "x", "limit": "0", "colour": "red"}, {"/kind", "/month", "/status", "/limit", "/colour"}),
    ]:
        found = is_problem(operator.get(path, params=query), 400, "invalid-request")
        assert {error["pointer"] for error in found["errors"]} == pointers


def test_list_covers_any_period_in_pages_of_bounded_cost(partner):
    sent = [new_activity(occurred_at=f"{year:04}-06-01T00:00:00Z") for year in range(1980, 2020)]
    partner.record(sent)
    whole = {"from": "0001-01-01", "to": "9999-12-30"}
    for order, expected in [("desc", sent[::-1]), ("asc", sent)]:
        assert partner.ids(**whole, order=order) == ids(expected)
        pages = list(partner.pages(**whole, order=order, q="nothing of the kind"))
        # Each month costs a query, and a page at most sixteen.
        assert len(pages) >= 3 and not any(page["activities"] for page in pages)
        oldest = list(partner.pages(**whole, order=order, q=expected[-1]["id"]))
        assert [ids(page["activities"]) for page in oldest if page["activities"]] == [[expected[-1]["id"]]]


@pytest.mark.parametrize(
    "change",
    [
        {"order": "asc"},
        {"to": "2024-12-30"},
        {"from": "2024-01-02"},
        {"status": "failed"},
        {"q": "a"},
        {"time_zone": "Europe/Paris"},
        {"customer": "fabrikam"},
        {"source": "portal"},
    ],
    ids=compact,
)
def test_cursor_is_refused_for_another_query(book, change):
    question = ALL_OF_2024 | {"limit": 5}
    cursor = book.list(**question).json()["next_cursor"]
    assert book.list(**question, cursor=cursor).status_code == 200
    is_problem(book.list(**question | change, cursor=cursor), 400, "invalid-request", "/cursor")


def test_pages_of_one_list_may_have_different_limits(book):
    cursor, found = "", []
    for limit in (1, 5, 1000, 3):
        page = book.list(**ALL_OF_2024, limit=limit, cursor=cursor)
        assert page.status_code == 200, page.text
        found += ids(page.json()["activities"])
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert found == ids(book.sent)


def test_cursor_is_refused_for_another_partner_or_route(book, partner):
    question = ALL_OF_2024 | {"limit": 5}
    cursor = book.list(**question).json()["next_cursor"]
    is_problem(partner.list(**question, cursor=cursor), 400, "invalid-request", "/cursor")
    of_customer = book.caller.get(f"{book.path}/customers/fabrikam/activities", params=question | {"cursor": cursor})
    is_problem(of_customer, 400, "invalid-request", "/cursor")


def test_cursor_keeps_the_most_recent_month_of_its_start(partner):
    moment = now()
    partner.record([new_activity(occurred_at=rfc3339(moment - timedelta(hours=hour))) for hour in range(1, 6)])
    pages = list(partner.pages(limit=2))
    assert [len(page["activities"]) for page in pages if page["activities"]] == [2, 2, 1]
    assert len({compact(page["range"]) for page in pages}) == 1


def test_operator_reads_catalogue_in_both_languages(operator):
    catalogues = {}
    for locale in ("en", "fr"):
        answer = operator.get("/v1/actions", params={"locale": locale})
        assert answer.status_code == 200, answer.text
        assert all(set(entry) >= {"action", "category", "label"} for entry in answer.json())
        catalogues[locale] = {entry["action"]: entry["label"] for entry in answer.json()}
    assert catalogues["en"].keys() == catalogues["fr"].keys()
    assert catalogues["en"]["order.created"] == "Order created"
    assert catalogues["fr"]["order.created"] == "Création de commande"


# Completeness and caching


def test_list_states_how_far_it_is_complete(partner):
    partner.record([new_activity(occurred_at=f"2024-03-05T09:30:{second:02}Z") for second in range(3)])
    before = now()
    first = partner.list(**ALL_OF_2024, limit=1).json()
    after = now()
    complete = instant(first["complete_through"])
    # The time must be recent enough to be useful, and early enough to hold for activities on their way.
    assert before - timedelta(minutes=5) <= complete <= after - timedelta(minutes=1)
    # An activity recorded between two pages may be on neither, so the list is as complete as its first page.
    second = partner.list(**ALL_OF_2024, limit=1, cursor=first["next_cursor"]).json()
    assert second["complete_through"] == first["complete_through"]


def test_unchanged_answer_is_not_sent_again(book):
    sent = next(activity for activity in book.sent if "details" in activity)
    path, query = f"{book.path}/activities/{sent['id']}", {"occurred_at": sent["occurred_at"]}
    answer = book.caller.get(path, params=query)
    tag = answer.headers["ETag"]
    assert answer.status_code == 200 and tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = book.caller.get(path, params=query, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert book.caller.get(path, params=query, headers={"If-None-Match": '"other"'}).text == answer.text
    other = next(activity for activity in book.sent if activity["id"] != sent["id"])
    assert book.caller.get(f"{book.path}/activities/{other['id']}", params={"occurred_at": other["occurred_at"]}).headers["ETag"] != tag


def test_list_keeps_the_digits_of_changes(partner):
    changes = '[{"field":"price","old":12.50,"new":1E+2},{"field":"count","old":null,"new":12345678901234567890}]'
    activity = new_activity()
    assert partner.send(f'{compact(activity)[:-1]},"changes":{changes}}}').status_code == 201
    listed = partner.list(**ALL_OF_2024).text
    assert f'"changes":{changes}' in listed


# The catalogue


def test_catalogue_follows_preferred_language(book):
    english, french = ({each["action"]: each for each in book.caller.get(f"/v1/actions?locale={locale}").json()} for locale in ("en", "fr"))
    assert list(english) == list(french) and len(english) >= 70
    assert (english["order.created"]["label"], french["order.created"]["label"]) == ("Order created", "Création de commande")
    assert english["order.created"]["category"] == "order"
    preferring = book.caller.get("/v1/actions", headers={"Accept-Language": "fr-CA, en;q=0.5"}).json()
    assert preferring == list(french.values())
    is_problem(book.caller.get("/v1/actions?locale=de"), 400, "invalid-request", "/locale")


# Shards


def test_shards_of_a_month_do_not_change_any_answer(partner, operator):
    path = f"{partner.path}/settings"
    unset = dict.fromkeys(("feed_begins_at", "updated_at", "updated_by"))
    assert operator.get(path).json() == {"partner_id": partner.name, "shards": [], "limits": {}, "limits_apply": True, "feed": False} | unset
    planned = operator.put(path, json={"shards": 4})
    assert planned.status_code == 200, planned.text
    [step] = planned.json()["shards"]
    assert step["shards"] == 4 and step["from"] > now().strftime("%Y-%m")
    assert operator.get(path).json() == planned.json()
    for body, status, slug, field in [
        ({"shards_from": "2100-01"}, 400, "invalid-request", "/shards_from"),
        ({"shards": 0}, 400, "invalid-request", "/shards"),
        ({"shards": 65}, 400, "invalid-request", "/shards"),
        ({"shards": 2, "shards_from": "soon"}, 400, "invalid-request", "/shards_from"),
        ({"shards": 2, "colour": 1}, 400, "invalid-request", "/colour"),
        ({"shards": 2, "shards_from": now().strftime("%Y-%m")}, 422, "unprocessable", "/shards_from"),
    ]:
        is_problem(operator.put(path, json=body), status, slug, field)
    assert operator.get(path).json() == planned.json()
    sent = [new_activity(details={"n": number}) for number in range(20)]
    partner.record(sent)
    assert partner.ids(**ALL_OF_2024) == ids(newest_first(sent))
