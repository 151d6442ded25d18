"""The filter bar of the page: the search field with its suggestions and chips, and the period."""

import datetime
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from amounts import amount
from playwright.sync_api import expect

from browser import NEEDED, SAYS, TRIED_LANGUAGES, mixed, recent, search, sign_in, tab_to, violations

pytestmark = NEEDED

ASSETS = Path(__file__).resolve().parents[2] / "functions" / "portal" / "assets"

DATES = {"en": ("From", "To"), "fr": ("Du", "Au")}
NAMES = {
    "en": {"customer": "Customer: ", "user": "User: ", "status": "Status: "},
    "fr": {"customer": "Client : ", "user": "Utilisateur : ", "status": "Statut : "},
}


def many_customers():
    """Returns activities of sixty customers, of two customers of one name, and of one with accents."""
    named = [(f"c-{number:02}", f"Company {number:02}") for number in range(60)]
    named += [("twin-1", "Twin"), ("twin-2", "Twin"), ("electricite", "Électricité Générale"), ("fabrikam", "Fabrikam SARL")]
    return [recent(customer={"id": id, "name": name}, actor={"id": "ana@contoso.example", "name": "Ana Trujillo"}) for id, name in named]


def search_field(page, language="en"):
    return page.get_by_role("combobox", name=SAYS[language]["text"], exact=True)


def chips(page):
    return page.locator("activity-log .chip > span:first-child")


def rows(page):
    return page.locator("activity-log tr.row")


def address(page):
    """Returns the parameters of the page's address, without the time zone."""
    return {name: values for name, values in parse_qs(urlsplit(page.url).query).items() if name != "tz"}


def modules(page, stack, script, argument):
    """Calls a function of the page's modules, outside of the page. The portal serves them only as parts of a whole."""
    if page.url == "about:blank":
        page.goto(stack["portal_url"])
        page.route(
            re.compile(rf"^{re.escape(stack['portal_url'])}[a-z/-]+\.js$"),
            lambda route: route.fulfill(path=ASSETS / urlsplit(route.request.url).path.split("/live/")[1]),
        )
    return page.evaluate(script, [stack["portal_url"], argument])


# Values


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_typed_name_becomes_the_customer(window, stack, person, partner, language):
    partner.record(many_customers())
    page = window(language)
    sign_in(page, stack, person(partner), language)
    expect(rows(page).nth(49)).to_be_attached()
    search(page, "electricite generale", language)
    expect(chips(page)).to_have_text([NAMES[language]["customer"] + "Électricité Générale"])
    expect(rows(page)).to_have_count(1)
    assert address(page)["customer"] == ["electricite"] and search_field(page, language).input_value() == ""
    # A name of two customers is searched for as text.
    page.keyboard.press("Backspace")
    expect(chips(page)).to_have_count(0)
    search(page, "TWIN", language)
    expect(rows(page)).to_have_count(2)
    assert address(page)["q"] == ["TWIN"] and "customer" not in address(page)


def test_every_customer_is_suggested(window, stack, person, partner):
    partner.record(many_customers())
    page = window("en")
    sign_in(page, stack, person(partner))
    field = search_field(page)
    field.press_sequentially("any 51")
    option = page.get_by_role("option", name=re.compile("Company 51"))
    expect(option).to_be_visible()
    assert field.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == option.get_attribute("id")
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text(["Customer: Company 51"])
    expect(rows(page)).to_have_count(1)
    assert address(page)["customer"] == ["c-51"] and field.get_attribute("aria-expanded") == "false"
    # A second customer is added: either of them.
    field.fill("client:company 07")
    page.get_by_role("option", name=re.compile("Company 07")).click()
    expect(rows(page)).to_have_count(2)
    # Escape closes the list, and then empties the field.
    field.fill("comp")
    page.keyboard.press("Escape")
    assert field.get_attribute("aria-expanded") == "false" and field.input_value() == "comp"
    page.keyboard.press("Escape")
    assert field.input_value() == ""


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_keywords_of_both_languages_are_understood(window, stack, person, partner, language):
    partner.record(mixed())
    page = window(language)
    sign_in(page, stack, person(partner), language)
    names = NAMES[language]
    for text in ('customer:"Fabrikam SARL" !status:declined', "client : fabrikam !statut : refus", "!STATUT:!Declined client:fabrikam"):
        search(page, text, language)
        excluded = {"en": "not Declined", "fr": "sauf Refus"}[language]
        expect(chips(page)).to_have_text([names["customer"] + "Fabrikam SARL", names["status"] + excluded])
        expect(rows(page)).to_have_count(1)
        assert address(page)["customer"] == ["fabrikam"] and address(page)["status"] == ["!declined"]
        page.get_by_role("button", name={"en": "Clear filters", "fr": "Effacer les filtres"}[language]).click()
        expect(chips(page)).to_have_count(0)
    # A kind of action and a label, typed in the other language, and several terms with text.
    search(page, {"en": "nature:commandes", "fr": "kind:orders"}[language], language)
    expect(chips(page)).to_have_text([{"en": "Action: Orders", "fr": "Action : Commandes"}[language]])
    expect(rows(page)).to_have_count(1)
    assert address(page)["action"] == ["order.*"]
    search(page, "renewal user:ana", language)
    expect(chips(page)).to_have_text([names["user"] + "Ana Trujillo", re.compile("Orders|Commandes"), re.compile("renewal")])
    assert address(page)["q"] == ["renewal"] and address(page)["user"] == ["ana@contoso.example"]


