"""Recording: every activity once and complete, every refusal with a reason."""

import base64
import random
import re
from datetime import timedelta

import pytest

from api import ALL_OF_2024, Partner, check_problem, compact, in_parallel, instant, is_problem, members, new_activity, now, rfc3339

MIB = 1024 * 1024
ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


def noise(size, seed=1):
    """Returns text that compresses to about three quarters of its size at best."""
    return base64.b64encode(random.Random(seed).randbytes(size * 3 // 4 + 3)).decode()[:size]


def of_size(size, seed=1):
    """Returns details of exactly `size` bytes of compact JSON."""
    return {"noise": noise(size - len('{"noise":""}'), seed)}


def test_answer_shows_the_activity_as_stored(partner):
    sent = new_activity(
        customer={"id": "fabrikam", "name": "Fabrikam SARL"},
        status="declined",
        actor={
            "type": "application",
            "id": "app-1",
            "name": "Nightly sync",
            "role": "admin_agent",
            "ip": "203.0.113.7",
            "user_agent": 'curl/8.5 (ünïcode; "quoted")',
        },
        target={"type": "order", "id": "o-1", "name": "Renewal 2026"},
        reason="Crédit refusé : plafond dépassé",
        changes=[{"field": "quantity", "old": 5, "new": 12}, {"field": "note", "old": None, "new": "é"}],
        correlation_id="c-1",
        source="portal",
        details={"lines": [{"product": "Crème brûlée", "unit_price": "14.90"}]},
    )
    before = now()
    answer = partner.send(sent)
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert {name: stored[name] for name in sent} == sent
    assert stored["partner_id"] == partner.name
    assert before - timedelta(seconds=1) <= instant(stored["recorded_at"]) <= now()
    shown = members(partner.show(sent))
    assert shown == members(answer.text)
    assert shown["details"] == compact(sent["details"])


def test_optional_fields_get_their_defaults(partner):
    answer = partner.send({"occurred_at": "2024-03-05T09:30:00Z", "action": "customer.created", "actor": {"id": "ana"}})
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert ULID.fullmatch(stored["id"]), stored
    assert stored["status"] == "succeeded" and stored["actor"]["type"] == "user"
    assert stored["occurred_at"] == "2024-03-05T09:30:00.000000Z"
    assert stored["reason"] is None
    assert not {"customer", "target", "changes", "details"} & {name for name, value in stored.items() if value is not None}
    assert partner.ids(**ALL_OF_2024) == [stored["id"]]


def test_instant_is_stored_in_utc_with_microseconds(partner):
    answer = partner.send(new_activity(occurred_at="2024-03-05T11:30:00.1234567+02:00"))
    assert answer.json()["occurred_at"] == "2024-03-05T09:30:00.123456Z"


def test_repeated_activity_is_recorded_once(partner):
    sent = new_activity(details={"a": 1, "b": [1.50, "é"]})
    first, second = partner.send(sent), partner.send(sent)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.text == first.text
    reordered = dict(reversed(sent.items())) | {"details": {"b": [1.50, "é"], "a": 1}}
    assert partner.send(reordered).status_code == 200
    assert partner.ids(**ALL_OF_2024) == [sent["id"]]


def test_activity_sent_many_times_at_once_is_recorded_once(partner):
    sent = new_activity(details=of_size(5_000))
    answers = in_parallel(lambda _: partner.send(sent), range(8))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert partner.ids(**ALL_OF_2024) == [sent["id"]]


@pytest.mark.parametrize(
    "change",
    [
        {"action": "order.updated"},
        {"status": "failed"},
        {"actor": {"id": "ben@contoso.example", "name": "Ana Trujillo"}},
        {"customer": {"id": "fabrikam"}},
        {"target": {"id": "o-1"}},
        {"reason": "no credit"},
        {"changes": [{"field": "quantity", "old": 1, "new": 2}]},
        {"correlation_id": "c-2"},
        {"details": {"a": 2}},
        {"details": {"a": 1.0}},
        {"details": {"a": "1"}},
    ],
    ids=compact,
)
def test_same_id_and_time_with_other_content_is_a_conflict(partner, change):
    first = new_activity(details={"a": 1})
    stored = partner.send(first)
    assert stored.status_code == 201, stored.text
    is_problem(partner.send(first | change), 409, "conflict")
    result = partner.send({"activities": [first | change]}).json()
    assert (result["recorded"], result["duplicates"], result["rejected"]) == (0, 0, 1)
    check_problem(result["results"][0]["problem"], 409, "conflict")
    assert partner.show(first) == stored.text


def test_same_id_at_another_time_or_partner_is_another_activity(partner, operator):
    first = new_activity()
    other = Partner(operator, f"{partner.name}-other").register()
    assert partner.send(first).status_code == 201
    assert partner.send(first | {"occurred_at": "2024-03-05T09:30:00.123457Z", "status": "failed"}).status_code == 201
    assert other.send(first | {"action": "order.updated"}).status_code == 201
    assert partner.ids(**ALL_OF_2024) == [first["id"]] * 2
    assert [activity["action"] for activity in other.all(**ALL_OF_2024)] == ["order.updated"]


def test_batch_is_answered_item_by_item(partner):
    known, new, unnamed = new_activity(), new_activity(), new_activity()
    del unnamed["id"]
    assert partner.send(known).status_code == 201
    batch = [
        known,
        new,
        new_activity(action="Order Created"),
        known | {"status": "failed"},
        unnamed,
        new_activity(occurred_at=rfc3339(now() + timedelta(hours=25))),
        new_activity(actor={"id": "x" * 129}),
        "not an object",
        new,
    ]
    answer = partner.send({"activities": batch})
    assert answer.status_code == 200, answer.text
    result = answer.json()
    results = result["results"]
    assert [item["index"] for item in results] == list(range(len(batch)))
    assert [item["status"] for item in results] == [
        "duplicate",
        "recorded",
        "rejected",
        "rejected",
        "recorded",
        "rejected",
        "rejected",
        "rejected",
        "duplicate",
    ]
    assert (result["recorded"], result["duplicates"], result["rejected"]) == (2, 2, 5)
    assert results[1]["id"] == results[8]["id"] == new["id"]
    assert ULID.fullmatch(results[4]["id"])
    check_problem(results[2]["problem"], 400, "invalid-request", "/action")
    check_problem(results[3]["problem"], 409, "conflict")
    check_problem(results[5]["problem"], 422, "unprocessable", "/occurred_at")
    check_problem(results[6]["problem"], 413, "too-large", "/actor/id")
    check_problem(results[7]["problem"], 400, "invalid-request")
    assert sorted(partner.ids(**ALL_OF_2024)) == sorted([known["id"], new["id"], results[4]["id"]])


def test_empty_batch_records_nothing(partner):
    answer = partner.send({"activities": []})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"results": [], "recorded": 0, "duplicates": 0, "rejected": 0}


def without(name):
    activity = new_activity()
    del activity[name]
    return activity


# Invalid bodies, with the field that the answer must name.
INVALID = {
    "no time": (without("occurred_at"), "/occurred_at"),
    "no action": (without("action"), "/action"),
    "no actor": (without("actor"), "/actor/id"),
    "an actor without an id": (new_activity(actor={"name": "Ana"}), "/actor/id"),
    "an actor with an empty id": (new_activity(actor={"id": ""}), "/actor/id"),
    "a date as time": (new_activity(occurred_at="2024-03-05"), "/occurred_at"),
    "a time without an offset": (new_activity(occurred_at="2024-03-05T09:30:00"), "/occurred_at"),
    "a time in words": (new_activity(occurred_at="yesterday"), "/occurred_at"),
    "a day that does not exist": (new_activity(occurred_at="2023-02-29T00:00:00Z"), "/occurred_at"),
    "a number as time": (new_activity(occurred_at=1709631000), "/occurred_at"),
    "an action in capitals": (new_activity(action="Order.Created"), "/action"),
    "an action of one word": (new_activity(action="order"), "/action"),
    "an action with an empty word": (new_activity(action="order..created"), "/action"),
    "an action with a hyphen": (new_activity(action="add-on.purchased"), "/action"),
    "an unknown status": (new_activity(status="done"), "/status"),
    "an unknown type of actor": (new_activity(actor={"id": "a", "type": "robot"}), "/actor/type"),
    "an id with a space": (new_activity(id="a b"), "/id"),
    "an id with a slash": (new_activity(id="a/b"), "/id"),
    "an empty id": (new_activity(id=""), "/id"),
    "a number as id": (new_activity(id=7), "/id"),
    "a customer without an id": (new_activity(customer={"name": "Fabrikam"}), "/customer/id"),
    "a text as customer": (new_activity(customer="fabrikam"), "/customer"),
    "an array as actor": (new_activity(actor=["user", "ana"]), "/actor"),
    "a text as target": (new_activity(target="o-1"), "/target"),
    "an object as changes": (new_activity(changes={"field": "a"}), "/changes"),
    "a change without a field": (new_activity(changes=[{"old": 1}]), "/changes/0/field"),
    "a text as details": (new_activity(details="text"), "/details"),
    "an array as details": (new_activity(details=[1]), "/details"),
    "an unknown field": (new_activity(partner_id="contoso"), "/partner_id"),
    "an unknown field of the actor": (new_activity(actor={"id": "a", "mail": "x"}), "/actor/mail"),
    "an unknown field of the customer": (new_activity(customer={"id": "a", "vat": "x"}), "/customer/vat"),
    "an unknown field of the target": (new_activity(target={"id": "a", "url": "x"}), "/target/url"),
    "an unknown field of a change": (new_activity(changes=[{"field": "a", "before": 1}]), "/changes/0/before"),
    "nested to exhaust a reader": (compact(new_activity())[:-1] + ',"details":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}", None),
    "many values to exhaust a reader": (compact(new_activity())[:-1] + ',"details":{"a":[' + "0," * 2_000_000 + "0]}}", None),
    "a key twice in the details": (compact(new_activity())[:-1] + ',"details":{"a":1,"a":2}}', "/details"),
    "half a surrogate pair": (compact(new_activity())[:-1] + ',"details":{"a":"\\ud800"}}', None),
    "no body": ("", None),
    "half a document": ('{"id": "a"', None),
    "two documents": (compact(new_activity()) + "{}", None),
    "an array": ("[]", None),
    "null": ("null", None),
    "not a number": (compact(new_activity())[:-1] + ',"details":{"a":NaN}}', None),
    "a batch that is no array": ('{"activities": {}}', "/activities"),
    "a batch with another field": ('{"activities": [], "dry_run": true}', "/dry_run"),
}


@pytest.mark.parametrize("body, field", INVALID.values(), ids=INVALID)
def test_invalid_activity_is_refused_by_field_name(partner, body, field):
    is_problem(partner.send(body), 400, "invalid-request", field)
    assert partner.ids(**ALL_OF_2024) == []


TOO_LARGE = {
    "a customer's id": (new_activity(customer={"id": "x" * 129}), "/customer/id"),
    "a customer's name": (new_activity(customer={"id": "x", "name": "x" * 257}), "/customer/name"),
    "an actor's id": (new_activity(actor={"id": "x" * 129}), "/actor/id"),
    "an actor's name": (new_activity(actor={"id": "x", "name": "é" * 257}), "/actor/name"),
    "a target's id": (new_activity(target={"id": "x" * 129}), "/target/id"),
    "a target's name": (new_activity(target={"name": "x" * 257}), "/target/name"),
    "the changes": (new_activity(changes=[{"field": "f", "old": n, "new": n + 1} for n in range(51)]), "/changes"),
    "the details": (new_activity(details=of_size(5 * MIB + 1)), "/details"),
    "the batch": ({"activities": [new_activity() for _ in range(501)]}, "/activities"),
}


@pytest.mark.parametrize("body, field", TOO_LARGE.values(), ids=TOO_LARGE)
def test_activity_over_a_limit_is_refused(partner, body, field):
    is_problem(partner.send(body), 413, "too-large", field)
    assert partner.ids(**ALL_OF_2024) == []


def test_request_over_its_limit_is_refused(partner):
    body = {"activities": [new_activity(details=of_size(MIB, seed)) for seed in range(6)]}
    is_problem(partner.send(body), 413, "too-large")
    assert partner.ids(**ALL_OF_2024) == []


def test_all_faults_of_an_activity_are_named_at_once(partner):
    body = new_activity(colour=1, action=5, status="done", actor={"id": ["x"], "mail": 1}, changes=[{"before": 1}], source="x" * 129)
    found = is_problem(partner.send(body), 400, "invalid-request")
    expected = {"/colour", "/action", "/status", "/actor/id", "/actor/mail", "/changes/0/before", "/changes/0/field", "/source"}
    assert {error["pointer"] for error in found["errors"]} == expected
    [result] = partner.send({"activities": [body]}).json()["results"]
    assert {error["pointer"] for error in result["problem"]["errors"]} == expected


def test_malformed_json_is_explained_in_plain_words(partner):
    for body, words in {
        "": "is empty: send a JSON object",
        '{"id": "a"': "ends too early",
        "{'id': 1}": "in double quotes",
        '{"id": "a",}': "in double quotes",
        '{"id": 01}': "a number is malformed",
        '{"id": "a"} x': "follows after the end",
    }.items():
        detail = is_problem(partner.send(body), 400, "invalid-request")["detail"]
        assert words in detail, (body, detail)
        assert not [word for word in ("EOF", "expected", "trailing", "invalid type") if word in detail], detail


@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_byte_order_mark_before_json_is_ignored(partner, batch):
    sent = new_activity()
    body = {"activities": [sent]} if batch else sent
    assert partner.send("\ufeff" + compact(body)).status_code == (200 if batch else 201)
    assert partner.ids(**ALL_OF_2024) == [sent["id"]]


def binary_event(sent, **headers):
    """Returns the headers and the body of an activity as a CloudEvent in binary mode."""
    attributes = {"specversion": "1.0", "id": sent["id"], "source": "/orders", "type": sent["action"], "time": sent["occurred_at"]}
    body = {name: value for name, value in sent.items() if name not in ("id", "occurred_at", "action")}
    return {f"ce-{name}": value for name, value in (attributes | headers).items()}, body


def test_cloud_event_in_binary_mode_is_recorded_once(partner):
    sent = new_activity(details={"a": 1})
    headers, body = binary_event(sent, traceparent="00-1-2-01")
    first, again = (partner.send(body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200), first.text
    expected = sent | {"actor": {"type": "user"} | sent["actor"], "source": "/orders"}
    assert {name: first.json()[name] for name in expected} == expected
    assert partner.send(sent | {"source": "/orders"}).status_code == 200, "the plain activity is the same"
    assert partner.ids(**ALL_OF_2024) == [sent["id"]]


@pytest.mark.parametrize(
    "headers, field",
    [
        ({"id": "a/b"}, "/ce-id"),
        ({"specversion": "0.3"}, "/ce-specversion"),
        ({"time": "yesterday"}, "/ce-time"),
        ({"type": "Order"}, "/ce-type"),
        ({"source": ""}, "/ce-source"),
    ],
    ids=compact,
)
def test_invalid_binary_cloud_event_is_refused_by_header(partner, headers, field):
    made, body = binary_event(new_activity(), **headers)
    is_problem(partner.send(body, headers=made), 400, "invalid-request", field)
    del made["ce-id"]
    is_problem(partner.send(body, headers=made), 400, "invalid-request", "/ce-id")
    assert partner.ids(**ALL_OF_2024) == []


def test_values_at_their_limits_are_accepted(partner):
    names = {"id": "i" * 128, "name": "é" * 256}
    sent = new_activity(
        id="x" * 128,
        action="a." + "b" * 98,
        actor=names,
        customer=names,
        target=names | {"type": "order"},
        changes=[{"field": f"f{n}", "old": n, "new": n + 1} for n in range(50)],
    )
    answer = partner.send(sent)
    assert answer.status_code == 201, answer.text
    assert partner.ids(**ALL_OF_2024) == [sent["id"]]
    batch = [new_activity() for _ in range(500)]
    assert partner.send({"activities": batch}).json()["recorded"] == 500


def test_time_more_than_a_day_ahead_is_refused(partner):
    ahead = {"from": rfc3339(now()), "to": rfc3339(now() + timedelta(days=3))}
    day, minutes = timedelta(days=1), timedelta(minutes=5)
    is_problem(partner.send(new_activity(occurred_at=rfc3339(now() + day + minutes))), 422, "unprocessable", "/occurred_at")
    assert partner.ids(**ahead) == []
    assert partner.send(new_activity(occurred_at=rfc3339(now() + day - minutes))).status_code == 201


def test_unknown_action_is_kept_unchanged(partner):
    sent = new_activity(action="x_9.y.z_1")
    assert partner.send(sent).json()["action"] == "x_9.y.z_1"


def test_numbers_keep_digits_and_texts_keep_characters(partner):
    details = (
        '{"price":14.90,"large":12345678901234567890123,"small":1e-7,"exponent":1E+2,"zero":-0,"precise":0.1000000000000000055,'
        '"text":"\\u00e9 é \\n \\u0000 😀","":{"empty":[]},"nothing":null}'
    )
    activity = new_activity(changes=None)
    del activity["changes"]
    spaced = compact(activity)[:-1] + ', "details" : ' + details.replace(",", " ,\n ").replace(":", ": ", 1) + " }"
    changes = '[{"field":"quantity","old":5.0,"new":12.00}]'
    spaced = spaced[:-1] + ', "changes": ' + changes + "}"
    answer = partner.send(spaced)
    assert answer.status_code == 201, answer.text
    shown = members(partner.show(activity))
    assert shown["details"] == details
    assert shown["changes"] == changes
    assert members(answer.text) == shown


# From details in the activity's item to details in a file.
SIZES = [200, 1_024, 20_000, 300_000, 900_000, 4_000_000, 5 * MIB]


def test_details_of_every_size_come_back_and_are_exported(partner):
    sent = [new_activity(details=of_size(size), occurred_at=f"2024-03-05T09:30:{second:02}Z") for second, size in enumerate(SIZES)]
    sent.append(new_activity(details={"lines": ["the same line again"] * 100_000}, occurred_at="2024-03-05T09:31:00Z"))
    sent.append(new_activity(details={}, occurred_at="2024-03-05T09:32:00Z"))
    for activity in sent:
        answer = partner.send(activity)
        assert answer.status_code == 201, answer.text[:500]
        assert members(partner.show(activity))["details"] == compact(activity["details"])
        assert partner.send(activity).status_code == 200
    listed = partner.all(**ALL_OF_2024)
    assert [(one["id"], one["has_details"], one["details_size"]) for one in listed] == [
        (one["id"], True, len(compact(one["details"]).encode())) for one in reversed(sent)
    ]
    export = partner.export(**ALL_OF_2024, format="jsonl")
    lines = partner.download(export).decode().splitlines()
    assert [members(line)["details"] for line in lines] == [compact(one["details"]) for one in reversed(sent)]


# CloudEvents


def event(activity, **attributes):
    """Returns a CloudEvent with the activity as data."""
    data = {name: value for name, value in activity.items() if name not in ("id", "occurred_at", "action")}
    return {
        "specversion": "1.0",
        "id": activity["id"],
        "source": "/portal",
        "type": activity["action"],
        "time": activity["occurred_at"],
        "datacontenttype": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": data,
    } | attributes


def as_event(partner, body, batch=""):
    return partner.send(body, headers={"Content-Type": f"application/cloudevents{batch}+json; charset=utf-8"})


def test_cloud_event_records_its_activity(partner):
    activity = new_activity(details={"a": 1.50}, customer={"id": "fabrikam"}, actor={"type": "system", "id": "nightly"})
    answer = as_event(partner, event(activity))
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert {name: stored[name] for name in activity} == activity
    assert stored["source"] == "/portal"
    assert as_event(partner, event(activity)).status_code == 200
    # The same activity without the envelope is a duplicate.
    assert partner.send(activity | {"source": "/portal"}).status_code == 200
    is_problem(as_event(partner, event(activity | {"status": "failed"})), 409, "conflict")


def test_batch_of_cloud_events_is_answered_one_by_one(partner):
    events = [event(new_activity()) for _ in range(3)]
    answer = as_event(partner, [*events, events[0], event(new_activity(), type="Order"), "no event"], "-batch")
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["recorded"] * 3 + ["duplicate", "rejected", "rejected"]
    check_problem(results[4]["problem"], 400, "invalid-request", "/type")
    assert sorted(partner.ids(**ALL_OF_2024)) == sorted(one["id"] for one in events)


@pytest.mark.parametrize(
    "attributes, field",
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"id": ""}, "/id"),
        ({"time": "now"}, "/time"),
        ({"type": "Order Created"}, "/type"),
        ({"data": {"colour": "red", "actor": {"id": "ana"}}}, "/data/colour"),
        ({"data": {}}, "/data/actor/id"),
        ({"data_base64": "e30="}, "/data_base64"),
        ({"Trace": "x"}, "/Trace"),
    ],
    ids=lambda value: compact(value) if isinstance(value, dict) else value,
)
def test_invalid_cloud_event_is_refused_by_field_name(partner, attributes, field):
    is_problem(as_event(partner, event(new_activity(), **attributes)), 400, "invalid-request", field)
    assert partner.ids(**ALL_OF_2024) == []


def test_batch_over_its_limit_is_too_large(partner):
    events = [event(new_activity()) for _ in range(501)]
    is_problem(as_event(partner, events, "-batch"), 413, "too-large")
    assert partner.ids(**ALL_OF_2024) == []
