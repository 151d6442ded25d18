"""The lints forbid what the architecture forbids."""

import re
import sys

from members import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORBIDDEN = {
    "the clock": {"chrono::Utc::now", "std::time::SystemTime::now"},
    "the environment": {"std::env::var", "std::env::var_os", "std::env::vars", "std::env::vars_os"},
    "tables": {
        "aws_sdk_dynamodb::Client::scan",
        "aws_sdk_dynamodb::Client::batch_write_item",
        "aws_sdk_dynamodb::Client::execute_statement",
        "aws_sdk_dynamodb::Client::batch_execute_statement",
    },
}


def test_clock_environment_and_scans_are_disallowed():
    disallowed = tomllib.loads((ROOT / "clippy.toml").read_text())["disallowed-methods"]
    assert {each["path"] for each in disallowed} >= set().union(*FORBIDDEN.values())
    assert all(each["reason"] for each in disallowed)


def test_disallowed_methods_and_unused_suppressions_are_warnings():
    lints = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["lints"]
    assert {lints["clippy"][name] for name in ("disallowed_methods", "allow_attributes", "unwrap_used", "let_underscore_must_use")} == {"warn"}
    assert lints["rust"]["unsafe_code"] == "forbid"


def test_code_in_documentation_is_no_test():
    """Examples in documentation are compiled one by one, which takes a minute. A test beside the code does the same in no time."""
    fence = re.compile(r"^ *//[/!] *```(.*)$", re.MULTILINE)
    for file in (path for folder in ("crates", "functions", "tests") for path in (ROOT / folder).rglob("*.rs")):
        # Every other fence ends a block.
        assert set(fence.findall(file.read_text())[::2]) <= {"text"}, file
