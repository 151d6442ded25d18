"""Reads exported files with other programs: Python's csv, openpyxl and LibreOffice find the recorded activities."""

import csv
import functools
import json
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

import libreoffice

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / ".." / "shared" / "data" / "cloudtrail.jsonl"
# The example writes local times of this zone, whose offset has half an hour.
OFFSET = timedelta(hours=5, minutes=30)
STATUSES = {
    "en": {"succeeded": "Succeeded", "failed": "Failed", "in_progress": "In progress", "declined": "Declined"},
    "fr": {"succeeded": "Réussite", "failed": "Échec", "in_progress": "En cours", "declined": "Refus"},
}
LABELS = {
    "en": {"order.created": "Order created", "subscription.updated": "Subscription updated"},
    "fr": {"order.created": "Création de commande", "subscription.updated": "Modification d’abonnement"},
}
SEPARATORS = {"en": ",", "fr": ";"}
# The sheet that describes a workbook, in each language.
SUMMARIES = ("Summary", "Résumé")
TITLES = {
    "en": [
        "Date and time (Asia/Kolkata)",
        "Customer",
        "Action",
        "Partner user",
        "Status",
        "Reason",
        "Target",
        "Changes",
        "Details",
        "Customer ID",
        "Actor ID",
        "Actor role",
        "IP address",
        "Target type",
        "Target ID",
        "Action ID",
        "Subscription IDs",
        "Correlation ID",
        "Source",
        "Activity ID",
        "Occurred at (UTC)",
        "Recorded at (UTC)",
    ],
    "fr": [
        "Date et heure (Asia/Kolkata)",
        "Client",
        "Action",
        "Utilisateur partenaire",
        "Statut",
        "Motif",
        "Cible",
        "Modifications",
        "Détails",
        "ID du client",
        "ID de l'acteur",
        "Rôle de l'acteur",
        "Adresse IP",
        "Type de la cible",
        "ID de la cible",
        "ID de l'action",
        "ID des abonnements",
        "ID de corrélation",
        "Source",
        "ID de l'activité",
        "Survenue le (UTC)",
        "Enregistrée le (UTC)",
    ],
}
TARGET_TYPES = {"en": {}, "fr": {"order": "commande"}}
ACTIVITY_ID = 19
MOST_IN_A_CELL = 32_767
PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\r\n"} | {0x7F: "\u2421"}

needs_records = pytest.param("real", marks=pytest.mark.skipif(not RECORDS.exists(), reason=f"the records of {RECORDS.name} are not in ../shared/data"))
needs_libreoffice = pytest.mark.skipif(libreoffice.SOFFICE is None, reason=libreoffice.MISSING)
sets = pytest.mark.parametrize("records", ["generated", needs_records])
locales = pytest.mark.parametrize("locale", ["en", "fr"])


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Returns a folder of files that the export code has written."""
    folder = tmp_path_factory.mktemp("files")
    subprocess.run(["cargo", "run", "--quiet", "--locked", "--example", "files", "--", str(folder)], cwd=ROOT, check=True)
    return folder


@functools.cache
def expected(path, locale):
    """Returns the columns of each activity, from its JSON form."""
    rows = []
    for line in path.read_text("utf-8").removesuffix("\n").split("\n"):
        one = json.loads(line)
        customer, actor, target = one.get("customer", {}), one["actor"], one.get("target", {})
        # Details keep their text, which stands between their name and the members after them.
        behind = r'"has_details":true,"details_size":\d+,(?:"lines":\{"count":\d+(?:,"amounts":\[.*?\])?\},)?"url":"[^"]*"\}$'
        details = re.search(r',"details":(\{.*\}),' + behind, line, re.DOTALL)
        kind = target.get("type") and TARGET_TYPES[locale].get(target["type"], target["type"])
        row = [
            (datetime.fromisoformat(one["occurred_at"].removesuffix("Z")) + OFFSET).replace(microsecond=0),
            customer.get("name") or customer.get("id", ""),
            LABELS[locale].get(one["action"], one["action"]),
            actor.get("name") or actor["id"],
            STATUSES[locale][one["status"]],
            one["reason"] or "",
            " ".join(part for part in (kind, target.get("name") or target.get("id")) if part),
            "\n".join(change_of(change) for change in one.get("changes", [])),
            details[1] if details else "",
            customer.get("id", ""),
            actor["id"],
            actor.get("role", ""),
            actor.get("ip", ""),
            target.get("type", ""),
            target.get("id", ""),
            one["action"],
            subscriptions_of(one),
            one.get("correlation_id", ""),
            one.get("source", ""),
            one["id"],
            one["occurred_at"],
            one["recorded_at"].replace("Z", "000Z"),
        ]
        # A cell shows control characters as their pictures.
        rows.append([row[0], *(text.translate(PICTURES) for text in row[1:])])
    return rows


def change_of(change):
    """Returns a change as `field: old → new`."""
    before, after = ("" if change[key] is None else f" {change[key]}" for key in ("old", "new"))
    return f"{change['field']}:{before} →{after}"


def subscriptions_of(one):
    """Returns the ids of the subscriptions of an order's lines, each once."""
    lines = one.get("details", {}).get("lines", [])
    return ", ".join(dict.fromkeys(line["subscription_id"] for line in lines if line.get("subscription_id")))


