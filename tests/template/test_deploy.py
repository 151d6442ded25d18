"""`make deploy` checks every answer before it deploys anything."""

import sys

import pytest
from botocore.exceptions import ClientError

import expansion
from application import ROOT

sys.path.insert(0, str(ROOT / "infra"))

import deploy

KNOWN = deploy.parameters()


def answered(*replies, before=None):
    """Returns the parameters for these replies, and the printed text; later questions get an empty reply."""
    replies, said = list(replies), []
    asked = lambda question: replies.pop(0) if replies else ""
    return deploy.ask(KNOWN, before or {}, asked, said.append), "\n".join(said)


def test_ask_returns_no_parameters_when_all_replies_are_empty():
    assert answered()[0] == {}


def test_ask_repeats_a_question_until_the_answer_is_valid():
    given, said = answered("yes", "0", "ten", "90")
    assert given == {"RetentionDays": "90"}
    assert "RetentionDays must be from 1 to 3650." in said and "RetentionDays must be a whole number." in said
    assert KNOWN["RetentionDays"]["Description"] in said


def test_ask_requires_issuer_parameters_without_a_user_pool():
    given, said = answered("no", "", "http://login.example", "https://login.example", "", "", "daybook", "https://login.example", "page")
    assert given == {"Issuer": "https://login.example", "Audiences": "daybook", "SignInUrl": "https://login.example", "ClientId": "page"}
    assert "Issuer is required." in said and "Audiences is required." in said
    # A user pool replaces the issuer again.
    assert answered("yes", before=given)[0] == {}


def test_ask_keeps_previous_answers():
    assert answered(before={"Tracing": "Active", "LogLevel": "debug"})[0] == {"Tracing": "Active", "LogLevel": "debug"}
    emptied = ["", "", "", "", "", "", "none"]
    assert answered(*emptied, before={"AlarmEmail": "ops@portal.example"})[0] == {}


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("AllowedOrigin", "https://portal.example", "https://portal.example/"),
        ("PortalUrl", "https://log.portal.example/", "https://log.portal.example"),
        ("Firewall", "true", "yes"),
        ("AlarmEmail", "ops@portal.example", "ops"),
        ("WorkerConcurrency", "50", "1"),
    ],
)
def test_answer_is_checked_by_the_rules_of_the_template(name, good, bad):
    assert deploy.validation_error(KNOWN, name, good) is None
    assert deploy.validation_error(KNOWN, name, bad)


def test_every_question_names_a_parameter():
    assert set(deploy.QUESTIONS + deploy.OF_ANOTHER_ISSUER + deploy.OF_THE_USER_POOL) <= set(KNOWN)


def test_second_factor_is_asked_for_only_with_a_user_pool():
    assert "Mfa" not in answered("no", "https://login.example", "", "daybook", "https://login.example", "page")[1]
    assert KNOWN["Mfa"]["Description"] in answered("yes")[1]


@pytest.mark.parametrize("machine, processor", [(183, "arm64"), (62, "x86_64")])
def test_architecture_is_read_from_the_built_binary(tmp_path, machine, processor):
    with pytest.raises(deploy.DeploymentError, match="make build"):
        deploy.built_architecture(tmp_path)
    (tmp_path / "RecordFunction").mkdir()
    (tmp_path / "RecordFunction" / "bootstrap").write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(8))
    assert deploy.built_architecture(tmp_path) == processor


def test_build_that_needs_a_newer_c_library_is_refused(tmp_path):
    for function, symbols in (("RecordFunction", b"\0GLIBC_2.17\0GLIBC_2.34\0"), ("QueryFunction", b"\0no symbols")):
        (tmp_path / function).mkdir()
        (tmp_path / function / "bootstrap").write_bytes(symbols)
    deploy.check_glibc(tmp_path)
    (tmp_path / "QueryFunction" / "bootstrap").write_bytes(b"\0GLIBC_2.4\0GLIBC_2.38\0")
    with pytest.raises(deploy.DeploymentError, match="QueryFunction needs glibc 2.38"):
        deploy.check_glibc(tmp_path)


