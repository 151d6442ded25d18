"""Notifications: signed webhooks to public addresses, with retries and visible failures; e-mail from one sender."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from test_months import Month, grace, last_ended, run, schedules  # noqa: F401

from api import eventually, is_problem, new_activity, now, rfc3339
from receiver import Receiver


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


def signature(secret, headers, body):
    """Verifies a signature as Standard Webhooks defines it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def secret_of(partner):
    answer = partner.caller.get(f"{partner.path}/export-schedule/secret")
    assert answer.status_code == 200, answer.text
    return answer.json()["secret"]


@pytest.fixture
def made(partner, schedules, run, grace):  # noqa: F811
    """Runs a month of a partner whose schedule notifies these recipients, and returns the month."""

    def make(*recipients, **more):
        later = now() + timedelta(minutes=10)
        month = last_ended(later - grace, "UTC")
        partner.record([new_activity(occurred_at=rfc3339(month.start))])
        schedules(partner, notify=list(recipients), **{"from": month.name}, **more)
        run(later)
        partner.ready(month.name)
        return month

    return make


def deliveries(partner):
    [result] = partner.caller.get(f"{partner.path}/export-schedule").json()["results"]
    return {each["recipient"]: each for each in result["deliveries"]}


def settled(partner, recipient):
    def look():
        found = deliveries(partner).get(recipient)
        return found if found and found["status"] != "pending" else None

    return eventually(look, f"{recipient} told or given up")


def test_webhook_is_signed_and_names_the_ready_export(stack, partner, receiver, made):
    month = made(receiver.url)
    delivery = settled(partner, receiver.url)
    assert (delivery["status"], delivery["attempts"], delivery["http_status"], delivery["problem"]) == ("delivered", 1, 204, None)
    [(path, headers, body)] = receiver.requests
    headers = {name.lower(): value for name, value in headers.items()}
    assert path == "/hook" and headers["content-type"] == "application/json"
    assert headers["webhook-signature"] == signature(secret_of(partner), headers, body)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    message = json.loads(body)
    assert message["type"] == "monthly_export.ready"
    data = message["data"]
    assert (data["partner_id"], data["export_id"], data["month"], data["version"]) == (partner.name, month.name, month.name, 1)
    assert data["files"] == partner.ready(month.name)["files"]
    # The link leads to a sign-in; the message itself opens no file.
    assert data["portal_url"] == stack["portal_url"]
    assert "X-Amz" not in body and "Signature" not in body
    assert requests.get(data["portal_url"], timeout=60).status_code == 200


def test_failed_delivery_is_retried_with_the_same_id(partner, receiver, made):
    receiver.answers = [(500, {}), (307, {"Location": receiver.url + "/elsewhere"})]
    made(receiver.url)
    delivery = settled(partner, receiver.url)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 3)
    assert {path for path, _, _ in receiver.requests} == {"/hook"}, "no redirect is followed"
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1
    assert len({body for _, _, body in receiver.requests}) == 1


def test_delivery_that_always_fails_is_reported_as_failed(partner, receiver, made):
    receiver.answers = [(503, {})] * 20
    made(receiver.url)
    delivery = settled(partner, receiver.url)
    assert (delivery["status"], delivery["attempts"], delivery["http_status"], delivery["next_attempt_at"]) == ("failed", 3, 503, None)
    assert "503" in delivery["problem"]
    assert len(receiver.requests) == 3


def test_gone_receiver_is_not_called_again(partner, receiver, made):
    receiver.answers = [(410, {})]
    made(receiver.url)
    assert settled(partner, receiver.url)["attempts"] == 1


