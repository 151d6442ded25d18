"""Opens CSV files with LibreOffice in two languages: each cell is read as the text that was recorded, and nothing runs.

`CELLS=100000` sets the number of random texts, `CELLS_SEED=` other ones. What Excel converts is in `docs/spreadsheets.md`.
"""

import csv
import json
import random
import re
import subprocess
from pathlib import Path

import openpyxl
import pytest
from amounts import amount, report, setting
from openpyxl.utils.escape import unescape

import libreoffice

ROOT = Path(__file__).resolve().parents[2]
CELLS = amount("CELLS", 2_000, 100_000)
SEED = setting("CELLS_SEED", 20_261_102)
SEPARATORS = {"en": ",", "fr": ";"}
LANGUAGES = {"en": "en-US", "fr": "fr-FR"}
# The columns in which the example writes texts: customer, partner user, reason, target, correlation id and source.
COLUMNS = [1, 3, 5, 6, 17, 18]
PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\r\n"} | {0x7F: "\u2421"}

PIECES = [
    *"0123456789", "12", "31", "2026", "26", "1900", "00", "100", "1234567890123", *".,;:/-+ '\"()[]{}%$€£¥@=#!&|*^~_\\<>?", "\t", "\n", "\r\n", "\r",
    "\u00a0", "\u202f", "\u2009", "\ufeff", "\u200b", "\u2212", "\u2013", "\u2019", "\u00bd", "\uff1d", "\uff0b", "\uff11", "\u0663", "\x00", "\x1b", "\x7f",
    "e", "E", "T", "Z", "h", "a", "p", "AM", "pm", "a.m.", "st", "er", "TRUE", "false", "VRAI", "Faux", "EUR", "USD", "INF", "NaN", "#N/A", "#REF!", "Err:502",
    "jan", "Feb", "MAR", "march", "avr", "mai", "May", "juin", "juil.", "août", "sept", "Sept.", "oct", "Nov", "déc", "décembre", "December", "Monday", "lundi", "mar.",
    "=1+1", "=A1", "+A1", "-A1", "@SUM(1)", "=HYPERLINK(\"x\")", "x", "item", "é", "日", "0x", "1e5", "1/2", "10:30", "2026-11-02", "10.5", "10,5",
]  # fmt: skip
# Texts that were read as something else at some time, and texts that must not be.
KNOWN = [
    "a;=1+1;b", "a,=1+1,b", "a\t=1+1\tb", "a\n=1+1", "a\r\n=1+1", "a; =1+1", " =1+1", "\"=1+1\"", "a,\"=1+1\"", "a;\"\"=1+1", "x\n\"=1+1\"", "[\"a\",\"=1+1,b\"]",
    "a;-1+1", "a,+A1", "a;@SUM(1)", "a\n-1", "[1,-5,7]", "a;'=1", "'a,'b", "''", "'", "1'000", "Mar-1", "5 mai", "1er mai", "5 mars 2026", "12.5", "12,5", "-12.50",
    "1 234", "1\u202f234,5", "1,234.50", "(5)", "5%", "50 %", "1/2", "3 1/2", "10:30", "9 p", "12h30", "TRUE", "vrai", "Faux", "#N/A", "1e5", "1E+05", "42", "-7",
    "0.5", "0,5", "0042", "123456789012", "2026-11-02", "2026-11-02T09:30:00", "2026-11-02T09:30:00Z", "203.0.113.7", "1.2.3", "a\x00b\x1b[1m", "\u2212 5", "5-", "lundi 5",
]  # fmt: skip


def short_texts():
    """Returns random short texts, without repeats and without those that the service takes for absent or too long."""
    chance, texts = random.Random(SEED), dict.fromkeys(KNOWN)
    while len(texts) < CELLS:
        kind = chance.random()
        if kind < 0.7:
            text = "".join(chance.choices(PIECES, k=chance.randint(1, 5)))
        elif kind < 0.95:
            text = "".join(chance.choices("0123456789.,/-: eE%", k=chance.randint(1, 8)))
        else:
            text = "".join(
                chr(chance.choice([chance.randrange(0x20, 0x7F), chance.randrange(0xA0, 0x2FF), chance.randrange(0x2000, 0x2300)]))
                for _ in range(chance.randint(1, 5))
            )
        texts[text] = None
    return list(texts)


@pytest.fixture(scope="session")
def write(tmp_path_factory):
    """Returns a function that writes texts as CSV files of both languages with the export code."""

    def run(texts, name):
        folder = tmp_path_factory.mktemp(name)
        (folder / "texts.json").write_text(json.dumps(texts))
        command = ["cargo", "run", "--quiet", "--locked", "--example", "files", "--", str(folder), str(folder / "texts.json")]
        subprocess.run(command, cwd=ROOT, check=True)
        return {locale: folder / f"texts_{locale}.csv" for locale in SEPARATORS}

    return run


