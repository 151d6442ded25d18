#!/usr/bin/env python3
"""Deploys the output of `make build`, and asks for the parameters the first time: `make deploy`.

The program checks every answer by the template's rules, and then the usual causes of a failed deployment: credentials, the
processor and the C library of the build, the account's concurrency, the sender of e-mail, the encryption key, the role for the
gateway's logs, the state of the stack.
`.local/deploy-{environment}.json` keeps the answers for later deployments; `make deploy ASK=1` asks again.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
import indexes
import yaml
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
# Lambda keeps this many concurrent executions of an account unreserved.
UNRESERVED = 100
# The parameters that limit the functions which read queues. Together they get at most half of the account's concurrency, so
# that the API keeps the other half.
QUEUE_READERS = ["WorkerConcurrency", "IntakeConcurrency", "NotifierConcurrency"]
# The version of the C library of Amazon Linux 2023, on which the functions run.
GLIBC = (2, 34)
# Processors by their number in the header of an ELF file.
PROCESSORS = {183: "arm64", 62: "x86_64"}
# Parameters that the program asks for, in this order. The defaults of the others suit a first deployment.
QUESTIONS = [
    "RetentionDays",
    "SubscriptionsUrl",
    "TimeZone",
    "AllowedOrigin",
    "PortalUrl",
    "AlarmEmail",
    "EmailSender",
    "WorkerConcurrency",
    "PartnerLimits",
    "Firewall",
    "Tracing",
    "AccessLog",
    "EncryptionKey",
    "BackupPlan",
]
# Parameters that matter with a user pool only.
OF_THE_USER_POOL = ["Mfa"]
OF_ANOTHER_ISSUER = ["Issuer", "JwksUrl", "Audiences", "SignInUrl", "ClientId"]
REQUIRED = {"Issuer", "Audiences", "SignInUrl", "ClientId"}


class DeploymentError(Exception):
    """A problem that the operator must solve before the deployment; the message says how."""


class _Loader(yaml.SafeLoader):
    """Reads YAML without the functions of CloudFormation, because only the parameters matter here."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


@dataclass(frozen=True)
class Concurrency:
    """The concurrent executions of an account in a region."""

    total: int
    # Those that no function has reserved.
    unreserved: int
    # Those that the installation's own worker has reserved, by an earlier deployment.
    own: int = 0

    @property
    def free(self) -> int:
        """Those that the installation may use. An earlier deployment of itself takes none of them away."""
        return self.unreserved + self.own


def configuration(environment: str) -> dict:
    """Returns an environment of samconfig.toml."""
    # The SAM CLI installs tomlkit. Python has a reader of its own only from 3.11 on.
    import tomlkit

    configured = tomlkit.parse((ROOT / "samconfig.toml").read_text()).unwrap().get(environment)
    if configured is None:
        raise DeploymentError(f"samconfig.toml has no environment {environment}.")
    return configured


def parameters() -> dict:
    """Returns the template's parameters."""
    return yaml.load((ROOT / "template.yaml").read_text(), _Loader)["Parameters"]


def validation_error(known: dict, name: str, value: str) -> str | None:
    """Returns the rule of the template that a value breaks, or nothing."""
    rule = known[name]
    if name in REQUIRED and not value:
        return "is required"
    if "AllowedValues" in rule and value not in map(str, rule["AllowedValues"]):
        return f"is one of {', '.join(map(str, rule['AllowedValues']))}"
    if len(value) > rule.get("MaxLength", float("inf")):
        return f"must have at most {rule['MaxLength']} characters"
    if "AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value):
        return rule.get("ConstraintDescription", f"must match {rule['AllowedPattern']}")
    if rule["Type"] == "Number":
        if not re.fullmatch(r"-?\d+", value):
            return "must be a whole number"
        low, high = rule.get("MinValue", float("-inf")), rule.get("MaxValue", float("inf"))
        if not low <= int(value) <= high:
            return f"must be from {low} to {high}"
    return None


