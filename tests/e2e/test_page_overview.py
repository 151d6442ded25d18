"""The page's overview: the total, the histogram and the facets agree with the list, grow while the service counts, and lead into it."""

import json
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from test_page_states import Look

from api import new_activity
from browser import NEEDED, TRIED_LANGUAGES, sign_in

MARCH = {"from": "2026-03-01", "to": "2026-03-31", "tz": "Europe/Paris"}
FABRIKAM = {"id": "fabrikam", "name": "Fabrikam SARL"}
TAILSPIN = {"id": "tailspin", "name": "Tailspin Toys"}
ANA = {"id": "ana@contoso.example", "name": "Ana Trujillo"}
BEN = {"id": "ben@contoso.example", "name": "Ben Nguyễn"}
FACETS = {"en": ["Status", "Kind of action", "Customer", "User", "Source"], "fr": ["Statut", "Nature de l’action", "Client", "Utilisateur", "Source"]}
COUNTS = re.compile(r"/counts\?")

pytestmark = NEEDED


def march():
    """Returns ten activities of March in Paris. The fourth day with activities begins an hour before the same day in UTC."""
    return [
        *(activity("03T09:30:00Z", action="order.created", customer=FABRIKAM, source="portal") for _ in range(4)),
        activity("03T10:15:00Z", action="user.created", customer=TAILSPIN, actor=BEN, status="failed"),
        activity("10T08:00:00Z", action="order.cancelled", customer=TAILSPIN, status="declined"),
        activity("10T09:00:00Z", action="user.updated", customer=FABRIKAM, actor=BEN, status="failed"),
        activity("11T09:00:00Z", action="order.updated", customer=FABRIKAM, source="portal"),
        activity("19T23:30:00Z", action="order.updated", customer=TAILSPIN),
        activity("28T12:00:00Z", action="invoice.ready", status="in_progress"),
    ]


def activity(time, **fields):
    return new_activity(**{"occurred_at": f"2026-03-{time}", "actor": ANA} | fields)


def part(page, selector):
    return page.locator(f"activity-log .overview {selector}")


def counted(page):
    """Waits until the counting has ended."""
    page.locator("activity-log .overview:not([aria-busy]):not(.stale)").wait_for(state="attached")


def total(page):
    return re.sub(r"\s", " ", part(page, ".total").inner_text())


def opened(window, stack, person, partner, language="en", query=MARCH, activities=None, **options):
    """Signs in and opens a period."""
    partner.record(march() if activities is None else activities)
    page = window(language, **options)
    sign_in(page, stack, person(partner), language, "?" + urlencode(query))
    return page


def facet(page, name):
    """Returns the values of a facet with their numbers."""
    rows = part(page, ".facet").filter(has=page.locator("h2", has_text=re.compile(f"^{name}$"))).locator(".value")
    return {row.locator(".text").inner_text(): int(row.locator(".number").inner_text()) for row in rows.all()}


def address(page):
    query = parse_qs(urlsplit(page.url).query)
    return {
        key: values if len(values) > 1 else values[0]
        for key, values in query.items()
        if key in ("from", "to", "period", "status", "customer", "action", "user")
    }


def at_bar(page, index, bars=31):
    """Returns the place of a bar, for the mouse."""
    box = part(page, ".bars").bounding_box()
    return box["x"] + (index + 0.5) * box["width"] / bars, box["y"] + box["height"] / 2


def active_bar(page):
    return part(page, ".bars").evaluate(
        "element => element.getRootNode().getElementById(element.getAttribute('aria-activedescendant'))?.getAttribute('aria-label')"
    )


def answer(total, complete=True, values=(), **fields):
    """Returns an answer of the service, with everything on one day of March."""
    body = {
        "range": {"from": "2026-02-28T23:00:00Z", "to": "2026-03-31T22:00:00Z", "time_zone": "Europe/Paris"},
        "total": total,
        "buckets": [{"from": "2026-03-15T23:00:00Z", "to": "2026-03-16T23:00:00Z", "counts": {"succeeded": total}}],
        "by": {"customer": [{"value": value, "name": name, "count": count} for value, name, count in values]},
        "complete": complete,
        "next_cursor": None if complete else "next",
    }
    return {"json": body | fields}


