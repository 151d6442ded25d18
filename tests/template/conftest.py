"""Fixtures of the template's tests."""

import pytest

from application import Template
from expansion import expand


@pytest.fixture(scope="session")
def template():
    return Template()


@pytest.fixture(scope="session")
def watch():
    """The alarms and the dashboard."""
    return Template("infra/watch.yaml")


@pytest.fixture(scope="session")
def firewall():
    return Template("infra/firewall.yaml")


@pytest.fixture(scope="session")
def backup():
    """The daily backups."""
    return Template("infra/backup.yaml")


@pytest.fixture(scope="session")
def lake():
    """The files of all partners' activities."""
    return Template("infra/lake.yaml")


@pytest.fixture(scope="session")
def expanded():
    """The template's resources as CloudFormation gets them from SAM."""
    return expand()["Resources"]
