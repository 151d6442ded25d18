"""`make deploy`: what a person answers is checked before anything is deployed."""

import sys

import pytest

from application import ROOT

sys.path.insert(0, str(ROOT / "infra"))

import deploy

KNOWN = deploy.parameters()


def answered(*replies, before=None):
    """What comes of these answers; enter for all that are not given. What was said meanwhile."""
    replies, said = list(replies), []
    asked = lambda question: replies.pop(0) if replies else ""
    return deploy.ask(KNOWN, before or {}, asked, said.append), "\n".join(said)


def test_enter_alone_gives_the_defaults():
    assert answered()[0] == {}


def test_each_question_explains_itself_and_is_asked_again_until_its_answer_is_good():
    given, said = answered("yes", "0", "ten", "90")
    assert given == {"RetentionDays": "90"}
    assert "RetentionDays must be from 1 to 3650." in said and "RetentionDays must be a whole number." in said
    assert KNOWN["RetentionDays"]["Description"] in said


def test_another_issuer_needs_what_its_tokens_are_checked_by():
    given, said = answered("no", "", "http://login.example", "https://login.example", "", "", "daybook", "https://login.example", "page")
    assert given == {"Issuer": "https://login.example", "Audiences": "daybook", "SignInUrl": "https://login.example", "ClientId": "page"}
    assert "Issuer is needed." in said and "Audiences is needed." in said
    # And back to a user pool of one's own.
    assert answered("yes", before=given)[0] == {}


def test_what_was_answered_before_is_kept():
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
def test_answers_are_held_against_the_template_s_rules(name, good, bad):
    assert deploy.fault(KNOWN, name, good) is None
    assert deploy.fault(KNOWN, name, bad)


def test_every_question_is_a_parameter():
    assert set(deploy.QUESTIONS + deploy.OF_ANOTHER_ISSUER) <= set(KNOWN)


@pytest.mark.parametrize("machine, processor", [(183, "arm64"), (62, "x86_64")])
def test_the_processor_is_that_of_what_was_built(tmp_path, machine, processor):
    with pytest.raises(deploy.Stop, match="make build"):
        deploy.built_for(tmp_path)
    (tmp_path / "RecordFunction").mkdir()
    (tmp_path / "RecordFunction" / "bootstrap").write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(8))
    assert deploy.built_for(tmp_path) == processor


class Account:
    """As much of an account as is looked at: answers by service and call."""

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


def test_a_small_account_sets_nothing_aside_for_exports():
    assert deploy.look_ahead(Account(1000), {}, KNOWN) == {}
    assert deploy.look_ahead(Account(10), {}, KNOWN) == {"ReserveWorkers": "false"}
    assert deploy.look_ahead(Account(149), {"WorkerConcurrency": "50"}, KNOWN)["ReserveWorkers"] == "false"


def test_a_sender_of_e_mail_must_be_verified():
    sender = {"EmailSender": "daybook@portal.example"}
    assert deploy.look_ahead(Account(1000, ["portal.example"]), sender, KNOWN) == sender
    with pytest.raises(deploy.Stop, match="daybook@portal.example"):
        deploy.look_ahead(Account(1000), sender, KNOWN)