def test_unclear_values_are_refused_with_a_reason(window, stack, person, partner):
    partner.record(many_customers())
    page = window("en")
    sign_in(page, stack, person(partner))
    fault = page.locator("activity-log .search .fault")
    for text, reason in [
        ("customer:twin", "does not name exactly one"),
        ("customer:Contoso", "in this period"),
        ("user:", "Choose a value from the list"),
        ("!renewal", "Text cannot be left out"),
        ("status:perhaps", "does not name exactly one"),
    ]:
        search(page, text)
        expect(fault).to_contain_text(reason)
        assert search_field(page).get_attribute("aria-invalid") == "true" and search_field(page).input_value() == text
        assert not address(page).keys() & {"customer", "user", "status", "q"}
    search_field(page).fill("")
    expect(fault).to_be_empty()


def test_chips_are_one_tab_stop_and_removed_by_keys(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner), query="?status=failed&status=declined&action=customer.*&q=user")
    focused = """() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at.querySelector('span')?.textContent ?? at.tagName; }"""
    expect(chips(page)).to_have_text(["Action: Customers", "Status: Failed", "Status: Declined", "“user”"])
    search_field(page).focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "“user”"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "Status: Failed"
    page.keyboard.press("Delete")
    expect(chips(page)).to_have_text(["Action: Customers", "Status: Declined", "“user”"])
    # The focus stays among the chips, and returns to the field after the last.
    assert page.evaluate(focused) == "Status: Declined"
    page.keyboard.press("Escape")
    for left in (2, 1, 0):
        page.keyboard.press("Backspace")
        expect(chips(page)).to_have_count(left)
    assert page.evaluate(focused) == "INPUT"
    expect(rows(page)).to_have_count(5)
    # Few stops lie between the search field and the list: period, two dates, time zone.
    stops = 0
    while not page.evaluate("document.querySelector('activity-log').shadowRoot.activeElement?.closest('.period') === null") or stops == 0:
        page.keyboard.press("Tab")
        stops += 1
        assert stops < 8
    assert stops <= 6
    tab_to(page, kind="toggle", most=20)


def test_old_answer_is_never_shown(window, stack, person, partner):
    partner.record(many_customers())
    page = window("en")
    sign_in(page, stack, person(partner))
    held = []

    def answer(route):
        if "match=comp&" in route.request.url + "&" and not held:
            held.append(route)
        else:
            route.fallback()

    page.route(re.compile(r"/counts\?.*match="), answer)
    field = search_field(page)
    with page.expect_request(re.compile(r"/counts\?.*match=comp(&|$)")):
        field.press_sequentially("comp")
    field.press_sequentially("any 42")
    expect(page.get_by_role("option", name=re.compile("Company 42"))).to_be_visible()
    # The page has given the first request up, so that an answer cannot arrive.
    assert held[0].request.failure
    expect(page.get_by_role("option", name=re.compile("Company"))).to_have_count(1)