@pytest.mark.parametrize(
    "language, says, bars",
    [
        ("en", "10 activities", {"3 March": ["4", "0", "0", "1", "5"], "10 March": ["0", "0", "1", "1", "2"], "20 March": ["1", "0", "0", "0", "1"]}),
        ("fr", "10 activités", {"3 mars": ["4", "0", "0", "1", "5"], "10 mars": ["0", "0", "1", "1", "2"], "20 mars": ["1", "0", "0", "0", "1"]}),
    ],
)
def test_numbers_equal_the_list(window, stack, person, partner, language, says, bars):
    page = opened(window, stack, person, partner, language)
    counted(page)
    assert total(page) == says
    assert part(page, "[role=status].unseen").inner_text() == says
    assert part(page, "[role=option]").count() == 31
    part(page, ".key button").click()
    rows = part(page, ".numbers tbody tr")
    assert rows.count() == 31
    for day, numbers in bars.items():
        month_first = " ".join(reversed(day.split()))
        row = rows.filter(has_text=re.compile(rf"\b({day}|{month_first})\b")).first
        assert row.locator("td").all_inner_texts() == numbers, day
    numbers = [sorted(facet(page, name).values()) for name in FACETS[language]]
    assert numbers == [[1, 1, 2, 6], [1, 2, 7], [3, 6], [2, 8], [5]]
    if language == "en":
        assert facet(page, "Status") == {"Succeeded": 6, "Failed": 2, "Declined": 1, "In progress": 1}
        assert facet(page, "Customer") == {"Fabrikam SARL": 6, "Tailspin Toys": 3}
        assert facet(page, "User") == {"Ana Trujillo": 8, "Ben Nguyễn": 2}
        assert facet(page, "Kind of action") == {"Orders": 7, "Users": 2, "Invoices": 1}


def test_number_of_bars_suits_the_period(window, stack, person, partner):
    page = opened(window, stack, person, partner)
    for first, last, bars in [
        ("2026-03-10", "2026-03-10", 24),
        ("2026-03-09", "2026-03-15", 56),
        ("2026-03-01", "2026-03-14", 56),
        ("2026-01-01", "2026-03-31", 90),
        ("2025-12-01", "2026-03-31", 61),
        ("2025-04-01", "2026-03-31", 53),
        ("2020-01-01", "2026-03-31", 75),
        ("2010-01-01", "2026-03-31", 65),
        # The day on which the clocks skip an hour.
        ("2026-03-29", "2026-03-29", 23),
    ]:
        page.evaluate(
            "query => { history.pushState(null, '', query); dispatchEvent(new PopStateEvent('popstate')); }",
            "?" + urlencode(MARCH | {"from": first, "to": last}),
        )
        counted(page)
        assert part(page, "[role=option]").count() == bars, (first, last)


def test_pointer_zooms_into_a_bar_and_a_range(window, stack, person, partner):
    page = opened(window, stack, person, partner)
    counted(page)
    page.mouse.move(*at_bar(page, 2))
    assert "5 activities" in part(page, ".reading").inner_text()
    page.mouse.click(*at_bar(page, 2))
    part(page, "[role=option]").nth(24).wait_for(state="detached")
    counted(page)
    assert address(page) == {"from": "2026-03-03", "to": "2026-03-03"}
    assert total(page) == "5 activities"
    # An hour, as exact instants.
    page.mouse.click(*at_bar(page, 10, bars=24))
    part(page, "[role=option]").nth(1).wait_for(state="detached")
    counted(page)
    assert address(page) == {"from": "2026-03-03T09:00:00.000Z", "to": "2026-03-03T10:00:00.000Z"}
    assert total(page) == "4 activities"
    for _ in range(2):
        page.get_by_role("button", name="Zoom out").click()
    part(page, "[role=option]").nth(30).wait_for(state="attached")
    assert address(page) == {"from": "2026-03-01", "to": "2026-03-31"}
    assert not part(page, ".zoom-out").is_visible()
    counted(page)

    page.mouse.move(*at_bar(page, 10))
    page.mouse.down()
    page.mouse.move(*at_bar(page, 9))
    assert "3 activities" in part(page, ".reading").inner_text()
    page.mouse.up()
    part(page, "[role=option]").nth(47).wait_for(state="attached")
    counted(page)
    assert address(page) == {"from": "2026-03-10", "to": "2026-03-11"}
    assert total(page) == "3 activities"
    page.go_back()
    part(page, "[role=option]").nth(31).wait_for(state="detached")
    assert not part(page, ".zoom-out").is_visible()