# Parameters on their way through the SAM CLI


HARD = {
    "FrameAncestors": ["'none'", "'self'", "https://portal.example https://other.example:8443"],
    "SubscriptionsUrl": ["https://portal.example/customers/{customer}/subscriptions?a=b&c=d"],
    "Audiences": ["", "one,two", 'with "quotes"', "it's", "a=b", " Issuer=https://login.example"],
    "NotifyWaits": ["60,300"],
}


def test_sam_reads_parameters_as_they_were_chosen():
    chosen = [{name: each[at] for name, each in HARD.items() if at < len(each)} for at in range(max(map(len, HARD.values())))]
    found = expansion.parse_parameters([[deploy.for_sam(name, value) for name, value in values.items()] for values in chosen])
    for values, read in zip(chosen, found, strict=True):
        assert read == values
        # The template accepts what arrives.
        assert not [name for name in read if name != "Audiences" and deploy.validation_error(KNOWN, name, read[name])]


def test_parameter_that_sam_would_change_is_refused():
    for value in ("a\\b", "a\nb"):
        with pytest.raises(deploy.DeploymentError, match="Audiences"):
            deploy.for_sam("Audiences", value)


def test_samconfig_may_set_parameters_in_every_form():
    ancestors = "https://a.example https://b.example"
    for given in (
        f'FrameAncestors="{ancestors}" LogLevel=debug',
        [f"FrameAncestors={ancestors}", "LogLevel=debug"],
        {"FrameAncestors": ancestors, "LogLevel": "debug"},
    ):
        configured = {"deploy": {"parameters": {"parameter_overrides": given}}}
        assert deploy.overrides(configured) == {"FrameAncestors": ancestors, "LogLevel": "debug"}
    assert deploy.overrides({"deploy": {"parameters": {}}}) == {}


# The account


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": code}}, "call")


