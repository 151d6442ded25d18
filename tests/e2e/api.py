"""A client of the API: over HTTP, with tokens, and with nothing that other clients do not have."""

import itertools
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import requests

BATCH = 500
ALL_OF_2024 = {"from": "2024-01-01", "to": "2024-12-31"}

_sessions = threading.local()


def compact(value):
    """Formats JSON as the service does: no white space, characters unescaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def members(text):
    """Returns the members of a JSON object by name, as raw text, so that numbers keep their digits."""
    decoder, found = json.JSONDecoder(), {}

    def skip(at):
        while text[at] in " \t\r\n":
            at += 1
        return at

    at = skip(skip(0) + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        start = skip(skip(at) + 1)
        _, at = decoder.raw_decode(text, start)
        found[name] = text[start:at]
        at = skip(at)
        at = skip(at + 1) if text[at] == "," else at
    return found


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def rfc3339(moment):
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now():
    return datetime.now(timezone.utc)


_numbers = itertools.count(1)


def new_activity(**fields):
    """Returns a new activity with an id of its own, by default of March 2024."""
    return {
        "id": f"a-{next(_numbers):06}-{uuid.uuid4().hex[:8]}",
        "occurred_at": "2024-03-05T09:30:00.123456Z",
        "action": "order.created",
        "actor": {"id": "ana@contoso.example", "name": "Ana Trujillo"},
    } | fields


def newest_first(activities):
    """Returns the sort key of lists and exports: time, then id."""
    return sorted(activities, key=lambda activity: (instant(activity["occurred_at"]), activity["id"]), reverse=True)


def eventually(look, what, seconds=120):
    """Returns the first result of `look` that is not empty."""
    started = time.monotonic()
    while not (found := look()):
        waited = time.monotonic() - started
        assert waited < seconds, f"{what}: not within {seconds} s"
        # What takes long is looked at less often: each look takes the processor from what it waits for.
        time.sleep(min(1, 0.1 + waited / 20))
    return found


def is_problem(response, status, slug, field=None):
    """Checks that an answer is a problem document (RFC 9457), about `field` if given, and returns the document."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.text[:500]}"
    assert response.headers["Content-Type"].startswith("application/problem+json"), response.headers
    document = response.json()
    check_problem(document, status, slug, field)
    assert document["trace_id"], document
    return document


def check_problem(document, status, slug, field=None):
    assert document["status"] == status, document
    assert document["type"].rstrip("/").endswith(slug), document
    assert document["title"] and document["detail"], document
    for leak in ("AccessDenied", "Exception", "arn:", "dynamodb", "panicked", "src/"):
        assert leak not in json.dumps(document), document
    if field is not None:
        assert field in [error["pointer"] for error in document["errors"]], document
        assert field.rsplit("/", 1)[-1] in document["detail"], document
    return document


def is_guarded(response, private=True):
    """Checks the security and cache headers of an answer, and returns the answer."""
    headers = response.headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000", headers
    assert headers["X-Content-Type-Options"] == "nosniff", headers
    assert headers["Referrer-Policy"] == "no-referrer", headers
    # The gateway's own answers forbid frames with the older header.
    assert "frame-ancestors 'none'" in headers.get("Content-Security-Policy", "") or headers["X-Frame-Options"] == "DENY", headers
    if private:
        assert headers["Cache-Control"] == "no-store", headers
    return response


