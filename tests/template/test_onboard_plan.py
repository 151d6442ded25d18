"""`make onboard` checks all inputs first, plans without changing anything, and may be interrupted and repeated.

The API and Cognito are in memory here. tests/e2e/test_onboard.py runs the same commands against a deployed stack.
"""

import copy
import itertools
import json
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest

from application import ROOT

sys.path[:0] = [str(ROOT / "infra"), str(ROOT / "infra" / "local")]

import onboard
import onboard_inputs
import partner as partner_command
from environments import UserFacingError
from installation import Api, Installation, Pool
from onboard_inputs import INPUTS, check, read_words
from onboarding import Onboarding

POOL = "pool"
OUTPUTS = {"ApiUrl": "https://api.example/live", "PortalUrl": "https://api.example/live/", "SignInUrl": "https://sign-in.example"}
GIVEN = {"PARTNER": "tailspin", "ADMIN": "ana@tailspin.example"}
SCHEDULE = {"SCHEDULE": "1", "LOCALE": "fr", "FORMAT": "xlsx", "NOTIFY": "finance@tailspin.example"}


class Interrupted(Exception):
    """The connection broke."""


class Writes:
    """Counts writes, and lets one of them fail before or after it is done."""

    def __init__(self):
        self.count, self.fails_at, self.is_done_before = 0, None, False

    def __call__(self, write):
        self.count += 1
        fails = self.count == self.fails_at
        if fails and not self.is_done_before:
            raise Interrupted
        answer = write()
        if fails:
            raise Interrupted
        return answer


class ApiInMemory(Api):
    """The API as far as onboarding uses it."""

    def __init__(self, writes):
        self.resources, self.writes = {}, writes

    def _send(self, method, path, body=None):
        path = path.split("?")[0]
        if method == "PUT":
            return 200, self.writes(lambda: self._save(path, body))
        if path == "/v1/partners":
            partners = [each for known, each in self.resources.items() if known.count("/") == 3 and known.startswith("/v1/partners/")]
            return 200, {"partners": [each for each in partners if each["status"] != "deleted"], "next_cursor": None}
        if path.endswith("/exports"):
            return 200, {"exports": [], "next_cursor": None}
        if path.endswith("/settings"):
            return 200, {"shards": [], "limits": {}, "limits_apply": False}
        return (200, copy.deepcopy(self.resources[path])) if path in self.resources else (404, {"detail": "No such resource"})

    def _save(self, path, body):
        name = path.split("/")[3]
        if path.endswith("/export-schedule"):
            default = {"enabled": True, "time_zone": "UTC", "format": "csv", "locale": "en", "notify": [], "from": "2026-10", "next_month": "2026-10"}
            default |= {"next_run_at": "2026-11-01T06:00:00Z"}
        elif path.startswith("/v1/partners/"):
            default = {"partner_id": name, "name": name, "time_zone": "UTC", "status": "active", "created_at": "2026-11-02T09:00:00Z"}
            default |= {"updated_at": "2026-11-02T09:00:00Z", "updated_by": {"subject": "op", "name": "operator"}}
            default |= {"first_month": None, "last_month": None, "retention_months": 84, "open_holds": 1, "leaving": None, "left": []}
        else:
            default = {"client_id": name}
        saved = self.resources.setdefault(path, default)
        saved |= body
        return copy.deepcopy(saved)


