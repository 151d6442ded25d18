"""Runs the shell commands of documents as they are written, and compares what they print with what the document says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def blocks(text):
    """Returns the commands of each block of shell, and the output that the document expects of them, if it gives one."""
    return re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", text, re.MULTILINE | re.DOTALL)


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
