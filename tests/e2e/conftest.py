"""Deploys the stack that the tests talk to, on a port and with data of its own.

`STACK_JSON=.local/stack.json` selects a stack that runs already, for a quick try of a few tests. Their data stay there.
`make test` deploys one stack and runs the files side by side on it (pytest-xdist), then the tests with the mark `alone`.
"""

import itertools
import json
import os
import sys
import uuid
from functools import cache
from pathlib import Path

import pytest
import requests
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))
sys.path.insert(0, str(ROOT / "tests" / "amounts"))

pytest.register_assert_rewrite("api", "browser", "guide", "load", "spreadsheet")

import stack as local
import tokens
from api import Caller, Partner
from browser import chromium, elsewhere, person, window  # noqa: F401
from emulator import port_is_free
from guide import shell  # noqa: F401

DIRECTORY = ROOT / ".local" / "e2e"
# Each run of the function `monthly` makes the exports of every partner that is due, so files that call it or save schedules take turns.
CALL_MONTHLY = {
    "test_lifecycle.py",
    "test_months.py",
    "test_notifications.py",
    "test_onboard.py",
    "test_openapi.py",
    "test_page_schedules.py",
    "test_rehearsal.py",
}
# Files that wait for minutes and do little, so they begin first, then those of `CALL_MONTHLY`, which follow one another, and then the
# others that wait.
WAIT = ["test_streams.py", "test_feed.py", "test_sam_local.py"]
WAIT_LESS = {"test_partners.py", "test_erasure.py", "test_intake.py"}


def free_port():
    """Returns a port that neither the usual stack nor another run uses."""
    return next(port for port in range(4700, 4800) if port_is_free(port))


def deploy():
    """Deploys the stack from nothing."""
    local.clean(DIRECTORY)
    return local.up(DIRECTORY, free_port(), demo=False, allowed_origin="http://portal.localhost")


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: changes what all tests share, such as the workers of the stack; runs when no other file does")
    config.addinivalue_line("markers", "last: looks back on all other tests")


def pytest_collection_modifyitems(items):
    """Puts the tests that take longest first, because the last ones run while the other processes have nothing left to do."""

    def rank(item):
        name = item.path.name
        if name in WAIT:
            return WAIT.index(name)
        return len(WAIT) + [name in CALL_MONTHLY, name in WAIT_LESS, True].index(True)

    items.sort(key=rank)


class FilesTogether(LoadScopeScheduling):
    """Gives all tests of a file to one process, in their order, and all files of `CALL_MONTHLY` to the same process."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        return "monthly" if Path(file).name in CALL_MONTHLY else file


# The option `--dist loadgroup` does nothing with pytest 9.2 (https://github.com/pytest-dev/pytest-xdist/issues/1386).
def pytest_xdist_make_scheduler(config, log):
    # Otherwise the file with the most tests begins.
    config.option.loadscopereorder = False
    return FilesTogether(config, log)


@pytest.fixture(scope="session")
def stack():
    """Describes the stack: addresses, users, API clients, functions, outputs."""
    if given := os.environ.get("STACK_JSON"):
        yield json.loads(Path(given).read_text())
        return
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.exit("Processes side by side need one stack: name it in STACK_JSON.")
    try:
        yield deploy()
    finally:
        local.down(DIRECTORY)


@pytest.fixture(scope="session")
def caller(stack):
    """Returns callers by name, as in `caller("contoso-sales-agent")`; without a name, a caller without a token."""

    @cache
    def of(name=None):
        return Caller(stack["api_url"], tokens.token(stack, name) if name else None)

    return of


@pytest.fixture(scope="session")
def operator(caller):
    return caller("operator")


@pytest.fixture(scope="session")
def names():
    """Makes unused names of partners."""
    numbers = itertools.count(1)
    return lambda: f"p{next(numbers)}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def partner(operator, names):
    """Returns a registered partner without activities, called by the operator."""
    return Partner(operator, names()).register()


@pytest.fixture(scope="session")
def aws(stack):
    """Returns clients of the platform that sign as its root, as in `aws("lambda")`."""
    return local.clients(stack["port"])


@pytest.fixture(scope="session")
def as_function(stack):
    """Returns clients with the credentials of a function, as in `as_function("query")("dynamodb")`."""
    return cache(lambda name: local.clients(stack["port"], **local.function_credentials(stack, name)))


@pytest.fixture(scope="session")
def machine(stack, aws):
    """Registers API clients with a scope. Each result is an id and a function that returns a caller with a fresh token."""
    made = []

    def make(scope):
        client = aws("cognito-idp").create_user_pool_client(
            UserPoolId=stack["user_pool_id"],
            ClientName=f"machine-{uuid.uuid4().hex[:8]}",
            GenerateSecret=True,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=[scope],
        )["UserPoolClient"]
        made.append(client["ClientId"])

        def with_a_fresh_token():
            answer = requests.post(
                f"{stack['sign_in_url']}/oauth2/token",
                data={"grant_type": "client_credentials", "scope": scope},
                auth=(client["ClientId"], client["ClientSecret"]),
                timeout=60,
            )
            assert answer.status_code == 200, answer.text
            return Caller(stack["api_url"], answer.json()["access_token"])

        return client["ClientId"], with_a_fresh_token

    yield make
    for client_id in made:
        aws("cognito-idp").delete_user_pool_client(UserPoolId=stack["user_pool_id"], ClientId=client_id)
