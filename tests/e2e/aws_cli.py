"""Runs the commands of the AWS CLI that documents contain, because the real one is not among the tests' tools.

python aws_cli.py cognito-idp describe-user-pool-client --user-pool-id … --query UserPoolClient.ClientSecret --output text
"""

import json
import sys

import boto3
import jmespath
from botocore import xform_name


def main(arguments: list[str]) -> None:
    service, operation, *rest = arguments
    if service == "s3":
        return {"mb": make_bucket, "rb": remove_bucket}[operation](*rest)
    options = named_options(rest)
    (query,), (output,) = options.pop("query", ["@"]), options.pop("output", ["json"])
    client = boto3.client("s3" if service == "s3api" else service)
    method = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members} if shape else {}
    answer = getattr(client, method)(**{members[name]: value(shape.members[members[name]], texts) for name, texts in options.items()})
    del answer["ResponseMetadata"]
    if not answer:
        return
    found = jmespath.search(query, answer)
    print(as_text(found) if output == "text" else json.dumps(found, indent=4, ensure_ascii=False, default=str))


def make_bucket(address: str) -> None:
    name = address.removeprefix("s3://")
    boto3.client("s3").create_bucket(Bucket=name)
    print(f"make_bucket: {name}")


def remove_bucket(address: str, force: str = "") -> None:
    """Removes a bucket, with `--force` its current objects first. As in the AWS CLI, versions stay, and S3 then refuses."""
    name, s3 = address.removeprefix("s3://"), boto3.client("s3")
    for each in s3.list_objects_v2(Bucket=name).get("Contents", []) if force else []:
        s3.delete_object(Bucket=name, Key=each["Key"])
    s3.delete_bucket(Bucket=name)


def named_options(arguments: list[str]) -> dict[str, list[str]]:
    """Returns the values of each option."""
    options: dict[str, list[str]] = {}
    for argument in arguments:
        if argument.startswith("--"):
            name = argument.removeprefix("--")
            options[name] = []
        else:
            options[name].append(argument)
    return options


def value(shape, texts: list[str]):
    """Returns what an option means for the operation."""
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "list":
        return [value(shape.member, [text]) for text in texts]
    (text,) = texts
    if shape.type_name == "structure":
        return dict(pair.split("=", 1) for pair in text.split(","))
    return int(text) if shape.type_name in ("integer", "long") else text


def as_text(found) -> str:
    if isinstance(found, list):
        rows = any(isinstance(each, list) for each in found)
        return ("\n" if rows else "\t").join(map(as_text, found))
    return str(found)


if __name__ == "__main__":
    main(sys.argv[1:])
