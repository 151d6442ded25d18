"""The indexes of the tables: which changes of them can be deployed to an installation.

DynamoDB changes neither the keys nor the projection of an index, and CloudFormation refuses an update that adds or removes more
than one index of a table. `indexes.json` records the indexes of every release, oldest first. The last entry is the template's. To
change an index, add one under a new name to the last entry and to the template. Entries of releases never change.
"""

import copy
import json
import sys

import pytest

from application import ROOT

sys.path.insert(0, str(ROOT / "infra"))

import indexes

RECORD = json.loads((ROOT / "tests" / "template" / "indexes.json").read_text())
# DynamoDB's limits of the attributes that a list of a projection names: of one index, and of all indexes of a table.
MOST_PROJECTED, MOST_PROJECTED_OF_TABLE = 20, 100


def described(index):
    projection = index["Projection"]
    return {
        "keys": [key["AttributeName"] for key in index["KeySchema"]],
        "projection": projection["NonKeyAttributes"] if projection["ProjectionType"] == "INCLUDE" else projection["ProjectionType"],
    }


def of_template(template):
    tables = template.of_type("AWS::DynamoDB::Table")
    found = {name: table["Properties"].get("GlobalSecondaryIndexes", []) for name, table in tables.items()}
    return {name: {index["IndexName"]: described(index) for index in listed} for name, listed in found.items() if listed}


def faults(record):
    """Returns what is wrong with a record of releases."""
    found, known = [], {}
    for release in record:
        for table, listed in release["tables"].items():
            for name, definition in listed.items():
                if known.setdefault((table, name), definition) != definition:
                    found.append(f"{release['release']}: {table} has another index under the name {name}; give it a new name")
    for before, after in zip(record, record[1:]):
        for table in before["tables"].keys() & after["tables"].keys():
            old, new = before["tables"][table].keys(), after["tables"][table].keys()
            for verb, names in (("adds", new - old), ("removes", old - new)):
                if len(names) > 1:
                    found.append(f"{after['release']}: {table} {verb} {', '.join(sorted(names))} in one release")
    return found


def test_template_has_the_indexes_of_the_last_record(template):
    assert of_template(template) == RECORD[-1]["tables"]


def test_released_indexes_can_be_updated():
    assert faults(RECORD) == []


def changed(change):
    """Returns the record with a further release."""
    release = copy.deepcopy(RECORD[-1]) | {"release": "next"}
    change(release["tables"]["ActivitiesTable"])
    return [*RECORD, release]


@pytest.mark.parametrize(
    "change, fault",
    [
        (lambda table: table["late"].update(keys=["lk", "sk"]), "has another index under the name late"),
        (lambda table: table["late"].update(projection="KEYS_ONLY"), "has another index under the name late"),
        (lambda table: table.update(by_customer={"keys": ["ck", "sk"], "projection": "ALL"}), "under the name by_customer;"),
        (lambda table: table.update({name: table["late"] for name in ("a", "b")}), "adds a, b in one release"),
        (dict.clear, "removes by_customer_id, late in one release"),
    ],
)
def test_change_that_no_installation_can_take_is_found(change, fault):
    assert fault in "\n".join(faults(changed(change)))


@pytest.mark.parametrize("change", [lambda table: None, lambda table: table.pop("late"), lambda table: table.update(a=table["late"])])
def test_one_index_can_be_added_or_removed(change):
    assert faults(changed(change)) == []


def test_projections_name_no_more_attributes_than_dynamodb_allows(template):
    for name, listed in of_template(template).items():
        named = [len(index["projection"]) for index in listed.values() if isinstance(index["projection"], list)]
        assert all(count <= MOST_PROJECTED for count in named) and sum(named) <= MOST_PROJECTED_OF_TABLE, name


# The updates of a deployment


def index(name, hash="ck", range="sk"):
    keys = [{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]
    return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}


@pytest.mark.parametrize(
    "deployed, wanted, expected",
    [
        ("ab", "ab", []),
        ("ab", "abc", []),
        ("ab", "a", []),
        ("ab", "cb", ["abc"]),
        ("ab", "cd", ["abc", "abcd", "bcd"]),
        ("", "abc", ["a", "ab"]),
    ],
)
def test_each_update_of_a_deployment_changes_one_index(deployed, wanted, expected):
    steps = indexes.steps([index(name) for name in deployed], [index(name) for name in wanted])
    assert [sorted(each["IndexName"] for each in step) for step in steps] == [list(names) for names in expected]


def test_update_before_the_last_keeps_the_indexes_in_use():
    table = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "ck")],
        "GlobalSecondaryIndexes": [index("new")],
    }
    built = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}, "Other": {"Type": "AWS::S3::Bucket"}}}
    (first,) = indexes.templates(built, {"Table": [index("old", hash="xk")]})
    properties = first["Resources"]["Table"]["Properties"]
    assert {each["IndexName"] for each in properties["GlobalSecondaryIndexes"]} == {"old", "new"}
    assert {"AttributeName": "xk", "AttributeType": "S"} in properties["AttributeDefinitions"]
    assert table["GlobalSecondaryIndexes"] == [index("new")], "the built template is left as it is"
    assert indexes.templates(built, {"Table": [index("new")]}) == []
    assert indexes.templates(built, {}) == [], "a first deployment creates all indexes with their table"
