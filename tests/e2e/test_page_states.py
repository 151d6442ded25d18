"""Every state of the page is accessible in every form and names the next step; the page stays light with any data."""

import gzip
import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
import requests
from amounts import amount, setting

from api import batches, in_parallel, new_activity, now, rfc3339
from browser import NEEDED, SAYS, TRIED_LANGUAGES, hosted_sign_in, mixed, order, search, shown, sign_in, violations

# Rows to scroll through, and activities of their partner. `make figures` uses larger numbers and takes minutes.
ROWS = setting("PAGE_ROWS", 2_000)
# In how many of the four forms each state is looked at.
FORMS = amount("PAGE_FORMS", 1, 4)
ACTIVITIES = max(ROWS, amount("PAGE_ACTIVITIES", 0, 5_000))
# How many kinds of large details are opened.
LARGE_KINDS = amount("PAGE_LARGE_KINDS", 2, 5)

pytestmark = NEEDED


class Look:
    """Checks a state in light and dark, wide and at 320 px, which equals a zoom of 400 % at 1280 px.

    `make test` looks at each state in one of the four forms, in turn.
    """

    def __init__(self, page):
        self.page, self.seen = page, []

    def __call__(self, state):
        forms = [(320, "dark"), (1280, "light"), (320, "light"), (1280, "dark")]
        for number in range(FORMS):
            width, scheme = forms[(len(self.seen) + number) % len(forms)]
            self.page.set_viewport_size({"width": width, "height": 900})
            # The table's head stays at the top while the page scrolls, and axe would take what lies beneath it for too small.
            self.page.evaluate("scrollTo(0, 0)")
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert violations(self.page) == [], (state, width, scheme)
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width, (state, width)
        self.seen.append(state)


def live(page, text, role="status"):
    """Waits for a text in a live region, which screen readers announce."""
    page.get_by_role(role).filter(has_text=text).first.wait_for()


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_the_log_is_accessible(window, stack, person, partner, language):
    partner.record(mixed())
    says = SAYS[language]
    page = window(language)
    look = Look(page)
    page.clock.install()
    page.goto(stack["portal_url"])
    page.get_by_role("button", name=says["sign_in"]).wait_for()
    look("welcome")
    sign_in(page, stack, person(partner), language)
    shown(page)
    live(page, re.compile("5 activit"))
    look("list")
    page.set_viewport_size({"width": 320, "height": 900})
    assert not page.locator("activity-log select[name=time_zone]").is_visible()
    page.locator("activity-log .more-options").click()
    page.locator("activity-log select[name=time_zone]").wait_for()
    look("more filters")
    for toggle in page.locator("activity-log .toggle").all():
        toggle.click()
    page.locator("activity-log tfoot").wait_for()
    page.locator("activity-log tr.opened .metadata").nth(4).wait_for()
    look("open rows")

    # No answer arrives: the page shows loading, then slow, until the person stops it.
    held = []
    page.route(re.compile(r"/activities\?"), lambda route: held.append(route))
    search(page, "a", language)
    page.locator("activity-log table.list[aria-busy=true] tr.row").first.wait_for()
    look("loading")
    page.clock.fast_forward(5_000)
    live(page, says["slow"])
    look("slow")
    page.locator("activity-log .slow button").click()
    live(page, says["stopped"], "alert")
    look("stopped")
    # An answer says that the service is down.
    page.unroute_all(behavior="ignoreErrors")
    problem = {"status": 500, "title": "Internal error", "trace_id": "1-5f84c7a7"}
    page.route(re.compile(r"/activities\?"), lambda route: route.fulfill(status=500, content_type="application/problem+json", body=json.dumps(problem)))
    page.get_by_role("button", name=says["again"]).click()
    live(page, says["ours"], "alert")
    live(page, "1-5f84c7a7", "alert")
    look("error")
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("button", name=says["again"]).click()
    shown(page)

    page.locator("activity-log input[name=to]").fill("2020-01-01")
    page.keyboard.press("Enter")
    live(page, says["fault"], "alert")
    look("wrong dates")
    period = page.locator("activity-log select[name=period]")
    period.select_option("last7")
    shown(page)
    search(page, "nothing has this", language)
    live(page, says["none"])
    look("empty")
    page.context.set_offline(True)
    period.select_option("recent")
    page.get_by_role("button", name=says["again"]).wait_for()
    look("offline")
    page.context.set_offline(False)
    # The page retries by itself.
    page.get_by_role("button", name=says["again"]).wait_for(state="detached")
    # The API refuses the token.
    page.route(re.compile(r"/activities\?"), lambda route: route.continue_(headers=route.request.headers | {"authorization": "Bearer x.y.z"}))
    period.select_option("last7")
    live(page, says["over"])
    look("session over")
    page.unroute_all(behavior="ignoreErrors")
    # Errors that the sign-in may return.
    with page.expect_request(re.compile(r"/oauth2/authorize\?")) as asked:
        page.get_by_role("button", name=says["sign_in"]).click()
    page.locator("input[name=username]").wait_for()
    [state] = parse_qs(urlsplit(asked.value.url).query)["state"]
    page.goto(stack["portal_url"] + "?" + urlencode({"error": "access_denied", "error_description": "No.", "state": state}))
    live(page, says["failed"])
    look("sign-in failed")
    assert len(look.seen) == 13


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_refusal_is_accessible(window, stack, person, partner, language):
    says = SAYS[language]
    for user, text, view in [
        (person(partner, "helpdesk_agent"), "schedule_denied", "exports"),
        (person(partner, role=None), "denied", ""),
        (person(None), "no_partner", ""),
    ]:
        page = window(language)
        page.goto(stack["portal_url"] + (f"?view={view}" if view else ""))
        page.get_by_role("button", name=says["sign_in"]).click()
        hosted_sign_in(page, user)
        page.get_by_text(says[text]).first.wait_for()
        Look(page)(text)
        page.context.close()


