"""Validates activities as OCSF events against the schema that OCSF publishes, which `ocsf-json-schema` holds."""

import collections
import json
import subprocess
from pathlib import Path

import jsonschema_rs
import pytest
from amounts import amount, report, setting
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.5.0"
API_ACTIVITY = 6003
SEED = setting("OCSF_SEED", 1)
GENERATED = amount("OCSF_EVENTS", 2_000, 20_000)
# The kinds of events of some known actions.
KINDS = {
    "order.created": 1,
    "directory_role.member_added": 1,
    "invoice.viewed": 2,
    "order.updated": 3,
    "delegated_admin.terminated_by_provider": 4,
    "order.cancelled": 4,
    "partner_user.signed_in": 99,
    "export.downloaded": 99,
}
OTHER = 99


@pytest.fixture(scope="module")
def schema():
    """Returns the schema of the class API Activity."""
    known = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    return known.get_class_schema(known.lookup_class_name_from_uid(API_ACTIVITY))


@pytest.fixture(scope="module")
def events():
    """Returns events of all known actions, and of generated activities."""
    command = ["cargo", "run", "--quiet", "--locked", "--example", "ocsf", "--", str(GENERATED), str(SEED)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return [json.loads(line) for line in output.decode().removesuffix("\n").split("\n")]


def faults(validator, event):
    """Returns what is wrong with an event."""
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message[:200]}" for error in validator.iter_errors(event)]


def test_events_of_all_actions_and_of_generated_activities_are_valid(schema, events):
    assert len(events) > GENERATED + 100
    validator = jsonschema_rs.validator_for(schema)
    wrong = {event["metadata"]["uid"]: found for event in events if (found := faults(validator, event))}
    assert not wrong, f"{len(wrong)} events are invalid: {dict(list(wrong.items())[:3])}"
    report("activities as OCSF events, validated against the published schema", f"{len(events):,} events", SEED)


def test_events_say_what_the_schema_says_of_numbers(events):
    names = get_ocsf_schema(version=VERSION)["classes"]["api_activity"]["attributes"]
    caption = {name: {int(number): known["caption"] for number, known in names[name]["enum"].items()} for name in names if "enum" in names[name]}
    for event in events:
        assert (event["class_uid"], event["category_uid"], event["metadata"]["version"]) == (API_ACTIVITY, API_ACTIVITY // 1000, VERSION)
        assert event["type_uid"] == API_ACTIVITY * 100 + event["activity_id"]
        pairs = [
            ("class_uid", "class_name"),
            ("category_uid", "category_name"),
            ("type_uid", "type_name"),
            ("severity_id", "severity"),
            ("status_id", "status"),
        ]
        for number, name in pairs:
            assert event[name] == caption[number][event[number]], (number, event[number])
        assert event["activity_id"] == OTHER or event["activity_name"] == caption["activity_id"][event["activity_id"]]


def test_the_last_verb_decides_the_kind_of_an_event(events):
    kinds = {event["api"]["operation"]: event["activity_id"] for event in events}
    assert {action: kinds[action] for action in KINDS} == KINDS
    assert collections.Counter(kinds.values()).keys() == {1, 2, 3, 4, OTHER}


def test_the_schema_refuses_events_that_are_changed(schema, events):
    validator = jsonschema_rs.validator_for(schema)
    event = events[0]
    for change in ({"class_uid": "6003"}, {"activity_id": 5}, {"src_endpoint": {}}, {"actor": {}}, {"colour": "red"}, {"time": "now"}):
        assert faults(validator, event | change), change
    for required in ("actor", "api", "metadata", "severity_id", "src_endpoint", "time", "type_uid"):
        assert faults(validator, {name: value for name, value in event.items() if name != required}), required
