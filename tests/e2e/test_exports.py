"""Exports: request, files, download through a link of five minutes, cancellation."""

import gzip
import hashlib
import json
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import parse_qs, urljoin, urlsplit, urlunsplit

import pytest
import requests

import spreadsheet
from api import ALL_OF_2024, Partner, compact, eventually, instant, is_problem, members, months_back, new_activity, newest_first, now
from spreadsheet import (
    ACTION,
    ACTION_ID,
    ACTIVITY_ID,
    ADDRESS,
    CHANGES,
    COLUMNS,
    CORRELATION_ID,
    CUSTOMER,
    CUSTOMER_ID,
    DATE,
    DETAILS,
    OCCURRED_AT,
    REASON,
    RECORDED_AT,
    ROLE,
    SOURCE,
    STATUS,
    SUBSCRIPTION_IDS,
    TARGET,
    TARGET_ID,
    TARGET_TYPE,
    USER,
)

NAMES = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+33 6 12 34",
    "-12.50",
    "-12.5",
    "-12.50 EUR",
    "a;=1+1;b",
    "a,=1+1",
    "Mar-1",
    "1/2",
    "50%",
    "vrai",
    "@SUM(A1)",
    "\tx",
    "x\ty",
    "'quoted",
    "''twice",
    "0042",
    "1234567890123456",
    "73928e05",
    "12,5",
    'say "hi"; then, go',
    "two\r\nlines",
    "\nline",
    "Société de l'Été",
    "＝1",
    "日本 😀",
    " x ",
    "plain",
]
# First characters of cells that a spreadsheet takes for a formula.
FORMULAS = ("=", "@", "\t", "\r", "\n", "＝")


@pytest.fixture(scope="module")
def book(operator, names):
    """A partner with activities whose names are hard for spreadsheets; `sent` holds them newest first."""
    partner = Partner(operator, names()).register()
    partner.sent = newest_first(
        new_activity(
            occurred_at=f"2024-03-{30 + number % 2}T{number // 2:02}:30:00.000001Z",
            action=["order.created", "x.y"][number % 2],
            status=["succeeded", "failed", "in_progress", "declined"][number % 4],
            customer={"id": f"c-{number % 3}", "name": name},
            actor={"id": name.strip() or "x", "name": name, "role": "admin_agent", "ip": "203.0.113.7"},
            target={"type": "order", "id": f"o-{number}", "name": name},
            reason=name,
            changes=[{"field": "note", "old": None, "new": name}, {"field": "quantity", "old": 5, "new": 12}],
            correlation_id=f"k-{number}",
            source="portal",
            details={"name": name, "price": 14.5},
        )
        for number, name in enumerate(NAMES)
    )
    partner.record(partner.sent)
    return partner


@pytest.fixture(scope="module")
def ready(book):
    """A ready export of all activities."""
    return book.export(**ALL_OF_2024)


def ids(activities):
    return [activity["id"] for activity in activities]


# Requests


def test_export_request_is_accepted_with_its_location(book):
    before = now()
    answer = book.order(ALL_OF_2024 | {"time_zone": "Europe/Paris", "status": "failed"}, headers={"Accept-Language": "fr-FR,en;q=0.5"})
    assert answer.status_code == 202, answer.text
    export = answer.json()
    assert export["status"] in ("pending", "running")
    assert (export["kind"], export["format"], export["locale"]) == ("on_demand", "csv", "fr")
    assert export["files"] == [] and export["problem"] is None
    assert set(export["created_by"]) == {"subject", "name"} and all(export["created_by"].values())
    assert before - timedelta(milliseconds=1) <= instant(export["created_at"]) <= now()
    assert instant(export["expires_at"]) > now() + timedelta(hours=1)
    bounds = export["range"]
    assert instant(bounds["from"]) == instant("2023-12-31T23:00:00Z") and instant(bounds["to"]) == instant("2024-12-31T23:00:00Z")
    assert bounds["time_zone"] == "Europe/Paris"
    assert export["filters"]["status"] in ("failed", ["failed"])
    where = urljoin(answer.url, answer.headers["Location"])
    shown = book.caller.get(where.removeprefix(book.caller.root))
    assert shown.status_code == 200 and shown.json()["id"] == export["id"]
    assert book.ready(export["id"])["complete_through"]