class CognitoInMemory:
    """A user pool as far as onboarding uses it."""

    class exceptions:
        class UserNotFoundException(Exception):
            pass

        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, writes):
        self.writes, self.users, self.roles, self.machines, self.invited, self.passwords = writes, {}, {}, {}, [], {}
        self._numbers = itertools.count(1)
        self.machines |= {name: {"ClientId": name, "ClientName": name} for name in ("page", "operator")}

    def get_paginator(self, operation):
        def pages(Username=None, Filter=None, **_):
            if operation == "list_users":
                address = Filter and Filter.split('"')[1]
                return [{"Users": [user]} for user in self.users.values() if address in (None, attribute(user, "email"))]
            if operation == "list_user_pool_clients":
                return [{"UserPoolClients": list(self.machines.values())}]
            return [{"Groups": [{"GroupName": role} for role in self.roles.get(Username, [])]}]

        return SimpleNamespace(paginate=pages)

    def admin_get_user(self, Username, **_):
        if Username not in self.users:
            raise self.exceptions.UserNotFoundException
        user = dict(self.users[Username])
        return user | {"UserAttributes": user.pop("Attributes")}

    def admin_create_user(self, Username, UserAttributes, MessageAction=None, **_):
        def create():
            assert Username not in self.users
            self.users[Username] = {"Username": Username, "Attributes": UserAttributes, "UserStatus": "FORCE_CHANGE_PASSWORD", "Enabled": True}
            self.invited += [] if MessageAction == "SUPPRESS" else [Username]

        self.writes(create)

    def admin_add_user_to_group(self, Username, GroupName, **_):
        self.writes(lambda: self.roles.setdefault(Username, []).append(GroupName))

    def admin_set_user_password(self, Username, Password, Permanent, **_):
        def save():
            assert Permanent
            self.passwords[Username] = Password
            self.users[Username]["UserStatus"] = "CONFIRMED"

        self.writes(save)

    def create_user_pool_client(self, **client):
        def create():
            number = next(self._numbers)
            return self.machines.setdefault(f"c-{number}", client | {"ClientId": f"c-{number}", "ClientSecret": f"secret-{number}"})

        return {"UserPoolClient": self.writes(create)}

    def describe_user_pool_client(self, ClientId, **_):
        if ClientId not in self.machines:
            raise self.exceptions.ResourceNotFoundException
        return {"UserPoolClient": self.machines[ClientId]}

    def describe_user_pool(self, **_):
        return {"UserPool": {"Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 3}}}}

    def has_user(self, name, partner, status="CONFIRMED", email=None):
        attributes = {"email": email or name} | ({"custom:partner_id": partner} if partner else {})
        pairs = [{"Name": key, "Value": value} for key, value in attributes.items()]
        self.users[name] = {"Username": name, "Attributes": pairs, "UserStatus": status, "Enabled": True}


def attribute(user, name):
    return next((each["Value"] for each in user["Attributes"] if each["Name"] == name), None)


class Place:
    """An installation in memory."""

    def __init__(self, password=None, has_pool=True, **parameters):
        self.writes = Writes()
        self.api, self.cognito = ApiInMemory(self.writes), CognitoInMemory(self.writes)
        pool = Pool(self.cognito, POOL, {"page", "operator"}, password) if has_pool else None
        parameters = {"EmailSender": "log@portal.example"} | parameters
        self.installation = Installation("the test", OUTPUTS, parameters, self.api, pool, None if password else "eu-west-3")

    def onboarding(self, **given):
        wanted, faults = check(GIVEN | given)
        assert faults == []
        return Onboarding(self.installation, wanted)

    def plan(self, **given):
        before = self.writes.count
        plan = self.onboarding(**given).plan()
        assert self.writes.count == before
        return plan

    def run(self, **given):
        return onboard.run(self.onboarding(**given), is_confirmed=True)

    def faults(self, **given):
        """Returns the faults of a plan, which nothing of is carried out."""
        before, plan = self.writes.count, self.plan(**given)
        assert self.run(**given) == 2 and self.writes.count == before
        return "\n".join(plan.faults)

    def state(self):
        registered = {path: {name: value for name, value in each.items() if name != "client_id"} for path, each in self.api.resources.items()}
        return registered, self.cognito.users, self.cognito.roles, self.cognito.machines, self.cognito.passwords


def shown(plan):
    return [f"{step.verb} {step.what}" for step in plan.steps]


# Inputs


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("PARTNER", ["tailspin", "Tail.spin_2-x", "a" * 119], ["tail spin", "é", ".", "..", "a/b", "a" * 129]),
        ("NAME", ["Tailspin Toys", "Été & Cie « 1 »", "n" * 256], [" ", "two\nlines", "n" * 257]),
        ("TIME_ZONE", ["Europe/Paris", "UTC"], ["Paris", "+02:00", "Europe/Paris/"]),
        ("ADMIN", ["ana@tailspin.example", "o'brien+x@a.b.example"], ["ana", "ana@host", "a@b.example,c@d.example", 'a"b@c.example', f"{'a' * 120}@b.example"]),
        ("ADMIN_NAME", ["Zoë Lefèvre"], ["a\tb"]),
        ("ROLE", ["sales_agent"], ["operator", "global-admin", "Global_Admin"]),
        ("CUSTOMERS", ["*", "fabrikam northwind"], ["  ", "a\nb", "c" * 2_049]),
        ("CLIENT", ["record", "read", "both", "none"], ["write", "daybook/record"]),
        ("CLIENT_ID", ["3abc", "https://issuer.example/client"], ["a b", "a" * 129]),
        ("SCHEDULE", ["1"], ["0", "yes"]),
        ("LOCALE", ["en", "fr"], ["de", "fr-FR"]),
        ("FORMAT", ["csv", "jsonl", "xlsx"], ["json"]),
        ("NOTIFY", ["a@b.example", "mailto:a@b.example, https://b.example/hook", "http://127.0.0.1:9000/hook"], ["b.example", "http://b.example", ",", "a@b.example " * 11]),
        ("YES", ["1"], ["0"]),
    ],
)  # fmt: skip
def test_input_is_checked_by_its_rule(name, good, bad):
    for value in good:
        assert INPUTS[name](value) is None, value
    for value in bad:
        fault = INPUTS[name](value)
        assert fault and len(fault) < 300, value


