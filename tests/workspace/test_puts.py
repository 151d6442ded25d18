"""Activities are put in one place, under the condition that their key is free.

`PutItem` also replaces an item, and IAM cannot demand a condition. So nothing but the code keeps a recorder from overwriting.
"""

import re

import pytest
from members import ROOT

PLACE = "crates/store/src/ledger/write.rs"
# Replaces an entry of the audit that waits for its outcome, in a table of its own.
PLAIN = "crates/store/src/ledger/plain.rs"
CONDITION = '.condition_expression("attribute_not_exists(pk)")'
UNCHANGED = '.condition_expression("#digest = :before")'
# A put of an item by the SDK's client, alone or in a transaction, up to the end of its statement.
PUT = re.compile(r"(?:\.put_item\(\)|\bPut::builder\(\))[^;]*;")


def sources():
    """Returns the code of the product by its path, without tests."""
    paths = [path for tree in ("crates", "functions") for path in (ROOT / tree).glob("*/src/**/*.rs") if "tests" not in path.parts and path.stem != "tests"]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8").split("#[cfg(test)]\nmod tests")[0] for path in paths}


def faults(code):
    """Says how the code could replace an activity; nothing if it cannot."""
    found = [f"{path} puts items, and only the crate store may" for path, text in code.items() if PUT.search(text) and not path.startswith("crates/store/")]
    ledger = {path: PUT.findall(text) for path, text in code.items() if path.startswith("crates/store/src/ledger/")}
    found += [f"{path} puts items of the ledger besides {PLACE}" for path, puts in ledger.items() if puts and path not in (PLACE, PLAIN)]
    puts = ledger.get(PLACE, [])
    found += [] if len(puts) == 1 else [f"{PLACE} has {len(puts)} puts instead of one"]
    found += [f"a put in {PLACE} has no condition that its key is free" for put in puts if CONDITION not in put]
    puts = ledger.get(PLAIN, [])
    found += [f"a put in {PLAIN} has no condition that the entry is unchanged" for put in puts if UNCHANGED not in put and CONDITION not in put]
    return found


def test_activities_are_put_in_one_place_under_a_condition():
    assert faults(sources()) == []


MUTATIONS = {
    "no condition": (PLACE, CONDITION, ""),
    "a weaker condition": (PLACE, CONDITION, '.condition_expression("attribute_not_exists(pk) OR attribute_exists(pk)")'),
    "no condition on an entry": (PLAIN, UNCHANGED, ""),
    "no condition on an entry of an erasure": (PLAIN, CONDITION, ""),
    "a second put": (PLACE, "impl Ledger {", "async fn put(client: &Client) { client.put_item().send().await; }\nimpl Ledger {"),
    "a put elsewhere in the ledger": ("crates/store/src/ledger/twins.rs", "", "async fn put(client: &Client) { client.put_item().send().await; }\n"),
    "a put in a transaction": ("crates/store/src/ledger/erase.rs", "", "fn put() { let put = Put::builder().build(); }\n"),
    "a put in a function": ("functions/record/src/lib.rs", "", "async fn put(client: &Client) { client.put_item().send().await; }\n"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_way_to_replace_an_activity_is_noticed(name):
    path, before, after = MUTATIONS[name]
    code = sources()
    assert before in code[path]
    assert faults(code | {path: code[path].replace(before, after, 1)})