def undone(cell):
    """Removes the guard by the rule of docs/files.md."""
    return re.sub(r"(^|[,;\t\r\n])'", r"\1", cell)


def lines_of(text):
    """Replaces line ends by one kind. LibreOffice treats a tab in a cell of several lines as a control character."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x01", "\t")


def is_shown(whole, cell):
    """Returns whether a cell shows a text, in full or cut at the limit of a cell with a mark."""
    if len(whole.encode("utf-16-le")) // 2 <= MOST_IN_A_CELL:
        return cell == whole
    cut = re.fullmatch(r"(.*)… \[(?:cut|coupé) ?: (\d+) .*\]", cell, re.DOTALL)
    if cut is None:
        return False
    kept, missing = cut.groups()
    return len(cell.encode("utf-16-le")) // 2 <= MOST_IN_A_CELL and whole.startswith(kept) and int(missing) == len(whole) - len(kept)


def check(rows, wanted):
    assert len(rows) == len(wanted)
    for row, want in zip(rows, wanted):
        assert len(row) == len(want)
        for cell, whole in zip(row, want):
            assert cell == whole if isinstance(whole, datetime) else is_shown(whole, cell), (want[ACTIVITY_ID], whole[:80], cell[:80])


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def cells(path):
    """Returns the header and the rows of every sheet of activities, and fails if there is a formula."""
    book = openpyxl.load_workbook(path, read_only=True)
    for sheet in book.worksheets:
        if sheet.title in SUMMARIES:
            continue
        header, *rows = ([None if cell.value is None else cell for cell in row] for row in sheet.iter_rows())
        assert not [cell.coordinate for row in rows for cell in row if cell is not None and cell.data_type == "f"]
        yield [cell.value for cell in header if cell is not None], [[None if cell is None else cell.value for cell in row] for row in rows]
    book.close()


@sets
@locales
def test_python_reads_recorded_activities_from_csv(files, records, locale):
    content = (files / f"{records}_{locale}.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    with open(files / f"{records}_{locale}.csv", encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, delimiter=SEPARATORS[locale], strict=True)
    assert header == TITLES[locale]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "\t", "\r", "\n", "＝"))]
    rows = [[undone(cell) for cell in row] for row in rows]
    check([[moment(row[0]), *row[1:]] for row in rows], expected(files / f"{records}.jsonl", locale))


@sets
@locales
def test_openpyxl_reads_recorded_activities_from_workbook(files, records, locale):
    ((header, rows),) = cells(files / f"{records}_{locale}.xlsx")
    assert header == TITLES[locale]
    check([[row[0], *(unescape(cell or "") for cell in row[1:])] for row in rows], expected(files / f"{records}.jsonl", locale))


@locales
def test_first_sheet_describes_the_workbook(files, locale):
    book = openpyxl.load_workbook(files / f"generated_{locale}.xlsx")
    summary, log = book.worksheets
    assert (summary.title, log.title, book.active.title) == {
        "en": ("Summary", "Activity log", "Activity log"),
        "fr": ("Résumé", "Journal d'activité", "Journal d'activité"),
    }[locale]
    facts = {row[0].value: row[1] for row in summary.iter_rows() if row[0].value}
    words = {
        "en": ("Partner", "From", "Time zone", "Filters", "Activities"),
        "fr": ("Partenaire", "Du", "Fuseau horaire", "Filtres", "Activités"),
    }[locale]
    failed = STATUSES[locale]["failed"]
    partner, first, zone, filters, activities = (facts[word] for word in words)
    assert (partner.value, zone.value, filters.value) == ("contoso", "Asia/Kolkata", None)
    assert first.value == datetime(2026, 10, 1, 5, 30)
    assert activities.value == log.max_row - 1
    assert facts[failed].value == sum(row[4].value == failed for row in log.iter_rows(min_row=2))
    assert not [cell.coordinate for row in summary.iter_rows() for cell in row if cell.data_type == "f"]


def test_workbook_has_frozen_header_filter_widths_and_links(files):
    sheet = openpyxl.load_workbook(files / "lines_en.xlsx").active
    assert sheet.title == "Activity log"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:AE{sheet.max_row}"
    assert sheet.column_dimensions["I"].width > sheet.column_dimensions["A"].width > 15
    linked = 0
    for row in sheet.iter_rows(min_row=2):
        assert (row[0].data_type, row[0].number_format) == ("d", "yyyy-mm-dd hh:mm:ss")
        assert all(cell.data_type == "s" for cell in row[9:22] if cell.value is not None)
        if row[9].value:
            assert row[1].hyperlink.target.startswith("https://portal.example/") and "{" not in row[1].hyperlink.target
            linked += 1
        if row[26].value is not None:
            assert (row[26].data_type, row[26].number_format) == ("n", "0.00")
    assert linked > 1_000


def test_order_lines_are_equal_in_json_csv_and_workbook(files):
    wanted = [json.loads(line) for line in (files / "lines_en.jsonl").read_text("utf-8").removesuffix("\n").split("\n")]
    with open(files / "lines_en.csv", encoding="utf-8-sig", newline="") as file:
        header, *csv_rows = csv.reader(file, strict=True)
    assert header[22:] == ["Line", "Product", "Product name", "Quantity", "Unit price", "Amount", "Currency", "Term", "Subscription ID"]
    ((_, xlsx_rows),) = cells(files / "lines_en.xlsx")
    assert len(csv_rows) == len(xlsx_rows) == len(wanted) > 2_000
    for want, one, other in zip(wanted, csv_rows, xlsx_rows):
        one = [undone(cell) for cell in one]
        assert one[ACTIVITY_ID] == other[ACTIVITY_ID] == want["id"]
        assert one[10] == want["actor"]["id"].translate(PICTURES)
        line = want["line"] or {}
        assert one[23] == unescape(other[23] or "") == line.get("product", "").translate(PICTURES)
        assert one[25] == str(line.get("quantity", "")) and other[25] == line.get("quantity")
        assert one[26] == line.get("unit_price", "") and (other[26] is None or other[26] == float(line["unit_price"]))
        assert one[30] == unescape(other[30] or "") == line.get("subscription_id", "").translate(PICTURES)
        if line:
            assert float(one[27]) == other[27] == pytest.approx(line["quantity"] * float(line["unit_price"]))


# LibreOffice


@pytest.fixture(scope="session")
def opened(files, tmp_path_factory):
    """Opens each file once with LibreOffice in a language, and saves its cells."""
    folder, seen = tmp_path_factory.mktemp("libreoffice"), {}

    def open_all(language, names, *options):
        missing = [name for name in names if name not in seen]
        if missing:
            paths = libreoffice.convert([files / name for name in missing], folder / f"seen-{language}-{len(seen)}", language, *options)
            seen.update(zip(missing, paths))
        return [seen[name] for name in names]

    return open_all


def is_seen(whole, value, guarded):
    """Returns whether LibreOffice shows a text in a cell, as text or as a number digit for digit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return whole.replace(",", ".") == repr(value).removesuffix(".0")
    if not isinstance(value or "", str):
        return False
    # LibreOffice saves a control character in the form `_x0041_`, and the text `_x0041_` unchanged: both are accepted.
    seen = {lines_of(undone(text)) if guarded else lines_of(text) for text in (value or "", unescape(value or ""))}
    return any(is_shown(lines_of(whole), text) for text in seen)


