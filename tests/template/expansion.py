"""Asks AWS's own tools how they read the template and its parameters.

The tools live in an environment of their own (`infra/local/requirements/sam.in`), because their pins differ from the tests'.
"""

import json
import os
import subprocess
from pathlib import Path

import template
from environments import ensure

# SAM needs a region to choose a partition, and no file of code, because nothing is deployed.
_EXPAND = """
import json, sys
from samtranslator.model import apigateway
from samtranslator.translator.transform import transform
source, second = json.load(sys.stdin)
class Nothing:
    def load(self): return {}
apigateway.time.time = lambda: second
for resource in source["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
print(json.dumps(transform(source, {}, Nothing())))
"""
_PARSE = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
print(json.dumps([CfnParameterOverridesType().convert(tuple(arguments), None, None) for arguments in json.load(sys.stdin)]))
"""


def expand(path: Path = template.TEMPLATE, second: int = 0) -> dict:
    """Returns the template as CloudFormation gets it from SAM at a second."""
    return _run(_EXPAND, [template.load(path), second])


def parse_parameters(calls: list[list[str]]) -> list[dict[str, str]]:
    """Returns the parameters that the SAM CLI reads from its arguments after `--parameter-overrides`, for each call of it."""
    return _run(_PARSE, calls)


def _run(program: str, given):
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run([str(ensure("sam") / "bin" / "python"), "-c", program], input=json.dumps(given), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