def test_service_without_counts_leaves_text_and_catalogue(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    page.route(re.compile(r"/counts\?"), lambda route: route.fulfill(status=404, content_type="application/problem+json", body='{"status": 404}'))
    sign_in(page, stack, person(partner))
    search(page, "Fabrikam SARL")
    expect(chips(page)).to_have_text(["“Fabrikam SARL”"])
    expect(rows(page)).to_have_count(2)
    search(page, "customer:fabrikam")
    search(page, "échec")
    expect(chips(page)).to_have_text(["Customer: Fabrikam SARL", "Status: Failed", "“Fabrikam SARL”"])


def test_failed_lookup_is_said_and_text_still_found(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    page.route(re.compile(r"/counts\?.*match="), lambda route: route.fulfill(status=503, content_type="application/problem+json", body='{"status": 503}'))
    sign_in(page, stack, person(partner))
    search_field(page).fill("tailspin")
    expect(page.locator("activity-log .suggestions")).to_contain_text("Names could not be loaded")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    assert address(page)["q"] == ["tailspin"]


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_typed_text_applies_before_an_export(window, stack, person, partner, language):
    partner.record(mixed())
    page = window(language)
    sign_in(page, stack, person(partner), language)
    search_field(page, language).fill("tailspin")
    page.get_by_role("button", name=SAYS[language]["export"]).click()
    dialog = page.get_by_role("dialog").filter(has=page.get_by_role("button", name=SAYS[language]["start"], exact=True))
    # The text itself, or the customer whom it names.
    expect(dialog).to_contain_text(re.compile("tailspin", re.IGNORECASE))
    expect(rows(page)).to_have_count(1)


# Links and periods


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_link_shows_names_and_a_rolling_period(window, stack, person, partner, language):
    partner.record(mixed())
    page = window(language)
    page.clock.install()
    # The time includes the whole sign-in.
    with page.expect_request(re.compile(r"/activities\?"), timeout=120_000) as listed:
        sign_in(
            page, stack, person(partner), language, query="?period=last7&tz=UTC&customer=fabrikam&customer=!tailspin&user=ana@contoso.example&status=declined"
        )
    asked = parse_qs(urlsplit(listed.value.url).query)
    today = datetime.datetime.now(datetime.UTC).date()
    assert (asked["from"], asked["to"]) == ([str(today - datetime.timedelta(days=6))], [str(today)])
    assert asked["customer"] == ["fabrikam", "!tailspin"] and asked["actor"] == ["ana@contoso.example"]
    names = NAMES[language]
    expect(chips(page)).to_have_text(
        [
            names["customer"] + "Fabrikam SARL",
            names["customer"] + {"en": "not ", "fr": "sauf "}[language] + "Tailspin Toys",
            names["user"] + "Ana Trujillo",
            names["status"] + {"en": "Declined", "fr": "Refus"}[language],
        ]
    )
    assert address(page)["period"] == ["last7"]
    # A change keeps the rolling period; chosen dates replace it.
    page.locator("activity-log select[name=period]").select_option("lastMonth")
    expect(page).to_have_url(re.compile("period=lastMonth"))
    page.locator("activity-log select[name=period]").select_option("")
    expect(page).to_have_url(re.compile(r"from=\d{4}-\d\d-01&to="))
    assert "period" not in address(page)


@pytest.mark.parametrize(
    "language, region, first, last",
    [("fr", "de-DE", "01/10/2026", "31/10/2026"), ("en", "en-GB", "01/10/2026", "31/10/2026"), ("en", "en-US", "10/01/2026", "10/31/2026")],
)
def test_dates_follow_the_pages_language(window, stack, person, partner, language, region, first, last):
    partner.record(mixed())
    page = window(region)
    sign_in_language = "fr" if region.startswith("fr") else "en"
    sign_in(page, stack, person(partner), sign_in_language, query="?from=2026-10-01&to=2026-10-30&tz=Europe/Paris")
    if language != sign_in_language:
        page.locator("#language").select_option(language)
    start, end = (page.get_by_role("combobox", name=name, exact=True) for name in DATES[language])
    expect(start).to_have_value(first)
    end.fill(last)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("from=2026-10-01&to=2026-10-31"))
    # What cannot be read, and days in the wrong order, are refused beside the field.
    fault = page.locator("activity-log .period .fault")
    for text in ("31/02/2026", "2026-09-30"):
        end.fill(text)
        page.keyboard.press("Tab")
        expect(fault).not_to_be_empty()
        assert end.get_attribute("aria-invalid") == "true" and address(page)["to"] == ["2026-10-31"]
    # A time limits the period to the minute.
    end.fill("2026-10-31 12:30")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"to=2026-10-31T11%3A30%3A00"))
    expect(fault).to_be_empty()
    expect(end).to_have_value(f"{last} 12:30")


