"""Hostile bodies are refused, record nothing, and stay within the memory of the functions."""

import json
import uuid

import pytest
from amounts import amount

from api import ALL_OF_2024, Partner, compact, is_guarded, is_problem, new_activity
from processes import peaks

MEGA = 1_000_000
DEPTH = 100_000
# Each route gets every third body, and each body goes to two routes.
STEP = amount("BOMBS_STEP", 3, 1)
VALID = {
    "POST /v1/partners/{partner}/activities": new_activity(),
    "POST /v1/partners/{partner}/exports": {"format": "csv"},
    "PUT /v1/partners/{partner}/export-schedule": {"enabled": False},
    "PUT /v1/partners/{partner}/settings": {"shards": 1},
    "PUT /v1/clients/{client_id}": {"partner": "contoso"},
    "POST /v1/months/{month}/run": {"partner": "contoso"},
}


def with_field(body, field, value):
    """Returns a body with one more field of this raw value."""
    return (compact(body)[:-1] + f',"{field}":{value}}}').encode()


def many_keys(count):
    return "{" + ",".join(f'"{number:x}":0' for number in range(count)) + "}"


# Each body is valid but for one point.
BOMBS = {
    "arrays, 100,000 deep": lambda body: b"[" * DEPTH,
    "objects, 100,000 deep": lambda body: b'{"a":' * DEPTH,
    "a field, 100,000 deep": lambda body: with_field(body, "details", '{"a":' + "[" * DEPTH + "]" * DEPTH + "}"),
    "a million keys": lambda body: many_keys(MEGA).encode(),
    "a field of 400,000 keys": lambda body: with_field(body, "details", many_keys(400_000)),
    "a number beyond all": lambda body: with_field(body, "details", '{"n":1e400}'),
    "a number of a million digits": lambda body: with_field(body, "details", '{"n":1e' + "9" * MEGA + "}"),
    "the first key twice": lambda body: with_field(body, next(iter(body)), compact(next(iter(body.values())))),
    "a key twice inside": lambda body: with_field(body, "details", '{"a":1,"\\u0061":2}'),
    "half a character": lambda body: with_field(body, "details", '{"s":"\\ud800"}'),
    "bytes that are no UTF-8": lambda body: with_field(body, "details", '{"s":"X"}').replace(b"X", b"\xff\xfe"),
    "an overlong NUL": lambda body: with_field(body, "details", '{"s":"X"}').replace(b"X", b"\xc0\x80"),
    "UTF-16": lambda body: compact(body).encode("utf-16"),
    "10 MB of white space": lambda body: compact(body).encode() + b" " * (10 * MEGA),
    "a text of 10 MB": lambda body: with_field(body, "details", '{"s":"' + "x" * (10 * MEGA) + '"}'),
    "a cut body": lambda body: compact(body).encode()[:-1],
    "two bodies": lambda body: compact(body).encode() * 2,
    "a text": lambda body: compact(compact(body)).encode(),
    "a field of another language's objects": lambda body: with_field(body, "__proto__", '{"x":1}'),
}


@pytest.fixture
def bombed(operator, names):
    return Partner(operator, names()).register()


@pytest.mark.parametrize("route", VALID)
def test_body_bomb_is_refused_and_records_nothing(bombed, route):
    method, path = route.split(" ")
    client = f"bombed-{uuid.uuid4().hex[:8]}"
    path = path.format(partner=bombed.name, client_id=client, month="2024-03")
    for name, bomb in list(BOMBS.items())[list(VALID).index(route) % STEP :: STEP]:
        answer = bombed.caller.request(method, path, data=bomb(VALID[route]), headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 413, 422), (name, answer.status_code, answer.text[:300])
        is_guarded(answer)
        document = answer.json()
        assert document["status"] == answer.status_code and len(answer.text) < 10_000, name
    assert bombed.ids(**ALL_OF_2024) == []
    assert bombed.exports() == []
    is_problem(bombed.caller.get(f"{bombed.path}/export-schedule"), 404, "not-found")
    is_problem(bombed.caller.get(f"/v1/clients/{client}"), 404, "not-found")
    assert bombed.caller.get(f"{bombed.path}/settings").json()["updated_at"] is None


@pytest.mark.parametrize(
    "media_type, wrap",
    [
        ("application/json", lambda bad: b'{"activities":[' + bad + b"]}"),
        (
            "application/cloudevents+json",
            lambda bad: b'{"specversion":"1.0","id":"e","source":"/x","type":"a.b","time":"2024-03-05T09:30:00Z","data":' + bad + b"}",
        ),
        ("application/cloudevents-batch+json", lambda bad: b"[" + bad + b"]"),
    ],
)
def test_bomb_inside_a_batch_or_event_records_nothing(bombed, media_type, wrap):
    """A batch of valid form is answered with 200, and each bad activity is refused on its own."""
    for name, bomb in BOMBS.items():
        if name == "10 MB of white space":
            continue
        answer = bombed.send(wrap(bomb(new_activity())), headers={"Content-Type": media_type})
        assert answer.status_code in (200, 400, 413, 422), (name, answer.status_code, answer.text[:300])
        if answer.status_code == 200:
            assert (answer.json()["recorded"], answer.json()["duplicates"]) == (0, 0), name
    assert bombed.ids(**ALL_OF_2024) == []


def test_replacement_character_is_kept(bombed):
    """A gateway writes this character for invalid UTF-8, but here the client sent it."""
    activity = new_activity(details={"s": "\ufffd"})
    assert bombed.send(activity).status_code == 201
    assert json.loads(bombed.show(activity))["details"] == {"s": "\ufffd"}


@pytest.mark.alone
def test_largest_batch_is_recorded_or_refused_whole(bombed):
    """Bodies just within the limits cost the most memory: as many values as there is room for."""
    details = json.loads(many_keys(190_000))
    answer = bombed.send(new_activity(details=details))
    assert answer.status_code == 201, answer.text[:300]
    rows = [new_activity(details={"s": "x" * 11_000}) for _ in range(500)]
    answer = bombed.send({"activities": rows})
    assert answer.status_code == 200 and answer.json()["recorded"] == 500, answer.text[:300]


def test_no_function_exceeds_its_memory(stack, aws):
    """Reads the peak memory of the processes that answered the tests above."""
    found = peaks(stack)
    assert {"record", "exports"} <= set(found)
    for name, kilobytes in found.items():
        size = aws("lambda").get_function_configuration(FunctionName=stack["functions"][name])["MemorySize"]
        print(f"{name}: {kilobytes // 1024} of {size} MB")
        assert kilobytes < size * 1024, name