def test_print_shows_the_list_without_controls(window, stack, person, partner):
    partner.record(mixed())
    page = window("fr", color_scheme="dark")
    sign_in(page, stack, person(partner), "fr", query="?q=a")
    shown(page)
    page.locator("activity-log .toggle").last.click()
    page.locator("activity-log tr.opened dl").first.wait_for()
    page.emulate_media(media="print")
    for gone in ("form", ".views", ".export", ".foot"):
        assert not page.locator(f"activity-log {gone}").first.is_visible(), gone
    assert not page.locator("body > header").is_visible()
    assert page.locator("activity-log h1").is_visible() and page.locator("activity-log tr.opened dl").first.is_visible()
    assert "Filtres\u00a0: «\u00a0a\u00a0»" in page.locator("activity-log .list caption").inner_text()
    # Print is dark on white, whatever the screen's colours.
    assert page.locator("activity-log").evaluate("element => getComputedStyle(element).color") == "rgb(27, 33, 48)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_thousands_of_rows_keep_the_browser_light_and_the_place(window, stack, person, partner, record_property):
    base = now()
    first = [new_activity(occurred_at=rfc3339(base), id=f"r-{number:06}", target={"type": "user", "id": f"t-{number}"}) for number in range(ROWS)]
    # The activities spread over a year, as a partner's do.
    earlier = [new_activity(occurred_at=rfc3339(base - timedelta(minutes=5 * number))) for number in range(1, ACTIVITIES - ROWS + 1)]
    in_parallel(partner.record, batches(first + earlier), width=2)
    page = window("en")
    sign_in(page, stack, person(partner), query="?" + urlencode({"from": (base - timedelta(days=364)).strftime("%Y-%m-%d")}))
    shown(page)
    # The time until rows are painted, against the API's answer. The test only reports it, because machines are noisy.
    # An even number, because each turns the order round.
    ratios = sorted(page.evaluate(PAINT) for _ in range(6))
    record_property("paint_over_answer", ratios[3])
    print(f"first rows painted after {ratios[3]:.2f} times the API's answer time, of {ACTIVITIES:,} activities ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    shown(page)
    held = page.locator("activity-log")
    most = 0
    for _ in range(ROWS):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        most = max(most, held.evaluate("element => element.shadowRoot.querySelectorAll('*').length"))
        text = page.locator("activity-log .count").inner_text()
        if int(re.match(r"[\d,]+", text)[0].replace(",", "")) >= ROWS:
            break
        page.wait_for_timeout(50)
    else:
        raise AssertionError(text)
    print(f"at most {most:,} elements while {ROWS:,} rows were scrolled through")
    assert most < 12_000
    # Blocks above and below are removed and restored without a shift of the view.
    page.locator("activity-log .target", has_text="t-0").last.wait_for() if ACTIVITIES == ROWS else None
    height = page.evaluate("document.documentElement.scrollHeight")
    page.evaluate("scrollTo(0, 0)")
    page.locator("activity-log .target", has_text=f"t-{ROWS - 1}").first.wait_for()
    assert page.locator("activity-log tr.row").count() < 1_200
    if ACTIVITIES == ROWS:
        assert abs(page.evaluate("document.documentElement.scrollHeight") - height) <= 2


# Requests the list in the other order, and returns the time until its rows are painted, divided by the time of the API.
PAINT = """async () => {
  const root = document.querySelector('activity-log').shadowRoot;
  performance.clearResourceTimings();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const started = performance.now();
  const table = root.querySelector('table.list');
  table.querySelector('.sort').click();
  while (table.hasAttribute('aria-busy')) await frame();
  await frame();
  const painted = performance.now() - started;
  const answer = performance.getEntriesByType('resource').find((each) => each.name.includes('/activities?'));
  return painted / answer.duration;
}"""

# Records tasks of 50 ms or more, which block the browser's response to people.
WATCH = """() => { window.tasks = []; new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((each) => each.duration))).observe({type: 'longtask'}); }"""


def deep(depth, width):
    """Returns JSON of this depth, with this number of members at each level."""
    value = {"end": "x"}
    for _ in range(depth):
        value = {"next": value} | {f"m{number}": number for number in range(width)}
    return value


LARGE = {
    "an order of 2,000 lines": {
        "lines": [
            {"line": number, "product": "P" * 40, "note": "x" * 2_300, "quantity": number, "unit_price": "1.10", "currency": "EUR"} for number in range(2_000)
        ]
    },
    "a tree that is deep and wide": {"tree": deep(60, 3_000)},
    "one text of 4.9 MB": {"text": "word " * 980_000},
    "a list of 39,000": {"numbers": [{"a": number, "b": ["x" * 100, 1.5]} for number in range(39_000)]},
    "lines of 400 columns each": {"lines": [{f"c{line % 5}-{column}": column for column in range(400)} for line in range(400)]},
}


@pytest.mark.parametrize("what", [*LARGE][:LARGE_KINDS])
def test_large_details_can_be_read_and_copied(window, stack, person, partner, what, record_property):
    details = LARGE[what]
    partner.record([order(details=details)])
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    page.evaluate(WATCH)
    page.locator("activity-log .toggle").click()
    opened = page.locator("activity-log tr.opened")
    # The details come after the rest of the row. None of these is shown whole.
    more = opened.get_by_role("button", name=re.compile(r"^Show (more \(|\d)")).first
    more.wait_for()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    longest = max(page.evaluate("window.tasks"), default=0)
    elements = opened.evaluate("element => element.querySelectorAll('*').length")
    size = len(json.dumps(details, separators=(",", ":")))
    record_property("longest_task_ms", longest)
    # The test only reports the time, because machines are noisy; the time depends on the amount shown.
    told = f"{longest:.0f} ms" if longest else "under 50 ms"
    print(f"{what} ({size:,} bytes): longest task {told}, {elements:,} elements")
    assert elements < 10_000
    assert opened.evaluate("element => element.innerText.length") < 1_000_000
    if what == "an order of 2,000 lines":
        assert page.locator("activity-log tr.opened tbody tr").count() <= 201
        assert "€2,198,900.00" in page.locator("activity-log tfoot").inner_text()
        page.get_by_role("button", name=re.compile(r"Show more \(1,800 lines left\)")).click()
        page.get_by_role("button", name=re.compile(r"1,600 lines left")).wait_for()
    else:
        # The keyboard opens the rest, and the focus stays there.
        before = opened.inner_text()
        more.focus()
        page.keyboard.press("Enter")
        assert opened.inner_text() != before
        assert opened.evaluate("element => element.contains(element.getRootNode().activeElement)")
        assert opened.evaluate("element => element.querySelectorAll('*').length") < 12_000
    page.get_by_role("button", name="Copy as JSON").click()
    page.get_by_text("Copied.").wait_for()
    assert json.loads(page.evaluate("navigator.clipboard.readText()"))["details"] == details


def test_details_too_large_to_show_can_be_downloaded(window, stack, person, partner):
    details = {"text": '"' * 1_490_000}
    partner.record([order(details=details)])
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    page.locator("activity-log .toggle").click()
    button = page.locator("activity-log tr.opened").get_by_role("button", name="Download the details (2.98 MB)")
    with page.expect_download() as download:
        button.click()
    assert json.loads(download.value.path().read_text()) == details


def test_page_is_light_and_loads_nothing_from_elsewhere(window, stack, person, partner):
    loaded = {}
    page = window("fr")
    # Only files of the page count; answers of the API and pages of the sign-in do not.
    page.on("response", lambda answer: loaded.setdefault(answer.url, answer))
    sign_in(page, stack, person(partner), "fr")
    shown(page)
    page.get_by_role("button", name="Exports", exact=True).click()
    page.get_by_role("button", name="Enregistrer", exact=True).wait_for()
    # The page calls its own host and those of the sign-in, which the stack's configuration names.
    discovery = requests.get(stack["portal_url"] + "config.json", timeout=60).json()["discovery_url"]
    hosts = {urlsplit(url).netloc for url in loaded}
    assert hosts <= {urlsplit(url).netloc for url in (stack["portal_url"], stack["sign_in_url"], discovery)}
    ours = {url: answer for url, answer in loaded.items() if url.startswith(stack["portal_url"]) and "/v1/" not in url and answer.status == 200}
    bodies = {url: requests.get(url, timeout=60).content for url in ours if not urlsplit(url).query}
    assert len(bodies) >= 8, sorted(bodies)
    weight = sum(len(gzip.compress(body)) for body in bodies.values())
    print(f"the page weighs {weight:,} bytes, compressed one by one")
    assert weight <= 100 * 1000
    for url, answer in ours.items():
        kept = re.search(r"\.[0-9a-f]{16}\.(js|css|ftl|svg)$", url)
        assert ("immutable" in answer.headers["cache-control"]) == bool(kept), url
        assert kept or url.endswith(("/", "config.json")) or urlsplit(url).query, url


def test_page_works_from_right_to_left(window, stack, person, partner):
    partner.record(mixed())
    page = window("en", viewport={"width": 320, "height": 900})
    sign_in(page, stack, person(partner))
    shown(page)
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.locator("activity-log .toggle").first.click()
    page.locator("activity-log tr.opened dl").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})
    first, last = (page.locator(f"activity-log .list thead th:nth-child({number})").bounding_box()["x"] for number in (1, 5))
    assert first > last