def test_recipient_blocks_no_other(partner, receiver, made):
    """Nothing answers at the first address, because the top level `example` has no hosts."""
    nowhere = "https://portal.example/hook"
    made(nowhere, receiver.url)
    assert settled(partner, receiver.url)["status"] == "delivered"
    refused = settled(partner, nowhere)
    assert (refused["status"], refused["http_status"]) == ("failed", None) and refused["problem"]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "app.localhost", "127.0.0.2", "[::1]", "portal", "portal.local", "a.compute.internal", "portal.test"]
)
def test_address_inside_is_refused_when_it_is_saved(partner, receiver, host):
    answer = partner.caller.put(f"{partner.path}/export-schedule", json={"notify": [f"https://{host}:{receiver.port}/inside"]})
    assert "not a public address" in is_problem(answer, 400, "invalid-request", "/notify/0")["detail"]


def test_replaced_secret_keeps_signing_for_a_day(partner, receiver, made, schedules, caller):  # noqa: F811
    path = f"{partner.path}/export-schedule/secret"
    is_problem(partner.caller.get(path), 404, "not-found")
    is_problem(partner.caller.post(path), 404, "not-found")
    schedules(partner, notify=[receiver.url])
    old = secret_of(partner)
    is_problem(partner.caller.post(path, json={"secret": "whsec_mine"}), 400, "invalid-request", "/secret")
    between = partner.caller.post(path).json()["secret"]
    rotated = partner.caller.post(path).json()
    assert len({rotated["secret"], between, old}) == 3 and rotated["secret"] == secret_of(partner) and rotated["previous_valid_until"]
    made(receiver.url)
    settled(partner, receiver.url)
    [(_, headers, body)] = receiver.requests
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["webhook-signature"].split(" ") == [signature(secret, headers, body) for secret in (rotated["secret"], between, old)]
    for stranger in ("contoso-global-admin", "fabrikam-sales-agent"):
        is_problem(caller(stranger).get(path), 404, "not-found")


def test_refused_email_is_retried_and_reported_as_failed(partner, made):
    """The emulator refuses every message, because it does not know the condition `ses:FromAddress` in the role."""
    recipient = "mailto:finance@contoso.example"
    made(recipient, locale="fr")
    delivery = settled(partner, recipient)
    assert (delivery["status"], delivery["attempts"], delivery["http_status"]) == ("failed", 3, None)
    assert delivery["problem"] == "The e-mail service did not take the message."


def test_schedule_without_recipients_sends_nothing(partner, made):
    made()
    assert deliveries(partner) == {}


def test_webhook_is_tried_locally_as_documented(stack, partner, run, grace, tmp_path):  # noqa: F811
    """Runs the receiver and the commands of docs/use.md; only the last command is left to the monthly function."""
    guide = (Path(__file__).resolve().parents[2] / "docs" / "use.md").read_text("utf-8").split("### Try a webhook on your machine")[1]
    [script] = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    commands = re.search(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)[1]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    later = now() + timedelta(minutes=10)
    month = last_ended(later - grace, "UTC")
    for old, new in (
        (r"API=\S+", f"API={stack['api_url']}"),
        (r"MONTH=\S+", f"MONTH={month.name}"),
        (r"\$\(make token USER=[a-z-]+\)", partner.caller.token),
        (r"/partners/contoso/", f"/partners/{partner.name}/"),
        (r"127\.0\.0\.1:9000", f"127.0.0.1:{port}"),
        (r"python3", sys.executable),
    ):
        commands, count = re.subn(old, new, commands)
        assert count, old
    commands, last, _ = commands.partition('curl -sS -X POST "$API/v1/months/$MONTH/run"')
    assert last
    (tmp_path / "receiver.py").write_text(script.replace("9000", port))
    shell = subprocess.Popen(["bash", "-c", commands + "wait"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        # The schedule is saved before the receiver starts; a call that comes before the receiver listens is repeated.
        eventually(lambda: partner.caller.get(f"{partner.path}/export-schedule").status_code == 200, "the schedule saved")
        run(later)
        partner.ready(month.name)
        assert settled(partner, f"http://127.0.0.1:{port}/hook")["status"] == "delivered"
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        printed, _ = shell.communicate()
        partner.caller.delete(f"{partner.path}/export-schedule")
    assert '"monthly_export.ready"' in printed, printed
