"""Sends the requests in README.md and docs/use.md to the deployed service, in order and unchanged, and runs the commands for recording and streams."""

import hashlib
import json
import re
import socket
import uuid
from pathlib import Path

import pytest
import requests

import tokens
from guide import blocks, is_as_expected

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


def test_command_of_the_readme_records_an_activity(shell, stack, operator, partner):
    (command,) = (commands for commands, _ in blocks((ROOT / "README.md").read_text("utf-8")) if "curl" in commands)
    for name, value in {"API": stack["api_url"], "TOKEN": tokens.token(stack, "operator")}.items():
        command = re.sub(rf"^{name}=.*$", f"{name}={value}", command, count=1, flags=re.MULTILINE)
    (printed,) = shell([command.replace("/partners/contoso/", f"/partners/{partner.name}/")])
    recorded = json.loads(printed)
    assert (recorded["id"], recorded["customer"]) == ("evt-1", {"id": "northwind", "name": "Northwind SARL"})
    assert operator.get(f"{partner.path}/activities/evt-1", params={"occurred_at": recorded["occurred_at"]}).status_code == 200


# The owner of the bucket and of the bus. The emulator takes twelve digits for the key of an account.
PARTNERS_ACCOUNT = "210987654321"


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_commands_for_streams_work_as_written(shell, stack, operator, partner, tmp_path):
    document = (ROOT / "docs" / "streams.md").read_text("utf-8")
    (receiver, *_) = re.findall(r"^```python\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    (tmp_path / "receiver.py").write_text(receiver)
    own = f"guide-{uuid.uuid4().hex[:8]}"
    # Each reader has an API, a partner, a token, accounts, names and a port of their own.
    values = {
        "API": stack["api_url"],
        "PARTNER": partner.name,
        "TOKEN": tokens.token(stack, "operator"),
        "BUCKET": f"{own}-lake",
        "BUS": f"{own}-bus",
    }
    port = str(free_port())

    def filled(commands):
        for name, value in values.items():
            commands = re.sub(rf"^{name}=\S+(?: +#.*)?$", f"{name}={value}", commands, flags=re.MULTILINE)
        return commands.replace("9000", port)

    found = [(filled(commands), expected) for part in document.split("<!-- run -->\n")[1:] for commands, expected in blocks(part)[:1]]
    assert len(found) == document.count("<!-- run -->\n```sh\n") >= 10 and sum(bool(expected) for _, expected in found) >= 10
    keys = f"export AWS_ACCESS_KEY_ID={PARTNERS_ACCOUNT} AWS_SECRET_ACCESS_KEY=test\n"
    try:
        printed = shell([keys, *(commands for commands, _ in found)])[1:]
        for output, (commands, expected) in zip(printed, found):
            assert is_as_expected(output, expected), f"{commands}\nprinted:\n{output}\ninstead of:\n{expected}"
    finally:
        for stream in operator.get(f"{partner.path}/streams").json()["streams"]:
            operator.delete(f"{partner.path}/streams/{stream['id']}")
