"""Ten tasks of people on the page, counted in acts: a click, a key, a choice from a list, or a text typed in one go.

The table of docs/page.md has the same tasks and numbers.
"""

import datetime
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pytest
from playwright.sync_api import expect
from test_page_overview import counted

from api import rfc3339
from browser import NEEDED, order, recent, sign_in

pytestmark = NEEDED

ROOT = Path(__file__).resolve().parents[2]
MOST = 5
FABRIKAM = {"id": "fabrikam", "name": "Fabrikam SARL"}
BEA = {"id": "bea@contoso.example", "name": "Béa Åkesson"}


class Acts:
    """A person at the page, whose acts are counted."""

    def __init__(self, page):
        self.page, self.count = page, 0

    def click(self, name, role="button", place=None):
        self.count += 1
        (place or self.page).get_by_role(role, name=name, exact=isinstance(name, str)).first.click()

    def press(self, key):
        self.count += 1
        self.page.keyboard.press(key)

    def type(self, label, text):
        """Types a text into a field, which a click has not focused before: a field and its text are one act."""
        self.count += 1
        fields = [self.page.get_by_role(role, name=label, exact=True) for role in ("textbox", "combobox")]
        fields[0].or_(fields[1]).first.fill(text)

    def choose(self, label, option, place=None):
        self.count += 1
        (place or self.page).get_by_role("combobox", name=label, exact=True).first.select_option(label=option)

    def point(self, locator, **how):
        """Clicks what has no role and name of its own."""
        self.count += 1
        locator.first.click(**how)


def at(**span):
    """Returns a time on a day of last month, whatever today is. Today may be another day than when the tests began."""
    first = datetime.datetime.now(datetime.UTC).replace(day=1, hour=9, minute=30, second=0, microsecond=0)
    return rfc3339(first - datetime.timedelta(days=12) + datetime.timedelta(**span))


def month():
    """Returns activities of last month, among them two failed orders of one customer."""
    failed = {"status": "failed", "details": {"failure_reason": "The card has expired."}}
    subscription = {"action": "subscription.updated", "customer": FABRIKAM, "target": {"type": "subscription", "id": "s-1", "name": "Enterprise E3"}}
    return [
        order(1, occurred_at=at(hours=1), customer=FABRIKAM, **failed),
        order(2, occurred_at=at(hours=2), customer=FABRIKAM, action="order.updated", **failed),
        order(3, occurred_at=at(hours=3), **failed),
        order(4, occurred_at=at(hours=4), customer=FABRIKAM),
        recent(occurred_at=at(minutes=10), **subscription, actor=BEA, correlation_id="c-1", changes=[{"field": "quantity", "old": 28, "new": 19}]),
        recent(occurred_at=at(minutes=14), action="user.created", customer=FABRIKAM, actor=BEA, correlation_id="c-1"),
        recent(occurred_at=at(hours=9), action="user.deleted", customer=FABRIKAM, actor=BEA),
        recent(occurred_at=at(days=3), **subscription, changes=[{"field": "auto_renew", "old": True, "new": False}]),
        recent(occurred_at=at(days=3, minutes=1), action="customer.updated", customer=FABRIKAM),
    ]


def rows(page):
    return page.locator("activity-log tr.row")


def opened(page):
    return page.locator("activity-log tr.opened")


def open_row(acts, text):
    acts.point(rows(acts.page).filter(has_text=text).locator(".toggle"))
    opened(acts.page).locator(".metadata").wait_for()


def address(page):
    return parse_qs(urlsplit(page.url).query)


def failed_orders_of_a_customer(acts):
    acts.choose("Period", "Last month")
    acts.type("Search", "client:Fabrikam kind:orders status:failed")
    acts.press("Enter")
    expect(rows(acts.page)).to_have_count(2)
    assert address(acts.page)["action"] == ["order.*"] and address(acts.page)["period"] == ["lastMonth"]


def who_changed_a_quantity(acts):
    acts.choose("Period", "Last month")
    open_row(acts, "Automatic renewal")
    acts.point(opened(acts.page).locator("[data-pivot=target]"))
    acts.click("History of this subscription", "menuitem")
    dialog = acts.page.get_by_role("dialog").filter(has=acts.page.get_by_role("heading", name="History of this subscription"))
    acts.choose("Changes of", "Quantity", dialog)
    shown = dialog.locator(".steps > li").filter(visible=True)
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Béa Åkesson")