class Caller:
    """A person or machine with a token, or without one."""

    def __init__(self, root, token=None):
        self.root, self.token = root.rstrip("/"), token

    def request(self, method, path, **options):
        if not hasattr(_sessions, "session"):
            _sessions.session = requests.Session()
        headers = dict(options.pop("headers", None) or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        options.setdefault("allow_redirects", False)
        options.setdefault("timeout", 120)
        return _sessions.session.request(method, self.root + path, headers=headers, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def put(self, path, **options):
        return self.request("PUT", path, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)


class Partner:
    """The part of the API that belongs to a partner, called by `caller`."""

    def __init__(self, caller, name):
        self.caller, self.name, self.path = caller, name, f"/v1/partners/{name}"

    def seen_by(self, caller):
        return Partner(caller, self.name)

    def register(self, **fields):
        """Registers the partner, because nobody may record for a partner that is not registered, and returns it."""
        answer = self.caller.put(self.path, json=fields)
        assert answer.status_code in (200, 201), answer.text[:500]
        return self

    # Activities

    def send(self, body, **options):
        """Sends a request to record: text unchanged, anything else as JSON."""
        body = body if isinstance(body, (str, bytes)) else compact(body)
        body = body.encode() if isinstance(body, str) else body
        options["headers"] = {"Content-Type": "application/json"} | (options.get("headers") or {})
        return self.caller.post(f"{self.path}/activities", data=body, **options)

    def refusal(self, activity, status):
        """Sends an activity until it is refused with a status, because functions remember a partner for a minute."""
        # In a list, because an answer that is an error counts as false.
        (answer,) = eventually(lambda: (answer := self.send(activity)).status_code == status and [answer], f"{status} for an activity", 70)
        return answer

    def record(self, activities):
        """Records activities, and checks that all of them are new."""
        for batch in batches(activities):
            answer = self.send({"activities": batch})
            assert answer.status_code == 200, answer.text[:500]
            others = [result for result in answer.json()["results"] if result["status"] != "recorded"]
            assert others == [] and answer.json()["recorded"] == len(batch)

    def list(self, **parameters):
        return self.caller.get(f"{self.path}/activities", params=parameters)

    def pages(self, path=None, **parameters):
        """Yields every page of a list, by its cursors."""
        cursor = {}
        while cursor is not None:
            answer = self.caller.get(path or f"{self.path}/activities", params=parameters | cursor)
            assert answer.status_code == 200, answer.text[:500]
            page = answer.json()
            yield page
            cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}

    def all(self, path=None, **parameters):
        return [activity for page in self.pages(path, **parameters) for activity in page["activities"]]

    def ids(self, path=None, **parameters):
        return [activity["id"] for activity in self.all(path, **parameters)]

    def show(self, activity):
        answer = self.caller.get(f"{self.path}/activities/{activity['id']}", params={"occurred_at": activity["occurred_at"]})
        assert answer.status_code == 200, answer.text[:500]
        return answer.text

    # Exports

    def order(self, request, **options):
        return self.caller.post(f"{self.path}/exports", json=request, **options)

    def export(self, **request):
        """Waits until an export is ready, and returns it."""
        ordered = self.order(request)
        assert ordered.status_code == 202, ordered.text[:500]
        return self.ready(ordered.json()["id"])

    def ready(self, export, seconds=120):
        def finished():
            answer = self.caller.get(f"{self.path}/exports/{export}")
            assert answer.status_code == 200, answer.text[:500]
            return answer.json() if answer.json()["status"] not in ("pending", "running") else None

        shown = eventually(finished, f"export {export} finished", seconds)
        assert shown["status"] == "ready", shown
        return shown

    def link(self, export, name):
        answer = self.caller.get(f"{self.path}/exports/{export['id']}/files/{name}")
        assert answer.status_code == 303, answer.text[:500]
        return answer.headers["Location"]

    def download(self, export, number=0):
        """Downloads a file through its link, without the token."""
        answer = requests.get(self.link(export, export["files"][number]["name"]), timeout=120)
        assert answer.status_code == 200, answer.text[:500]
        return answer.content

    def exports(self, **parameters):
        found, cursor = [], {}
        while cursor is not None:
            answer = self.caller.get(f"{self.path}/exports", params=parameters | cursor)
            assert answer.status_code == 200, answer.text[:500]
            found += answer.json()["exports"]
            cursor = answer.json()["next_cursor"] and {"cursor": answer.json()["next_cursor"]}
        return found


def batches(items, size=BATCH):
    items = list(items)
    return [items[at : at + size] for at in range(0, len(items), size)]


def in_parallel(work, items, width=8):
    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(work, items))


def months_back(moment, count=1):
    """Returns the same local time some calendar months earlier, on the last day if that month is shorter."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - count, 12)
    first_of_next = datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last_day = (first_of_next - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))
