"""Fixtures of the tests of the workspace's structure."""

import pytest
from members import Workspace


@pytest.fixture(scope="session")
def workspace():
    return Workspace()