def check_seen(path, wanted, guarded):
    ((_, rows),) = cells(path)
    assert len(rows) == len(wanted)
    for row, want in zip(rows, wanted):
        assert row[0] == want[0]
        for cell, whole in zip(row[1:], want[1:]):
            assert is_seen(whole, cell, guarded), (want[ACTIVITY_ID], whole[:80], str(cell)[:80])


@needs_libreoffice
@sets
def test_libreoffice_reads_recorded_activities_from_workbook(files, opened, records):
    names = [f"{name}_en.xlsx" for name in ("generated", "real") if (files / f"{name}_en.xlsx").exists()]
    opened("en-US", names)
    (path,) = opened("en-US", [f"{records}_en.xlsx"])
    check_seen(path, expected(files / f"{records}.jsonl", "en"), guarded=False)


@needs_libreoffice
@sets
@pytest.mark.parametrize("locale, language", [("en", "en-US"), ("fr", "fr-FR")])
def test_libreoffice_opens_csv_in_columns_and_runs_nothing(files, opened, records, locale, language):
    options = libreoffice.as_csv(SEPARATORS[locale], language)
    names = [f"{name}_{locale}.csv" for name in ("generated", "real") if (files / f"{name}_{locale}.csv").exists()]
    opened(language, names, options)
    (path,) = opened(language, [f"{records}_{locale}.csv"])
    ((header, _),) = cells(path)
    assert header == TITLES[locale]
    check_seen(path, expected(files / f"{records}.jsonl", locale), guarded=True)
