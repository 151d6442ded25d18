#!/usr/bin/env python3
"""Deploys what `make build` has built, and walks a person through it the first time: `make deploy`.

Every answer is checked by the template's own rules before anything is sent, and what AWS would stumble over later is looked
at first: credentials, the processor that was built for, the account's concurrency, the sender of e-mail. Answers are kept in
`.local/deploy-{environment}.json`; a later `make deploy` goes by them, and `make deploy ASK=1` asks again.
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

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
# Of the account's concurrency, Lambda lets nobody reserve the last hundred.
UNRESERVED = 100
# What an ELF file says of its processor.
PROCESSORS = {183: "arm64", 62: "x86_64"}
# What is asked, in this order; other parameters have defaults that a first deployment can go by.
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


class Stop(Exception):
    """Something a person is to mend first."""


class _Loader(yaml.SafeLoader):
    """YAML in which the functions of CloudFormation mean nothing: only parameters are read."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def configuration(environment: str) -> dict:
    """An environment of samconfig.toml."""
    # Comes with the SAM CLI; Python has a reader of its own from 3.11 on only.
    import tomlkit

    configured = tomlkit.parse((ROOT / "samconfig.toml").read_text()).unwrap().get(environment)
    if configured is None:
        raise Stop(f"samconfig.toml has no environment {environment}.")
    return configured


def parameters() -> dict:
    """The template's parameters."""
    return yaml.load((ROOT / "template.yaml").read_text(), _Loader)["Parameters"]


def fault(known: dict, name: str, value: str) -> str | None:
    """What is wrong with a value, by the template's rules."""
    rule = known[name]
    if name in REQUIRED and not value:
        return "is needed"
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
    """Asks a person, each question until its answer is good; what differs from the defaults."""

    def one(name: str) -> None:
        default = str(answers.get(name, known[name]["Default"]))
        say(f"\n{known[name]['Description']}.")
        while True:
            value = reply(f"{name} [{default or 'none'}]: ").strip() or default
            value = "" if value == "none" else value
            if (wrong := fault(known, name, value)) is None:
                answers[name] = value
                return
            say(f"  {name} {wrong}.")

    answers = dict(before)
    say("Enter keeps what is in brackets, none empties it. Parameters that are not asked for can be added to the file of answers.")
    say("\nSign-in is a Cognito user pool of the installation's own, or your OpenID Connect issuer.")
    own = reply(f"A user pool of its own? (yes, no) [{'no' if answers.get('Issuer') else 'yes'}]: ").strip().lower()
    if own in ("no", "n") or (not own and answers.get("Issuer")):
        for name in OF_ANOTHER_ISSUER:
            one(name)
    else:
        for name in OF_ANOTHER_ISSUER:
            answers.pop(name, None)
    for name in QUESTIONS:
        one(name)
    return {name: value for name, value in answers.items() if value != str(known[name]["Default"])}


def built_for(directory: Path = BUILT) -> str:
    """The processor that the functions were built for."""
    try:
        header = (directory / "RecordFunction" / "bootstrap").read_bytes()[:20]
    except OSError:
        raise Stop("Nothing is built. Run: make build") from None
    try:
        return PROCESSORS[int.from_bytes(header[18:20], "little")]
    except KeyError:
        raise Stop("What is built is for no processor of Lambda's. Run: make build") from None


def look_ahead(session, values: dict, known: dict) -> dict:
    """Looks at what would fail only later; the values, changed where they must be."""
    try:
        who = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise Stop(f"AWS does not know you: {error}\nSign in (aws sso login, or AWS_PROFILE) and choose a region.") from None
    print(f"✓ account {who['Account']} as {who['Arn']}, region {session.region_name}")
    workers = int(values.get("WorkerConcurrency", known["WorkerConcurrency"]["Default"]))
    try:
        limit = session.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        if values.get("ReserveWorkers", "true") == "true" and limit - workers < UNRESERVED:
            print(f"! The account has {limit} concurrent executions left: none are set aside for exports (ReserveWorkers=false). Ask AWS for more.")
            values = values | {"ReserveWorkers": "false"}
        if sender := values.get("EmailSender"):
            identities = {each["IdentityName"]: each for each in session.client("sesv2").list_email_identities(PageSize=1000)["EmailIdentities"]}
            identity = identities.get(sender) or identities.get(sender.split("@", 1)[1])
            if not (identity and identity.get("SendingEnabled")):
                raise Stop(f"SES has no verified identity for {sender} in {session.region_name}. Verify its address or domain first.")
    except (BotoCoreError, ClientError) as error:
        # Whoever may deploy need not be allowed to look.
        print(f"! Not looked at: {error}")
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--environment", default="default", help="of samconfig.toml")
    parser.add_argument("--ask", action="store_true", help="ask again")
    chosen = parser.parse_args()
    try:
        return deploy(chosen.environment, chosen.ask)
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nNothing was deployed.", file=sys.stderr)
        return 130


def deploy(environment: str, again: bool) -> int:
    known = parameters()
    configured = configuration(environment)
    architecture = built_for()
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
            raise Stop(f"{kept}: the template has no parameter {name}.")
        if wrong := fault(known, name, str(value)):
            raise Stop(f"{kept}: {name} {wrong}.")
    session = boto3.Session(region_name=answers["region"] or None)
    values = look_ahead(session, answers["parameters"] | {"Architecture": architecture}, known)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")
    command = ["sam", "deploy", "--config-env", environment, "--region", session.region_name]
    command += ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]
    print("✓ " + " ".join(command), flush=True)
    if status := subprocess.run(command, cwd=ROOT).returncode:
        return status
    stack = session.client("cloudformation").describe_stacks(StackName=configured["global"]["parameters"]["stack_name"])["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    print(f"\nThe API   {outputs['ApiUrl']}\nThe page  {outputs['PortalUrl']}")
    print(f"\nNext: prove that it works (docs/operations.md says where the operator's token comes from)\n  make smoke URL={outputs['ApiUrl']} TOKEN=…")
    print("then register each back end's client, as the README says under “Deploy it”.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
