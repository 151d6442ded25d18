"""`make onboard` and `make partner` on the deployed stack, and docs/onboard.md by hand.

tests/template/test_onboard_plan.py interrupts the command at each of its writes, and tries every input.
"""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import tokens
from api import Caller, Partner, is_problem, new_activity
from guide import ROOT, blocks, is_as_expected

# The folder of the stack's files.
DIRECTORY = Path(os.environ.get("STACK_JSON", ROOT / ".local" / "e2e" / "stack.json")).resolve().parent
PASSWORD = "Daybook-local-1"
SCHEDULE = ("SCHEDULE=1", "LOCALE=fr", "FORMAT=xlsx")


def run(command, *words, directory=DIRECTORY, **environment):
    """Runs `make onboard` or `make partner` on the local stack, or on a stack of AWS if a word names one."""
    place = [] if any(word.startswith("STACK=") for word in words) else [f"DIR={directory}"]
    surroundings = {name: value for name, value in os.environ.items() if name not in ("TOKEN", "STACK", "PARTNER", "ADMIN")}
    arguments = ["make", "--silent", command, *place, *words]
    return subprocess.run(arguments, cwd=ROOT, env=surroundings | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def handed_over(done):
    """Returns what a run hands over, by name."""
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(re.findall(r"^  (\S.*?) {2,}(.+)$", done.stdout, re.MULTILINE))


@pytest.fixture
def on_aws(stack):
    """The environment in which the emulator is AWS."""
    return {
        "AWS_ENDPOINT_URL": stack["endpoint"],
        "AWS_DEFAULT_REGION": stack["region"],
        "AWS_ACCESS_KEY_ID": stack["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": stack["secret_access_key"],
    }


@pytest.fixture
def pool(stack, aws):
    """The user pool: people of a partner by their sign-in names, and clients by their names."""

    class Pool:
        id, cognito = stack["user_pool_id"], aws("cognito-idp")

        def people(self, partner):
            pages = self.cognito.get_paginator("list_users").paginate(UserPoolId=self.id)
            return {user["Username"]: user for page in pages for user in page["Users"] if {"Name": "custom:partner_id", "Value": partner} in user["Attributes"]}

        def clients(self, partner):
            pages = self.cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=self.id)
            return {each["ClientName"]: each["ClientId"] for page in pages for each in page["UserPoolClients"] if each["ClientName"].endswith(f"-{partner}")}

        def roles(self, username):
            return [each["GroupName"] for each in self.cognito.admin_list_groups_for_user(UserPoolId=self.id, Username=username)["Groups"]]

    return Pool()


@pytest.fixture
def newcomers(operator, names, pool):
    """Returns partners that are not registered, and removes their people, clients and schedules at the end."""
    made = []

    def make(prefix=""):
        made.append(Partner(operator, prefix + names()))
        return made[-1]

    yield make
    for partner in made:
        operator.delete(f"{partner.path}/export-schedule")
        for username in pool.people(partner.name):
            pool.cognito.admin_delete_user(UserPoolId=pool.id, Username=username)
        for client in pool.clients(partner.name).values():
            operator.delete(f"/v1/clients/{client}")
            pool.cognito.delete_user_pool_client(UserPoolId=pool.id, ClientId=client)


@pytest.fixture
def newcomer(newcomers):
    return newcomers()


def words(partner, *more, admin="ana"):
    return f"PARTNER={partner.name}", f"ADMIN={admin}@{partner.name}.example", *more


def machine_token(stack, client_id, secret, scope="daybook/record"):
    form = {"grant_type": "client_credentials", "scope": scope}
    answer = requests.post(f"{stack['sign_in_url']}/oauth2/token", data=form, auth=(client_id, secret), timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def test_person_signs_in_and_client_records_after_onboarding(stack, operator, newcomer):
    named = ("NAME=Été & Cie's", "TIME_ZONE=Europe/Paris", "ADMIN_NAME=Zoë Lefèvre")
    done = run("onboard", *words(newcomer, *named, *SCHEDULE, f"NOTIFY=finance@{newcomer.name}.example"), "YES=1")
    given = handed_over(done)
    assert given["Page"] == stack["portal_url"] and given["API"] == stack["api_url"]
    assert given["Sign-in"] == f"ana@{newcomer.name}.example, password {PASSWORD}"
    assert len(re.findall("^✓ ", done.stderr, re.MULTILINE)) == 7

    registered = operator.get(newcomer.path).json()
    assert (registered["name"], registered["time_zone"], registered["status"]) == ("Été & Cie's", "Europe/Paris", "active")
    schedule = operator.get(f"{newcomer.path}/export-schedule").json()
    assert (schedule["enabled"], schedule["time_zone"], schedule["locale"], schedule["format"]) == (True, "Europe/Paris", "fr", "xlsx")
    assert schedule["notify"] == [f"mailto:finance@{newcomer.name}.example"]

    back_end = newcomer.seen_by(Caller(stack["api_url"], machine_token(stack, given["Client id"], given["Secret"].split(" ")[0])))
    assert back_end.send(new_activity(id="first")).status_code == 201
    is_problem(back_end.list(), 403, "forbidden")

    ana = newcomer.seen_by(Caller(stack["api_url"], tokens.of_person(stack, f"ana@{newcomer.name}.example", PASSWORD)))
    assert ana.ids(**{"from": "2024-03-01", "to": "2024-03-31"}) == ["first"]
    assert ana.caller.get(f"{ana.path}/export-schedule").status_code == 200
    is_problem(Partner(ana.caller, "contoso").list(), 404, "not-found")
    assert ana.order({}).json()["created_by"]["name"] == "Zoë Lefèvre"


def test_second_run_changes_nothing_and_a_second_person_is_added(operator, pool, newcomer):
    handed_over(run("onboard", *words(newcomer, *SCHEDULE), "YES=1"))
    before = operator.get(newcomer.path).json()
    again = run("onboard", *words(newcomer, *SCHEDULE))
    assert "Secret" not in handed_over(again) and "Nothing to do" in again.stderr
    assert operator.get(newcomer.path).json() == before
    assert len(pool.people(newcomer.name)) == len(pool.clients(newcomer.name)) == 1

    handed_over(run("onboard", *words(newcomer, "ROLE=sales_agent", admin="bob"), "YES=1"))
    assert sorted(pool.people(newcomer.name)) == [f"ana@{newcomer.name}.example", f"bob@{newcomer.name}.example"]
    assert pool.roles(f"bob@{newcomer.name}.example") == ["sales_agent"]
    handed_over(run("onboard", *words(newcomer, "ROLE=billing_admin"), "YES=1"))
    assert sorted(pool.roles(f"ana@{newcomer.name}.example")) == ["billing_admin", "global_admin"]


def test_failed_run_goes_on_when_it_is_repeated(stack, operator, pool, newcomer):
    # Only the service knows that nobody can be notified there.
    failed = run("onboard", *words(newcomer, *SCHEDULE, "NOTIFY=https://10.1.2.3/hook"), "YES=1")
    assert failed.returncode != 0 and "Traceback" not in failed.stderr
    assert "/notify/0" in failed.stderr and "1 done" in failed.stderr, failed.stderr
    assert operator.get(newcomer.path).status_code == 200 and pool.people(newcomer.name) == {}

    # What a run leaves that ends before the registration, and before the role and the password.
    client = pool.cognito.create_user_pool_client(
        UserPoolId=pool.id,
        ClientName=f"recorder-{newcomer.name}",
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["daybook/record"],
    )["UserPoolClient"]
    address = f"ana@{newcomer.name}.example"
    attributes = {"email": address, "email_verified": "true", "custom:partner_id": newcomer.name}
    pool.cognito.admin_create_user(
        UserPoolId=pool.id, Username=address, MessageAction="SUPPRESS", UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()]
    )
    given = handed_over(run("onboard", *words(newcomer, *SCHEDULE), "YES=1"))
    assert given["Client id"] == client["ClientId"]
    assert operator.get(f"/v1/clients/{client['ClientId']}").json()["partner"] == newcomer.name
    ana = Caller(stack["api_url"], tokens.of_person(stack, address, PASSWORD))
    assert ana.get(f"{newcomer.path}/export-schedule").json()["format"] == "xlsx"


def test_wrong_inputs_change_nothing(operator, newcomer):
    done = run("onboard", *words(newcomer, "TIMEZONE=Europe/Paris", "ROLE=boss", "LOCALE=de"), "YES=1")
    assert done.returncode != 0
    for said in ("did you mean TIME_ZONE", "ROLE:", "LOCALE:"):
        assert said in done.stderr, done.stderr
    is_problem(operator.get(newcomer.path), 404, "not-found")
    assert "YES=1" in run("onboard", *words(newcomer)).stderr
    is_problem(operator.get(newcomer.path), 404, "not-found")


def test_person_of_another_partner_is_refused(operator, pool, newcomers):
    first, second = newcomers(), newcomers()
    handed_over(run("onboard", *words(first), "YES=1"))
    done = run("onboard", f"PARTNER={second.name}", f"ADMIN=ana@{first.name}.example", "YES=1")
    assert done.returncode != 0 and f"belongs to the partner {first.name}" in done.stderr
    assert list(pool.people(first.name)) == [f"ana@{first.name}.example"]
    is_problem(operator.get(second.path), 404, "not-found")
    assert pool.clients(second.name) == {}


def test_command_asks_at_a_terminal(operator, newcomer):
    for reply, is_registered in ((b"n\n", False), (b"y\n", True)):
        ours, theirs = pty.openpty()
        command = ["make", "--silent", "onboard", f"DIR={DIRECTORY}", *words(newcomer, "CLIENT=none")]
        process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        os.write(ours, reply)
        said = process.communicate(timeout=120)[0]
        os.close(ours)
        os.close(theirs)
        assert "Go on? [y/N]" in said and (process.returncode == 0) == is_registered, said
        assert (operator.get(newcomer.path).status_code == 200) == is_registered


def test_stack_on_aws_invites_people_and_tells_how_to_read_the_secret(stack, on_aws, pool, shell, newcomer):
    given = handed_over(run("onboard", *words(newcomer, "CLIENT=both"), "STACK=daybook", "YES=1", **on_aws))
    address = f"ana@{newcomer.name}.example"
    assert given["Sign-in"] == address and "invitation" in given["Password"]
    assert pool.people(newcomer.name)[address]["UserStatus"] == "FORCE_CHANGE_PASSWORD" and pool.roles(address) == ["global_admin"]
    secret = given["Secret"].split(" ")[0]
    without_region = given["Secret later"].replace(f"--region {stack['region']} ", "")
    assert shell([without_region]) == [f"{secret}\n"]
    reader = Caller(stack["api_url"], machine_token(stack, given["Client id"], secret, "daybook/read"))
    assert newcomer.seen_by(reader).list().status_code == 200
    missing = run("onboard", *words(newcomer), "STACK=nowhere", **on_aws)
    assert missing.returncode != 0 and "There is no stack nowhere" in missing.stderr


def test_installation_with_another_issuer_leaves_people_to_you(operator, newcomer, pool, tmp_path):
    # The same stack, as if it had no user pool.
    known = json.loads((DIRECTORY / "stack.json").read_text())
    for output in ("UserPoolId", "ClientId", "OperatorClientId"):
        del known["outputs"][output]
    (tmp_path / "stack.json").write_text(json.dumps(known))
    shutil.copy(DIRECTORY / "emulator.pid", tmp_path)
    assert "TOKEN=" in run("onboard", *words(newcomer), "YES=1", directory=tmp_path).stderr
    client = f"back-end-{newcomer.name}"
    done = run("onboard", *words(newcomer, f"CLIENT_ID={client}", *SCHEDULE), "YES=1", f"TOKEN={operator.token}", directory=tmp_path)
    assert handed_over(done)["Client id"] == client and "at your issuer" in done.stdout
    assert operator.token not in done.stdout + done.stderr
    assert operator.get(f"/v1/clients/{client}").json()["partner"] == newcomer.name
    assert operator.get(f"{newcomer.path}/export-schedule").json()["locale"] == "fr"
    assert pool.people(newcomer.name) == {}
    operator.delete(f"/v1/clients/{client}")


def test_partner_command_shows_everything_of_a_partner(operator, newcomer):
    handed_over(run("onboard", *words(newcomer, "NAME=Tailspin Toys", *SCHEDULE), "YES=1"))
    newcomer.record([new_activity()])
    assert operator.put(f"{newcomer.path}/settings", json={"limits": {"records_per_second": 200}}).status_code == 200
    done = run("partner", f"PARTNER={newcomer.name}")
    assert done.returncode == 0, done.stderr
    for said in (
        "Tailspin Toys",
        "active",
        "2024-03 to 2024-03",
        "records_per_second 200",
        "xlsx, fr",
        f"ana@{newcomer.name}.example  global_admin",
        "daybook/record",
    ):
        assert said in done.stdout, done.stdout
    near = f"{newcomer.name[:-1]}x"
    unknown = run("partner", f"PARTNER={near}")
    assert unknown.returncode != 0 and newcomer.name in unknown.stderr and "Traceback" not in unknown.stderr
    assert f"{newcomer.name} (Tailspin Toys)" in run("onboard", f"PARTNER={near}", "ADMIN=none").stderr
    listed = run("partner")
    assert listed.returncode == 0 and any(line.startswith(f"{newcomer.name} ") and "Tailspin Toys" in line for line in listed.stdout.splitlines())


def test_commands_without_inputs_say_what_they_need():
    done = run("onboard", directory=DIRECTORY)
    assert "PARTNER: is missing" in done.stderr
    alone = subprocess.run([sys.executable, "infra/onboard.py"], cwd=ROOT, capture_output=True, text=True)
    assert alone.returncode == 2 and "make onboard PARTNER=tailspin ADMIN=ana@tailspin.example" in alone.stderr


def test_document_onboards_by_hand(shell, operator, newcomers, pool):
    partner = newcomers("tailspin-")
    document = (ROOT / "docs" / "onboard.md").read_text("utf-8")
    (by_hand,) = re.findall(r"^## By hand\n(.*?)^### ", document, re.MULTILINE | re.DOTALL)
    found = [(commands.replace("PARTNER=tailspin\n", f"PARTNER={partner.name}\n"), expected) for commands, expected in blocks(by_hand)]
    assert len(found) == 5 and sum(bool(expected) for _, expected in found) == 4
    for printed, (commands, expected) in zip(shell([commands for commands, _ in found]), found):
        assert is_as_expected(printed, expected), f"{commands}\nprinted:\n{printed}\ninstead of:\n{expected}"
    assert pool.roles(f"bea@{partner.name}.example") == ["global_admin"]
    assert partner.ids(**{"from": "2026-10-01", "to": "2026-10-31"}) == ["first"]