def everything_around_a_moment(acts):
    acts.choose("Period", "Last month")
    open_row(acts, "28")
    acts.point(opened(acts.page).locator("[data-pivot=actor]"))
    acts.click("Same user ±\u00a015 minutes", "menuitem")
    expect(rows(acts.page)).to_have_count(2)


def last_month_as_a_french_workbook(acts):
    page = acts.page
    acts.choose("Period", "Last month")
    expect(rows(page)).to_have_count(9)
    acts.click("Export log")
    dialog = page.get_by_role("dialog").filter(has=page.get_by_role("button", name="Export", exact=True))
    acts.choose("File format", "Excel workbook", dialog)
    acts.choose("Language of the file", "Français", dialog)
    with page.expect_download(timeout=120_000) as downloading:
        acts.click("Export", place=dialog)
    book = openpyxl.load_workbook(io.BytesIO(downloading.value.path().read_bytes()), read_only=True)
    texts = [cell for row in book.worksheets[-1].iter_rows(values_only=True) for cell in row]
    assert "Client" in texts and "Fabrikam SARL" in texts


def monthly_schedule_with_an_address(acts):
    acts.click("Exports")
    acts.click("Export every month", "checkbox")
    acts.type("Recipients", "finance@contoso.example")
    acts.click("Save")
    expect(acts.page.locator("activity-log .next-run").first).to_contain_text(re.compile("Next|Exported within the hour"))


def link_for_a_colleague(acts):
    acts.choose("Period", "Last month")
    open_row(acts, "28")
    acts.click("Copy link", place=opened(acts.page))
    expect(opened(acts.page).get_by_text("Link copied.")).to_be_visible()
    assert parse_qs(urlsplit(acts.page.evaluate("navigator.clipboard.readText()")).query)["activity"]


def everything_but_one_user(acts):
    acts.choose("Period", "Last month")
    counted(acts.page)
    acts.click("Exclude Béa Åkesson")
    expect(rows(acts.page)).to_have_count(6)


def the_day_with_the_most_activities(acts):
    acts.choose("Period", "Last month")
    counted(acts.page)
    bars = acts.page.locator("activity-log .overview [role=option]")
    totals = [int(re.search(r"· (\d+)", each.get_attribute("aria-label"))[1]) for each in bars.all()]
    acts.point(bars.nth(totals.index(max(totals))), force=True)
    expect(rows(acts.page)).to_have_count(7)


def the_same_request(acts):
    acts.choose("Period", "Last month")
    open_row(acts, "28")
    acts.click("Same correlation ID", place=opened(acts.page))
    expect(rows(acts.page)).to_have_count(2)
    assert address(acts.page)["correlation"] == ["c-1"]


def keep_a_view(acts):
    acts.type("Search", "status:failed")
    acts.press("Enter")
    acts.click("Saved views")
    acts.type("Name", "Failures")
    acts.click("Save this view")
    expect(acts.page.get_by_text("“Failures” is saved in this browser.")).to_be_visible()


TASKS = {
    "all failed orders of one customer last month, of every kind": failed_orders_of_a_customer,
    "who changed the quantity of this subscription": who_changed_a_quantity,
    "everything one user did within 15 minutes of an activity": everything_around_a_moment,
    "last month as a workbook in French, downloaded": last_month_as_a_french_workbook,
    "an export every month, announced to an e-mail address": monthly_schedule_with_an_address,
    "a link to one activity for a colleague": link_for_a_colleague,
    "last month without one user": everything_but_one_user,
    "the day of last month with the most activities": the_day_with_the_most_activities,
    "all that happened in the same request": the_same_request,
    "keep the filters of failures for the next time": keep_a_view,
}


@pytest.mark.parametrize("task", TASKS)
def test_task_takes_five_acts_at_most(window, stack, person, partner, task):
    partner.record(month())
    page = window("en")
    sign_in(page, stack, person(partner))
    page.locator("activity-log .count").wait_for()
    acts = Acts(page)
    try:
        TASKS[task](acts)
    finally:
        if task.startswith("an export every month"):
            partner.caller.delete(f"{partner.path}/export-schedule")
    assert acts.count <= MOST
    documented = re.search(rf"^\| {re.escape(task)} \|.*\| (\d+) \|$", (ROOT / "docs" / "page.md").read_text("utf-8"), re.MULTILINE)
    assert documented and int(documented[1]) == acts.count, f"{task}: {acts.count}"