def test_keyboard_moves_selects_and_zooms(window, stack, person, partner):
    page = opened(window, stack, person, partner, query={"period": "lastMonth", "tz": "UTC"}, activities=[])
    counted(page)
    bars = part(page, ".bars")
    bars.focus()
    page.keyboard.press("Home")
    first = active_bar(page)
    page.keyboard.press("ArrowRight")
    assert active_bar(page) != first
    assert active_bar(page).startswith(part(page, ".reading").inner_text())
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert part(page, "[aria-selected=true]").count() == 3
    page.keyboard.press("Escape")
    assert part(page, "[aria-selected=true]").count() == 0
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    part(page, "[role=option]").nth(40).wait_for(state="attached")
    counted(page)
    assert address(page)["from"].endswith("-01") and address(page)["to"].endswith("-02")
    assert bars.evaluate("element => element.getRootNode().activeElement === element")
    # The former period is the rolling one again.
    page.get_by_role("button", name="Zoom out").press("Enter")
    part(page, "[role=option]").nth(31).wait_for(state="detached")
    assert address(page) == {"period": "lastMonth"}
    assert bars.evaluate("element => element.getRootNode().activeElement === element")


def test_values_are_chosen_beside_others_and_excluded(window, stack, person, partner):
    page = opened(window, stack, person, partner)
    counted(page)
    rows = page.locator("activity-log tr.row")
    page.get_by_role("checkbox", name=re.compile("^Failed")).check()
    part(
        page,
        ".total",
    ).filter(has_text="2 activities").wait_for()
    counted(page)
    # The other statuses keep their numbers, so that one can be added.
    assert facet(page, "Status") == {"Succeeded": 6, "Failed": 2, "Declined": 1, "In progress": 1}
    assert facet(page, "Customer") == {"Fabrikam SARL": 1, "Tailspin Toys": 1}
    page.get_by_role("checkbox", name=re.compile("^Declined")).check()
    part(page, ".total").filter(has_text="3 activities").wait_for()
    assert address(page)["status"] == ["failed", "declined"]
    page.get_by_role("button", name="Exclude Fabrikam SARL").click()
    part(page, ".total").filter(has_text="2 activities").wait_for()
    counted(page)
    assert address(page)["customer"] == "!fabrikam"
    assert rows.count() == 2
    assert facet(page, "Customer") == {"Tailspin Toys": 2, "Fabrikam SARL": 1}
    page.get_by_role("button", name="Exclude Fabrikam SARL").click()
    for status in ("Failed", "Declined"):
        page.get_by_role("checkbox", name=re.compile(f"^{status}")).uncheck()
    part(page, ".total").filter(has_text="10 activities").wait_for()
    page.get_by_role("checkbox", name=re.compile("^Orders")).check()
    part(page, ".total").filter(has_text="7 activities").wait_for()
    counted(page)
    assert address(page)["action"] == "order.*"
    assert facet(page, "Kind of action") == {"Orders": 7, "Users": 2, "Invoices": 1}


def test_facet_is_one_tab_stop_with_arrow_keys(window, stack, person, partner):
    page = opened(window, stack, person, partner)
    counted(page)
    focused = "element => element.getRootNode().activeElement?.closest('.value')?.querySelector('.text').innerText"
    box = page.get_by_role("checkbox", name=re.compile("^Succeeded"))
    box.focus()
    page.keyboard.press("ArrowDown")
    assert box.evaluate(focused) == "Failed"
    page.keyboard.press("ArrowRight")
    assert box.evaluate("element => element.getRootNode().activeElement.getAttribute('aria-label')") == "Exclude Failed"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    part(page, ".total").filter(has_text="2 activities").wait_for()
    counted(page)
    # The focus stays where it was.
    assert box.evaluate(focused) == "Failed"
    page.keyboard.press("Tab")
    assert box.evaluate(focused) != "Declined"


