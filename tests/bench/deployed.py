"""Reads the functions' variables and the tables' keys from the template.

A variable or table that is added to the template needs a change here only if it refers to a resource missing from `NAMES`.
"""

import json
import sys
from pathlib import Path

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "template"))

from application import Template

NAMES = {
    "ActivitiesTable": "activities",
    "ControlTable": "control",
    "PartnersTable": "partners",
    "AuditTable": "audit",
    "StreamsTable": "streams",
    "SecretsTable": "secrets",
    "DueTable": "due",
    "LimitsTable": "limits",
    "DataBucket": "data",
    "DetailsBucket": "data",
    "ExportJobs": "http://127.0.0.1/queue/export-jobs",
}
TEMPLATE = Template()
PARTNER = "p0000"
# The benchmark's partners are not registered. Values that a condition of the template decides are named here.
CHANGED = {"REGISTERED_PARTNERS": "false", "STREAM_ALL": "false", "STREAM_ALL_FORMAT": "", "API_URL": "https://api.example/live"}


def _value(value) -> str:
    """Returns a property as a deployment with the parameters' defaults sets it."""
    if not isinstance(value, dict):
        return str(value)
    name = value.get("Ref", "")
    if name in NAMES:
        return NAMES[name]
    if TEMPLATE.resources.get(name, {}).get("Type") in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
        raise KeyError(f"{name} is in the template and not in NAMES")
    return str(TEMPLATE.parameters.get(name, {}).get("Default", "bench"))


def variables(function: str, runtime_api: str, endpoint: str) -> dict[str, str]:
    """Returns the environment of a function as Lambda and the template set it, with the stores at `endpoint`."""
    own = {name: CHANGED[name] if name in CHANGED else _value(value) for name, value in TEMPLATE.variables(function).items()}
    memory = TEMPLATE.functions[function].get("MemorySize", TEMPLATE.body["Globals"]["Function"]["MemorySize"])
    # The environment of this program is left out, because it differs between machines.
    return own | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "AWS_ENDPOINT_URL": endpoint,
    }


def tables() -> list[dict]:
    """Returns the arguments of CreateTable for each table, activities first."""
    wanted = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    made = []
    for resource in ("ActivitiesTable", "ControlTable", "PartnersTable", "AuditTable", "StreamsTable", "SecretsTable", "DueTable"):
        properties = TEMPLATE.resources[resource]["Properties"]
        made.append({"TableName": NAMES[resource]} | {name: properties[name] for name in wanted if name in properties})
    return made


def schema() -> dict:
    """Returns the keys of the table of activities and of its indexes."""
    table = tables()[0]
    keys = lambda of: [key["AttributeName"] for key in of["KeySchema"]]
    indexes = {index["IndexName"]: keys(index) for index in table.get("GlobalSecondaryIndexes", [])}
    return {"table": table["TableName"], "keys": keys(table), "indexes": indexes}


def client(service: str, url: str):
    """Returns a client of one of the benchmark's servers."""
    keys = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": "us-east-1"}
    return boto3.client(service, endpoint_url=url, config=Config(s3={"addressing_style": "path"}), **keys)


def spread(url: str, month: str, shards: int) -> None:
    """Spreads the partner's months over shards, from this month on, as the operator's setting does."""
    settings = {"shards": [{"from": month, "shards": shards}], "updated_at": None, "updated_by": None}
    item = {"pk": {"S": PARTNER}, "settings": {"S": json.dumps(settings)}}
    client("dynamodb", url).put_item(TableName=NAMES["PartnersTable"], Item=item)
