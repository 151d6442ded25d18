"""Exports, the monthly schedule and saved views on the page: what they hold, how they are named, and what happens without a click."""

import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pytest
from amounts import amount
from test_months import schedules  # noqa: F401

from api import now
from browser import NEEDED, TRIED_LANGUAGES, mixed, recent, shown, sign_in, violations

pytestmark = NEEDED

JOB = {
    "created_at": "2026-11-02T09:30:00.000Z",
    "created_by": {"subject": "s", "name": "Ana Trujillo"},
    "range": {"from": "2026-09-30T22:00:00.000000Z", "to": "2026-10-31T23:00:00.000000Z", "time_zone": "Europe/Paris"},
    "filters": {},
    "format": "csv",
    "locale": "en",
    "compression": "none",
    "rows": "activities",
    "details": True,
    "status": "ready",
    "progress": {"rows": 4812, "bytes": 912345, "fraction": 1.0},
    "files": [{"name": "a.csv", "rows": 4812, "bytes": 912345, "sha256": "00"}],
    "problem": None,
    "complete_through": "2026-11-01T05:58:00.000000Z",
    "expires_at": "2027-11-02T09:30:00.000Z",
}


def monthly(month, version=1, **more):
    return JOB | {"id": f"{month}_v{version}", "kind": "monthly", "month": month, "version": version} | more


def on_demand(number, **more):
    return JOB | {"id": f"{number:026}", "kind": "on_demand", "month": None, "version": None} | more


def answer_with(page, exports):
    """Answers the lists of exports with these."""

    def fulfil(route):
        kind = parse_qs(urlsplit(route.request.url).query)["kind"][0]
        route.fulfill(json={"exports": [each for each in exports if each["kind"] == kind], "next_cursor": None})

    page.route(re.compile(r"/exports\?"), fulfil)


def open_exports(page):
    page.locator("activity-log [data-view=exports]").click()
    page.locator("activity-log .exports form .primary").wait_for()


def focused(page):
    """Returns the name of the field that has the focus."""
    return page.locator("activity-log").evaluate("element => element.shadowRoot.activeElement?.name")


# Exports


@pytest.mark.parametrize("language, said", [("en", "Status: Failed"), ("fr", "Statut\u00a0: Échec")])
def test_workbook_of_the_list_downloads_without_a_click(window, stack, person, partner, language, said):
    partner.record([*mixed(), recent(action="order.created", status="failed")])
    page = window(language)
    sign_in(page, stack, person(partner), language, "?status=failed")
    shown(page)
    page.locator("activity-log button.export").click()
    dialog = page.locator("activity-log dialog.ask")
    # The dialog says the filters of the list, and the number of rows in advance.
    assert said in dialog.locator(".what").inner_text()
    dialog.locator(".size").filter(has_text=re.compile(r"^2\s")).wait_for()
    assert dialog.locator("[name=gzip]").is_visible()
    dialog.locator("select[name=format]").select_option("xlsx")
    assert not dialog.locator("[name=gzip]").is_visible(), "a workbook is compressed already"
    with page.expect_download(timeout=120_000) as downloading:
        dialog.locator(".primary").click()
    [export] = partner.exports()
    assert (export["filters"], export["format"], export["compression"]) == ({"status": ["failed"]}, "xlsx", "none")
    assert downloading.value.suggested_filename == export["files"][0]["name"]
    assert "_filtered_failed" in downloading.value.suggested_filename
    book = openpyxl.load_workbook(io.BytesIO(Path(downloading.value.path()).read_bytes()))
    assert book.worksheets[0].title == {"en": "Summary", "fr": "Résumé"}[language] and book.active.max_row == 3
    started = {"en": "The download has started.", "fr": "Le téléchargement a commencé."}[language]
    page.locator("activity-log .exporting [role=status]").filter(has_text=started).wait_for()