def test_all_faults_of_the_inputs_are_named_at_once():
    given, unknown = read_words(["PARTNER=a b", "TIMEZONE=Europe/Paris", "LOCALE=de", "ROLE=boss", "NAME=", "nonsense"], tuple(INPUTS))
    assert "did you mean TIME_ZONE=…?" in unknown[0] and '"nonsense"' in unknown[1] and len(unknown) == 2
    assert "NAME" not in given
    _, faults = check(given)
    assert [fault.split(":")[0] for fault in faults] == ["PARTNER", "ROLE", "LOCALE", "ADMIN", "LOCALE"]
    assert "Europe/Paris" in INPUTS["TIME_ZONE"]("Europe/Pari")


@pytest.mark.parametrize(
    "given, fault",
    [
        ({"ADMIN": "none", "ROLE": "sales_agent"}, "ROLE: needs a person"),
        ({"ADMIN": "none", "CUSTOMERS": "*"}, "CUSTOMERS: needs a person"),
        ({"NOTIFY": "a@b.example"}, "NOTIFY: needs a schedule"),
        ({"CLIENT": "read", "CLIENT_ID": "x"}, "CLIENT_ID: is given with CLIENT"),
        ({"PARTNER": "a" * 120}, "PARTNER: is too long for the name of a client"),
    ],
)
def test_inputs_that_exclude_each_other_are_refused(given, fault):
    wanted, faults = check(GIVEN | given)
    assert wanted is None and len(faults) == 1 and faults[0].startswith(fault)


def test_inputs_are_read_into_what_is_wanted():
    wanted, _ = check(GIVEN | SCHEDULE | {"ADMIN": "Ana@Tailspin.example", "TIME_ZONE": "Europe/Paris", "NOTIFY": "a@b.example, https://c.example"})
    assert (wanted.admin, wanted.role, wanted.client_name, wanted.scopes) == ("ana@tailspin.example", "global_admin", "recorder-tailspin", ("daybook/record",))
    assert wanted.schedule == {"time_zone": "Europe/Paris", "locale": "fr", "format": "xlsx", "notify": ["mailto:a@b.example", "https://c.example"]}
    assert check({"PARTNER": "a" * 128, "ADMIN": "none", "CLIENT": "none"})[0].admin is None


def test_command_without_inputs_lists_all_of_them(capsys):
    assert onboard.main([]) == 2
    text = capsys.readouterr().err
    assert all(f"{name}=" in text for name in [*INPUTS, "STACK"])
    assert onboard.main(["PARTNER=a b"]) == 2
    assert "ADMIN: is missing" in capsys.readouterr().err
    assert partner_command.main(["PARTNER=a b", "X=1"]) == 2


