"""The rehearsal in docs/operations.md: its commands run on the emulator as they are written, and print what it says.

The other steps build for AWS, deploy, wait for alarms and metrics, or remove the stack: see their own tests.
"""

import json
import re
import sys
import uuid
from datetime import timedelta

import pytest

from api import now, rfc3339
from guide import ROOT, blocks, is_as_expected

STEPS = (1, 4, 5, 6, 7, 8, 9)


def steps():
    """Returns the commands and the expected output of each block of the rehearsal, by step."""
    document = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (rehearsal,) = re.findall(r"^## Rehearse the first deployment\n(.*?)^## ", document, re.MULTILINE | re.DOTALL)
    found = {}
    for number, text in re.findall(r"^### (\d+)\. .*?\n(.*?)(?=^### |\Z)", rehearsal, re.MULTILINE | re.DOTALL):
        found[int(number)] = blocks(text)
    return found


@pytest.fixture
def on_the_emulator(stack, aws, tmp_path):
    """Gives the commands that take the place of a person and of time."""
    client = aws("cognito-idp")

    def write(name, program):
        (tmp_path / name).write_text(f"#!{sys.executable}\n{program}")
        (tmp_path / name).chmod(0o755)
        return str(tmp_path / name)

    # The run comes ten minutes later here, so that everything that was recorded is old enough.
    moment = {"now": rfc3339(now() + timedelta(minutes=10))}
    run = write(
        "run-months",
        f"import boto3\nboto3.client('lambda').invoke(FunctionName={stack['functions']['monthly']!r}, Payload={json.dumps(moment)!r})\nprint(202)\n",
    )
    known = {name: stack[name] for name in ("sign_in_url", "portal_url", "client_id")}
    order = write(
        "order-as-zoe",
        f"import os, sys, urllib.request\nsys.path.insert(0, {str(ROOT / 'infra' / 'local')!r})\nimport tokens\n"
        f"token = tokens.of_person({known!r}, 'zoe', 'Rehearsal-of-1-day')\n"
        f"url = {stack['api_url']!r} + '/v1/partners/' + sys.argv[1] + '/exports'\n"
        "headers = {'Authorization': 'Bearer ' + token, 'Content-Type': 'application/json'}\n"
        "urllib.request.urlopen(urllib.request.Request(url, data=b'{}', headers=headers)).close()\n",
    )
    yield {"run": run, "order": order}
    client.admin_delete_user(UserPoolId=stack["user_pool_id"], Username="zoe")
    pages = client.get_paginator("list_user_pool_clients").paginate(UserPoolId=stack["user_pool_id"])
    for each in [each for page in pages for each in page["UserPoolClients"] if each["ClientName"] == "rehearsal"]:
        client.delete_user_pool_client(UserPoolId=stack["user_pool_id"], ClientId=each["ClientId"])


def test_rehearsal_has_twelve_steps_with_expected_output():
    found = steps()
    assert sorted(found) == list(range(1, 13))
    for number, pairs in found.items():
        assert pairs and any(expected for _, expected in pairs), number


def test_rehearsal_prints_what_it_says(stack, shell, on_the_emulator):
    commands_of_all, expectations = [], []
    for number in STEPS:
        for at, (commands, expected) in enumerate(steps()[number]):
            # The schedule's run, and a person at the page.
            commands = re.sub(r"^curl .*/v1/months/.*/run\"$", on_the_emulator["run"], commands, flags=re.MULTILINE)
            if (number, at) == (8, 1):
                commands = f"{on_the_emulator['order']} $PARTNER\n{commands}"
            commands_of_all.append(commands)
            # The emulator's limit of concurrent executions depends on the machine.
            expected = re.sub("^1000$", "…", expected, flags=re.MULTILINE)
            expectations.append((number, expected.replace("200 *", f"200 {stack['allowed_origin']}")))
    for printed, (number, expected) in zip(shell(commands_of_all), expectations):
        assert is_as_expected(printed, expected), f"step {number} printed:\n{printed}\ninstead of:\n{expected}"


def test_rehearsal_removes_a_bucket_with_versions(shell, aws):
    (removal,) = [commands for commands, _ in steps()[12] if "kept.txt" in commands]
    loop = removal[removal.index("while read -r kind name") :]
    s3, name = aws("s3"), f"rehearsal-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("details/a", "exports/b", "details/a"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    s3.delete_object(Bucket=name, Key="exports/b")
    shell([f"echo 'AWS::S3::Bucket {name}' > kept.txt\n{loop}"])
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_an_output_differs_when_a_line_is_missing():
    assert is_as_expected("a\nb 7 c\nd\n", "a\nb … c\nd")
    assert is_as_expected("x\ny\nlast\n", "…\nlast\n")
    assert not is_as_expected("a\nd\n", "a\nb\nd")
