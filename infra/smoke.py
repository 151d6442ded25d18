#!/usr/bin/env python3
"""Checks in a minute that a deployed installation works: `make smoke URL=… TOKEN=…`, or `python3 infra/smoke.py --help`.

Every check goes through the API, as clients do. A run registers a partner of its own, `daybook-smoke` by default, and records
three activities for this partner. The registration and the activities stay; the run deletes its export. TOKEN is the operator's
token. If the environment has `TOKEN_URL`, `CLIENT_ID` and `CLIENT_SECRET` instead, the program requests a token.
"""

import argparse
import hashlib
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

PARTNER = "daybook-smoke"
SECONDS = 60
HELP = """\
make smoke checks that an installation works. It needs the address of the API and a token of the operator.

On your machine, with the address that make up prints:
  make smoke URL=http://localhost:4566/_aws/execute-api/…/live TOKEN=$(make token USER=operator)
On AWS, with the stack's output ApiUrl:
  make smoke URL=https://….execute-api.eu-west-3.amazonaws.com/live TOKEN=…
Instead of TOKEN, the environment may have TOKEN_URL, CLIENT_ID and CLIENT_SECRET of the operator's client.
docs/operations.md says where they are (The operator's token)."""


class CheckFailed(Exception):
    """A check of the installation failed; the message names the request and the answer."""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirects)