def test_order_lines_are_counted_as_activities(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    page.locator("activity-log button.export").click()
    dialog = page.locator("activity-log dialog.ask")
    dialog.locator(".size").filter(has_text="5 rows").wait_for()
    dialog.locator("select[name=rows]").select_option("lines")
    assert dialog.locator(".size").inner_text() == "5 activities, with a row for each order line"


def test_export_is_offered_without_counts(window, stack, person, partner):
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    page.route(re.compile(r"/counts\?"), lambda route: route.fulfill(status=404, content_type="application/problem+json", json={"status": 404}))
    page.locator("activity-log button.export").click()
    page.locator("activity-log dialog.ask .size").wait_for(state="hidden")
    assert page.locator("activity-log dialog.ask .primary").is_visible()


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_monthly_exports_come_first_by_month_and_version(window, stack, person, partner, language):
    page = window(language)
    jobs = [on_demand(number) for number in range(3, 0, -1)]
    jobs += [
        on_demand(9, status="failed", files=[], problem="No."),
        monthly("2026-09"),
        monthly("2026-10", version=2),
        monthly("2026-10", filters={"status": ["!failed"], "action": ["order.*"]}, format="xlsx", rows="lines"),
    ]
    answer_with(page, jobs)
    sign_in(page, stack, person(partner), language)
    open_exports(page)
    titles = page.locator("activity-log .monthly tbody tr strong")
    titles.nth(2).wait_for()
    months = {"en": ["October 2026", "September 2026"], "fr": ["octobre 2026", "septembre 2026"]}[language]
    assert titles.all_inner_texts() == [months[0], *months]
    first, second, _ = page.locator("activity-log .monthly tbody tr").all_inner_texts()
    assert "Version 2" in second and "Version" not in first
    words = {
        "en": ["Status: not Failed", "Orders", "Excel workbook", "a row for each order line"],
        "fr": ["sauf Échec", "Commandes", "Classeur Excel", "une ligne par ligne"],
    }
    assert all(word in first for word in words[language]), first
    assert page.locator("activity-log .monthly").evaluate("(monthly) => monthly.getBoundingClientRect().bottom") < page.locator("activity-log .jobs").evaluate(
        "(jobs) => jobs.getBoundingClientRect().top"
    )
    state = page.locator("activity-log .jobs .state.failed")
    assert state.inner_text().strip() == {"en": "Failed", "fr": "Échec"}[language]


@pytest.mark.parametrize("width", [320, 768, 1280][: amount("PAGE_WIDTHS", 1, 3)])
@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_exports_and_views_are_accessible_at_every_size(window, stack, person, partner, language, width):
    page = window(language, viewport={"width": width, "height": 900})
    answer_with(
        page, [on_demand(1, filters={"customer": ["fabrikam"]}), on_demand(2, status="failed", files=[]), monthly("2026-10"), monthly("2026-10", version=2)]
    )
    sign_in(page, stack, person(partner), language)
    open_exports(page)
    page.locator("activity-log .monthly tbody tr").nth(1).wait_for()
    page.locator("activity-log textarea[name=notify]").fill("nobody")
    page.locator("activity-log .exports form .primary").click()
    look = {"exports": violations(page)}
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(sideways) <= 0
    page.locator("activity-log button.export").click()
    look["dialog"] = violations(page)
    page.keyboard.press("Escape")
    page.locator("activity-log button.open-views").click()
    page.locator("activity-log .views-dialog form .primary").click()
    page.locator("activity-log .saved li").wait_for()
    look["views"] = violations(page)
    assert page.evaluate(sideways) <= 0
    assert look == {"exports": [], "dialog": [], "views": []}


# The schedule


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_schedule_takes_an_address_and_refuses_others_at_the_field(window, stack, person, partner, language):
    page = window(language, viewport={"width": 1280, "height": 500})
    sign_in(page, stack, person(partner), language)
    open_exports(page)
    field, fault = page.locator("activity-log textarea[name=notify]"), page.locator("activity-log [data-fault=notify]")
    save = page.locator("activity-log .exports form .primary")
    field.fill("finance@contoso.example\nnobody")
    save.click()
    refused = {"en": "“nobody” is neither an e-mail address nor", "fr": "n’est ni une adresse e-mail ni"}[language]
    assert refused in fault.inner_text() and field.get_attribute("aria-invalid") == "true"
    assert focused(page) == "notify"
    box = field.bounding_box()
    assert 0 <= box["y"] and box["y"] + box["height"] <= 500, "the field is in view"
    # The service refuses what only the service can know, and the page says so in its own language.
    field.fill("https://localhost/hook")
    save.click()
    refused = {"en": "cannot be notified from here", "fr": "ne peut pas être prévenu d’ici"}[language]
    fault.filter(has_text=refused).wait_for()
    assert focused(page) == "notify"
    sent = []
    page.on("request", lambda request: sent.append(request.post_data_json) if request.method == "PUT" else None)
    field.fill("finance@contoso.example; <ops@contoso.example>")
    save.click()
    page.wait_for_function("() => document.querySelector('activity-log').shadowRoot.querySelector('.exports form [aria-disabled]') === null")
    assert sent[0]["notify"] == ["mailto:finance@contoso.example", "mailto:ops@contoso.example"]


def test_schedule_exports_order_lines_of_the_filtered_log(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner), query="?status=failed&action=order.*&tz=Asia/Tokyo")
    shown(page)
    page.locator("activity-log button.open-views").click()
    page.locator("activity-log .views-dialog form .buttons button").last.click()
    form = page.locator("activity-log .exports form")
    form.locator("select[name=filters]").wait_for()
    assert focused(page) == "filters" and form.locator("[name=enabled]").is_checked()
    assert form.locator("select[name=filters] option:checked").inner_text() == "As in the log now: Action: Orders · Status: Failed"
    form.locator("select[name=rows]").select_option("lines")
    form.locator("select[name=format]").select_option("xlsx")
    form.locator(".primary").click()
    form.get_by_text("Saved.").wait_for()
    address = f"{partner.path}/export-schedule"
    saved = partner.caller.get(address).json()
    assert (saved["filters"], saved["rows"], saved["format"], saved["time_zone"]) == (
        {"action": ["order.*"], "status": ["failed"]},
        "lines",
        "xlsx",
        "Asia/Tokyo",
    )
    # The next month is the present one, and its export lies ahead.
    page.get_by_text(re.compile(r"^Next: ")).wait_for()
    form.locator("select[name=filters]").select_option("all")
    form.locator(".primary").click()
    form.locator("select[name=filters] option").nth(1).wait_for(state="attached")
    page.wait_for_function("() => document.querySelector('activity-log').shadowRoot.querySelector('.exports [name=filters]').value === 'all'")
    assert partner.caller.delete(address).status_code == 204


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_next_export_lies_in_the_future(window, stack, person, partner, schedules, language):  # noqa: F811
    saved = schedules(partner, time_zone="Europe/Paris")
    page = window(language)
    overdue = saved | {"next_month": "2026-01", "next_run_at": "2026-02-01T05:00:00.000Z"}
    page.route(re.compile(r"/export-schedule$"), lambda route: route.fulfill(json=overdue))
    sign_in(page, stack, person(partner), language)
    open_exports(page)
    due, following = page.locator("activity-log .next-run").all_inner_texts()
    assert {"en": "January 2026", "fr": "janvier 2026"}[language] in due
    assert {"en": "Next: ", "fr": "Prochain export\u00a0: "}[language] in following
    today = now()
    assert str(today.year + (today.month == 12)) in following


