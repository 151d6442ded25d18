"""Answers questions about the packages of the workspace."""

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra"))


class Workspace:
    """Answers questions about the workspace from `cargo metadata`."""

    def __init__(self):
        environment = {name: value for name, value in os.environ.items() if name != "CARGO_BUILD_TARGET"}
        command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]
        self.metadata = json.loads(subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout)

    @cached_property
    def members(self):
        """The packages of the workspace, by name."""
        return {package["name"]: package for package in self.metadata["packages"] if package["id"] in self.metadata["workspace_members"]}

    def folder(self, name):
        return Path(self.members[name]["manifest_path"]).parent.relative_to(ROOT)

    @property
    def functions(self):
        return {name for name in self.members if self.folder(name).parts[0] == "functions"}

    def dependencies(self, name, kind=None):
        """Returns the names of the direct dependencies of a member; without a kind, those that are linked."""
        return {each["name"] for each in self.members[name]["dependencies"] if each["kind"] == kind}

    @property
    def deployed(self):
        """The functions and the members that they are built from."""
        found, waiting = set(), list(self.functions)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.dependencies(name) & set(self.members)
        return found

    def linked(self, name):
        """Returns the names of all packages that a member is built from, its own included."""
        nodes = {node["id"]: node for node in self.metadata["resolve"]["nodes"]}
        names = {package["id"]: package["name"] for package in self.metadata["packages"]}
        found, waiting = set(), [self.members[name]["id"]]
        while waiting:
            package = waiting.pop()
            if package not in found:
                found.add(package)
                waiting += [each["pkg"] for each in nodes[package]["deps"] if any(kind["kind"] is None for kind in each["dep_kinds"])]
        return {names[package] for package in found}