def test_calendar_is_used_by_keyboard(window, stack, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner), query="?from=2026-10-01&to=2026-10-30&tz=UTC")
    focused = """() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at.dataset.day ?? at.tagName; }"""
    end = page.get_by_role("combobox", name="To", exact=True)
    end.focus()
    page.keyboard.press("ArrowDown")
    grid = page.get_by_role("grid", name="October 2026")
    expect(grid).to_be_visible()
    assert end.get_attribute("aria-expanded") == "true"
    # The week begins on Monday in Britain.
    assert grid.get_by_role("columnheader").first.inner_text() == "Mon"
    for key, day in [
        ("ArrowLeft", "2026-10-29"),
        ("ArrowUp", "2026-10-22"),
        ("Home", "2026-10-19"),
        ("End", "2026-10-25"),
        ("PageUp", "2026-09-25"),
        ("Shift+PageDown", "2027-09-25"),
        ("Shift+PageUp", "2026-09-25"),
        ("PageDown", "2026-10-25"),
    ]:
        page.keyboard.press(key)
        assert page.evaluate(focused) == day, key
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "INPUT" and end.get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("to=2026-10-29"))
    # The mouse opens the calendar by its button.
    page.get_by_role("button", name="Calendar: To").click()
    page.get_by_role("button", name="Previous month").click()
    page.get_by_role("gridcell", name=re.compile("30 September 2026")).click()
    expect(page.locator("activity-log .period .fault")).to_have_text("The last day is before the first. Choose a later one.")


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
@pytest.mark.parametrize("width", [320, 1280][: amount("PAGE_WIDTHS", 1, 2)])
def test_open_lists_and_calendars_are_accessible(window, stack, person, partner, language, width):
    partner.record(mixed())
    page = window(language, viewport={"width": width, "height": 900})
    sign_in(page, stack, person(partner), language, query="?status=failed")
    field = search_field(page, language)
    for text in ("", "ta", "statut:", "!"):
        field.fill(text)
        field.click()
        page.locator("activity-log [role=option]").first.wait_for()
        assert violations(page) == []
    field.fill("customer:nobody-at-all")
    page.keyboard.press("Enter")
    expect(page.locator("activity-log .search .fault")).not_to_be_empty()
    assert violations(page) == []
    field.fill("")
    for name in DATES[language]:
        page.get_by_role("combobox", name=name, exact=True).press("ArrowDown")
        page.get_by_role("grid").wait_for()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.keyboard.press("Escape")


# Modules


def test_typed_dates_are_read(window, stack):
    page = window("en")
    today = "2026-11-28"
    cases = {
        "fr": {
            "28/11/2026": today, "28.11.26": today, "28-11-2026": today, "2026-11-28": today, "20261128": today, "28/11": today, "29/11": "2025-11-29",
            "28 nov. 2026": today, "1er oct. 2026": "2026-10-01", "3 février": "2026-02-03", "3 fevr": "2026-02-03", "November 28": today,
            "aujourd’hui": today, "aujourd'hui": today, "Hier": "2026-11-27", "29/02": "2024-02-29",
            "11/28/2026": None, "31/02/2026": None, "jui 3": None, "2026-13-01": None, "28": None, "28/11/2026/1": None, "": None,
        },
        "en-US": {"11/28/2026": today, "11/28": today, "Nov 28, 2026": today, "yesterday": "2026-11-27", "28/11/2026": None},
        "en-GB": {"28/11/2026": today, "28 Nov 2026": today, "1st October": "2026-10-01", "septembre 3": "2026-09-03", "11/28/2026": None},
    }  # fmt: skip
    read = """async ([base, [locale, texts, today]]) => { const { parseTypedDay } = await import(base + 'dates.js');
        return texts.map((text) => parseTypedDay(text, locale, today)); }"""
    for locale, texts in cases.items():
        found = dict(zip(texts, modules(page, stack, read, [locale, list(texts), today]), strict=True))
        assert found == texts, locale
    # Formatted days are read again, on every day of a year, and times across the changes of clocks.
    again = """async ([base, locale]) => { const { formatDay, parseTypedDay } = await import(base + 'dates.js'); const { daysAfter } = await import(base + 'calendar.js');
        return Array.from({length: 366}, (_, index) => daysAfter('2027-12-31', index)).filter((day) => parseTypedDay(formatDay(day, locale), locale, '2026-01-01') !== day); }"""
    for locale in ("fr", "fr-CA", "fr-CH", "en-US", "en-GB", "en-CA"):
        assert modules(page, stack, again, locale) == []
    instants = """async ([base, all]) => { const { instantOf } = await import(base + 'dates.js'); return all.map((each) => instantOf(...each)); }"""
    for zone, day, time, instant in [
        ("Europe/Paris", "2026-11-02", "10:30", "2026-11-02T09:30:00.000Z"),
        ("Europe/Paris", "2026-03-29", "02:30", "2026-03-29T01:30:00.000Z"),
        ("Pacific/Auckland", "2026-11-02", "00:00", "2026-11-01T11:00:00.000Z"),
        ("America/St_Johns", "2026-07-01", "23:59", "2026-07-02T02:29:00.000Z"),
        ("UTC", "2026-01-01", "00:00", "2026-01-01T00:00:00.000Z"),
    ]:
        assert modules(page, stack, instants, [[day, time, zone]]) == [instant]


