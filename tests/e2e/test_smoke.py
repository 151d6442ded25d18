"""`make smoke` checks an installation, names faults, and leaves nothing but its own partner and its activities."""

import os
import subprocess
import sys
import time
from pathlib import Path

from api import Partner

SMOKE = Path(__file__).resolve().parents[2] / "infra" / "smoke.py"


def smoke(url, name, **environment):
    surroundings = {key: value for key, value in os.environ.items() if key not in ("TOKEN", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET")}
    return subprocess.run([sys.executable, str(SMOKE), url, "--partner", name], env=surroundings | environment, capture_output=True, text=True)


def test_smoke_passes_and_leaves_only_its_activities(stack, operator, names):
    partner = Partner(operator, names())
    for _ in range(2):
        done = smoke(stack["api_url"], partner.name, TOKEN=operator.token)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The installation works: 9 steps" in done.stdout
    began = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    left = partner.all(**{"from": began})
    assert len(left) == 6 and {activity["action"] for activity in left} == {"smoke.checked"}
    assert [export["status"] for export in partner.exports()] == ["cancelled", "cancelled"]


def test_smoke_requests_a_token_when_none_is_given(stack, names):
    [client] = [each for each in stack["clients"] if each["name"] == "operator"]
    done = smoke(
        stack["api_url"], names(), TOKEN_URL=f"{stack['sign_in_url']}/oauth2/token", CLIENT_ID=client["client_id"], CLIENT_SECRET=client["client_secret"]
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_smoke_prints_each_failure_in_one_line(stack, operator, caller, names):
    for url, token, said in (
        (stack["api_url"], "not.a.token", "401"),
        (stack["api_url"], caller("recorder-contoso").token, "403"),
        (stack["api_url"].rsplit("/", 1)[0] + "/nowhere", operator.token, "/health"),
        ("http://127.0.0.1:1", operator.token, "no answer"),
    ):
        done = smoke(url, names(), TOKEN=token)
        assert done.returncode == 1
        assert said in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert token not in done.stdout + done.stderr
    assert "TOKEN" in smoke(stack["api_url"], names()).stderr


def test_smoke_without_arguments_says_what_it_needs():
    for command in ([sys.executable, str(SMOKE)], ["make", "--silent", "smoke"]):
        done = subprocess.run(command, cwd=SMOKE.parents[1], env=os.environ | {"URL": "", "TOKEN": ""}, capture_output=True, text=True)
        assert done.returncode != 0 and "usage:" not in done.stderr
        assert "make smoke URL=" in done.stderr and "make token USER=operator" in done.stderr
