"""The page's files: both languages whole, nothing from elsewhere, nothing that its policy forbids, and light."""

import gzip
import json
import re
from pathlib import Path

import pytest

ASSETS = Path(__file__).resolve().parents[2] / "functions" / "portal" / "assets"
LANGUAGES = ["en", "fr"]
# The page that shows the API's description is another one.
OTHERS = ("docs.css", "docs.html", "docs.js", "openapi.json")
SCRIPTS = sorted(path for path in ASSETS.glob("*.js") if path.name not in OTHERS)
# Keys of which the scripts write only the beginning.
FAMILIES = ("status_", "actor_", "role_", "line_", "export_", "format_", "error")
# What the page and its component weigh together, compressed, at most.
MAX_BYTES = 80 * 1024


def texts(language):
    """The texts of a language; a key that stands there twice is an error."""

    def once(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)
        return dict(pairs)

    return json.loads((ASSETS / f"{language}.json").read_text("utf-8"), object_pairs_hook=once)


def source():
    """All that can name a text."""
    return "\n".join(path.read_text("utf-8") for path in [*SCRIPTS, ASSETS / "index.html"])


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_language_has_the_same_texts_with_the_same_values(language):
    ours, english = texts(language), texts("en")
    assert list(ours) == list(english)
    for key, text in ours.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key
        assert text.strip(), key


def test_every_text_is_used():
    used = source()
    for key in texts("en"):
        stem = re.sub(r"_(one|other)$", "", key)
        assert f'"{stem}"' in used or key.startswith(FAMILIES), key


def test_every_text_that_is_named_exists():
    known = texts("en")
    for key in re.findall(r'(?:\bsay\(|data-text=)"(\w+)"', source()):
        assert key in known, key
    for key in re.findall(r'\bcount\("(\w+)"', source()):
        assert f"{key}_one" in known and f"{key}_other" in known, key


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.name)
def test_a_script_makes_no_markup_and_runs_no_text(path):
    forbidden = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b", path.read_text("utf-8"))
    assert not forbidden


def test_nothing_is_loaded_from_elsewhere():
    for path in ASSETS.iterdir():
        # Comments may show addresses of examples.
        text = re.sub(r"^\s*//.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|import[^;\n]*["']https?://|@import""", text), path.name


def test_every_script_that_is_imported_is_there_and_loaded_ahead():
    page = (ASSETS / "index.html").read_text("utf-8")
    for path in SCRIPTS:
        assert f'href="{path.name}"' in page or f'src="{path.name}"' in page, path.name
        for name in re.findall(r'^(?:import|export)\b.*"\./([^"]+)"', path.read_text("utf-8"), re.MULTILINE):
            assert (ASSETS / name).is_file(), name


def test_the_page_is_light():
    assert sum(len(gzip.compress(path.read_bytes())) for path in ASSETS.iterdir() if path.name not in OTHERS) <= MAX_BYTES
