#!/usr/bin/env python3
"""Deploys the output of `make build`, and asks for the parameters the first time: `make deploy`.

The program checks every answer by the template's rules, and then the usual causes of a failed deployment: credentials, the
processor of the build, the account's concurrency, the sender of e-mail. `.local/deploy-{environment}.json` keeps the answers
for later deployments; `make deploy ASK=1` asks again.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

import indexes

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
# Lambda keeps this many concurrent executions of an account unreserved.
UNRESERVED = 100
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
]
OF_ANOTHER_ISSUER = ["Issuer", "JwksUrl", "Audiences", "SignInUrl", "ClientId"]
REQUIRED = {"Issuer", "Audiences", "SignInUrl", "ClientId"}


class DeploymentError(Exception):
    """A problem that the operator must solve before the deployment; the message says how."""


class _Loader(yaml.SafeLoader):
    """Reads YAML without the functions of CloudFormation, because only the parameters matter here."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


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
    if "AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value):
        return rule.get("ConstraintDescription", f"must match {rule['AllowedPattern']}")
    if rule["Type"] == "Number":
        if not re.fullmatch(r"-?\d+", value):
            return "must be a whole number"
        low, high = rule.get("MinValue", float("-inf")), rule.get("MaxValue", float("inf"))
        if not low <= int(value) <= high:
            return f"must be from {low} to {high}"
    return None


def ask(known: dict, before: dict, reply=input, say=print) -> dict:
    """Asks each question until its answer is valid, and returns the answers that differ from the defaults."""

    def one(name: str) -> None:
        default = str(answers.get(name, known[name]["Default"]))
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
    for name in QUESTIONS:
        one(name)
    return {name: value for name, value in answers.items() if value != str(known[name]["Default"])}


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


def check_account(session, values: dict, known: dict) -> dict:
    """Checks the account for causes of a failed deployment, and returns the parameters, adjusted to the account."""
    try:
        who = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"AWS refuses your credentials: {error}\nSign in (aws sso login, or AWS_PROFILE) and choose a region.") from None
    print(f"✓ account {who['Account']} as {who['Arn']}, region {session.region_name}")
    workers = int(values.get("WorkerConcurrency", known["WorkerConcurrency"]["Default"]))
    try:
        limit = session.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        if values.get("ReserveWorkers", "true") == "true" and limit - workers < UNRESERVED:
            print(f"! The account has {limit} unreserved concurrent executions, too few to reserve any for exports (ReserveWorkers=false). Ask AWS for more.")
            values = values | {"ReserveWorkers": "false"}
        if sender := values.get("EmailSender"):
            identities = {each["IdentityName"]: each for each in session.client("sesv2").list_email_identities(PageSize=1000)["EmailIdentities"]}
            identity = identities.get(sender) or identities.get(sender.split("@", 1)[1])
            if not (identity and identity.get("SendingEnabled")):
                raise DeploymentError(f"SES has no verified identity for {sender} in {session.region_name}. Verify its address or domain first.")
    except (BotoCoreError, ClientError) as error:
        # A role that may deploy need not be allowed to read these settings.
        print(f"! Could not check the account: {error}")
    return values


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
    architecture = built_architecture()
    kept = ROOT / ".local" / f"deploy-{environment}.json"
    answers = json.loads(kept.read_text()) if kept.exists() else {}
    if again or not kept.exists():
        fixed = configured["deploy"]["parameters"].get("parameter_overrides", "").split()
        answers = {"parameters": dict(each.split("=", 1) for each in fixed)} | answers
        region = answers.get("region") or configured["global"]["parameters"].get("region") or os.environ.get("AWS_REGION", "")
        answers["region"] = input(f"Region [{region}]: ").strip() or region
        answers["parameters"] = ask(known, answers["parameters"])
    for name, value in answers["parameters"].items():
        if name not in known:
            raise DeploymentError(f"{kept}: the template has no parameter {name}.")
        if wrong := validation_error(known, name, str(value)):
            raise DeploymentError(f"{kept}: {name} {wrong}.")
    session = boto3.Session(region_name=answers["region"] or None)
    values = check_account(session, answers["parameters"] | {"Architecture": architecture}, known)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")
    command = ["sam", "deploy", "--config-env", environment, "--region", session.region_name]
    command += ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]
    stack_name = configured["global"]["parameters"]["stack_name"]
    for template in [*index_templates(session, stack_name), None]:
        update = command + (["--template-file", str(template)] if template else [])
        print("✓ " + " ".join(update), flush=True)
        if status := subprocess.run(update, cwd=ROOT).returncode:
            return status
    stack = session.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    print(f"\nThe API   {outputs['ApiUrl']}\nThe page  {outputs['PortalUrl']}")
    print(
        f"\nNext: check that the installation works (docs/operations.md says where the operator's token comes from)\n  make smoke URL={outputs['ApiUrl']} TOKEN=…"
    )
    print("Then register a client for each back end, as the README says under “Deploy it”.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
