"""Fixtures of the template's tests."""

import pytest

from application import Template


@pytest.fixture(scope="session")
def template():
    return Template()


@pytest.fixture(scope="session")
def watch():
    """The alarms and the dashboard."""
    return Template("infra/watch.yaml")