def ask(known: dict, before: dict, reply=input, say=print, proposed: dict | None = None) -> dict:
    """Asks each question until its answer is valid, and returns the answers that differ from the defaults.

    The values in `proposed` take the place of the template's defaults. An answer that accepts one is not kept, because a later
    deployment proposes what fits the account then.
    """
    defaults = {name: str(rule["Default"]) for name, rule in known.items()} | (proposed or {})

    def one(name: str) -> None:
        default = str(answers.get(name, defaults[name]))
        say(f"\n{known[name]['Description']}.")
        while True:
            value = reply(f"{name} [{default or 'none'}]: ").strip() or default
            value = "" if value == "none" else value
            if (wrong := validation_error(known, name, value)) is None:
                answers[name] = value
                return
            say(f"  {name} {wrong}.")

    answers = dict(before)
    say("Enter keeps the value in brackets; none empties it. You can add other parameters to the file of answers.")
    say("\nPeople sign in with a Cognito user pool of this installation, or with your OpenID Connect issuer.")
    own = reply(f"Create a user pool? (yes, no) [{'no' if answers.get('Issuer') else 'yes'}]: ").strip().lower()
    if own in ("no", "n") or (not own and answers.get("Issuer")):
        for name in OF_ANOTHER_ISSUER:
            one(name)
    else:
        for name in OF_ANOTHER_ISSUER:
            answers.pop(name, None)
    for name in QUESTIONS + ([] if answers.get("Issuer") else OF_THE_USER_POOL):
        one(name)
    return {name: value for name, value in answers.items() if value != defaults[name]}


def built_architecture(directory: Path = BUILT) -> str:
    """Returns the processor of the built functions."""
    try:
        header = (directory / "RecordFunction" / "bootstrap").read_bytes()[:20]
    except OSError:
        raise DeploymentError("There is no build. Run: make build") from None
    try:
        return PROCESSORS[int.from_bytes(header[18:20], "little")]
    except KeyError:
        raise DeploymentError("Lambda has no processor for this build. Run: make build") from None


def check_glibc(directory: Path = BUILT) -> None:
    """Checks that Lambda has the symbols of the C library that the built functions need."""
    for path in sorted(directory.glob("*/bootstrap")):
        needed = {tuple(map(int, version)) for version in re.findall(rb"GLIBC_(\d+)\.(\d+)", path.read_bytes())}
        if (newest := max(needed, default=GLIBC)) > GLIBC:
            found, there = (".".join(map(str, version)) for version in (newest, GLIBC))
            raise DeploymentError(f"{path.parent.name} needs glibc {found}, and Lambda has {there}. Build it with: make build")


def overrides(configured: dict) -> dict[str, str]:
    """Returns the parameters that an environment of samconfig.toml sets, in any form that SAM accepts."""
    given = configured.get("deploy", {}).get("parameters", {}).get("parameter_overrides", "")
    if isinstance(given, dict):
        return {name: str(value) for name, value in given.items()}
    pairs = given if isinstance(given, list) else shlex.split(given)
    return dict(each.split("=", 1) for each in pairs)


def for_sam(name: str, value: str) -> str:
    """Writes a parameter so that SAM reads exactly this value.

    SAM takes away quotes around a value, ends a value at a space, and ignores an empty one, unless all of it stands in quotes.
    """
    if "\\" in value or "\n" in value:
        raise DeploymentError(f"{name} must contain neither a backslash nor a line break.")
    escaped = value.replace('"', '\\"')
    return f'{name}="{escaped}"'


def check_answers(known: dict, answers: dict, where: Path) -> None:
    """Checks answers that were kept or configured, which somebody may have edited."""
    for name, value in answers.items():
        if name not in known:
            raise DeploymentError(f"{where}: the template has no parameter {name}.")
        if wrong := validation_error(known, name, str(value)):
            raise DeploymentError(f"{where}: {name} {wrong}.")


