"""Checks the page's files: complete languages, no content of other origins, nothing that the policy forbids, known libraries."""

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
OWN = sorted(path for path in ASSETS.iterdir() if path.is_file() and path.name not in OTHERS)
SCRIPTS = [path for path in OWN if path.suffix == ".js"]
# Beginnings from which scripts build keys, such as `status_${status}`.
BUILT = re.compile(r"`(\w+)\$\{")
# These keys come from a list of names in the code.
LISTED = ("actor_",)


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
    families = (*BUILT.findall(used), *LISTED)
    for key in texts("en"):
        assert f'"{key}"' in used or key.startswith(families), key


def test_every_family_of_texts_exists():
    known = texts("en")
    for beginning in re.findall(r"\bsay\(`(\w+)\$\{", source()):
        assert any(key.startswith(beginning) for key in known), beginning


# Straight apostrophes, and blanks at which a line may end before a mark or within quotation marks.
UNTYPOGRAPHIC = re.compile(r"'| [:;?!»]|« |[^\u00a0\d]: |[^\u202f]; |\S(?<![\u202f])\?(?= |$)")


def test_french_texts_have_their_typography():
    for key, text in texts("fr").items():
        plain = re.sub(r"\{ *\$\w+ *->|https?://", "", text.split("=", 1)[1])
        # The searches' mark of exclusion is a character to type.
        plain = plain.replace("Placez ! devant", "")
        assert not UNTYPOGRAPHIC.search(plain), (key, UNTYPOGRAPHIC.search(plain)[0])


def test_english_texts_have_no_straight_apostrophes():
    for key, text in texts("en").items():
        assert "'" not in text, key


def test_every_named_text_exists():
    known = texts("en")
    for key in re.findall(r'(?:\bsay\(|\bcount\(|data-text=)"(\w+)"', source()):
        assert key in known, key


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.name)
def test_script_writes_no_markup_and_evaluates_no_text(path):
    forbidden = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\"style\"|cssText", path.read_text("utf-8"))
    assert not forbidden


def test_page_loads_nothing_from_other_origins():
    for path in [*OWN, *LIBRARIES]:
        # Comments may contain addresses of examples.
        text = re.sub(r"^\s*//.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|import[^;\n]*["']https?://|@import(?! \"\./)""", text), path.name


# What documents load. The portal serves the other scripts and style sheets within these.
WHOLE = ("activity-log.js", "page.js", "styles.css", "page.css")
# What the component loads when somebody opens a view.
LATE = re.findall(r'"(\w+\.js)"', re.search(r"const LATE: .*?;\n", (PORTAL / "src" / "site.rs").read_text("utf-8"), re.DOTALL)[0])
IMPORT = re.compile(r'^import (?:(?:\{ \w+(?:, \w+)* \}|\* as \w+) from )?"\./([a-z/-]+\.js)";$')
DECLARATION = re.compile(r"^export (?:(?:async )?function|class|const) (\w+)\b")


def imported(path):
    """Returns the scripts that a script imports."""
    return [found[1] for line in path.read_text("utf-8").split("\n") if (found := IMPORT.match(line))]


def test_documents_load_whole_scripts_and_style_sheets():
    page = (ASSETS / "index.html").read_text("utf-8")
    for name in ["activity-log.js", "page.js", "page.css", *(path.relative_to(ASSETS).as_posix() for path in LIBRARIES)]:
        assert f'href="{name}"' in page or f'src="{name}"' in page, name
    assert set(re.findall(r'"((?!vendor/)[^"]+\.(?:js|css))"', page)) <= set(WHOLE)
    sheets = re.findall(r'^@import "\./([a-z-]+\.css)";$', (ASSETS / "styles.css").read_text("utf-8"), re.MULTILINE)
    assert sorted(sheets) == sorted(path.name for path in OWN if path.suffix == ".css" and path.name not in WHOLE)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_script_can_be_joined_with_others(path):
    """The portal joins scripts without reading the language: it looks at the beginnings of lines."""
    for line in path.read_text("utf-8").split("\n"):
        if line.startswith("import"):
            assert (found := IMPORT.match(line)) and (ASSETS / found[1]).is_file(), line
            # Else two files would hold the same part, each with a state of its own.
            assert path.name != "page.js" or found[1] in ("activity-log.js", "sign-in.js") or found[1].startswith("vendor/"), line
        if line.startswith("export"):
            assert DECLARATION.match(line) or (path.name in WHOLE and re.fullmatch(r"export \{ \w+(, \w+)* \};", line)), line


def test_joined_scripts_export_different_names_and_form_no_circle():
    names = [found[1] for path in SCRIPTS for line in path.read_text("utf-8").split("\n") if (found := DECLARATION.match(line))]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)

    def follow(name, begun):
        assert name not in begun, (*begun, name)
        for other in imported(ASSETS / name) if not name.startswith("vendor/") else []:
            follow(other, (*begun, name))

    for path in SCRIPTS:
        follow(path.name, ())


