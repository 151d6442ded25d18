"""The bill of materials lists every crate and npm package in the functions, with its hash and licence."""

import json
import subprocess
import sys

import pytest
from test_functions import FUNCTIONS

from application import ROOT


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    file = tmp_path_factory.mktemp("sbom") / "daybook.cdx.json"
    subprocess.run([sys.executable, ROOT / "infra" / "sbom.py", file], check=True)
    return json.loads(file.read_text())


def test_every_third_party_crate_has_a_hash_and_a_licence(bill):
    assert len(bill["components"]) > 100
    own = {each.name for folder in ("crates", "functions") for each in (ROOT / folder).iterdir()}
    assert set(FUNCTIONS) <= {each["name"] for each in bill["components"]}
    for each in bill["components"]:
        assert each["name"] in own or (each["hashes"] and each["licenses"]), each


def test_bill_lists_linked_crates_but_none_of_the_tests(bill):
    names = {each["name"] for each in bill["components"]}
    assert {"aws-sdk-dynamodb", "hyper", "jsonwebtoken", "rustls", "zstd-sys"} <= names
    assert not {"proptest", "insta", "dynoxide-rs", "s3s", "calamine", "fuzz", "bench-servers", "openapi"} & names


def test_bill_lists_the_libraries_of_the_page(bill):
    wanted = json.loads((ROOT / "functions" / "portal" / "vendor" / "package.json").read_text())["dependencies"]
    listed = {each["name"]: each for each in bill["components"] if each["purl"].startswith("pkg:npm/")}
    assert {name: each["version"] for name, each in listed.items()} == wanted
    assert all(each["hashes"][0]["alg"] == "SHA-512" and len(each["hashes"][0]["content"]) == 128 for each in listed.values())
    [portal] = [each for each in bill["dependencies"] if each["ref"].startswith("portal@")]
    assert {each["bom-ref"] for each in listed.values()} <= set(portal["dependsOn"])


def test_dependency_graph_names_only_listed_crates(bill):
    known = {each["bom-ref"] for each in bill["components"]} | {"service"}
    assert len(known) == len(bill["components"]) + 1
    assert {each["ref"] for each in bill["dependencies"]} == known
    assert {other for each in bill["dependencies"] for other in each["dependsOn"]} <= known
