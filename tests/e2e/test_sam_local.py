"""The functions in containers through the real `sam local`: packages, environment, routes, authorizer.

The test needs a container engine. If none answers, the test starts one that is installed (`make test` installs it if `CI` is set).
If Lambda's image is missing, the test builds a Debian stand-in from four packages, which proves nothing about Amazon Linux.
"""

import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests

import sam_local
import tokens
from api import ALL_OF_2024, Caller, Partner, is_problem, new_activity
from emulator import free_port

IMAGE = "public.ecr.aws/lambda/provided:al2023-x86_64"
PACKAGES = ["busybox-static", "libc6", "libgcc-s1", "ca-certificates"]
# The answer of each function to its event in tests/events.
ANSWERS = {
    "authorizer": lambda answer: answer["errorMessage"] == "Unauthorized",
    "record": lambda answer: answer["statusCode"] in (200, 201) and json.loads(answer["body"])["id"] == "through-record",
    "intake": lambda answer: answer == {"batchItemFailures": []},
    "query": lambda answer: {each["id"] for each in json.loads(answer["body"])["activities"]} == {"through-record", "through-intake"},
    "exports": lambda answer: json.loads(answer["body"])["exports"] == [],
    "admin": lambda answer: answer["statusCode"] == 404,
    "export-worker": lambda answer: answer == {"batchItemFailures": []},
    "monthly": lambda answer: answer["complete"] is True,
    "keeper": lambda answer: answer["failed"] == 0 and answer["complete"] is True,
    "notifier": lambda answer: answer == {"batchItemFailures": []},
    "streams": lambda answer: json.loads(answer["body"])["streams"] == [],
    "streamer": lambda answer: answer is None,
    "portal": lambda answer: answer["statusCode"] == 200,
}


def docker(*arguments, **options):
    return subprocess.run(["docker", *arguments], capture_output=True, text=not options, **options)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A container engine with an image for functions."""
    if platform.machine() != "x86_64":
        pytest.skip("the stand-in for Lambda's image is made for x86_64 only")
    if not shutil.which("docker"):
        pytest.skip("no container engine is installed")
    started = None
    place = tmp_path_factory.mktemp("engine")
    before = os.environ.get("DOCKER_HOST")
    if docker("info").returncode:
        if not shutil.which("dockerd") or os.geteuid():
            pytest.skip("no container engine answers, and none can be started")
        os.environ["DOCKER_HOST"] = f"unix://{place}/docker.sock"
        with (place / "log").open("w") as log:
            started = subprocess.Popen(
                [
                    "dockerd",
                    "--data-root",
                    str(place / "data"),
                    "--exec-root",
                    str(place / "exec"),
                    "--pidfile",
                    str(place / "pid"),
                    "--host",
                    os.environ["DOCKER_HOST"],
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while docker("info").returncode and started.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
    try:
        if docker("info").returncode:
            pytest.skip(f"the container engine did not start: {(place / 'log').read_text()[-300:]}")
        if docker("image", "inspect", IMAGE).returncode:
            make_image(place)
        yield
    finally:
        if started:
            started.terminate()
            started.wait(60)
            os.environ.pop("DOCKER_HOST")
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def make_image(place: Path):
    """Builds an image that can run a bootstrap."""
    packages, root = place / "packages", place / "root"
    packages.mkdir()
    # apt downloads as root, so the folder must belong to root.
    fetched = subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *PACKAGES], cwd=packages, capture_output=True)
    if fetched.returncode:
        pytest.skip(f"the packages of an image cannot be fetched: {fetched.stderr[-200:]}")
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    (root / "bin" / "sh").symlink_to("busybox")
    for name in ("tmp", "var/task", "var/runtime"):
        (root / name).mkdir(parents=True, exist_ok=True)
    certificates = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    certificates.parent.mkdir(parents=True, exist_ok=True)
    # The installation of the package would make this link.
    certificates.write_text("".join(sorted(each.read_text() for each in (root / "usr/share/ca-certificates/mozilla").glob("*.crt"))))
    packed = subprocess.run(["tar", "-C", str(root), "-c", "."], check=True, capture_output=True).stdout
    done = docker("import", "-", IMAGE, input=packed)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def containers(engine, stack, tmp_path_factory):
    containers = sam_local.Containers(stack, tmp_path_factory.mktemp("sam-local"), ["--skip-pull-image"])
    with containers.ready():
        yield containers


def test_every_function_answers_its_event_in_a_container(containers, stack):
    assert {event.stem for event in sam_local.EVENTS.glob("*.json")} == set(ANSWERS) == set(stack["functions"])
    for function, is_right in ANSWERS.items():
        answer, _ = containers.invoke(function, sam_local.EVENTS / f"{function}.json")
        assert is_right(answer), f"{function}: {answer}"


def test_api_in_containers_authorizes_and_shares_the_data(containers, stack, operator, names):
    there = Partner(operator, names()).register()
    with containers.api(free_port()) as address:
        assert requests.get(f"{address}/health", timeout=60).status_code == 200
        assert requests.get(f"{address}{there.path}/activities", timeout=60).status_code == 401
        bad = requests.get(f"{address}{there.path}/activities", headers={"Authorization": "Bearer not.a.token"}, timeout=60)
        # The gateway answers an authorizer's "Unauthorized" with 401; sam local takes it for an error of the authorizer.
        assert bad.status_code in (401, 502) and "activities" not in bad.text
        here = Partner(Caller(address, tokens.token(stack, "operator")), there.name)
        sent = new_activity()
        assert here.send(sent).status_code == 201
        assert there.ids(**ALL_OF_2024) == [sent["id"]]
        assert here.ids(**ALL_OF_2024) == [sent["id"]]
        is_problem(here.send(sent | {"status": "failed"}), 409, "conflict")