def parts(name, without=()):
    """Returns a script and all own scripts that it imports, apart from some."""
    found, left = set(), [name]
    while left:
        script = left.pop()
        if script not in found | set(without) and not script.startswith("vendor/"):
            found.add(script)
            left += imported(ASSETS / script)
    return found


def test_only_the_component_loads_scripts_late_and_none_twice():
    assert LATE and sorted(re.findall(r'await import\("\./([\w-]+\.js)"\)', source())) == LATE
    assert all("await import(" not in path.read_text("utf-8") for path in SCRIPTS if path.name != "activity-log.js")
    component = parts("activity-log.js")
    late = [parts(name, component) for name in LATE]
    assert not component & set(LATE)
    # Else two of them would hold the same part.
    assert sum(map(len, late)) == len(set().union(*late))
    assert {path.name for path in SCRIPTS} == component.union(parts("page.js"), *late)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_comments_can_be_removed_from_a_script(path):
    """The portal removes comments without reading the language: documentation, and lines that begin with two slashes."""
    for line in path.read_text("utf-8").split("\n"):
        assert line.count("`") % 2 == 0, f"a template of several lines: {line}"
        # The blank behind a comment is removed with it.
        assert not re.search(r"\w/\*\*.*?\*/ \w", line), line
        before = line.split("/**")[0] if "/**" in line else ""
        assert before.count('"') % 2 == 0 and before.count("`") % 2 == 0, f"a comment within a text: {line}"


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.css")), ids=lambda path: path.name)
def test_blanks_can_be_removed_from_a_style_sheet(path):
    """The portal removes the blanks around declarations without reading the language."""
    for string in re.findall(r'"[^"]*"', re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)):
        assert not re.search(r" \{ |; ", string), string


def test_libraries_are_those_of_the_lock_file():
    manifest = json.loads((VENDOR / "manifest.json").read_text("utf-8"))
    locked = json.loads((VENDOR / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = json.loads((VENDOR / "package.json").read_text("utf-8"))["dependencies"]
    assert set(manifest) == set(wanted)
    files = {}
    for package, entry in manifest.items():
        lock = locked[f"node_modules/{package}"]
        assert {key: entry[key] for key in ("version", "license", "integrity")} == {key: lock[key] for key in ("version", "license", "integrity")}, package
        assert entry["version"] == wanted[package], "an exact version"
        files |= entry["files"]
        # A package that is copied as it is, and not bundled by a script of ours, brings its licence and its notice.
        if not any((VENDOR / name).with_suffix(".ts").exists() for name in entry["files"]):
            assert {f"swagger-ui.{name}.txt" for name in ("LICENSE", "NOTICE")} <= set(entry["files"]), package
    # A declaration of types belongs to the script of its name.
    there = {path.name: path for path in (ASSETS / "vendor").iterdir() if not path.name.endswith(".d.ts")}
    assert set(files) == set(there)
    for name, digest in files.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == digest, f"{name}: run make vendor"
