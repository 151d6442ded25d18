"""The crates depend one way, and each knows only what its subject needs."""

import re

import pytest
from members import ROOT

# Which members each library crate may depend on.
ARROWS = {"domain": set(), "store": {"domain"}, "export": {"domain", "store"}, "lambda": {"domain", "store"}}
# The libraries that the product stands on, and those that it leaves to them.
FOUNDATION = {"lambda_runtime", "lambda_http", "aws-sdk-dynamodb", "aws-sdk-s3", "serde", "chrono", "csv", "tokio"}
BELOW = {"hyper", "hyper-util", "httparse", "tokio-rustls", "aws-sigv4"}
# Attributes that are keys of tables and indexes.
KEYS = re.compile(r'"(pk|sk|ck|lk)"')


@pytest.mark.parametrize("crate", ARROWS)
def test_library_crates_depend_one_way(workspace, crate):
    assert workspace.dependencies(crate) & set(workspace.members) <= ARROWS[crate]


def test_domain_links_no_aws_and_no_network_library(workspace):
    linked = workspace.linked("domain")
    assert {name for name in linked if name.startswith(("aws-", "lambda_"))} | linked & {"hyper", "reqwest", "rustls", "tokio"} == set()


def test_deployed_code_stands_on_the_foundation(workspace):
    direct = set().union(*(workspace.dependencies(name) for name in workspace.deployed))
    assert FOUNDATION - direct == set()
    assert BELOW & direct == set()


def test_functions_depend_on_no_other_function(workspace):
    assert {name: found for name in workspace.functions if (found := workspace.dependencies(name) & workspace.functions)} == {}


def test_only_store_names_dynamodb_keys(workspace):
    found = {}
    for name in sorted(workspace.deployed - {"store"}):
        for path in sorted((ROOT / workspace.folder(name) / "src").rglob("*.rs")):
            if keys := KEYS.findall(path.read_text().split("#[cfg(test)]")[0]):
                found[str(path.relative_to(ROOT))] = keys
    assert found == {}


def test_every_member_has_the_lints_of_the_workspace(workspace):
    for name in workspace.members:
        manifest = (ROOT / workspace.folder(name) / "Cargo.toml").read_text()
        assert "[lints]\nworkspace = true\n" in manifest, name


def test_benchmarks_are_a_workspace_of_their_own(workspace):
    assert [name for name in workspace.members if workspace.folder(name).is_relative_to("tests/bench")] == []


def test_only_the_keepers_part_of_the_ledger_changes_and_removes_items(workspace):
    """The ledger alone names the table of activities, and only a `Remover` erases and deletes, by a recorded order."""
    changing = re.compile(r"\.(?:update_item|delete_item|transact_write_items)\(")
    ledger = ROOT / workspace.folder("store") / "src" / "ledger"
    assert [str(path.relative_to(ROOT)) for path in sorted(ledger.rglob("*.rs")) if changing.search(path.read_text().split("#[cfg(test)]")[0])] == [
        "crates/store/src/ledger/erase.rs",
        # Rows of the feed that name an erased entry of the audit.
        "crates/store/src/ledger/plain.rs",
        "crates/store/src/ledger/remove.rs",
    ]