def test_facet_finds_any_customer(window, stack, person, partner):
    page = opened(
        window,
        stack,
        person,
        partner,
        activities=[activity("05T10:00:00Z", customer={"id": f"c-{number:02}", "name": f"Société {number:02}"}) for number in range(1, 61)],
    )
    counted(page)
    assert len(facet(page, "Customer")) == 5
    page.get_by_role("button", name="55 more").click()
    assert len(facet(page, "Customer")) == 25
    find = page.get_by_role("searchbox", name="Customer: find")
    find.fill("societe 51")
    assert facet(page, "Customer") == {"Société 51": 1}
    find.fill("nobody")
    part(page, ".facet [role=status]").filter(has_text="Nothing contains “nobody”.").wait_for()
    find.fill("c-58")
    page.get_by_role("checkbox", name=re.compile("^Société 58")).check()
    part(page, ".total").filter(has_text=re.compile("^1 activity")).wait_for()
    assert address(page)["customer"] == "c-58"
    # What was found stays, so that several of it can be chosen.
    counted(page)
    assert find.input_value() == "c-58" and facet(page, "Customer") == {"Société 58": 1}


def test_facet_asks_the_service_while_values_are_missing(window, stack, person, partner):
    page = window("en")

    def count(route):
        if "match=" in route.request.url:
            assert parse_qs(urlsplit(route.request.url).query)["match"] == ["late"]
            route.fulfill(**answer(7, values=[("c-late", "Latecomer Ltd", 7)]))
        elif "cursor=" not in route.request.url:
            route.fulfill(**answer(5, complete=False, values=[("c-1", "First Ltd", 5)]))

    page.route(COUNTS, count)
    partner.record(march())
    sign_in(page, stack, person(partner), "en", "?" + urlencode(MARCH))
    part(page, ".facet .value").first.wait_for()
    # The second call is not answered: the page goes on counting.
    assert total(page) == "At least 5 activities"
    page.get_by_role("searchbox", name="Customer: find").fill("late")
    page.get_by_role("checkbox", name=re.compile("^Latecomer Ltd")).wait_for()
    assert facet(page, "Customer") == {"Latecomer Ltd": 7}
    page.unroute_all(behavior="ignoreErrors")


def test_counting_pauses_at_the_limit_and_goes_on_when_asked(window, stack, person, partner):
    page = window("en")
    calls = []

    def count(route):
        calls.append(route.request.url)
        route.fulfill(**answer(30_000, complete=len(calls) == 20))

    page.route(COUNTS, count)
    sign_in(page, stack, person(partner), "en", "?" + urlencode(MARCH))
    page.get_by_role("button", name="Count further").wait_for()
    assert total(page) == "At least 120,000 activities"
    assert len(calls) == 4 and "cursor=" not in calls[0] and all("cursor=next" in call for call in calls[1:])
    assert not part(page, "progress").is_visible()
    page.get_by_role("button", name="Count further").click()
    part(page, ".total").filter(has_text=re.compile("^600,000 activities")).wait_for()
    counted(page)
    assert len(calls) == 20
    assert not page.get_by_role("button", name="Count further").is_visible()


def test_counting_shows_progress_and_can_be_stopped(window, stack, person, partner):
    page = window("en")
    calls = []

    def count(route):
        calls.append(route.request.url)
        if len(calls) <= 5:
            route.fulfill(**answer(60_000, complete=False))

    page.route(COUNTS, count)
    sign_in(page, stack, person(partner), "en", "?" + urlencode(MARCH))
    page.get_by_role("button", name="Count further").click()
    part(page, ".total").filter(has_text="At least 300,000 activities").wait_for()
    assert 0 < float(part(page, "progress").get_attribute("value")) < 1
    page.get_by_role("button", name="Stop counting").click()
    counted(page)
    assert not part(page, "progress").is_visible()
    page.get_by_role("button", name="Count further").wait_for()
    page.unroute_all(behavior="ignoreErrors")


