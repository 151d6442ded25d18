"""The rehearsal in docs/operations.md: its commands run on the emulator as they are written, and print what it says.

The other steps build for AWS, deploy, wait for alarms and metrics, or remove the stack: see their own tests.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from api import now, rfc3339

ROOT = Path(__file__).resolve().parents[2]
STEPS = (1, 4, 5, 6, 7, 8, 9)


def steps():
    """Returns the commands and the expected output of each block of the rehearsal, by step."""
    document = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (rehearsal,) = re.findall(r"^## Rehearse the first deployment\n(.*?)^## ", document, re.MULTILINE | re.DOTALL)
    found = {}
    for number, text in re.findall(r"^### (\d+)\. .*?\n(.*?)(?=^### |\Z)", rehearsal, re.MULTILINE | re.DOTALL):
        found[int(number)] = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", text, re.MULTILINE | re.DOTALL)
    return found


def is_as_expected(printed, expected):
    """Tells whether an output is the expected one, in which `…` stands for any text."""
    pattern = re.escape(expected.strip()).replace("…", ".*?")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.fixture
def shell(stack, tmp_path):
    """Runs blocks of shell commands one after the other in one shell, and returns the output of each."""
    (tmp_path / "aws").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {Path(__file__).parent / "aws_cli.py"} "$@"\n')
    (tmp_path / "aws").chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": stack["endpoint"],
        "AWS_DEFAULT_REGION": stack["region"],
        "AWS_ACCESS_KEY_ID": stack["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": stack["secret_access_key"],
        "HERE": str(tmp_path),
    }

    def run(blocks):
        # Relative files of the commands go to the folder of the test, and make runs in the checkout.
        script = f'set -eu\nmake() {{ command make -s -C {shlex.quote(str(ROOT))} "$@"; }}\n'
        script += "".join(f"exec > {tmp_path}/output-{number}\n{block}\n" for number, block in enumerate(blocks))
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, timeout=300)
        outputs = [place.read_text("utf-8") if (place := tmp_path / f"output-{number}").exists() else "" for number in range(len(blocks))]
        assert done.returncode == 0, f"{done.stderr[-2000:]}\n{outputs}"
        return outputs

    return run


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
    for number, blocks in found.items():
        assert blocks and any(expected for _, expected in blocks), number


def test_rehearsal_prints_what_it_says(stack, shell, on_the_emulator):
    blocks, expectations = [], []
    for number in STEPS:
        for at, (commands, expected) in enumerate(steps()[number]):
            # The schedule's run, and a person at the page.
            commands = re.sub(r"^curl .*/v1/months/.*/run\"$", on_the_emulator["run"], commands, flags=re.MULTILINE)
            if (number, at) == (8, 1):
                commands = f"{on_the_emulator['order']} $PARTNER\n{commands}"
            blocks.append(commands)
            # The emulator's limit of concurrent executions depends on the machine.
            expected = re.sub("^1000$", "…", expected, flags=re.MULTILINE)
            expectations.append((number, expected.replace("200 *", f"200 {stack['allowed_origin']}")))
    for printed, (number, expected) in zip(shell(blocks), expectations):
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