def test_search_terms_are_read(window, stack):
    page = window("en")
    read = """async ([base, texts]) => { const { parseTerms } = await import(base + 'search-terms.js');
        return texts.map((text) => parseTerms(text).map(({filter, value, excluded}) => [filter, value, excluded])); }"""
    cases = {
        "": [],
        "fab rikam": [[None, "fab rikam", False]],
        "!fab": [[None, "fab", True]],
        "client:fab": [["customer", "fab", False]],
        "Utilisateur : Ana Trujillo": [["actor", "Ana Trujillo", False]],
        "STATUT:échouée": [["status", "échouée", False]],
        "corrélation:x-1 source:!portal": [["correlation", "x-1", False], ["source", "portal", True]],
        'renewal !customer:"Fabrikam SARL" 2026': [[None, "renewal", False], ["customer", "Fabrikam SARL", True], [None, "2026", False]],
        "client:« Électricité Générale » type:order": [["customer", "Électricité Générale", False], ["target_type", "order", False]],
        'user:"unclosed name': [["actor", "unclosed name", False]],
        "http://status:80 12:30 unknown:x": [[None, "http://status:80 12:30 unknown:x", False]],
        "customer:": [["customer", "", False]],
    }
    assert dict(zip(cases, modules(page, stack, read, list(cases)), strict=True)) == cases
    fold = "async ([base, texts]) => { const { fold } = await import(base + 'search-terms.js'); return texts.map(fold); }"
    texts = {"STRASSE Straße": "strasse strasse", "Æther Œuvre Łódź": "aether oeuvre lodz", "l’été Jean\u2011Luc": "l'ete jean-luc", "ﬁn Ａｂ": "fin ab"}
    assert modules(page, stack, fold, list(texts)) == list(texts.values())


def test_query_reads_what_it_writes(window, stack):
    page = window("en")
    script = """async ([base, address]) => { const { Query } = await import(base + 'query.js');
        const query = Query.read(new URLSearchParams(address), {timeZone: 'Europe/Paris', today: '2026-11-28'});
        return {written: String(query.write(new URLSearchParams('view=exports'))), parameters: String(query.parameters()), request: query.exportRequest(), same: query.equals(query.with())}; }"""
    every = "customer=a&customer=%21b&user=u&action=order.*&status=%21failed&target_type=order&target=o-1&correlation=k&source=portal&q=two+words&order=asc"
    for given, written, first, last in [
        ("", "period=recent&tz=Europe%2FParis", "2026-10-28", "2026-11-28"),
        ("period=last7&tz=UTC", "period=last7&tz=UTC", "2026-11-22", "2026-11-28"),
        ("period=lastMonth", "period=lastMonth&tz=Europe%2FParis", "2026-10-01", "2026-10-31"),
        ("period=unknown&tz=Nowhere", "period=recent&tz=Europe%2FParis", "2026-10-28", "2026-11-28"),
        ("from=2026-10-01&to=2026-10-31", "from=2026-10-01&to=2026-10-31&tz=Europe%2FParis", "2026-10-01", "2026-10-31"),
        ("from=2026-10-31&to=2026-10-01", "from=2026-10-01&to=2026-10-31&tz=Europe%2FParis", "2026-10-01", "2026-10-31"),
        ("to=2026-03-31", "from=2026-02-28&to=2026-03-31&tz=Europe%2FParis", "2026-02-28", "2026-03-31"),
        ("from=2026-02-30", "period=recent&tz=Europe%2FParis", "2026-10-28", "2026-11-28"),
    ]:
        found = modules(page, stack, script, given)
        assert found["written"] == f"view=exports&{written}", given
        assert (found["request"]["from"], found["request"]["to"]) == (first, last), given
    found = modules(page, stack, script, "from=2026-10-01T08:30:00Z&to=2026-10-01T09:00:00Z&" + every)
    names = {"from": ["2026-10-01T08:30:00Z"], "to": ["2026-10-01T09:00:00Z"], "time_zone": ["Europe/Paris"]}
    values = parse_qs(every.replace("user=", "actor="))
    assert parse_qs(found["parameters"]) == names | values
    lists = {name: value for name, value in values.items() if name not in ("q", "order")}
    assert found["request"] == {name: value for name, [value] in names.items()} | lists | {"q": "two words"}
    assert found["written"].endswith(every.replace("*", "*")) and found["same"] is True
    # Empty values, which the API refuses, and repeated ones are left out.
    assert parse_qs(modules(page, stack, script, "customer=&customer=%21&customer=a&customer=a&status=+")["written"])["customer"] == ["a"]
