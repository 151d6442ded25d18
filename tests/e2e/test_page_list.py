"""The list in Chromium: layout at every width, what rows say, keys, printing, and the component in other portals."""

import re
import uuid
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from api import eventually, now, rfc3339
from browser import LAYOUT_FAULTS, NEEDED, PASSWORD, SAYS, TRIED_LANGUAGES, mixed, order, recent, shown, sign_in, tab_to, violations

pytestmark = NEEDED

ROWS = "activity-log tr.row"
# The element with the focus, inside of components too.
ACTIVE = "() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement; return at; }"


def wordy():
    """Returns activities with long names, changes and reasons, over several days."""
    base = now()
    long = {"id": "kraków-logistyka", "name": "Kraków Logistyka i Spedycja Międzynarodowa Sp. z o.o."}
    return [
        *mixed(),
        recent(
            action="subscription.updated",
            customer=long,
            target={"type": "subscription", "id": "s-1", "name": "Business Standard"},
            changes=[{"field": field, "old": 28, "new": 19} for field in ("quantity", "auto_renew", "unit_price")],
        ),
        recent(
            occurred_at=rfc3339(base - timedelta(days=1)),
            action="licence.assigned",
            status="failed",
            customer=long,
            actor={"id": "maximiliane.oberhauser-schmidt@subsidiary.contoso.example"},
            target={"type": "user", "id": "u-1", "name": "Amélie D'Angelo"},
            reason="The number of licences is smaller than the number of users that are concerned by this change.",
        ),
        *(recent(occurred_at=rfc3339(base - timedelta(days=2, minutes=number)), customer=long) for number in range(5)),
    ]


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_log_is_readable_at_every_width(window, stack, person, partner, language):
    partner.record(wordy())
    page = window(language, viewport={"width": 1920, "height": 900}, reduced_motion="reduce")
    sign_in(page, stack, person(partner), language)
    shown(page)
    for number in (1, 5):
        page.locator(f"{ROWS} .toggle").nth(number).click()
    page.locator("activity-log tr.opened .body > dl").nth(1).wait_for()
    for width in range(1920, 319, -40):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(LAYOUT_FAULTS) == [], width
        # One width of each layout.
        if width in (320, 800, 1080, 1920):
            assert violations(page) == [], width
    # The component's own width decides, whatever the screen's.
    page.set_viewport_size({"width": 1280, "height": 900})
    for width in range(280, 901, 40):
        page.evaluate("(width) => { document.querySelector('main').style.inlineSize = `${width}px`; }", width)
        assert page.evaluate(LAYOUT_FAULTS) == [], f"a column of {width}"


def test_twelve_rows_fit_into_800_pixels(window, stack, person, partner):
    partner.record([recent(occurred_at=rfc3339(now() - timedelta(minutes=number))) for number in range(20)])
    page = window("en", viewport={"width": 1280, "height": 800})
    sign_in(page, stack, person(partner))
    shown(page)
    bottoms = page.locator(ROWS).evaluate_all("(rows) => rows.map((row) => row.getBoundingClientRect().bottom)")
    assert sum(bottom <= 800 for bottom in bottoms) >= 12, bottoms


def test_rows_say_what_changed_and_why_it_failed(window, stack, person, partner):
    partner.record([*wordy(), order(target={"type": "order", "id": "o-1", "name": "Two lines"})])
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    # 12 × 14.90 and 1,000 × 0.0125.
    assert "2 lines · €191.30" in page.locator(ROWS, has_text="Two lines").inner_text()
    changed = page.locator(ROWS, has_text="Business Standard").inner_text()
    assert "Quantity 28 → 19" in changed and "and 1 more change" in changed
    failed = page.locator(ROWS, has_text="Amélie D'Angelo")
    assert "The number of licences is smaller" in failed.inner_text()
    # The day stands above its rows, which have the time only.
    days = page.locator("activity-log tr.day")
    assert days.count() >= 3
    assert days.first.locator("time").get_attribute("datetime") > days.last.locator("time").get_attribute("datetime")
    year = str(now().year)
    assert year in days.first.inner_text() and year not in failed.locator("time").inner_text()
    assert re.search(r"\d{1,2}:\d\d:\d\d", failed.locator("time").inner_text())


