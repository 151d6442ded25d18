"""`make deploy` checks every answer before it deploys anything."""

import sys

import pytest

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
    assert set(deploy.QUESTIONS + deploy.OF_ANOTHER_ISSUER) <= set(KNOWN)


@pytest.mark.parametrize("machine, processor", [(183, "arm64"), (62, "x86_64")])
def test_architecture_is_read_from_the_built_binary(tmp_path, machine, processor):
    with pytest.raises(deploy.DeploymentError, match="make build"):
        deploy.built_architecture(tmp_path)
    (tmp_path / "RecordFunction").mkdir()
    (tmp_path / "RecordFunction" / "bootstrap").write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(8))
    assert deploy.built_architecture(tmp_path) == processor


class Account:
    """The part of an account that `check_account` reads: answers by call."""

    region_name = "eu-west-3"

    def __init__(self, concurrency, identities=()):
        self.answers = {
            "get_caller_identity": {"Account": "1", "Arn": "somebody"},
            "get_account_settings": {"AccountLimit": {"UnreservedConcurrentExecutions": concurrency}},
            "list_email_identities": {"EmailIdentities": [{"IdentityName": name, "SendingEnabled": True} for name in identities]},
        }

    def client(self, _service):
        return self

    def __getattr__(self, call):
        return lambda **_: self.answers[call]


def test_small_account_reserves_no_workers():
    assert deploy.check_account(Account(1000), {}, KNOWN) == {}
    assert deploy.check_account(Account(10), {}, KNOWN) == {"ReserveWorkers": "false"}
    assert deploy.check_account(Account(149), {"WorkerConcurrency": "50"}, KNOWN)["ReserveWorkers"] == "false"


def test_deployment_is_refused_when_the_sender_is_not_verified():
    sender = {"EmailSender": "daybook@portal.example"}
    assert deploy.check_account(Account(1000, ["portal.example"]), sender, KNOWN) == sender
    with pytest.raises(deploy.DeploymentError, match="daybook@portal.example"):
        deploy.check_account(Account(1000), sender, KNOWN)