@pytest.fixture(scope="session")
def texts():
    return short_texts()


@pytest.fixture(scope="session")
def files(write, texts):
    return write(texts, "cells")


def undone(cell):
    """Removes the guard by the rule of docs/files.md."""
    return re.sub(r"(^|[,;\t\r\n])'", r"\1", cell)


def recorded(text):
    """Returns the text that a cell may show: control characters have pictures."""
    return text.translate(PICTURES)


def raw_cells(path, locale):
    """Returns the cells of the texts as a program reads them."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        _, *rows = csv.reader(file, delimiter=SEPARATORS[locale], strict=True)
    return [row[column] for row in rows for column in COLUMNS]


def seen_cells(path):
    """Yields the rows of a workbook, and fails if there is a formula."""
    book = openpyxl.load_workbook(path, read_only=True)
    for row in book.active.iter_rows(min_row=2):
        for cell in row:
            assert cell.value is None or cell.data_type != "f", f"{cell.coordinate} is a formula: {cell.value!r}"
        yield row
    book.close()


def lines_of(text):
    """Replaces line ends by one kind, as LibreOffice does. It treats a tab in a cell of several lines as a control character."""
    return re.sub(r"\r\n|\n\r|\r", "\n", text).replace("\x01", "\t")


def is_read_as(text, cell, decimal_mark):
    """Returns whether a cell shows a text: as text with or without the guard, or as a number digit for digit."""
    value = cell.value
    if value is not None and cell.data_type == "e":
        return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return cell.number_format == "General" and repr(value).replace(".", decimal_mark).removesuffix(decimal_mark + "0") == text
    # LibreOffice saves a control character in the form `_x0041_`, and the text `_x0041_` unchanged: both are accepted.
    shown = {lines_of(each) for each in (value or "", unescape(value or ""))} if isinstance(value or "", str) else set()
    return any(undone(each) == lines_of(recorded(text)) for each in shown)


@pytest.mark.parametrize("locale", SEPARATORS)
def test_program_reads_recorded_texts_when_guard_is_undone(files, texts, locale):
    cells = raw_cells(files[locale], locale)
    for cell, text in zip(cells, texts, strict=False):
        assert undone(cell) == recorded(text), (cell, text)
    assert len(cells) >= len(texts)


@pytest.mark.skipif(libreoffice.SOFFICE is None, reason=libreoffice.MISSING)
@pytest.mark.parametrize("language", LANGUAGES.values())
@pytest.mark.parametrize("separators", [",", ";", "\t", "\t,;"], ids=["comma", "semicolon", "tab", "all"])
def test_libreoffice_reads_recorded_texts_and_runs_nothing(files, texts, tmp_path_factory, language, separators):
    out = tmp_path_factory.mktemp("libreoffice")
    option = libreoffice.as_csv(separators, language)
    paths = libreoffice.convert(files.values(), out / "seen", language, option)
    for locale, path in zip(files, paths):
        rows = list(seen_cells(path))
        if SEPARATORS[locale] not in separators:
            continue
        assert len(rows) == -(-len(texts) // len(COLUMNS)), "no row is torn"
        cells = [row[column] for row in rows for column in COLUMNS]
        mark = "," if language == "fr-FR" else "."
        wrong = [(text, cell.value) for text, cell in zip(texts, cells, strict=False) if not is_read_as(text, cell, mark)]
        assert not wrong, f"{len(wrong)} of {len(texts)} texts of the {locale} file are read as something else: {wrong[:20]}"
    report("short texts opened with LibreOffice", f"{len(texts):,} texts, {language}, split at {separators!r}", SEED)


def test_texts_that_excel_converts_are_guarded(write):
    table = (ROOT / "docs" / "spreadsheets.md").read_text("utf-8")
    rules = re.findall(r"^\| `(.+?)` \| .+? \| (both|English|French) \| (\[\d\]) \|$", table, re.MULTILINE)
    assert len(rules) > 40 and {source for _, _, source in rules} == set(re.findall(r"^- (\[\d\])", table, re.MULTILINE))
    files = write([text for text, _, _ in rules], "excel")
    for locale, language in [("en", "English"), ("fr", "French")]:
        for cell, (text, where, _) in zip(raw_cells(files[locale], locale), rules, strict=False):
            if where in ("both", language):
                assert cell == "'" + text, (locale, text, cell)


def test_numbers_that_are_shown_digit_for_digit_stay_bare(write):
    numbers = {"en": ["0", "42", "-7", "12345678901", "-12.5", "0.5"], "fr": ["0", "42", "-7", "12345678901", "-12,5", "0,5"]}
    for locale, texts in numbers.items():
        assert raw_cells(write(texts, "numbers")[locale], locale)[: len(texts)] == texts