def test_export_request_may_be_empty(partner):
    recent = new_activity(occurred_at=(now() - timedelta(hours=1)).isoformat())
    partner.record([recent, new_activity()])
    answer = partner.caller.post(f"{partner.path}/exports")
    assert answer.status_code == 202, answer.text
    export = partner.ready(answer.json()["id"])
    assert (export["format"], export["locale"]) == ("csv", "en")
    assert (export["compression"], export["rows"], export["details"]) == ("none", "activities", True)
    start, end = instant(export["range"]["from"]), instant(export["range"]["to"])
    assert start == months_back(end) and end <= now()
    _, rows = spreadsheet.rows(partner.download(export), "en")
    assert [row[ACTIVITY_ID] for row in rows] == [recent["id"]] and rows[0][DETAILS] == ""


@pytest.mark.parametrize(
    "request_, field",
    [
        ({"from": "2024-13-01"}, "/from"),
        ({"from": "2024-03-06", "to": "2024-03-05"}, "/from"),
        ({"to": 7}, "/to"),
        ({"time_zone": "Europe/Atlantis"}, "/time_zone"),
        ({"format": "pdf"}, "/format"),
        ({"locale": "de"}, "/locale"),
        ({"compression": "rar"}, "/compression"),
        ({"rows": "cells"}, "/rows"),
        ({"details": "yes"}, "/details"),
        ({"status": "done"}, "/status"),
        ({"action": ["order.created", "Order"]}, "/action"),
        ({"columns": ["date"]}, "/columns"),
    ],
    ids=compact,
)
def test_invalid_export_request_is_refused(partner, request_, field):
    is_problem(partner.order(request_), 400, "invalid-request", field)
    assert partner.exports() == []


@pytest.mark.parametrize("body", ["{", "[]", "null", '{"from": "2024-01-01"} x'])
def test_export_request_is_refused_when_it_is_no_object(partner, body):
    is_problem(partner.caller.post(f"{partner.path}/exports", data=body), 400, "invalid-request")
    assert partner.exports() == []


@pytest.mark.parametrize("name", ["customer", "actor", "action", "status", "target_type", "target", "correlation", "source", "q"])
def test_export_with_an_empty_filter_is_refused(partner, name):
    for value in ("", " ", None, [], [""], ["x", ""]):
        if name != "q" or not isinstance(value, list):
            is_problem(partner.order(ALL_OF_2024 | {name: value}), 400, "invalid-request", f"/{name}")
    assert partner.exports() == []


def test_export_with_its_filter_in_the_query_is_refused(partner):
    for body in ({"json": {}}, {}):
        refused = partner.caller.post(f"{partner.path}/exports", params={"customer": "fabrikam", "from": "2024-01-01"}, **body)
        found = is_problem(refused, 400, "invalid-request", "/customer")
        assert {error["pointer"] for error in found["errors"]} == {"/customer", "/from"}
    assert partner.exports() == []


def test_export_covers_any_period(partner):
    sent = [new_activity(occurred_at=f"{year}-06-01T00:00:00Z") for year in (1990, 2005, 2024)]
    partner.record(sent)
    ordered = partner.order({"from": "1980-01-01", "to": "2030-12-31", "format": "jsonl"})
    assert ordered.status_code == 202, ordered.text
    rows = partner.ready(ordered.json()["id"])["progress"]["rows"]
    assert rows == 3