def test_filters_apply_at_once_over_dimmed_rows(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    held = []
    page.route(re.compile(r"/activities\?"), lambda route: held.append(route))
    page.locator("activity-log select[name=period]").select_option("today")
    table = page.locator("activity-log table.list[aria-busy=true]")
    table.wait_for()
    assert table.locator("tr.row").count() == 5 and table.evaluate("element => element.inert")
    assert parse_qs(urlsplit(page.url).query)["period"] == ["today"]
    # Keys for the first row wait for the new rows where their number will stand.
    for place, key in (("[data-view=log]", "j"), ("[data-view=log]", "k"), (".skip", "Enter")):
        page.locator(f"activity-log {place}").focus()
        page.keyboard.press(key)
        page.locator("activity-log .count:focus").wait_for()
    for route in held:
        route.continue_()
    page.unroute_all(behavior="ignoreErrors")
    shown(page)
    page.locator("activity-log tr.row:not(.row ~ .row) .toggle:focus").wait_for()
    assert not page.locator("activity-log table.list").evaluate("element => element.inert")
    # The header's button keeps the focus, although the table is replaced.
    page.locator("activity-log .sort").focus()
    page.keyboard.press("Enter")
    page.locator("activity-log [aria-sort=ascending] .sort:focus").wait_for()


def test_language_switch_keeps_open_rows_and_their_place(window, stack, person, partner):
    partner.record([recent(occurred_at=rfc3339(now() - timedelta(minutes=number))) for number in range(60)])
    page = window("en", viewport={"width": 1280, "height": 600})
    sign_in(page, stack, person(partner))
    shown(page)
    page.locator(f"{ROWS} .toggle").nth(30).click()
    page.locator("activity-log tr.opened dl").first.wait_for()
    before = page.evaluate("scrollY")
    assert before > 0
    requests = []
    page.on("request", lambda request: requests.append(request.url) if "/activities?" in request.url else None)
    page.locator("#language").select_option("fr")
    page.locator("activity-log nav", has_text="Journal").wait_for()
    assert "détails" in page.locator(f"{ROWS} .toggle").nth(30).text_content()
    assert page.locator(f"{ROWS} .toggle").nth(30).get_attribute("aria-expanded") == "true"
    page.locator("activity-log tr.opened dl").first.wait_for()
    assert "Activités" in page.locator("activity-log table.list caption").text_content()
    assert abs(page.evaluate("scrollY") - before) <= 4
    assert requests == []


def test_exports_and_back_keeps_the_place(window, stack, person, partner):
    partner.record([recent(occurred_at=rfc3339(now() - timedelta(minutes=number))) for number in range(60)])
    page = window("en", viewport={"width": 1280, "height": 600})
    sign_in(page, stack, person(partner))
    shown(page)
    page.locator(f"{ROWS} .toggle").nth(30).click()
    page.locator("activity-log tr.opened dl").first.wait_for()
    page.evaluate("scrollTo(0, 500)")
    for back in (lambda: page.get_by_role("button", name="Log", exact=True).click(), page.go_back):
        # As the keyboard does it, because a click would scroll to the button.
        page.locator("activity-log [data-view=exports]").evaluate("element => element.click()")
        page.locator("activity-log section.exports").wait_for()
        if back == page.go_back:
            back()
        else:
            page.locator("activity-log [data-view=log]").evaluate("element => element.click()")
        page.locator(ROWS).first.wait_for()
        assert page.locator("activity-log tr.opened").count() == 1
        assert page.evaluate("scrollY") == 500


def test_first_row_is_three_keys_from_the_views(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    # Somebody who oversees has two views more.
    sign_in(page, stack, person(partner, "admin_agent"))
    shown(page)
    page.locator("activity-log [data-view=streams]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate_handle(ACTIVE).inner_text() == "Skip to the list"
    page.keyboard.press("Enter")
    assert page.evaluate_handle(ACTIVE).get_attribute("class") == "toggle"
    # The page's own link leads there as well.
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    page.locator("activity-log .toggle:focus").wait_for()


def test_keys_move_open_and_close_rows(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    toggles = page.locator(f"{ROWS} .toggle")

    def focused():
        return page.evaluate(f"() => {{ const at = ({ACTIVE})(); return [...at.getRootNode().querySelectorAll('tr.row .toggle')].indexOf(at); }}")

    page.locator("activity-log [data-view=log]").focus()
    for key, row in (("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        assert focused() == row, key
    page.keyboard.press("Enter")
    page.locator("activity-log tr.opened dl").first.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert page.locator("activity-log tr.opened").count() == 0 and focused() == 0
    assert toggles.first.get_attribute("aria-expanded") == "false"
    page.keyboard.press("/")
    assert page.evaluate_handle(ACTIVE).get_attribute("role") == "combobox"
    # In a field, the same keys are letters.
    page.keyboard.type("jk/")
    assert page.evaluate(f"() => ({ACTIVE})().value") == "jk/"


def test_columns_and_density_are_remembered(window, stack, person, partner):
    partner.record(mixed())
    user = person(partner)
    page = window("en")
    sign_in(page, stack, user)
    shown(page)
    page.locator("activity-log .display summary").click()
    page.get_by_label("Compact").check()
    page.get_by_label("IP address").check()
    page.get_by_label("Partner user").uncheck()
    assert page.locator("activity-log table.list thead").inner_text().strip().endswith("IP address")
    page.keyboard.press("Escape")
    assert not page.get_by_label("Compact").is_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, stack, user)
    shown(page)
    assert page.locator("activity-log table.list").get_attribute("data-density") == "compact"
    assert "203.0.113.7" in page.locator(ROWS).first.inner_text()
    assert page.get_by_role("columnheader", name="Partner user").count() == 0


def test_new_activities_are_offered_not_inserted(window, stack, person, partner):
    partner.record([recent(occurred_at=rfc3339(now() - timedelta(minutes=5)))])
    page = window("en")
    page.clock.install()
    sign_in(page, stack, person(partner))
    shown(page)
    partner.record([recent(customer={"id": "new", "name": "Newcomer Ltd"}) for _ in range(3)])
    page.clock.fast_forward(31_000)
    offer = page.locator("activity-log .news").get_by_role("button", name="3 new activities")
    offer.wait_for()
    assert page.locator(ROWS).count() == 1
    offer.click()
    page.locator(ROWS, has_text="Newcomer Ltd").nth(2).wait_for()
    assert page.locator(ROWS).count() == 4 and not offer.is_visible()
    # A period that has ended gets no new activities, so nobody asks.
    page.locator("activity-log select[name=period]").select_option("lastMonth")
    shown(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/activities?" in request.url else None)
    page.clock.fast_forward(120_000)
    assert page.evaluate("1") == 1 and asked == []


def test_print_loads_every_row_and_says_so(window, stack, person, partner):
    partner.record([recent(occurred_at=rfc3339(now() - timedelta(minutes=number))) for number in range(260)])
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    note = page.locator("activity-log .printed")
    page.evaluate("window.print = () => { window.printed = true; }; dispatchEvent(new Event('beforeprint'))")
    # By the browser's menu, the page cannot load more, so the paper says how.
    assert note.text_content() == "The first 100 activities only. The button “Print” above the list loads up to 2,000."
    # The keys work wherever the focus is.
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+p")
    eventually(lambda: page.evaluate("window.printed"), "the browser asked to print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(ROWS).count() == 260
    assert note.text_content() == "260 activities: all that match."
    page.evaluate("window.printed = false")
    page.get_by_role("button", name="Print", exact=True).click()
    eventually(lambda: page.evaluate("window.printed"), "the browser asked to print")
    page.emulate_media(media="print")
    assert note.is_visible()
    # Paper has the table, whatever the width of the window.
    page.set_viewport_size({"width": 720, "height": 900})
    assert page.locator("activity-log table.list").evaluate("element => getComputedStyle(element).display") == "table"
    assert page.pdf(format="A4").startswith(b"%PDF")


# Embedding


def host(elsewhere, stack, attributes, token):
    """Writes a portal's page with the component and a record of the component's events, and returns the page's address."""
    name = uuid.uuid4().hex
    api = stack["api_url"]
    (elsewhere.directory / f"{name}.js").write_text(
        f"""const log = document.querySelector("activity-log");
window.events = [];
for (const name of ["ready", "query", "open", "unauthorized"]) log.addEventListener(`daybook-${{name}}`, (event) => window.events.push([name, event.detail]));
log.addEventListener("daybook-open", (event) => {{ if (window.keepClosed) event.preventDefault(); }});
log.getToken = async () => "{token}";
"""
    )
    (elsewhere.directory / f"{name}.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Portal</title><link rel="icon" href="data:,"><h1>Portal</h1>'
        f'<activity-log api="{api}" locale="en" {attributes}></activity-log>'
        f'<script type="module" src="{api}/activity-log.js"></script><script type="module" src="{name}.js"></script></html>'
    )
    return f"http://portal.localhost/{name}.html"


def test_portal_fixes_filters_and_hears_events(window, stack, person, partner, elsewhere):
    import tokens

    partner.record(mixed())
    token = tokens.of_person(stack, person(partner), PASSWORD)
    page = window("en")
    style = "--daybook-accent: rgb(120, 0, 120)"
    page.goto(host(elsewhere, stack, f'partner="{partner.name}" customer="fabrikam" compact style="{style}"', token))
    page.locator(ROWS).nth(1).wait_for()
    shown(page)
    assert page.locator(ROWS).count() == 2
    # The host has a heading of its own, and every row would name the same customer.
    assert page.locator("activity-log h1").count() == 0
    assert page.get_by_role("columnheader", name="Affected customer").count() == 0
    primary = page.locator("activity-log button.primary").first
    assert primary.evaluate("element => getComputedStyle(element).backgroundColor") == "rgb(120, 0, 120)"
    eventually(lambda: page.evaluate("window.events.some(([name]) => name === 'ready')"), "the event of the first list")
    page.locator("activity-log select[name=period]").select_option("last7")
    shown(page)
    [[_, query]] = page.evaluate("window.events.filter(([name]) => name === 'query')")
    assert "customer=fabrikam" in query["parameters"] and "period=last7" in query["link"]
    page.locator(f"{ROWS} .toggle").first.click()
    page.locator("activity-log tr.opened").wait_for()
    [[_, opened]] = page.evaluate("window.events.filter(([name]) => name === 'open')")
    assert opened["url"].startswith(f"/v1/partners/{partner.name}/activities/")
    # The host may show an activity itself.
    page.evaluate("window.keepClosed = true")
    page.locator(f"{ROWS} .toggle").nth(1).click()
    assert page.locator("activity-log tr.opened").count() == 1
    # The attribute can change, and an absent one shows everything.
    page.locator("activity-log").evaluate("element => element.removeAttribute('customer')")
    page.locator(ROWS).nth(4).wait_for()


def test_keys_of_the_portal_stay_with_the_portal(window, stack, person, partner, elsewhere):
    import tokens

    partner.record(mixed())
    token = tokens.of_person(stack, person(partner), PASSWORD)
    page = window("en")
    page.goto(host(elsewhere, stack, f'partner="{partner.name}"', token))
    shown(page)
    page.locator(ROWS).nth(4).wait_for()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")
    tab_to(page, SAYS["en"]["log"])
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.localName") == "activity-log"
