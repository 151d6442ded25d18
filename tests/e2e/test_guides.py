"""Sends the requests in README.md and docs/use.md to the deployed service, in order and unchanged."""

import hashlib
import re
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ["README.md", "docs/use.md"]
REQUEST = re.compile(r"(GET|POST|PUT|DELETE) +(/\S+)")
HEADER = re.compile(r"([A-Za-z-]+): (.+)")
# A request for a file answers with a link.
SUCCESS = {200, 201, 202, 303}


def requests_of(guide):
    """Returns the requests in the `http` blocks of a guide: method, path, headers, body."""
    found = []
    for block in re.findall(r"^```http\n(.*?)^```$", (ROOT / guide).read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if request := REQUEST.fullmatch(line):
                found.append((*request.groups(), {}, []))
            elif (header := HEADER.fullmatch(line)) and not found[-1][3]:
                found[-1][2][header[1]] = header[2]
            elif line:
                found[-1][3].append(line)
    return [(method, path, headers, "\n".join(lines)) for method, path, headers, lines in found]


@pytest.mark.parametrize("guide", GUIDES)
def test_guide_requests_work_as_written(guide, operator, partner):
    # Other tests use the partner that the guide names, so this test uses a partner of its own.
    names = {"client_id": f"{partner.name}-back-end"}
    export = None

    def filled(text):
        text = re.sub(r"\{(id|name|client_id)\}", lambda name: names[name[1]], text)
        text = re.sub(r"/partners/contoso(?=/|$)", f"/partners/{partner.name}", text)
        return text.replace('"partner": "contoso"', f'"partner": "{partner.name}"')

    sent = requests_of(guide)
    assert len(sent) >= 5
    try:
        for method, path, headers, body in sent:
            path = filled(path)
            answer = operator.request(method, path, headers=headers, data=filled(body).encode() or None)
            assert answer.status_code in SUCCESS, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
            if (method, path) == ("POST", f"{partner.path}/exports"):
                export = partner.ready(answer.json()["id"])
                names |= {"id": export["id"], "name": export["files"][0]["name"]}
            if answer.status_code == 303:
                content = requests.get(answer.headers["Location"], timeout=120).content
                assert hashlib.sha256(content).hexdigest() == export["files"][0]["sha256"]
    finally:
        operator.delete(f"{partner.path}/export-schedule")
        for client in ("orders-back-end", names["client_id"]):
            operator.delete(f"/v1/clients/{client}")
    assert export
