"""No file of a crate imports in a circle. A module and its own children may import each other."""

import re

import pytest
from members import ROOT

CRATES = sorted(path.parent for folder in ("crates", "functions") for path in (ROOT / folder).glob("*/Cargo.toml"))
PATH = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")


def expanded(tree):
    """Returns the paths of a tree of imports, such as `a::{b, c::{d, e}}`."""
    before, brace, rest = tree.partition("{")
    if not brace:
        return [tree.split(" as ")[0].strip()]
    parts, depth, start = [], 0, 0
    inner = rest[: rest.rindex("}")]
    for at, char in enumerate(inner + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(inner[start:at].strip())
            start = at + 1
    return [before.strip() + path for part in parts if part for path in expanded(part)]


def paths(text):
    """Returns the paths that a file names within its crate, without those of its tests."""
    text = re.sub(r"//[^\n]*", "", text.split("#[cfg(test)]\nmod tests")[0])
    trees = re.findall(r"\buse\s+((?:crate|super|self)::[^;]*);", text, re.DOTALL)
    return [path for tree in trees for path in expanded(re.sub(r"\s+", " ", tree))] + PATH.findall(text)


def imports(source):
    """Returns for each module of a crate the other modules that it imports, but for its parents and its children."""
    files = {}
    for path in source.rglob("*.rs"):
        parts = path.relative_to(source).with_suffix("").parts
        if path.stem not in ("tests", "main"):
            files[parts[:-1] if path.stem in ("mod", "lib") else parts] = path
    found = {}
    for module, path in files.items():
        found[module] = set()
        for named in paths(path.read_text("utf-8")):
            first, *rest = named.split("::")
            at = {"crate": (), "self": module, "super": module[:-1]}[first]
            while rest and rest[0] == "super":
                at, rest = at[:-1], rest[1:]
            while rest and (*at, rest[0]) in files:
                at, rest = (*at, rest[0]), rest[1:]
            if at in files and at[: len(module)] != module and module[: len(at)] != at:
                found[module].add(at)
    return found


def circle(graph):
    """Returns a circle of a graph, or nothing."""
    done = set()

    def follow(node, begun):
        if node in begun:
            return [*begun[begun.index(node) :], node]
        if node in done:
            return None
        for other in sorted(graph[node]):
            if around := follow(other, [*begun, node]):
                return around
        done.add(node)
        return None

    return next((around for node in sorted(graph) if (around := follow(node, []))), None)


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_no_file_imports_in_a_circle(crate):
    found = circle(imports(crate / "src"))
    assert not found, " → ".join("::".join(module) for module in found)


def test_circles_are_found():
    assert expanded("crate::{a, b::{C, d as e}, f}") == ["crate::a", "crate::b::C", "crate::b::d", "crate::f"]
    assert circle({("a",): {("b",)}, ("b",): {("c",)}, ("c",): {("b",)}}) == [("b",), ("c",), ("b",)]
    assert circle({("a",): {("b",), ("c",)}, ("b",): {("c",)}, ("c",): set()}) is None