def test_make_passes_values_on_as_they_are():
    name = """O'Neil & "Söhne" `id`  x"""
    command = ["make", "--dry-run", "--no-print-directory", "onboard", "PARTNER=t", f"NAME={name}", "TIMEZONE=1", "TOKEN=secret"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", "ADMIN": "x", "STACK": "y"}, capture_output=True, text=True)
    words = shlex.split(done.stdout)
    assert words[:2] == ["python3", "infra/onboard.py"]
    assert sorted(words[2:]) == sorted(["PARTNER=t", f"NAME={name}", "TIMEZONE=1"])


# The plan


def test_plan_from_nothing_ends_with_the_person():
    place = Place()
    plan = place.plan(**SCHEDULE, NAME="Tailspin Toys")
    assert shown(plan) == [
        "create partner tailspin",
        "create schedule of monthly exports",
        "create client recorder-tailspin",
        "create registration of recorder-tailspin",
        "create person ana@tailspin.example",
        "add role global_admin of ana@tailspin.example",
    ]
    assert place.run(**SCHEDULE, NAME="Tailspin Toys") == 0
    assert place.api.resources["/v1/partners/tailspin"]["name"] == "Tailspin Toys"
    assert place.api.resources["/v1/clients/c-1"]["partner"] == "tailspin"
    assert place.cognito.machines["c-1"]["AllowedOAuthScopes"] == ["daybook/record"]
    assert place.cognito.invited == ["ana@tailspin.example"] and place.cognito.passwords == {}
    assert attribute(place.cognito.users["ana@tailspin.example"], "email_verified") == "true"


def test_local_person_gets_the_password_last():
    place = Place(password="Known-to-all-1")
    assert shown(place.plan())[-1] == "set password of ana@tailspin.example"
    assert place.run() == 0
    assert place.cognito.invited == [] and place.cognito.passwords == {"ana@tailspin.example": "Known-to-all-1"}


def test_second_run_has_nothing_to_do(capsys):
    place = Place()
    place.run(**SCHEDULE)
    first, before = capsys.readouterr(), place.writes.count
    assert place.run(**SCHEDULE) == 0
    second = capsys.readouterr()
    assert place.writes.count == before and {step.verb for step in place.plan(**SCHEDULE).steps} == {"keep"}
    assert "Nothing to do" in second.err
    # The secret is shown once; later the command that reads it is.
    assert "secret-1 (shown this once)" in first.out and "secret-1" not in second.out
    assert "describe-user-pool-client --region eu-west-3" in second.out and "valid for 3 days" in first.out
    assert "--message-action RESEND" in second.out


@pytest.mark.parametrize("is_done_before", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("password", [None, "Known-to-all-1"], ids=["invited", "local"])
def test_interrupted_run_goes_on(password, is_done_before):
    whole = Place(password)
    whole.run(**SCHEDULE)
    for at in range(1, whole.writes.count + 1):
        place = Place(password)
        place.writes.fails_at, place.writes.is_done_before = at, is_done_before
        with pytest.raises(Interrupted):
            place.run(**SCHEDULE)
        assert place.run(**SCHEDULE) == 0
        assert place.state() == whole.state(), at
        assert len(place.cognito.invited) == (0 if password else 1)


def test_failed_step_is_named_with_what_is_left(capsys):
    place = Place()
    place.writes.fails_at = 3
    with pytest.raises(Interrupted):
        place.run()
    said = capsys.readouterr()
    assert "✗ registration of recorder-tailspin\n  2 done, 3 left" in said.err and said.out == ""


def test_only_given_members_are_changed():
    place = Place()
    place.run(**SCHEDULE, NAME="Tailspin", TIME_ZONE="Europe/Paris")
    changed = place.plan(SCHEDULE="1", FORMAT="csv", NAME="Tailspin Toys", ADMIN="none", CLIENT="none")
    assert [str(step) for step in changed.steps] == [
        "change    partner tailspin: name Tailspin → Tailspin Toys",
        "change    schedule of monthly exports: format xlsx → csv",
    ]
    place.run(SCHEDULE="1", FORMAT="csv", NAME="Tailspin Toys", ADMIN="none", CLIENT="none")
    saved = place.api.resources["/v1/partners/tailspin/export-schedule"]
    assert (saved["format"], saved["locale"], saved["time_zone"]) == ("csv", "fr", "Europe/Paris")
    saved |= {"enabled": False, "notify": ["https://portal.example/"]}
    resumed = place.plan(SCHEDULE="1", NOTIFY="https://Portal.example", ADMIN="none", CLIENT="none")
    assert str(resumed.steps[1]) == "change    schedule of monthly exports: enabled off → on"


def test_new_schedule_has_the_time_zone_of_the_partner():
    place = Place()
    place.run(TIME_ZONE="Europe/Paris")
    place.run(SCHEDULE="1")
    assert place.api.resources["/v1/partners/tailspin/export-schedule"]["time_zone"] == "Europe/Paris"


def test_second_person_gets_another_role():
    place = Place()
    place.run()
    assert shown(place.plan(ADMIN="bob@tailspin.example", ROLE="sales_agent"))[-2:] == [
        "create person bob@tailspin.example",
        "add role sales_agent of bob@tailspin.example",
    ]
    assert shown(place.plan(ROLE="billing_admin"))[-2:] == ["keep person ana@tailspin.example", "add role billing_admin of ana@tailspin.example"]


# What is refused


@pytest.mark.parametrize("name", ["ana@tailspin.example", "ana"])
def test_person_of_another_partner_is_never_moved(name):
    place = Place()
    place.cognito.has_user(name, "contoso", email="ana@tailspin.example")
    before = copy.deepcopy(place.state())
    assert "belongs to the partner contoso, and make onboard moves nobody" in place.faults()
    assert place.state() == before


def test_person_without_a_partner_is_given_none():
    place = Place()
    # Somebody else's identity provider may claim any address.
    place.cognito.has_user("Contoso_ana", "", "EXTERNAL_PROVIDER", "ana@tailspin.example")
    assert "ana@tailspin.example (Contoso_ana) has no partner" in place.faults()


def test_several_people_with_one_address_are_left_alone():
    place = Place()
    for name in ("ana", "Tailspin_ana"):
        place.cognito.has_user(name, "tailspin", email="ana@tailspin.example")
    assert "2 people have this address (ana, Tailspin_ana)" in place.faults()


def test_client_that_differs_is_never_changed():
    place = Place()
    place.run()
    place.cognito.machines["c-1"]["AllowedOAuthScopes"] = ["daybook/read"]
    assert "is there with the scopes daybook/read" in place.faults()
    place.cognito.machines["c-1"]["AllowedOAuthScopes"] = ["daybook/record"]
    place.api.resources["/v1/clients/c-1"]["partner"] = "contoso"
    assert "recorder-tailspin is registered for the partner contoso" in place.faults()
    assert "registered for the partner contoso" in place.faults(CLIENT_ID="c-1")
    place.cognito.machines["c-2"] = place.cognito.machines["c-1"] | {"ClientId": "c-2"}
    assert "2 clients of the name recorder-tailspin" in place.faults()
    assert place.plan(CLIENT_ID="c-2").faults == []


def test_only_a_machine_client_of_the_pool_is_registered():
    place = Place()
    place.cognito.machines["web"] = {"ClientId": "web", "ClientName": "web", "AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["openid"]}
    for client, fault in (("page", "installation's own client page"), ("web", "has neither of the scopes"), ("nobody", 'no client "nobody"')):
        assert fault in place.faults(CLIENT_ID=client)


def test_partner_that_leaves_is_not_taken_back():
    place = Place()
    place.run()
    place.api.resources["/v1/partners/tailspin"]["status"] = "leaving"
    assert "tailspin is leaving, and make onboard takes no partner back" in place.faults()
    place.api.resources["/v1/partners/tailspin"]["status"] = "suspended"
    plan = place.plan()
    assert "tailspin is suspended" in plan.notes[0] and plan.open == []


def test_partner_that_has_left_begins_anew():
    place = Place()
    place.run()
    place.api.resources["/v1/partners/tailspin"] |= {"status": "deleted", "name": None, "time_zone": None}
    plan = place.plan(NAME="Tailspin Toys")
    assert "The partner begins anew" in plan.notes[0] and str(plan.steps[0]) == "create    partner tailspin: Tailspin Toys, UTC"


def test_schedule_cannot_notify_by_email_without_a_sender():
    assert "NOTIFY: this installation sends no e-mail" in Place(EmailSender="").faults(**SCHEDULE)
    assert Place(EmailSender="").plan(SCHEDULE="1", NOTIFY="https://tailspin.example/hook").faults == []


def test_people_of_a_restricting_installation_need_customers(capsys):
    place = Place(CustomersClaim="custom:customers")
    assert "CUSTOMERS: is missing" in place.faults()
    assert place.run(CUSTOMERS="fabrikam  northwind") == 0
    assert attribute(place.cognito.users["ana@tailspin.example"], "custom:customers") == "fabrikam northwind"
    assert 'keeps the customers "fabrikam northwind"' in place.plan(CUSTOMERS="*").notes[0]
    place.api.resources["/v1/clients/c-1"]["customers"] = ["fabrikam"]
    capsys.readouterr()
    assert partner_command.show(place.installation, "tailspin") == 0
    out = capsys.readouterr().out
    assert "global_admin  customers fabrikam northwind  invited" in out and "daybook/record  customers fabrikam" in out
    assert "CUSTOMERS: people of this installation are not restricted" in Place().faults(CUSTOMERS="*")


def test_new_partner_with_a_similar_name_is_noticed():
    place = Place()
    place.run(NAME="Tailspin Toys")
    for name in ("tailspn", "Tailspin", "tailspin-toys"):
        assert "similar name: tailspin (Tailspin Toys)" in place.plan(PARTNER=name, ADMIN="none").notes[0]
    assert place.plan(PARTNER="northwind", ADMIN="none").notes == []


# Your own issuer


def test_another_issuer_leaves_people_and_clients_to_you(capsys):
    place = Place(has_pool=False)
    assert place.run(**SCHEDULE) == 0
    out = capsys.readouterr().out
    assert "Left to you:" in out and "person ana@tailspin.example: create the person at your issuer" in out and "CLIENT_ID=…" in out
    assert set(place.api.resources) == {"/v1/partners/tailspin", "/v1/partners/tailspin/export-schedule"}
    assert place.run(CLIENT_ID="back-end") == 0
    assert place.api.resources["/v1/clients/back-end"]["partner"] == "tailspin"
    assert "machine client" not in capsys.readouterr().out


# The question


@pytest.mark.parametrize("reply, status", [("", 1), ("n", 1), ("yes please", 1), ("y", 0), ("YES", 0)])
def test_nothing_is_done_before_a_yes(monkeypatch, reply, status):
    place = Place()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert onboard.run(place.onboarding(), is_confirmed=False, reply=lambda question: reply) == status
    assert (place.writes.count == 0) == bool(status)


def test_without_a_terminal_nothing_is_done(monkeypatch, capsys):
    place = Place()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    assert onboard.run(place.onboarding(), is_confirmed=False) == 1
    assert place.writes.count == 0 and "YES=1" in capsys.readouterr().err


# make partner


def test_partner_is_shown_with_people_and_clients(capsys):
    place = Place()
    place.run(**SCHEDULE, NAME="Tailspin Toys")
    place.run(PARTNER="contoso", ADMIN="cleo@contoso.example")
    capsys.readouterr()
    assert partner_command.show(place.installation, "tailspin") == 0
    out = capsys.readouterr().out
    for said in (
        "Tailspin Toys",
        "active",
        "84 months",
        "open holds    1",
        "no activities",
        "ana@tailspin.example  global_admin  invited",
        "recorder-tailspin  c-1  daybook/record",
    ):
        assert said in out, out
    assert "xlsx, fr" in out and "contoso" not in out and "limits nobody" in out


def test_partner_that_leaves_is_shown_with_its_end(capsys):
    place = Place()
    place.run()
    by, counts = {"subject": "op", "name": "operator"}, {"activities": 1_200, "objects": 3}
    leaving = {"ordered_at": "2026-11-02", "ordered_by": by, "deletes_at": "2026-12-02", "begun_at": None, "last_export": "01JD", "counts": counts}
    left = [{"ordered_at": "2025-01-01", "ordered_by": by, "deleted_at": "2025-02-01", "counts": counts}]
    place.api.resources["/v1/partners/tailspin"] |= {"status": "leaving", "leaving": leaving, "left": left}
    place.api.resources["/v1/partners/tailspin/retention"] = {"months": None, "pending": {"months": 12, "effective_at": "2026-12-01"}}
    capsys.readouterr()
    assert partner_command.show(place.installation, "tailspin") == 0
    out = capsys.readouterr().out
    assert "ordered 2026-11-02 by operator; deletion begins 2026-12-02; last export 01JD" in out
    assert "2025-02-01, ordered 2025-01-01 by operator: activities 1,200, objects 3" in out
    assert "for ever; 12 months from 2026-12-01 on" in out


def test_unknown_partner_is_reported_with_similar_names(capsys):
    place = Place()
    place.run(NAME="Tailspin Toys")
    place.cognito.has_user("eve", "tailspn")
    capsys.readouterr()
    assert partner_command.show(place.installation, "tailspn") == 1
    said = capsys.readouterr()
    assert "No partner tailspn is registered" in said.err and "tailspin (Tailspin Toys)" in said.err and "people of tailspn: eve" in said.err
    assert partner_command.list_all(place.installation) == 0
    assert capsys.readouterr().out == "tailspin  active     no activities       Tailspin Toys\n"


def test_problem_of_the_api_is_one_sentence_with_the_field():
    class Refusing(Api):
        def __init__(self, status, answer):
            self._service = SimpleNamespace(answer=lambda *_: (status, {}, answer))

    invalid = {"detail": "Invalid", "errors": [{"pointer": "/time_zone", "detail": "is not a time zone"}]}
    for status, answer, said in (
        (400, invalid, "PUT /x: 400: /time_zone is not a time zone"),
        (401, {}, "TOKEN=…"),
        (404, {"detail": "No such"}, "404: No such"),
    ):
        with pytest.raises(UserFacingError, match=said):
            Refusing(status, answer).put("/x", {})
    assert Refusing(404, {}).get("/x") is None


# docs/onboard.md


def in_document(language):
    text = (ROOT / "docs" / "onboard.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_token_function_of_the_document_looks_at_the_provider_only():
    known = {"json": json}
    exec(in_document("python")[0], known)

    def claims(status, provider=None, **attributes):
        identities = json.dumps([{"providerName": provider, "userId": "ana"}]) if provider else "[]"
        attributes = {"cognito:user_status": status, "identities": identities} | attributes
        event = {"request": {"userAttributes": attributes}, "response": {"claimsOverrideDetails": None}}
        return known["handler"](event, None)["response"]["claimsOverrideDetails"]

    tailspin = claims("EXTERNAL_PROVIDER", "Tailspin", **{"custom:partner_id": "contoso"})
    assert tailspin["claimsToAddOrOverride"] == {"custom:partner_id": "tailspin"}
    assert tailspin["groupOverrideDetails"] == {"groupsToOverride": ["sales_agent"]}
    for provider in ("Contoso", None):
        assert claims("EXTERNAL_PROVIDER", provider)["claimsToAddOrOverride"] == {"custom:partner_id": ""}
    assert claims("CONFIRMED", "Tailspin") is None


def test_forwarder_of_the_document_sends_for_its_partner_only():
    sent = []
    sqs = SimpleNamespace(send_message=lambda **message: sent.append(message))
    known = {"json": json, "os": SimpleNamespace(environ={"PARTNER": "tailspin", "INTAKE_QUEUE_URL": "queue"}), "sqs": sqs}
    exec(in_document("python")[1], known)
    body = '{"partner": "tailspin", "activity": {"details": {"price": 14.900}}}'
    known["handler"]({"Records": [{"body": body}]}, None)
    assert sent == [{"QueueUrl": "queue", "MessageBody": body}]
    for other in (body.replace("tailspin", "contoso"), '{"activity": {}}', body[:-1] + ', "partner": "contoso"}'):
        with pytest.raises(ValueError, match="another partner"):
            known["handler"]({"Records": [{"body": other}]}, None)


def test_queue_policy_of_the_document_keeps_that_of_the_template(template):
    (policy,) = map(json.loads, in_document("json"))
    own, added = policy["Statement"]
    (kept,) = template.resources["ActivityIntakePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert own | {"Resource": kept["Resource"]} == kept
    assert (added["Effect"], added["Action"], added["Principal"]) == ("Deny", "sqs:SendMessage", "*")


def test_roles_and_scopes_are_those_of_the_service(template):
    groups = {each["Properties"]["GroupName"] for each in template.resources.values() if each["Type"] == "AWS::Cognito::UserPoolGroup"}
    assert groups == set(onboard_inputs.ROLES)
    scopes = template.resources["ResourceServer"]["Properties"]["Scopes"]
    assert {f"daybook/{scope['ScopeName']}" for scope in scopes} == {onboard_inputs.RECORD, onboard_inputs.READ, "daybook/operate"}