def test_answer_to_an_older_query_is_dropped(window, stack, person, partner):
    page = opened(window, stack, person, partner)
    counted(page)
    held = []
    page.route(re.compile(r"/counts\?.*status=failed"), lambda route: held.append(route))
    with page.expect_request(re.compile(r"/counts\?.*status=failed")):
        page.get_by_role("checkbox", name=re.compile("^Failed")).check()
    with page.expect_event("requestfailed", lambda request: "status=failed" in request.url and "/counts" in request.url):
        page.get_by_role("checkbox", name=re.compile("^Failed")).uncheck()
    counted(page)
    assert total(page) == "10 activities" and len(held) == 1
    page.unroute_all(behavior="ignoreErrors")


def test_error_of_counts_leaves_the_list(window, stack, person, partner):
    page = window("en")
    partner.record(march())
    problem = json.dumps({"status": 503, "title": "Unavailable"})
    page.route(COUNTS, lambda route: route.fulfill(status=503, content_type="application/problem+json", body=problem))
    sign_in(page, stack, person(partner), "en", "?" + urlencode(MARCH))
    part(page, ".trouble").filter(has_text="The activities could not be counted.").wait_for()
    page.locator("activity-log tr.row").nth(9).wait_for()
    assert page.locator("activity-log [role=alert]").all_inner_texts() == [""] * page.locator("activity-log [role=alert]").count()
    page.unroute_all(behavior="ignoreErrors")
    part(page, ".trouble button").click()
    counted(page)
    assert total(page) == "10 activities"


def test_overview_is_absent_without_the_route(window, stack, person, partner):
    page = window("en")
    partner.record(march())
    page.route(COUNTS, lambda route: route.fulfill(status=404, content_type="application/problem+json", body="{}"))
    sign_in(page, stack, person(partner), "en", "?" + urlencode(MARCH))
    page.locator("activity-log tr.row").nth(9).wait_for()
    page.locator("activity-log .overview").wait_for(state="hidden")


def test_height_stays_while_counting(window, stack, person, partner):
    page = window("en", viewport={"width": 390, "height": 900})
    held = []
    page.route(COUNTS, lambda route: held.append(route))
    partner.record(march())
    sign_in(page, stack, person(partner), "en", "?" + urlencode(MARCH))
    page.locator("activity-log tr.row").nth(9).wait_for()
    height = "element => element.getBoundingClientRect().height"
    overview = page.locator("activity-log .overview")
    before = overview.evaluate(height)
    held[0].continue_()
    counted(page)
    assert overview.evaluate(height) == before


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_the_overview_is_accessible(window, stack, person, partner, language):
    page = opened(window, stack, person, partner, language)
    look = Look(page)
    counted(page)
    look("counted")
    part(page, ".key button").click()
    page.set_viewport_size({"width": 320, "height": 900})
    part(page, ".unfold").click()
    part(page, ".value input").first.wait_for()
    look("table and facets open")
    part(page, ".value input").nth(1).check()
    part(page, ".value .not").nth(-1).click()
    counted(page)
    look("values chosen and excluded")
    part(page, ".bars").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    look("bars selected")
    page.route(COUNTS, lambda route: route.fulfill(status=500) if "cursor=" in route.request.url else route.fulfill(**answer(5, complete=False)))
    part(page, ".value input").nth(0).check()
    part(page, ".trouble button").wait_for()
    look("error")
    page.unroute_all(behavior="ignoreErrors")
    page.route(COUNTS, lambda route: None if "cursor=" in route.request.url else route.fulfill(**answer(5, complete=False)))
    part(page, ".value input").nth(0).uncheck()
    part(page, "progress").wait_for()
    look("counting")
    page.unroute_all(behavior="ignoreErrors")
    assert len(look.seen) == 6