# Saved views


def test_saved_view_is_used_renamed_deleted_and_shared(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner), query="?period=last7&status=failed")
    shown(page)
    open_views, dialog = page.locator("activity-log button.open-views"), page.locator("activity-log .views-dialog")
    open_views.click()
    assert "Status: Failed" in dialog.locator(".current").inner_text()
    dialog.locator("input[name=name]").fill("")
    dialog.locator("form .primary").click()
    assert dialog.locator("#view-fault").inner_text() == "Enter a name." and focused(page) == "name"
    dialog.locator("input[name=name]").fill("Failures <b>")
    dialog.locator("form .primary").click()
    use = dialog.locator(".saved .use")
    assert use.inner_text() == "Failures <b>"
    assert any(key.startswith("daybook.views") for key in page.evaluate("Object.keys(localStorage)"))
    # The link shows the same rolling period, whenever somebody opens it.
    dialog.get_by_role("button", name="Copy link: Failures <b>").click()
    dialog.get_by_text("Link copied.").wait_for()
    shared = parse_qs(urlsplit(page.evaluate("navigator.clipboard.readText()")).query)
    assert (shared["period"], shared["status"]) == (["last7"], ["failed"]) and "from" not in shared
    dialog.get_by_role("button", name="Rename: Failures <b>").click()
    page.keyboard.type("Failed lately")
    page.keyboard.press("Enter")
    assert use.inner_text() == "Failed lately"
    page.keyboard.press("Escape")
    page.evaluate("history.pushState(null, '', location.href.replace('status=failed', 'status=declined')); dispatchEvent(new PopStateEvent('popstate'))")
    page.locator("activity-log tr.row .state.declined").wait_for()
    open_views.click()
    use.click()
    page.locator("activity-log tr.row .state.failed").wait_for()
    assert parse_qs(urlsplit(page.url).query)["period"] == ["last7"]
    open_views.click()
    dialog.get_by_role("button", name="Delete: Failed lately").click()
    assert use.count() == 0
    # The button that takes the deletion back has the focus.
    page.keyboard.press("Enter")
    assert use.inner_text() == "Failed lately"
    dialog.get_by_role("button", name="Delete: Failed lately").click()
    # The sign-in stores something of its own.
    assert [key for key in page.evaluate("Object.keys(localStorage)") if key.startswith("daybook.views")] == []