def test_idempotency_key_returns_the_first_export(partner, operator, names):
    key, other = {"Idempotency-Key": str(uuid.uuid4())}, Partner(operator, names()).register()
    first = partner.order(ALL_OF_2024, headers=key)
    again = partner.order(ALL_OF_2024, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["Location"] == first.headers["Location"]
    partner.ready(first.json()["id"])
    assert partner.order(ALL_OF_2024, headers=key).json()["id"] == first.json()["id"]
    assert [export["id"] for export in partner.exports()] == [first.json()["id"]]
    assert other.order(ALL_OF_2024, headers=key).json()["id"] != first.json()["id"]
    assert partner.order(ALL_OF_2024).json()["id"] != first.json()["id"]


def test_idempotency_key_with_another_request_is_refused(partner):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = partner.order(ALL_OF_2024 | {"format": "csv"}, headers=key)
    assert first.status_code == 202, first.text
    is_problem(partner.order(ALL_OF_2024 | {"format": "jsonl"}, headers=key), 422, "unprocessable", "/Idempotency-Key")
    is_problem(partner.order(ALL_OF_2024 | {"format": "csv"}, headers=key | {"Accept-Language": "fr"}), 422, "unprocessable")
    reordered = {"format": "csv"} | ALL_OF_2024
    assert partner.order(reordered, headers=key).json()["id"] == first.json()["id"]
    assert [export["id"] for export in partner.exports()] == [first.json()["id"]]


def test_colleagues_with_the_same_idempotency_key_get_their_own_exports(caller):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    ana, ben = (Partner(caller(f"contoso-{role}"), "contoso") for role in ("global-admin", "sales-agent"))
    first = ana.order(ALL_OF_2024, headers=key).json()["id"]
    second = ben.order(ALL_OF_2024, headers=key).json()["id"]
    assert first != second
    assert ana.order(ALL_OF_2024, headers=key).json()["id"] == first
    assert ben.order(ALL_OF_2024, headers=key).json()["id"] == second


def test_all_faults_of_an_export_request_are_named_at_once(partner):
    body = {"from": "never", "format": "pdf", "colour": 1, "details": "yes", "status": "done", "customer": 5, "locale": "de"}
    found = is_problem(partner.order(body, headers={"Idempotency-Key": "x" * 256}), 400, "invalid-request")
    pointers = {error["pointer"] for error in found["errors"]}
    assert pointers == {"/Idempotency-Key", "/from", "/format", "/colour", "/details", "/status", "/customer", "/locale"}
    assert partner.exports() == []


def test_exports_are_listed_newest_first_in_pages(partner):
    ordered = [partner.order(ALL_OF_2024).json()["id"] for _ in range(5)]
    for export in ordered:
        partner.ready(export)
    assert [export["id"] for export in partner.exports()] == ordered[::-1]
    assert [export["id"] for export in partner.exports(limit=2)] == ordered[::-1]
    assert [export["id"] for export in partner.exports(kind="on_demand")] == ordered[::-1]
    assert partner.exports(kind="monthly") == []
    assert partner.exports()[0] == partner.caller.get(f"{partner.path}/exports/{ordered[-1]}").json()
    is_problem(partner.caller.get(f"{partner.path}/exports", params={"kind": "weekly"}), 400, "invalid-request", "/kind")
    is_problem(partner.caller.get(f"{partner.path}/exports", params={"cursor": "garbage"}), 400, "invalid-request", "/cursor")


def test_missing_export_is_answered_with_404(book, ready):
    for export in ("01JD7Z6Q3V5W8X9Y0Z1A2B3C4D", "2024-03", "nothing", "a%23b"):
        is_problem(book.caller.get(f"{book.path}/exports/{export}"), 404, "not-found")
        is_problem(book.caller.delete(f"{book.path}/exports/{export}"), 404, "not-found")
        is_problem(book.caller.get(f"{book.path}/exports/{export}/files/a.csv"), 404, "not-found")
    is_problem(book.caller.get(f"{book.path}/exports/{ready['id']}/files/other.csv"), 404, "not-found")


# Files


def test_file_names_tell_a_full_export_from_others(book):
    days = f"activity_{book.name}_2024-01-01_2024-12-31"
    for request_, name in [
        ({}, f"{days}.csv"),
        ({"locale": "fr"}, f"{days}_fr.csv"),
        ({"status": "failed"}, f"{days}_filtered_failed.csv"),
        ({"status": "!failed", "customer": ["c-1"]}, f"{days}_filtered_not-failed_customer-c-1.csv"),
        ({"details": False}, f"{days}_no-details.csv"),
        ({"rows": "lines", "locale": "fr", "format": "xlsx"}, f"{days}_lines_fr.xlsx"),
    ]:
        export = book.export(**ALL_OF_2024, **request_)
        assert export["files"][0]["name"] == name
        manifest = requests.get(book.link(export, export["manifest"]), timeout=60)
        assert f'filename="{name.split(".")[0]}_manifest.json"' in manifest.headers["Content-Disposition"]


def test_ready_export_describes_its_file(book, ready):
    content = book.download(ready)
    [file] = ready["files"]
    assert file == {"name": file["name"], "rows": len(NAMES), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert file["name"].startswith(f"activity_{book.name}_") and file["name"].endswith(".csv")
    assert ready["progress"] == {"rows": len(NAMES), "bytes": len(content), "fraction": 1.0}
    assert instant(ready["complete_through"]) <= now()


@pytest.mark.parametrize(
    "locale, titles, statuses",
    [
        ("en", ["Customer", "Action", "Partner user"], ["Succeeded", "Failed", "In progress", "Declined"]),
        ("fr", ["Client", "Action", "Utilisateur partenaire"], ["Réussite", "Échec", "En cours", "Refus"]),
    ],
)
def test_csv_file_holds_recorded_values_of_every_kind(book, operator, locale, titles, statuses):
    labels = {entry["action"]: entry["label"] for entry in operator.get("/v1/actions", params={"locale": locale}).json()}
    content = book.download(book.export(**ALL_OF_2024, locale=locale, time_zone="Asia/Kolkata"))
    header, rows = spreadsheet.rows(content, locale)
    assert len(header) == COLUMNS and header[1:4] == titles
    order = ["succeeded", "failed", "in_progress", "declined"]
    for row, sent in zip(rows, book.sent, strict=True):
        local = instant(sent["occurred_at"]) + timedelta(hours=5, minutes=30)
        assert row[DATE] == local.strftime("%Y-%m-%d %H:%M:%S")
        assert row[CUSTOMER] == sent["customer"]["name"] and row[CUSTOMER_ID] == sent["customer"]["id"]
        assert row[ACTION] == labels.get(sent["action"], sent["action"]) and row[ACTION_ID] == sent["action"]
        assert row[USER] == sent["actor"]["name"]
        assert row[STATUS] == statuses[order.index(sent["status"])]
        assert row[TARGET] == {"en": "order ", "fr": "commande "}[locale] + sent["target"]["name"]
        assert (row[TARGET_TYPE], row[TARGET_ID]) == ("order", sent["target"]["id"])
        assert row[REASON] == sent["reason"]
        assert row[CHANGES] == f"note: → {sent['reason']}\nquantity: 5 → 12"
        assert (row[ROLE], row[ADDRESS]) == ("admin_agent", "203.0.113.7")
        assert (row[SUBSCRIPTION_IDS], row[CORRELATION_ID], row[SOURCE]) == ("", sent["correlation_id"], "portal")
        assert instant(row[RECORDED_AT]) <= now()
        assert row[DETAILS] == compact(sent["details"])
        assert (row[ACTIVITY_ID], row[OCCURRED_AT]) == (sent["id"], sent["occurred_at"])


def test_csv_cells_are_no_formulas_and_numbers_stay_numbers(book, ready):
    rows = spreadsheet.raw_rows(book.download(ready), "en")
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(FORMULAS)]
    assert not [cell for cell in cells if cell[:1] in ("+", "-") and cell != "-12.5"]
    shown = {row[ACTIVITY_ID]: row[CUSTOMER] for row in rows}
    for sent in book.sent:
        name = sent["customer"]["name"]
        if name in ("-12.5", "plain", "日本 😀", "Société de l'Été"):
            assert shown[sent["id"]] == name
        if name in ("=1+1", "'quoted", "0042", "-12.50", "12,5", "Mar-1", "1/2", "50%", "vrai"):
            assert shown[sent["id"]] == "'" + name
        if name in ("a;=1+1;b", "a,=1+1"):
            assert shown[sent["id"]] == name.replace("=", "'=")


def test_control_characters_are_pictures_in_tables_only(partner):
    sent = new_activity(customer={"id": "c", "name": "a\x00b\x1b[1m"})
    partner.record([sent])
    content = partner.download(partner.export(**ALL_OF_2024))
    assert not [byte for byte in content if byte < 32 and byte not in b"\r\n"]
    _, [row] = spreadsheet.rows(content, "en")
    assert row[CUSTOMER] == "a␀b␛[1m"
    _, sheet = spreadsheet.workbook(partner.download(partner.export(**ALL_OF_2024, format="xlsx")))
    assert sheet.cell(2, CUSTOMER + 1).value == "a␀b␛[1m"
    [line] = partner.download(partner.export(**ALL_OF_2024, format="jsonl")).decode().splitlines()
    assert json.loads(line)["customer"] == sent["customer"]


def test_row_names_the_subscriptions_concerned(partner):
    partner.record(
        [
            new_activity(id="a", target={"type": "subscription", "id": "s-1"}, details={"lines": [{"subscription": "s-2"}, {"subscription_id": "s-1"}]}),
            new_activity(id="b", details={"lines": [{"subscriptionId": "s-3"}]}),
        ]
    )
    _, rows = spreadsheet.rows(partner.download(partner.export(**ALL_OF_2024)), "en")
    assert [(row[ACTIVITY_ID], row[SUBSCRIPTION_IDS]) for row in rows] == [("b", "s-3"), ("a", "s-1, s-2")]


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_csv_file_has_byte_order_mark_and_crlf_line_ends(partner, locale):
    partner.record([new_activity(), new_activity()])
    content = partner.download(partner.export(**ALL_OF_2024, locale=locale))
    assert content.startswith(b"\xef\xbb\xbfDate")
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r") == 3
    assert content.endswith(b"\r\n")


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_export_without_rows_is_a_file_with_a_header(partner, locale):
    export = partner.export(**ALL_OF_2024, locale=locale)
    [file] = export["files"]
    assert file["rows"] == 0 and export["progress"]["fraction"] == 1.0
    header, rows = spreadsheet.rows(partner.download(export), locale)
    assert len(header) == COLUMNS and rows == []


def test_cell_too_long_for_excel_is_cut_in_csv_only(partner):
    sent = new_activity(details={"text": "é" * 40_000})
    fits = new_activity(details={"text": "é" * (32_767 - len('{"text":""}'))})
    partner.record([sent, fits])
    _, rows = spreadsheet.rows(partner.download(partner.export(**ALL_OF_2024)), "en")
    details = {row[ACTIVITY_ID]: row[DETAILS] for row in rows}
    whole, cut = compact(sent["details"]), details[sent["id"]]
    assert len(cut) <= 32_767 and cut[:32_000] == whole[:32_000] and "…" in cut
    assert details[fits["id"]] == compact(fits["details"])
    lines = partner.download(partner.export(**ALL_OF_2024, format="jsonl")).decode().splitlines()
    assert whole in {members(line)["details"] for line in lines}


def test_jsonl_file_has_one_activity_of_the_api_per_line(book):
    content = book.download(book.export(**ALL_OF_2024, format="jsonl")).decode()
    assert content.endswith("\n") and "\r" not in content
    assert content.splitlines() == [book.show(sent) for sent in book.sent]


def test_workbook_holds_text_dates_and_links(book):
    export = book.export(**ALL_OF_2024, format="xlsx", time_zone="Asia/Kolkata")
    assert export["files"][0]["name"].endswith(".xlsx") and export["files"][0]["rows"] == len(NAMES)
    _, sheet = spreadsheet.workbook(book.download(export))
    header, *rows = sheet.iter_rows()
    assert len(header) == COLUMNS and sheet.freeze_panes == "A2" and sheet.auto_filter.ref
    for row, sent in zip(rows, book.sent, strict=True):
        assert row[DATE].value == (instant(sent["occurred_at"]) + timedelta(hours=5, minutes=30)).replace(microsecond=0, tzinfo=None)
        assert not [cell for cell in row if cell.data_type == "f"]
        shown = [row[column].value for column in (CUSTOMER, USER, CUSTOMER_ID, ACTION_ID, ACTIVITY_ID, OCCURRED_AT)]
        # The file holds carriage returns in Excel's escape, which this reader does not decode.
        wanted = [sent["customer"]["name"], sent["actor"]["name"], sent["customer"]["id"], sent["action"], sent["id"], sent["occurred_at"]]
        assert [text.replace("_x000D_", "\r") for text in shown] == wanted
        assert sent["customer"]["id"] in row[CUSTOMER].hyperlink.target


@pytest.mark.parametrize(
    "locale, texts",
    [
        ("en", ["Partner", "From", "Until (excluded)", "Status", "Failed, Declined", "Activities"]),
        ("fr", ["Partenaire", "Du", "Jusqu’au (exclu)", "Statut", "Échec, Refus", "Activités"]),
    ],
)
def test_first_sheet_of_a_workbook_says_period_filters_and_totals(book, locale, texts):
    partner, first, end, status, statuses, activities = texts
    export = book.export(**ALL_OF_2024, format="xlsx", locale=locale, time_zone="Europe/Paris", status=["failed", "declined"])
    facts, sheet = spreadsheet.workbook(book.download(export))
    assert facts[partner] == book.name and facts[status] == statuses
    assert (facts[first], facts[end]) == (datetime(2024, 1, 1), datetime(2025, 1, 1))
    assert facts[activities] == sheet.max_row - 1 == sum(each["status"] in ("failed", "declined") for each in book.sent)


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
def test_compressed_file_holds_the_same_bytes(book, format):
    export = book.export(**ALL_OF_2024, format=format, compression="gzip")
    content = book.download(export)
    [file] = export["files"]
    assert file["name"].endswith(f".{format}.gz") and export["compression"] == "gzip"
    assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    if format != "xlsx":
        # A workbook contains the time of its request, so two workbooks differ.
        assert gzip.decompress(content) == book.download(book.export(**ALL_OF_2024, format=format))
    else:
        assert spreadsheet.workbook(gzip.decompress(content))[1].max_row == len(NAMES) + 1


def test_export_by_lines_writes_one_row_per_order_line(partner):
    lines = [
        {"product": "p-1", "name": "Été", "quantity": 12, "unit_price": "14.90", "currency": "EUR", "term": "P1Y", "subscription_id": "0042"},
        {"sku": "=B", "qty": 2, "price": "0.50"},
    ]
    order, other = new_activity(id="b", details={"lines": lines}), new_activity(id="a", details={"note": "none"})
    partner.record([order, other])
    export = partner.export(**ALL_OF_2024, rows="lines")
    assert export["rows"] == "lines" and export["files"][0]["rows"] == export["progress"]["rows"] == 3
    header, rows = spreadsheet.rows(partner.download(export), "en")
    assert header[COLUMNS:] == ["Line", "Product", "Product name", "Quantity", "Unit price", "Amount", "Currency", "Term", "Subscription ID"]
    assert [[row[ACTIVITY_ID], *row[COLUMNS:]] for row in rows] == [
        ["b", "1", "p-1", "Été", "12", "14.90", "178.80", "EUR", "P1Y", "0042"],
        ["b", "2", "=B", "", "2", "0.50", "1.00", "", "", ""],
        ["a", "", "", "", "", "", "", "", "", ""],
    ]
    shown = [json.loads(line) for line in partner.download(partner.export(**ALL_OF_2024, rows="lines", format="jsonl")).decode().splitlines()]
    assert [(one["id"], one["line"]) for one in shown] == [("b", lines[0]), ("b", lines[1]), ("a", None)]
    assert all(one["actor"] == order["actor"] | {"type": "user"} for one in shown)
    assert all(one["action"] == "order.created" and one["occurred_at"] == order["occurred_at"] for one in shown)


def test_manifest_describes_the_files(book):
    export = book.export(**ALL_OF_2024, status="failed", compression="gzip", locale="fr", time_zone="Europe/Paris")
    assert export["manifest"] == "manifest.json"
    answer = requests.get(book.link(export, export["manifest"]), timeout=60)
    assert answer.headers["Content-Type"].startswith("application/json")
    manifest = answer.json()
    for field in ("range", "filters", "format", "locale", "compression", "rows", "details", "files", "complete_through", "kind"):
        assert manifest[field] == export[field], field
    assert manifest["export"] == export["id"] and manifest["software"]["version"]
    path = f"{book.path}/exports/{export['id']}"
    assert book.caller.delete(path).status_code == 204
    is_problem(book.caller.get(f"{path}/files/manifest.json"), 410, "gone")


def test_details_are_left_out_on_request(book):
    _, rows = spreadsheet.rows(book.download(book.export(**ALL_OF_2024, details=False)), "en")
    assert ids(book.sent) == [row[ACTIVITY_ID] for row in rows]
    assert {row[DETAILS] for row in rows} == {""}


@pytest.mark.parametrize(
    "request_, meets",
    [
        ({"status": ["failed", "declined"]}, lambda one: one["status"] in ("failed", "declined")),
        ({"customer": "c-1"}, lambda one: one["customer"]["id"] == "c-1"),
        ({"customer": ["c-1", "c-2"], "action": "order.*"}, lambda one: one["customer"]["id"] != "c-0" and one["action"] == "order.created"),
        ({"q": "SOCIÉTÉ"}, lambda one: "Société" in one["customer"]["name"]),
        ({"target": "o-3", "target_type": "order", "actor": "-12.50"}, lambda one: one["target"]["id"] == "o-3"),
        ({"from": "2024-03-31", "to": "2024-03-31"}, lambda one: one["occurred_at"].startswith("2024-03-31")),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_export_holds_the_same_activities_as_the_list(book, request_, meets):
    expected = ids(filter(meets, book.sent))
    assert expected
    request_ = ALL_OF_2024 | request_
    assert book.ids(**request_) == expected
    _, rows = spreadsheet.rows(book.download(book.export(**request_)), "en")
    assert [row[ACTIVITY_ID] for row in rows] == expected


def test_export_of_many_megabytes_is_complete(partner):
    """The file takes more than one part of a multipart upload."""
    sent = [
        new_activity(id=f"large-{number}", occurred_at=f"2024-03-05T09:{number:02}:00Z", details={"text": chr(97 + number) * 1_000_000}) for number in range(24)
    ]
    for activity in sent:
        assert partner.send(activity).status_code == 201
    export = partner.export(**ALL_OF_2024, format="jsonl")
    content = partner.download(export)
    [file] = export["files"]
    assert len(content) == file["bytes"] > 24_000_000
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert [json.loads(line)["details"] for line in content.decode().splitlines()] == [one["details"] for one in reversed(sent)]


# Links


@pytest.mark.parametrize(
    "format, compression, media_type",
    [
        ("csv", "none", "text/csv"),
        ("jsonl", "none", "application/jsonl"),
        ("xlsx", "none", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("csv", "gzip", "application/gzip"),
    ],
)
def test_download_is_an_attachment_with_name_and_type(book, format, compression, media_type):
    export = book.export(**ALL_OF_2024, format=format, compression=compression)
    [file] = export["files"]
    answer = requests.get(book.link(export, file["name"]), timeout=60)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(media_type)
    assert "Content-Encoding" not in answer.headers
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment") and file["name"] in disposition
    assert int(answer.headers["Content-Length"]) == file["bytes"]


def test_each_click_makes_a_link_for_five_minutes(book, ready):
    name = ready["files"][0]["name"]
    link = book.link(ready, name)
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["300"]
    before = now()
    answer = book.caller.get(f"{book.path}/exports/{ready['id']}/files/{name}", params={"redirect": "false"})
    assert answer.status_code == 200, answer.text
    assert timedelta(seconds=299) <= instant(answer.json()["expires_at"]) - before <= now() - before + timedelta(seconds=300)
    assert requests.get(answer.json()["url"], timeout=60).content == requests.get(link, timeout=60).content
    perhaps = book.caller.get(f"{book.path}/exports/{ready['id']}/files/{name}", params={"redirect": "perhaps"})
    is_problem(perhaps, 400, "invalid-request", "/redirect")


def refused(url):
    answer = requests.get(url, timeout=60)
    return answer.status_code in (400, 403, 404) and b"Date and time" not in answer.content


def altered(text, at):
    """Returns the text with one character replaced by its neighbour."""
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


def test_link_is_refused_when_one_character_changes(book, ready):
    link = book.link(ready, ready["files"][0]["name"])
    assert not refused(link)
    parts = urlsplit(link)
    for at in range(1, len(parts.path)):
        if parts.path[at] not in "%/" and parts.path[at - 1] != "%" and parts.path[at - 2 : at - 1] != "%":
            assert refused(urlunsplit(parts._replace(path=altered(parts.path, at)))), parts.path[at:]
    for pair in parts.query.split("&"):
        start = parts.query.index(pair)
        value = start + pair.index("=") + 1
        for at in {value, start + len(pair) - 1}:
            assert refused(urlunsplit(parts._replace(query=altered(parts.query, at)))), pair
    start = parts.query.index("X-Amz-Signature=") + len("X-Amz-Signature=")
    for at in range(start, start + 64):
        assert refused(urlunsplit(parts._replace(query=altered(parts.query, at))))


def test_link_is_refused_when_a_parameter_is_missing(book, ready):
    parts = urlsplit(book.link(ready, ready["files"][0]["name"]))
    pairs = parts.query.split("&")
    for left_out in pairs:
        # `x-id` only names the operation, and its value grants nothing.
        query = "&".join(pair for pair in pairs if pair != left_out)
        assert refused(urlunsplit(parts._replace(query=query))), left_out
    assert refused(urlunsplit(parts._replace(query="")))


def test_link_only_reads_its_own_file(book, ready):
    first, second = (book.link(export, export["files"][0]["name"]) for export in (ready, book.export(**ALL_OF_2024)))
    assert refused(urlunsplit(urlsplit(first)._replace(path=urlsplit(second).path)))
    for method in ("PUT", "DELETE", "POST"):
        assert requests.request(method, first, data=b"x", timeout=60).status_code in (400, 403, 405)
    assert requests.get(first, timeout=60).status_code == 200


def test_link_is_refused_after_it_expires(as_function, book, ready):
    """Signs a link with the credentials of the service, for one second instead of five minutes."""
    bucket, key = urlsplit(book.link(ready, ready["files"][0]["name"])).path.lstrip("/").split("/", 1)
    sign = partial(as_function("exports")("s3").generate_presigned_url, "get_object", {"Bucket": bucket, "Key": key})
    short, long = sign(ExpiresIn=1), sign(ExpiresIn=300)
    eventually(lambda: requests.get(short, timeout=60).status_code == 403, "the link refused", seconds=30)
    assert requests.get(long, timeout=60).status_code == 200


# Cancellation


@contextmanager
def workers_stopped(stack, aws):
    """Keeps export jobs in the queue during the block."""
    functions = aws("lambda")
    [mapping] = functions.list_event_source_mappings(FunctionName=stack["functions"]["export-worker"])["EventSourceMappings"]

    def set_enabled(enabled):
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)
        state = "Enabled" if enabled else "Disabled"
        eventually(lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == state, state, seconds=30)

    set_enabled(False)
    try:
        yield
    finally:
        set_enabled(True)


def test_export_cancelled_while_pending_never_gets_files(stack, aws, partner):
    partner.record([new_activity()])
    with workers_stopped(stack, aws):
        waiting, cancelled = partner.order(ALL_OF_2024).json(), partner.order(ALL_OF_2024).json()
        path = f"{partner.path}/exports/{cancelled['id']}"
        is_problem(partner.caller.get(f"{path}/files/activity.csv"), 409, "conflict")
        assert partner.caller.get(path).json()["status"] == "pending"
        for _ in range(2):
            answer = partner.caller.delete(path)
            assert (answer.status_code, answer.text) == (204, "")
        assert partner.caller.get(path).json()["status"] == "cancelled"
    assert partner.ready(waiting["id"])["files"][0]["rows"] == 1
    shown = partner.caller.get(path).json()
    assert (shown["status"], shown["files"]) == ("cancelled", [])
    is_problem(partner.caller.get(f"{path}/files/activity.csv"), 410, "gone")


def test_export_cancelled_when_ready_loses_its_files(partner):
    export = partner.export(**ALL_OF_2024)
    name = export["files"][0]["name"]
    link = partner.link(export, name)
    assert requests.get(link, timeout=60).status_code == 200
    path = f"{partner.path}/exports/{export['id']}"
    assert partner.caller.delete(path).status_code == 204
    assert requests.get(link, timeout=60).status_code == 404
    is_problem(partner.caller.get(f"{path}/files/{name}"), 410, "gone")
    assert partner.caller.delete(path).status_code == 204