def test_page_does_not_move_with_reduced_motion(window, stack, person, partner):
    page = window("en", reduced_motion="reduce")
    held = []
    sign_in(page, stack, person(partner))
    shown(page)
    page.route(re.compile(r"/activities\?"), lambda route: held.append(route))
    page.locator("activity-log select[name=period]").select_option("last7")
    page.locator("activity-log .skeleton").wait_for()
    assert page.locator("activity-log").evaluate("element => element.shadowRoot.getAnimations().length") == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.locator("activity-log").evaluate("element => element.shadowRoot.getAnimations().length") > 0


def test_page_of_the_description_works_under_its_policy(window, stack):
    page = window()
    page.goto(urljoin(stack["portal_url"], "docs"))
    page.get_by_role("heading", name=re.compile("^Daybook")).wait_for()
    assert page.locator(".opblock-summary-path", has_text="/v1/actions").first.is_visible()
    # Every kind of block, opened. A style or script that the policy forbids is an error that `window` reports.
    for method in ("get", "post", "put", "delete"):
        page.locator(f".opblock-{method} .opblock-summary-control").first.click()
    page.locator(".try-out__btn").first.click()
    page.get_by_role("button", name="Execute").first.wait_for()
    page.get_by_role("button", name="Authorize", exact=True).first.click()
    page.get_by_role("heading", name="Available authorizations").wait_for()