def read_concurrency(session, stack: str) -> Concurrency | None:
    """Reads how many concurrent executions the account has, and how many of them the installation has reserved.

    A role that may deploy need not be allowed to read them; the result is nothing then.
    """
    functions = session.client("lambda")
    try:
        limit = functions.get_account_settings()["AccountLimit"]
    except (BotoCoreError, ClientError) as error:
        print(f"! Could not read the account's concurrency: {error}")
        return None
    try:
        worker = session.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId="ExportWorkerFunction")
        name = worker["StackResourceDetail"].get("PhysicalResourceId", "")
        own = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0) if name else 0
    except ClientError as error:
        # Before the first deployment there is neither a stack nor a function.
        own = 0
        if error.response["Error"]["Code"] not in ("ValidationError", "ResourceNotFoundException"):
            print(f"! Could not read the reservation of the export worker: {error}")
    return Concurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"], own)


def propose(concurrency: Concurrency, known: dict, chosen: dict) -> dict[str, str]:
    """Returns the parameters of concurrency that fit the account, where the template's defaults do not.

    A parameter that the operator has chosen is not proposed, but the others make room for it.
    """
    sizes = {name: int(chosen.get(name, known[name]["Default"])) for name in QUEUE_READERS}
    share = concurrency.free // 2
    movable = [name for name in QUEUE_READERS if name not in chosen]
    smallest = {name: int(known[name]["MinValue"]) for name in movable}
    while sum(sizes.values()) > share and (large := [name for name in movable if sizes[name] > smallest[name]]):
        # Down by tenths, so that large parameters give more than small ones.
        name = max(large, key=lambda name: sizes[name])
        sizes[name] = max(smallest[name], sizes[name] - max(1, sizes[name] // 10))
    proposed = {name: str(sizes[name]) for name in movable if sizes[name] != int(known[name]["Default"])}
    # Lambda refuses a reservation that leaves the rest of the account too little, whatever the operator has chosen.
    if chosen.get("ReserveWorkers", known["ReserveWorkers"]["Default"]) == "true" and concurrency.free - sizes["WorkerConcurrency"] < UNRESERVED:
        proposed["ReserveWorkers"] = "false"
    return proposed


def check_credentials(session) -> None:
    """Checks that AWS accepts the operator's credentials, and prints whose they are."""
    try:
        who = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"AWS refuses your credentials: {error}\nSign in (aws sso login, or AWS_PROFILE) and choose a region.") from None
    print(f"✓ account {who['Account']} as {who['Arn']}, region {session.region_name}")


def explain(concurrency: Concurrency, known: dict, chosen: dict, proposed: dict) -> str | None:
    """Says what the account's concurrency means for the installation, if it is too little for all parameters."""
    sizes = {name: known[name]["Default"] for name in QUEUE_READERS} | chosen | proposed
    readers = sum(int(sizes[name]) for name in QUEUE_READERS)
    if not proposed and readers <= concurrency.free // 2:
        return None
    return (
        f"! The account has {concurrency.total} concurrent executions, of which this installation can use {concurrency.free}. Functions that "
        f"read queues take up to {readers} of them, and the API needs the rest.\n"
        + (f"  Changed to fit: {' '.join(f'{name}={value}' for name, value in proposed.items())}\n" if proposed else "")
        + "  Ask AWS for more (Service Quotas, AWS Lambda, Concurrent executions), and deploy again."
    )


def check_sender(session, sender: str) -> None:
    """Checks that SES may send from an address, and to whom."""
    try:
        mail = session.client("sesv2")
        identities = {each["IdentityName"]: each for each in mail.list_email_identities(PageSize=1000)["EmailIdentities"]}
        # A verified domain may send for its subdomains, too.
        labels = sender.split("@", 1)[1].split(".")
        names = [sender, *(".".join(labels[at:]) for at in range(len(labels)))]
        if not any(identities[name].get("SendingEnabled") for name in names if name in identities):
            raise DeploymentError(f"SES has no verified identity for {sender} in {session.region_name}. Verify its address or domain first.")
        if not mail.get_account().get("ProductionAccessEnabled"):
            print(
                f"! SES is in its sandbox in {session.region_name}: it sends to verified addresses only, 200 messages a day. Notifications to "
                "partners wait for their next attempts and then fail.\n  Ask for production access: SES, Account dashboard, Request production access."
            )
    except (BotoCoreError, ClientError) as error:
        print(f"! Could not check the sender of e-mail: {error}")


def check_key(session, stack: str, wanted: str) -> None:
    """Checks that a KMS key can encrypt the data, and that an installation keeps the key that it has."""
    try:
        deployed = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0].get("Parameters", [])
        before = {each["ParameterKey"]: each["ParameterValue"] for each in deployed}.get("EncryptionKey", "")
    except ClientError:
        # The stack does not exist yet; `check_stack` has reported other errors.
        before = ""
    if before and before != wanted:
        raise DeploymentError(
            f"The data of {stack} are encrypted with EncryptionKey={before}. With another key, or none, the functions could not read large "
            "details and files any more.\nKeep it, or follow docs/operations.md, Change the encryption key."
        )
    if wanted in ("", "create"):
        return
    try:
        key = session.client("kms").describe_key(KeyId=wanted)["KeyMetadata"]
    except (BotoCoreError, ClientError) as error:
        print(f"! Could not check the encryption key: {error}")
        return
    if key["KeyState"] != "Enabled" or key.get("KeySpec") != "SYMMETRIC_DEFAULT":
        raise DeploymentError(f"EncryptionKey must be an enabled, symmetric key. {wanted} is {key['KeyState']}, {key.get('KeySpec')}.")
    print("✓ encryption key. Its policy needs the statements of docs/operations.md, Encryption key")


