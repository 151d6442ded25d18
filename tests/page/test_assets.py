"""Checks the page's files: complete languages, no content of other origins, nothing that the policy forbids, known libraries."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from fluent.syntax import FluentParser, FluentSerializer, ast

PORTAL = Path(__file__).resolve().parents[2] / "functions" / "portal"
ASSETS = PORTAL / "assets"
VENDOR = PORTAL / "vendor"
LANGUAGES = ["en", "fr"]
# These files belong to the page of the API's description.
OTHERS = ("docs.css", "docs.html", "docs.js", "openapi.json", "swagger-ui-bundle.js", "swagger-ui.css")
# What the page loads of libraries.
LIBRARIES = [path for path in sorted(ASSETS.glob("vendor/*.js")) if path.name not in OTHERS]
SCRIPTS = sorted(path for path in ASSETS.glob("*.js") if path.name not in OTHERS)
# Scripts build keys with these beginnings.
FAMILIES = (
    "status_",
    "actor_",
    "role_",
    "target_",
    "line_",
    "export_",
    "delivery_",
    "format_",
    "formatHint_",
    "error",
    "quick_",
    "view_",
    "order_",
    "field_",
    "value_",
    "history_",
    "density_",
    "filter_",
    "category_",
)
# The limit of the page and its component together, compressed.
MAX_BYTES = 80 * 1024


def texts(language):
    """Returns the texts of a language from Fluent's own parser. A repeated key is an error."""
    found = {}
    for entry in FluentParser().parse((ASSETS / f"{language}.ftl").read_text("utf-8")).body:
        assert not isinstance(entry, ast.Junk), entry.content
        if isinstance(entry, ast.Message):
            assert entry.id.name not in found, entry.id.name
            found[entry.id.name] = FluentSerializer().serialize_entry(entry)
    return found


def source():
    """Returns all code that can name a text."""
    return "\n".join(path.read_text("utf-8") for path in [*SCRIPTS, ASSETS / "index.html"])


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_languages_have_the_same_texts_and_values(language):
    ours, english = texts(language), texts("en")
    assert list(ours) == list(english)
    for key, text in ours.items():
        assert set(re.findall(r"\$\w+", text)) == set(re.findall(r"\$\w+", english[key])), key


def test_every_text_is_used():
    used = source()
    for key in texts("en"):
        assert f'"{key}"' in used or key.startswith(FAMILIES), key


def test_every_named_text_exists():
    known = texts("en")
    for key in re.findall(r'(?:\bsay\(|\bcount\(|data-text=)"(\w+)"', source()):
        assert key in known, key


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.name)
def test_script_writes_no_markup_and_evaluates_no_text(path):
    forbidden = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\"style\"|cssText", path.read_text("utf-8"))
    assert not forbidden


def test_page_loads_nothing_from_other_origins():
    for path in ASSETS.iterdir():
        # Comments may contain addresses of examples.
        text = re.sub(r"^\s*//.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|import[^;\n]*["']https?://|@import""", text), path.name


def test_every_imported_script_exists_and_is_preloaded():
    page = (ASSETS / "index.html").read_text("utf-8")
    for path in SCRIPTS:
        assert f'href="{path.name}"' in page or f'src="{path.name}"' in page, path.name
        for name in re.findall(r'^(?:import|export)\b.*"\./([^"]+)"', path.read_text("utf-8"), re.MULTILINE):
            assert (ASSETS / name).is_file(), name


def test_page_stays_below_its_size_limit():
    assert sum(len(gzip.compress(path.read_bytes())) for path in ASSETS.iterdir() if path.name not in OTHERS) <= MAX_BYTES
