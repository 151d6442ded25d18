"""The documents name files, sections, commands, tests, parameters and outputs that exist."""

import re

import pytest

from application import ROOT

# Not the changelog, which also names what is gone.
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")} - {ROOT / "CHANGELOG.md"})
TREES = ("crates/", "docs/", "functions/", "infra/", "tests/")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The last words of a `cargo test` that choose tests, such as `ledger::` or `faults::all`.
CARGO = re.compile(r"cargo test(?: -p ([a-z-]+))?(?: --test [a-z]+)?(?: ([\w:]+))?")
PYTEST = re.compile(r"(e2e|pytest) ((?:(?:test_\w+\.py|tests/[\w/.]+) ?)+)(?:-k (\w+|\"[^\"]+\"))?")


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def document(request):
    return request.param


def commands(document):
    """What a document gives in backticks and in blocks of shell."""
    text = document.read_text("utf-8")
    return [*CODE.findall(text), *(line.split(" #")[0] for block in SHELL.findall(text) for line in block.splitlines())]


def anchors(path):
    """The sections of a document, as GitHub names them in links."""
    titles = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_document_links_lead_to_files_and_sections(document):
    for target in LINK.findall(document.read_text("utf-8")):
        if target.startswith("http"):
            continue
        name, _, section = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        assert not section or section in anchors(path), target


def test_document_names_files_that_exist(document):
    for name in CODE.findall(document.read_text("utf-8")):
        if name.startswith(TREES) and " " not in name:
            assert list(ROOT.glob(name)) if "*" in name else (ROOT / name).exists(), name


def test_document_names_make_commands_that_exist(document):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for command in commands(document) for name in re.findall(r"(?:^|&& )make ([a-z-]+)", command)}
    assert named <= targets


def test_document_names_tests_that_exist(document):
    for command in commands(document):
        for package, wanted in CARGO.findall(command):
            directories = [tree / package for tree in (ROOT / "crates", ROOT / "functions", ROOT / "tests") if (tree / package).exists()]
            assert directories, command
            sources = [path for directory in directories for path in directory.rglob("*.rs")]
            for part in wanted.split("::"):
                assert any(path.stem == part or re.search(rf"(?:fn|mod) \w*{part}", path.read_text("utf-8")) for path in sources), command
        for kind, files, wanted in PYTEST.findall(command):
            places = [ROOT / "tests" / "e2e" / each if kind == "e2e" else ROOT / each for each in files.split()]
            assert all(place.exists() for place in places), command
            files = [path for place in places for path in ([place] if place.is_file() else place.rglob("test_*.py"))]
            # `-k` also finds the names of files.
            text = "\n".join(f"def {path.stem}\n{path.read_text('utf-8')}" for path in files)
            for word in set(re.findall(r"\w+", wanted)) - {"or", "and", "not"}:
                assert re.search(rf"def test_\w*{word}", text), command


def test_document_names_parameters_and_outputs_that_exist(document, template):
    text = document.read_text("utf-8")
    for kind in ("parameter", "output"):
        known = template.body[f"{kind.capitalize()}s"]
        for name in re.findall(rf"\b{kind} `([A-Z]\w+)`", text):
            assert name in known, name
