"""The bill of materials: all that the functions are built of, each with what it can be checked by."""

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


def test_every_crate_of_others_has_a_hash_and_a_licence(bill):
    assert len(bill["components"]) > 100
    own = {"daybook", *FUNCTIONS}
    assert own <= {each["name"] for each in bill["components"]}
    for each in bill["components"]:
        assert each["name"] in own or (each["hashes"] and each["licenses"]), each


def test_it_holds_what_is_linked_and_not_what_only_tests_use(bill):
    names = {each["name"] for each in bill["components"]}
    assert {"aws-sdk-dynamodb", "hyper", "jsonwebtoken", "rustls", "zstd-sys"} <= names
    assert not {"proptest", "insta", "dynoxide-rs", "s3s", "calamine", "fuzz", "bench-servers", "openapi"} & names


def test_its_graph_names_only_what_it_lists(bill):
    known = {each["bom-ref"] for each in bill["components"]} | {"service"}
    assert len(known) == len(bill["components"]) + 1
    assert {each["ref"] for each in bill["dependencies"]} == known
    assert {other for each in bill["dependencies"] for other in each["dependsOn"]} <= known
