"""The programs of docs/streams.md accept what the streamer sends, and refuse everything else."""

import base64
import gzip
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from application import ROOT, sources

TEXT = (ROOT / "docs" / "streams.md").read_text("utf-8")
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
ACTIVITIES = [{"id": "evt-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created"}]


def programs(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def request(key=KEY, sent_at=None, is_compressed=True):
    """Makes the headers and the body of a request, as functions/streamer/src/sender.rs does."""
    body, sent_at = json.dumps(ACTIVITIES).encode(), str(sent_at or int(time.time()))
    signature = base64.b64encode(hmac.new(key, f"msg_1.{sent_at}.".encode() + body, hashlib.sha256).digest()).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": sent_at, "webhook-signature": f"v1,older v1,{signature}"}
    return (headers | {"content-encoding": "gzip"}, gzip.compress(body)) if is_compressed else (headers, body)


def good():
    """Makes requests that a receiver accepts for five minutes."""
    return [request(), request(is_compressed=False)]


def bad():
    return [request(key=b"another"), request(sent_at=int(time.time()) - 3_600)]


@pytest.fixture
def receiver(tmp_path):
    """Runs the receiver in Python. Returns its address, and the file of what it prints."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    (tmp_path / "receiver.py").write_text(programs("python")[0])
    printed = tmp_path / "received.txt"
    with printed.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "receiver.py"],
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"SECRET": SECRET, "PORT": str(port)},
        )
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/hook", printed
    finally:
        process.kill()
        process.wait()


def post(address, headers, body):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_receiver_in_python_accepts_what_is_signed(receiver):
    address, printed = receiver
    assert [post(address, *each) for each in good()] == [204, 204]
    assert [post(address, *each) for each in bad()] == [401, 401]
    assert printed.read_text() == "2026-11-02T09:30:00.123456Z evt-1 order.created\n" * 2


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
def test_check_in_node_accepts_what_is_signed(tmp_path):
    (check,) = programs("js")
    (tmp_path / "check.mjs").write_text(check)
    sent = [[headers, base64.b64encode(body).decode()] for headers, body in good() + bad()]
    program = f"""import {{ activities }} from "./check.mjs";
        for (const [headers, body] of {json.dumps(sent)}) {{
          try {{ console.log(JSON.stringify(activities(headers, Buffer.from(body, "base64")))); }} catch (error) {{ console.log(error.message); }}
        }}"""
    command = ["node", "--input-type=module", "--eval", program]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"SECRET": SECRET}, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and [json.loads(line) for line in lines[:2]] == [ACTIVITIES] * 2, done.stderr
    assert lines[2:] == ["the signature is not good"] * 2


def test_programs_in_python_and_json_are_well_formed():
    for number, program in enumerate(programs("python")):
        compile(program, f"program {number} of docs/streams.md", "exec")
    assert len([json.loads(each) for each in programs("json")]) == 3


def test_example_of_ocsf_has_the_members_of_the_code():
    (ocsf,) = (each for text in programs("json") if "class_uid" in (each := json.loads(text)))
    code = (ROOT / "crates" / "domain" / "src" / "ocsf.rs").read_text("utf-8")
    (snapshot,) = re.findall(r'assert_snapshot!\(text, @r#"(.*?)"#\)', code)
    known = json.loads(snapshot)
    assert set(ocsf) <= set(known) and set(ocsf["metadata"]) == set(known["metadata"])
    for member in ("class_uid", "category_uid", "class_name", "category_name", "severity"):
        assert ocsf[member] == known[member]


def test_page_names_the_words_of_the_code():
    mask = (ROOT / "crates" / "domain" / "src" / "stream" / "mask.rs").read_text("utf-8")
    for field in re.findall(r'rename = "([\w.]+)"', mask):
        assert f"`{field}`" in TEXT, field
    for text in re.findall(r'#\[error\("([^{"]+)"\)\]', (ROOT / "crates" / "webhook" / "src" / "lib.rs").read_text("utf-8")):
        assert f"`{text}`" in TEXT or not text.endswith("."), text
    assert "EventBridge refused the events: " in sources("streamer") and "AWS answered {code}: {message}" in sources("streamer")
    state = (ROOT / "crates" / "domain" / "src" / "stream" / "state.rs").read_text("utf-8")
    assert "DEFAULT_STOP_HOURS: i64 = 72" in state and "After 72 hours" in TEXT
    assert "MAX_STREAMS: usize = 10" in (ROOT / "crates" / "domain" / "src" / "stream" / "settings.rs").read_text("utf-8")