def propose_access_log(session, chosen: dict) -> dict[str, str]:
    """Returns the parameter that turns the access log on, if the account has a role for it and the operator has not chosen."""
    try:
        has_role = chosen.get("AccessLogRole") == "true" or bool(session.client("apigateway").get_account().get("cloudwatchRoleArn"))
    except (BotoCoreError, ClientError) as error:
        print(f"! Could not read the account's role for the gateway's logs: {error}")
        return {}
    if has_role:
        return {} if "AccessLog" in chosen else {"AccessLog": "true"}
    if chosen.get("AccessLog") == "true":
        raise DeploymentError(
            f"AccessLog=true needs a role for the logs of API Gateway, and the account has none in {session.region_name}. "
            "Set AccessLogRole=true to create it (docs/operations.md, Access log), or AccessLog=false."
        )
    print("! No access log, because the account has no role for the gateway's logs. AccessLogRole=true creates it (docs/operations.md, Access log).")
    return {}


def check_stack(session, stack: str) -> None:
    """Checks that CloudFormation can deploy to the stack in its present state."""
    formation = session.client("cloudformation")
    try:
        status = formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            # The stack does not exist yet.
            return
        raise DeploymentError(f"Could not read the state of the stack {stack}: {error}") from None
    if status == "UPDATE_ROLLBACK_FAILED":
        raise DeploymentError(
            f"CloudFormation could not undo the last deployment of {stack}. Find the cause under “Events” of the stack, then run:\n"
            f"  aws cloudformation continue-update-rollback --stack-name {stack}\nand deploy again."
        )
    if status == "DELETE_FAILED":
        raise DeploymentError(f"CloudFormation could not delete {stack}. Find the cause under “Events” of the stack, and delete it again.")
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=stack)
        raise DeploymentError(describe_removal(stack, [each for page in pages for each in page["StackResourceSummaries"]]))
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise DeploymentError(f"CloudFormation is still working on {stack} ({status}). Deploy again when it is done.")


# How to remove what the stack keeps. Protection against deletion goes first.
REMOVAL = {
    "AWS::DynamoDB::Table": [
        "aws dynamodb update-table --table-name {id} --no-deletion-protection-enabled && aws dynamodb wait table-exists --table-name {id}",
        "aws dynamodb delete-table --table-name {id}",
    ],
    # Nothing was written before the first deployment was complete, so that the bucket has no versions either.
    "AWS::S3::Bucket": ["aws s3 rb s3://{id}"],
    "AWS::Cognito::UserPool": [
        "aws cognito-idp update-user-pool --user-pool-id {id} --deletion-protection INACTIVE",
        "aws cognito-idp delete-user-pool --user-pool-id {id}",
    ],
}