class Account:
    """The part of an account that the checks read: answers by call, or the error of a call."""

    region_name = "eu-west-3"

    def __init__(
        self, concurrency=1000, unreserved=None, own=None, identities=(), sandbox=False, status=None, resources=(), key=None, deployed=None, log_role=None
    ):
        self.answers = {
            "get_caller_identity": {"Account": "1", "Arn": "somebody"},
            "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": concurrency, "UnreservedConcurrentExecutions": unreserved or concurrency}},
            "get_function_concurrency": {} if own is None else {"ReservedConcurrentExecutions": own},
            "describe_stack_resource": {"StackResourceDetail": {"PhysicalResourceId": "worker"}} if status else refusal("ValidationError"),
            "describe_stacks": self.stack(status, deployed or {}) if status else refusal("ValidationError"),
            "list_email_identities": {"EmailIdentities": [{"IdentityName": name, "SendingEnabled": True} for name in identities]},
            # Both SES and API Gateway have a call of this name.
            "get_account": {"ProductionAccessEnabled": not sandbox} | ({"cloudwatchRoleArn": log_role} if log_role else {}),
            "describe_key": {"KeyMetadata": {"KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT"} | (key or {})},
        }
        self.resources = list(resources)

    @staticmethod
    def stack(status, deployed):
        return {"Stacks": [{"StackStatus": status, "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in deployed.items()]}]}

    def client(self, _service):
        return self

    def get_paginator(self, _call):
        return self

    def paginate(self, **_):
        return [{"StackResourceSummaries": self.resources}]

    def __getattr__(self, call):
        def answer(**_):
            found = self.answers[call]
            if isinstance(found, Exception):
                raise found
            return found

        return answer


def proposed(account, **chosen):
    return deploy.propose(deploy.read_concurrency(account, "daybook"), KNOWN, chosen)


def readers(values):
    return sum(int(values.get(name, KNOWN[name]["Default"])) for name in deploy.QUEUE_READERS)


def test_ordinary_account_needs_no_other_parameters():
    assert proposed(Account(1000)) == {}
    assert deploy.explain(deploy.Concurrency(1000, 1000), KNOWN, {}, {}) is None


@pytest.mark.parametrize("concurrency", [10, 50, 100, 139])
def test_small_account_keeps_half_of_it_for_the_api(concurrency):
    values = proposed(Account(concurrency))
    assert readers(values) <= max(concurrency // 2, 6)
    assert all(int(values[name]) >= KNOWN[name]["MinValue"] for name in deploy.QUEUE_READERS if name in values)
    assert not [name for name in values if deploy.validation_error(KNOWN, name, values[name])]
    assert "Ask AWS for more" in deploy.explain(deploy.Concurrency(concurrency, concurrency), KNOWN, {}, values)


def test_small_account_reserves_no_workers():
    assert proposed(Account(10))["ReserveWorkers"] == "false"
    assert proposed(Account(149), WorkerConcurrency="50")["ReserveWorkers"] == "false"
    assert "ReserveWorkers" not in proposed(Account(150), WorkerConcurrency="50")


@pytest.mark.parametrize("workers", ["10", "500", "900"])
def test_second_deployment_proposes_the_same_as_the_first(workers):
    first = proposed(Account(1000), WorkerConcurrency=workers)
    own = None if first.get("ReserveWorkers") == "false" else int(workers)
    again = Account(1000, unreserved=1000 - (own or 0), own=own, status="CREATE_COMPLETE")
    assert proposed(again, WorkerConcurrency=workers) == first
    assert "ReserveWorkers" not in first


def test_chosen_concurrency_stays_and_is_explained():
    values = proposed(Account(100), WorkerConcurrency="40")
    assert "WorkerConcurrency" not in values and int(values["IntakeConcurrency"]) < 10
    assert "100 concurrent executions" in deploy.explain(deploy.Concurrency(100, 100), KNOWN, {"WorkerConcurrency": "40"}, values)


def test_ask_shows_what_fits_and_does_not_keep_it():
    small = proposed(Account(10))
    said = []
    asked = lambda question: said.append(question) or ""
    assert deploy.ask(KNOWN, {}, asked, said.append, small) == {}
    assert any(question.startswith("WorkerConcurrency [2]") for question in said)
    # Somebody who insists on the template's default gets it.
    assert deploy.ask(KNOWN, {}, lambda question: "10" if question.startswith("Worker") else "", said.append, small) == {"WorkerConcurrency": "10"}


def test_account_that_cannot_be_read_changes_nothing(capsys):
    account = Account()
    account.answers["get_account_settings"] = refusal("AccessDeniedException")
    assert deploy.read_concurrency(account, "daybook") is None
    assert "Could not read" in capsys.readouterr().out


def test_deployment_is_refused_when_the_sender_is_not_verified():
    for identity in ("daybook@mail.portal.example", "mail.portal.example", "portal.example"):
        deploy.check_sender(Account(identities=[identity]), "daybook@mail.portal.example")
    for identities in ([], ["other.example"], ["al.example"], ["news@portal.example"]):
        with pytest.raises(deploy.DeploymentError, match="daybook@portal.example"):
            deploy.check_sender(Account(identities=identities), "daybook@portal.example")


def test_sandbox_of_ses_is_told(capsys):
    deploy.check_sender(Account(identities=["portal.example"]), "daybook@portal.example")
    assert capsys.readouterr().out == ""
    deploy.check_sender(Account(identities=["portal.example"], sandbox=True), "daybook@portal.example")
    assert "Ask for production access" in capsys.readouterr().out


# The state of the stack


@pytest.mark.parametrize("status", [None, "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_stack_in_a_good_state_is_deployed_to(status):
    deploy.check_stack(Account(status=status), "daybook")


def test_failed_first_deployment_says_what_to_remove():
    left = [
        ("AWS::DynamoDB::Table", "daybook-ActivitiesTable-1", "DELETE_SKIPPED"),
        ("AWS::S3::Bucket", "daybook-databucket-1", "DELETE_SKIPPED"),
        ("AWS::Cognito::UserPool", "eu-west-3_1", "DELETE_SKIPPED"),
        ("AWS::DynamoDB::Table", "daybook-LimitsTable-1", "DELETE_COMPLETE"),
        ("AWS::SQS::Queue", "daybook-ExportJobs-1", "DELETE_SKIPPED"),
    ]
    account = Account(
        status="ROLLBACK_COMPLETE",
        resources=[{"ResourceType": kind, "PhysicalResourceId": name, "ResourceStatus": status} for kind, name, status in left],
    )
    with pytest.raises(deploy.DeploymentError) as refused:
        deploy.check_stack(account, "daybook")
    said = str(refused.value)
    for command in (
        "aws dynamodb update-table --table-name daybook-ActivitiesTable-1 --no-deletion-protection-enabled",
        "aws dynamodb delete-table --table-name daybook-ActivitiesTable-1",
        "aws s3 rb s3://daybook-databucket-1",
        "aws cognito-idp delete-user-pool --user-pool-id eu-west-3_1",
        "aws cloudformation delete-stack --stack-name daybook",
    ):
        assert command in said, said
    assert "LimitsTable" not in said and "ExportJobs" not in said


def test_every_resource_that_is_retained_can_be_removed(template):
    kept = {each["Type"] for each in template.resources.values() if each.get("DeletionPolicy") == "Retain"}
    # The role for the gateway's logs serves every API of the account.
    assert kept - {"AWS::ApiGateway::Account", "AWS::IAM::Role"} == set(deploy.REMOVAL)


@pytest.mark.parametrize(
    "status, said", [("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("UPDATE_IN_PROGRESS", "still working"), ("DELETE_FAILED", "delete it again")]
)
def test_stack_in_a_bad_state_says_what_to_do(status, said):
    with pytest.raises(deploy.DeploymentError, match=said):
        deploy.check_stack(Account(status=status), "daybook")


# The encryption key and the access log

KEY = "arn:aws:kms:eu-west-3:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize("before, wanted", [("create", ""), (KEY, ""), ("create", KEY), (KEY, "create"), (KEY, KEY[:-1] + "c")])
def test_key_of_an_installation_stays(before, wanted):
    with pytest.raises(deploy.DeploymentError, match="Change the encryption key"):
        deploy.check_key(Account(status="UPDATE_COMPLETE", deployed={"EncryptionKey": before}), "daybook", wanted)


@pytest.mark.parametrize("before, wanted", [("", ""), ("", "create"), ("create", "create"), ("", KEY), (KEY, KEY)])
def test_key_may_be_set_once(before, wanted):
    deploy.check_key(Account(status="UPDATE_COMPLETE", deployed={"EncryptionKey": before}), "daybook", wanted)
    # An installation of an earlier version has no such parameter, and a new one no stack.
    deploy.check_key(Account(status="UPDATE_COMPLETE"), "daybook", wanted)
    deploy.check_key(Account(), "daybook", wanted)


@pytest.mark.parametrize("key", [{"KeyState": "PendingDeletion"}, {"KeySpec": "RSA_2048"}])
def test_key_that_cannot_encrypt_is_refused(key):
    with pytest.raises(deploy.DeploymentError, match="enabled, symmetric key"):
        deploy.check_key(Account(key=key), "daybook", KEY)


def test_access_log_is_proposed_if_the_account_can_take_it(capsys):
    ready = Account(log_role="arn:aws:iam::111122223333:role/gateway-logs")
    assert deploy.propose_access_log(ready, {}) == {"AccessLog": "true"}
    assert deploy.propose_access_log(ready, {"AccessLog": "false"}) == {}
    assert deploy.propose_access_log(Account(), {"AccessLogRole": "true"}) == {"AccessLog": "true"}
    assert not capsys.readouterr().out
    assert deploy.propose_access_log(Account(), {}) == {}
    assert "AccessLogRole=true" in capsys.readouterr().out


def test_access_log_without_a_role_is_refused():
    with pytest.raises(deploy.DeploymentError, match="AccessLogRole=true"):
        deploy.propose_access_log(Account(), {"AccessLog": "true"})
