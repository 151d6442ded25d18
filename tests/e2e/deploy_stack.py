"""Deploys the stack of the end-to-end tests from nothing; `tests/run.py` calls this before pytest."""

from conftest import DIRECTORY, deploy

if __name__ == "__main__":
    deploy()
    print(DIRECTORY)