class Installation:
    """A client of an installation, with the operator's token."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url.rstrip("/"), token

    def send(self, method: str, path: str, wanted: int | tuple[int, ...], body=None, token: str | None = ""):
        """Sends a request, checks the status of the answer, and returns its headers and its body, parsed if it is JSON."""
        status, found, content = self.answer(method, path, body, token)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        if status not in wanted:
            shown = content.decode(errors="replace") if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False)
            raise CheckFailed(f"{method} {path}: {status} instead of {' or '.join(map(str, wanted))}: {shown[:300]}")
        return found, content

    def answer(self, method: str, path: str, body=None, token: str | None = ""):
        """Sends a request, and returns status, headers and body of the answer; the body is parsed if it is JSON."""
        url = path if path.startswith("http") else self.url + path
        sent = {"Content-Type": "application/json"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method, headers=sent)
        try:
            with OPENER.open(request, timeout=30) as answer:
                status, found, content = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                status, found, content = answer.code, answer.headers, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CheckFailed(f"{method} {path}: no answer ({error})") from None
        return status, found, json.loads(content) if content and "json" in (found.get("Content-Type") or "") else content


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", nargs="?", help="root of the API: the stack's output ApiUrl")
    parser.add_argument("--partner", default=PARTNER, help=f"partner of the recorded activities ({PARTNER})")
    chosen = parser.parse_args()
    if not chosen.url:
        print(HELP, file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        token = os.environ.get("TOKEN") or fresh_token()
        steps = check(Installation(chosen.url, token), chosen.partner, began)
    except CheckFailed as failure:
        print(f"✗ {failure}", file=sys.stderr)
        return 1
    print(f"The installation works: {steps} steps in {time.monotonic() - began:.1f} s.")
    return 0


def fresh_token() -> str:
    """Requests the operator's token with the credentials of its client."""
    try:
        url, client, secret = (os.environ[name] for name in ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"))
    except KeyError as missing:
        raise CheckFailed(f"The environment has neither TOKEN nor {missing.args[0]}. TOKEN is the operator's token.") from None
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": "daybook/operate"}
    try:
        with OPENER.open(urllib.request.Request(url, data=urllib.parse.urlencode(form).encode()), timeout=30) as answer:
            return json.load(answer)["access_token"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckFailed(f"{url} gave no token: {error}") from None


def check(service: Installation, partner: str, began: float) -> int:
    """Uses each part of the service once, and returns the number of steps."""
    steps = 0

    def done(text: str) -> None:
        nonlocal steps
        steps += 1
        print(f"✓ {text} ({time.monotonic() - began:.1f} s)", flush=True)

    _, health = service.send("GET", "/health", 200, token=None)
    if not isinstance(health, dict) or "version" not in health:
        raise CheckFailed("GET /health does not tell a version. Is URL the address of a Daybook's API?")
    done(f"version {health['version']} answers the health check without a token")
    base = f"/v1/partners/{partner}"
    service.send("GET", f"{base}/activities", 401, token=None)
    service.send("GET", f"{base}/activities", 401, token="not.a.token")
    done("other requests are refused without a token and with a bad one")
    service.send("PUT", base, (200, 201), {"name": "Checks of the installation"})
    done(f"the partner {partner} is registered")

    run, now = uuid.uuid4().hex, datetime.now(timezone.utc)
    sent = [
        {
            "id": f"smoke-{run}-{number}",
            "occurred_at": (now - timedelta(seconds=number)).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "action": "smoke.checked",
            "actor": {"type": "system", "id": "smoke"},
            "customer": {"id": f"run-{run}"},
            "details": {"run": run, "text": "é €" * (1 if number else 4_000)},
        }
        for number in range(3)
    ]
    for number, recorded in enumerate((3, 0)):
        _, answer = service.send("POST", f"{base}/activities", 200, {"activities": sent})
        if (answer["recorded"], answer["duplicates"], answer["rejected"]) != (recorded, 3 - recorded, 0):
            raise CheckFailed(f"Three activities, sent for the {('first', 'second')[number]} time, got the answer {answer}")
    done("three activities, sent twice, are recorded once")
    service.send("POST", f"{base}/activities", 409, sent[0] | {"action": "smoke.changed"})
    done("a recorded activity cannot be changed")

    period = {"from": sent[-1]["occurred_at"], "to": (now + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")}
    query = urllib.parse.urlencode(period | {"customer": f"run-{run}"})
    _, listed = service.send("GET", f"{base}/activities?{query}", 200)
    if [activity["id"] for activity in listed["activities"]] != [activity["id"] for activity in sent]:
        raise CheckFailed(f"The list does not hold the recorded activities: {[activity['id'] for activity in listed['activities']]}")
    for activity in sent:
        query = urllib.parse.urlencode({"occurred_at": activity["occurred_at"]})
        _, shown = service.send("GET", f"{base}/activities/{activity['id']}?{query}", 200)
        if shown["details"] != activity["details"]:
            raise CheckFailed(f"The details of {activity['id']} differ from the recorded ones.")
    done("the list shows them at once, newest first, and each shows its details")

    _, export = service.send("POST", f"{base}/exports", 202, period | {"customer": f"run-{run}", "format": "jsonl"})
    address = f"{base}/exports/{export['id']}"
    try:
        while export["status"] in ("pending", "running"):
            if time.monotonic() - began > SECONDS:
                raise CheckFailed(f"The export {export['id']} is still {export['status']} after {SECONDS} s.")
            time.sleep(0.5)
            _, export = service.send("GET", address, 200)
        if export["status"] != "ready":
            raise CheckFailed(f"The export is {export['status']}: {export['problem']}")
        [file] = export["files"]
        link, _ = service.send("GET", f"{address}/files/{file['name']}", 303)
        # The link carries its own signature, so the download needs no token.
        with OPENER.open(link["Location"], timeout=30) as answer:
            content = answer.read()
        if (hashlib.sha256(content).hexdigest(), file["rows"]) != (file["sha256"], len(sent)):
            raise CheckFailed(f"The file differs from its description in the export: {file}")
        if [json.loads(line)["id"] for line in content.splitlines()] != [activity["id"] for activity in sent]:
            raise CheckFailed("The file does not hold the recorded activities.")
        done("an export of them is ready, and its file matches the digest")
    finally:
        service.send("DELETE", address, 204)
    done("the export is deleted")
    service.send("GET", f"{base}/export-schedule", 404)
    done("the partner has no schedule")
    return steps


if __name__ == "__main__":
    sys.exit(main())
