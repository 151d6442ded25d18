"""Gives functions and tests one set of features, so that cargo compiles no library twice for one profile.

    python3 infra/unified_features.py           # writes tests/unified-features/Cargo.toml
    python3 infra/unified_features.py --check   # fails if functions and tests differ

Cargo takes the features of a library from the packages that one call builds. Tests build all packages and their test engines,
which enable more features than the functions do. The crate `unified-features` depends on the libraries that differ, with the
features of the tests. The local platform builds this crate beside the functions. Nothing depends on the crate, so that the
release build gives each function the features that it needs and no others.

This module imports the standard library only.
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "tests" / "unified-features" / "Cargo.toml"
NAME = "unified-features"
HEAD = """\
# Written by `make features`; infra/unified_features.py explains why.
[package]
name = "unified-features"
description = "The features of the libraries that functions and tests share"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lints]
workspace = true
"""
LINE = re.compile(r"^(?P<name>[\w-]+) v(?P<version>\S+)(?P<rest>.*)\|(?P<features>.*)$")
Features = dict[tuple[str, str], set[frozenset[str]]]


def main() -> int:
    """Writes the manifest, or checks it."""
    if "--check" in sys.argv[1:]:
        differing = differences()
        for (name, version), features in sorted(differing.items()):
            print(f"{name} {version}: the tests enable {', '.join(sorted(features)) or 'no features'}, the functions do not", file=sys.stderr)
        if differing:
            print("Functions and tests compile these libraries twice. Run: make features", file=sys.stderr)
        return 1 if differing else 0
    found: dict[str, dict] = {"dependencies": {}, "build-dependencies": {}}
    for _ in range(8):
        _write(found)
        if not (more := _missing()):
            return 0
        for section, dependencies in more.items():
            found[section] |= dependencies
    print("The features do not settle.", file=sys.stderr)
    return 1


def differences() -> dict[tuple[str, str], frozenset[str]]:
    """Returns the libraries that functions compile in a way that tests do not, with the features of the tests."""
    return {package: features for dependencies in _missing().values() for package, features in dependencies.items()}


def workspace() -> tuple[list[str], list[str]]:
    """Returns the crates of the functions, and all crates that `make test` compiles."""
    metadata = json.loads(_cargo("metadata", "--format-version", "1", "--no-deps"))
    members = {package["id"]: package for package in metadata["packages"]}
    functions = [package["name"] for package in metadata["packages"] if Path(package["manifest_path"]).is_relative_to(ROOT / "functions")]
    return functions, [members[each]["name"] for each in metadata["workspace_default_members"]]


def _missing() -> dict[str, dict]:
    """Returns, for each section of the manifest, the libraries that differ: name and version, with the features of the tests."""
    functions, tested = workspace()
    found: dict[str, dict] = {"dependencies": {}, "build-dependencies": {}}
    # Libraries of the target and of build scripts are compiled apart, each with features of its own.
    target = _tree([*functions, NAME], "normal,no-proc-macro"), _tree(tested, "normal,dev,no-proc-macro")
    everything = _tree([*functions, NAME], "normal,build"), _tree(tested, "normal,build,dev")
    for section, (of_functions, of_tests) in (("dependencies", target), ("build-dependencies", everything)):
        for package, sets in of_functions.items():
            if not sets <= of_tests[package] and package not in found["dependencies"]:
                found[section][package] = max(of_tests[package], key=len)
    return {section: dependencies for section, dependencies in found.items() if dependencies}


def _tree(crates: list[str], edges: str) -> Features:
    """Returns every set of features with which each library of others is compiled."""
    packages = [word for crate in crates for word in ("--package", crate)]
    found: Features = defaultdict(set)
    for line in _cargo("tree", *packages, "--edges", edges, "--target", _host(), "--prefix", "none", "--format", "{p}|{f}").splitlines():
        line = line.removesuffix(" (*)")
        if (parts := LINE.match(line)) and "(/" not in parts["rest"]:
            found[parts["name"], parts["version"]].add(frozenset(filter(None, parts["features"].removesuffix(" (*)").split(","))))
    return found


def _write(sections: dict[str, dict]) -> None:
    text = HEAD
    for section, dependencies in sections.items():
        if dependencies:
            text += f"\n[{section}]\n"
        taken: set[str] = set()
        for (name, version), features in sorted(dependencies.items()):
            # A second version needs a name of its own.
            key, package = (f"{name}-{version.replace('.', '-')}", f'package = "{name}", ') if name in taken else (name, "")
            taken.add(name)
            listed = ", ".join(f'"{each}"' for each in sorted(features - {"default"}))
            # `default` is a name like the others, and need not exist.
            default = "" if "default" in features else "default-features = false, "
            text += f'{key} = {{ {package}version = "{version}", {default}features = [{listed}] }}\n'
    MANIFEST.parent.joinpath("src").mkdir(parents=True, exist_ok=True)
    MANIFEST.write_text(text)
    MANIFEST.parent.joinpath("src", "lib.rs").write_text(
        "//! Enables the features that tests need in the libraries of the functions. `infra/unified_features.py` writes the manifest.\n"
    )


def _host() -> str:
    return re.search(r"^host: (.+)$", subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout, re.MULTILINE)[1]


def _cargo(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_BUILD_TARGET"}
    return subprocess.run(["cargo", *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
