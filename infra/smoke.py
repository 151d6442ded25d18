#!/usr/bin/env python3
"""Proves in a minute that a deployed installation works: `make smoke URL=… TOKEN=…`, or `python3 infra/smoke.py --help`.

Everything goes through the API, as its clients do. What is recorded belongs to a partner that is named for it, `daybook-smoke`
unless another is given, and stays there, since activities are never removed: a run adds three. Exports are deleted again.
The token is the operator's; `TOKEN_URL`, `CLIENT_ID` and `CLIENT_SECRET` in the environment get a fresh one instead.
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


class Wrong(Exception):
    """Something is not as it should be: the message says what was asked and what came."""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirects)


class Installation:
    """An installation, as the operator calls it."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url.rstrip("/"), token

    def ask(self, method: str, path: str, wanted: int, body=None, token: str | None = "", headers=None):
        """An answer with the status that is wanted: its headers and its body, parsed where it is JSON."""
        url = path if path.startswith("http") else self.url + path
        sent = {"Content-Type": "application/json"} | (headers or {})
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
            raise Wrong(f"{method} {path}: no answer ({error})") from None
        if status != wanted:
            raise Wrong(f"{method} {path}: {status} instead of {wanted}: {content[:300].decode(errors='replace')}")
        return found, json.loads(content) if content and "json" in (found.get("Content-Type") or "") else content


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", help="root of the API, as the stack's output ApiUrl has it")
    parser.add_argument("--partner", default=PARTNER, help=f"whose activities it records ({PARTNER})")
    chosen = parser.parse_args()
    began = time.monotonic()
    try:
        token = os.environ.get("TOKEN") or fresh_token()
        steps = prove(Installation(chosen.url, token), chosen.partner, began)
    except Wrong as wrong:
        print(f"✗ {wrong}", file=sys.stderr)
        return 1
    print(f"The installation works: {steps} steps in {time.monotonic() - began:.1f} s.")
    return 0


def fresh_token() -> str:
    """The operator's token, by its client's credentials."""
    try:
        url, client, secret = (os.environ[name] for name in ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"))
    except KeyError as missing:
        raise Wrong(f"There is neither TOKEN nor {missing} in the environment.") from None
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": "daybook/operate"}
    try:
        with OPENER.open(urllib.request.Request(url, data=urllib.parse.urlencode(form).encode()), timeout=30) as answer:
            return json.load(answer)["access_token"]
    except (OSError, ValueError, KeyError) as error:
        raise Wrong(f"{url} gave no token: {error}") from None


def prove(service: Installation, partner: str, began: float) -> int:
    """Walks through what the service does; the number of steps."""
    steps = 0

    def done(text: str) -> None:
        nonlocal steps
        steps += 1
        print(f"✓ {text} ({time.monotonic() - began:.1f} s)", flush=True)

    service.ask("GET", "/health", 200, token=None)
    done("the service answers without a token where it should")
    base = f"/v1/partners/{partner}"
    service.ask("GET", f"{base}/activities", 401, token=None)
    service.ask("GET", f"{base}/activities", 401, token="not.a.token")
    done("and nowhere else: no token and a bad one are refused")

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
        _, answer = service.ask("POST", f"{base}/activities", 200, {"activities": sent})
        if (answer["recorded"], answer["duplicates"], answer["rejected"]) != (recorded, 3 - recorded, 0):
            raise Wrong(f"Three activities, sent for the {('first', 'second')[number]} time, were answered with {answer}")
    done("three activities are recorded once, though they are sent twice")
    service.ask("POST", f"{base}/activities", 409, sent[0] | {"action": "smoke.changed"})
    done("and cannot be changed")

    period = {"from": sent[-1]["occurred_at"], "to": (now + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")}
    query = urllib.parse.urlencode(period | {"customer": f"run-{run}"})
    _, listed = service.ask("GET", f"{base}/activities?{query}", 200)
    if [activity["id"] for activity in listed["activities"]] != [activity["id"] for activity in sent]:
        raise Wrong(f"The list does not hold what was recorded: {[activity['id'] for activity in listed['activities']]}")
    for activity in sent:
        query = urllib.parse.urlencode({"occurred_at": activity["occurred_at"]})
        _, shown = service.ask("GET", f"{base}/activities/{activity['id']}?{query}", 200)
        if shown["details"] != activity["details"]:
            raise Wrong(f"The details of {activity['id']} are not those that were recorded.")
    done("they are listed at once, newest first, and shown with their details")

    _, export = service.ask("POST", f"{base}/exports", 202, period | {"customer": f"run-{run}", "format": "jsonl"})
    address = f"{base}/exports/{export['id']}"
    try:
        while export["status"] in ("pending", "running"):
            if time.monotonic() - began > SECONDS:
                raise Wrong(f"The export {export['id']} is still {export['status']} after {SECONDS} s.")
            time.sleep(0.5)
            _, export = service.ask("GET", address, 200)
        if export["status"] != "ready":
            raise Wrong(f"The export is {export['status']}: {export['problem']}")
        [file] = export["files"]
        link, _ = service.ask("GET", f"{address}/files/{file['name']}", 303)
        # The link is good by itself: whoever follows it sends no token.
        with OPENER.open(link["Location"], timeout=30) as answer:
            content = answer.read()
        if (hashlib.sha256(content).hexdigest(), file["rows"]) != (file["sha256"], len(sent)):
            raise Wrong(f"The file is not what the export says of it: {file}")
        if [json.loads(line)["id"] for line in content.splitlines()] != [activity["id"] for activity in sent]:
            raise Wrong("The file does not hold what was recorded.")
        done("an export of them is made, downloaded through its link, and as its digest says")
    finally:
        service.ask("DELETE", address, 204)
    done("and deleted")
    service.ask("GET", f"{base}/export-schedule", 404)
    done("no schedule of that partner is left behind")
    return steps


if __name__ == "__main__":
    sys.exit(main())