def describe_removal(stack: str, resources: list[dict]) -> str:
    """Says how to remove a stack whose first deployment failed, with the tables, the bucket and the pool that it leaves."""
    kept = [each for each in resources if each["ResourceType"] in REMOVAL and each["ResourceStatus"] != "DELETE_COMPLETE" and each.get("PhysicalResourceId")]
    commands = [command.format(id=each["PhysicalResourceId"]) for each in kept for command in REMOVAL[each["ResourceType"]]]
    commands += [f"aws cloudformation delete-stack --stack-name {stack}", f"aws cloudformation wait stack-delete-complete --stack-name {stack}"]
    return (
        f"The first deployment of {stack} failed, and CloudFormation cannot deploy to it again. “Events” of the stack name the cause.\n"
        "Its tables, bucket and user pool are still there, because they outlive their stack. They hold no activities yet. Remove them and the "
        "stack, then deploy again:\n" + "\n".join(f"  {command}" for command in commands)
    )


def index_templates(session, stack: str) -> list:
    """Writes the templates of the updates that come first, because each may change one index only, and returns their paths."""
    # The SAM CLI writes the built template without short forms of functions.
    built = yaml.safe_load((BUILT / "template.yaml").read_text())
    paths = []
    for number, template in enumerate(indexes.templates(built, indexes.deployed_indexes(session, stack)), 1):
        path = BUILT / f"template-indexes-{number}.yaml"
        path.write_text(yaml.safe_dump(template, sort_keys=False, allow_unicode=True))
        paths.append(path)
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--environment", default="default", help="environment of samconfig.toml")
    parser.add_argument("--ask", action="store_true", help="ask again")
    chosen = parser.parse_args()
    try:
        return deploy(chosen.environment, chosen.ask)
    except DeploymentError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nNothing is deployed.", file=sys.stderr)
        return 130


def deploy(environment: str, again: bool) -> int:
    known = parameters()
    configured = configuration(environment)
    stack = configured["global"]["parameters"]["stack_name"]
    architecture = built_architecture()
    check_glibc()
    kept = ROOT / ".local" / f"deploy-{environment}.json"
    answers = json.loads(kept.read_text()) if kept.exists() else {}
    asking = again or not kept.exists()
    if asking:
        answers = {"parameters": overrides(configured)} | answers
        region = answers.get("region") or configured["global"]["parameters"].get("region") or os.environ.get("AWS_REGION", "")
        answers["region"] = input(f"Region [{region}]: ").strip() or region
    session = boto3.Session(region_name=answers["region"] or None)
    check_credentials(session)
    check_stack(session, stack)
    check_answers(known, answers["parameters"], kept)
    concurrency = read_concurrency(session, stack)
    if asking:
        proposed = propose(concurrency, known, {}) if concurrency else {}
        proposed |= propose_access_log(session, {name: value for name, value in answers["parameters"].items() if name == "AccessLogRole"})
        answers["parameters"] = ask(known, answers["parameters"], proposed=proposed)
    chosen = {name: str(value) for name, value in answers["parameters"].items()}
    proposed = propose(concurrency, known, chosen) if concurrency else {}
    if concurrency and (text := explain(concurrency, known, chosen, proposed)):
        print(text)
    proposed |= propose_access_log(session, chosen)
    values = chosen | proposed | {"Architecture": architecture}
    check_key(session, stack, values.get("EncryptionKey", ""))
    if sender := values.get("EmailSender"):
        check_sender(session, sender)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")
    command = ["sam", "deploy", "--config-env", environment, "--region", session.region_name]
    command += ["--parameter-overrides", *(for_sam(name, value) for name, value in values.items())]
    for template in [*index_templates(session, stack), None]:
        update = command + (["--template-file", str(template)] if template else [])
        print("✓ " + " ".join(update), flush=True)
        if status := subprocess.run(update, cwd=ROOT).returncode:
            check_stack(session, stack)
            return status
    described = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    print(f"\nThe API   {outputs['ApiUrl']}\nThe page  {outputs['PortalUrl']}")
    print(
        f"\nNext: check that the installation works (docs/operations.md says where the operator's token comes from)\n  make smoke URL={outputs['ApiUrl']} TOKEN=…"
    )
    print(f"Then bring the first partner in (docs/onboard.md)\n  make onboard STACK={stack} PARTNER=… ADMIN=…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
