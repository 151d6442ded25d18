"""The page as people use it: Chromium, signed in through the real hosted page, on the deployed stack.

Chromium is the system's (Debian: `chromium`); no browser is downloaded. `make browser` installs what is missing.
"""

import functools
import gzip
import http.server
import json
import os
import re
import shutil
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from api import batches, in_parallel, new_activity, now, rfc3339

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"]
PASSWORD = "Daybook-local-1"
# How many rows are scrolled through.
ROWS = int(os.environ.get("PAGE_ROWS", "5000"))
# How many activities the partner of that test has: 100,000 take minutes to record, so not in every run.
ACTIVITIES = max(ROWS, int(os.environ.get("PAGE_ACTIVITIES", "0")))
LANGUAGES = {"en": "en-GB", "fr": "fr-FR"}
SAYS = {
    "en": {"title": "Activity log", "sign_in": "Sign in", "sign_out": "Sign out", "text": "Text", "show": "Show", "export": "Export log", "start": "Export",
           "download": "Download", "all": "That is all", "exports": "Exports", "log": "Log", "total": "Total", "none": "No activity matches", "again": "Try again",
           "over": "Your session has ended", "save": "Save", "every": "Export every month", "saved": "Saved.", "zone": "Time zone", "status": "Status"},
    "fr": {"title": "Journal d'activité", "sign_in": "Se connecter", "sign_out": "Se déconnecter", "text": "Texte", "show": "Afficher", "export": "Exporter le journal",
           "start": "Exporter", "download": "Télécharger", "all": "C'est tout", "exports": "Exports", "log": "Journal", "total": "Total",
           "none": "Aucune activité ne correspond", "again": "Réessayer", "over": "Votre session est terminée", "save": "Enregistrer",
           "every": "Exporter chaque mois", "saved": "Enregistré.", "zone": "Fuseau horaire", "status": "Statut"},
}
ROLES = ["global_admin", "billing_admin", "user_management_admin", "admin_agent", "sales_agent", "helpdesk_agent"]
MAY_SCHEDULE = {"global_admin", "billing_admin", "admin_agent"}
# Text that would be markup, script, a template, an attribute or a direction, if it were taken for one.
HOSTILE = """<img src=x onerror="window.hit=1">'"><script>window.hit=1</script>${hit}{{hit}}&lt;\u202e"""

pytestmark = pytest.mark.skipif(not CHROMIUM or not AXE.exists(), reason="needs Chromium and axe-core: make browser")


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium, stack):
    """Opens pages in a browser of their own; at the end, none may have logged an error that the test did not expect."""
    contexts, complaints = [], []

    def make(language="en", **options):
        context = chromium.new_context(locale=LANGUAGES.get(language, language), timezone_id="America/New_York", accept_downloads=True,
                                       **({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()

        def heard(message):
            address = message.location.get("url", "")
            # What a status says is no fault of the page, and the sign-in's own pages have no icon.
            if message.type == "error" and not (message.text.startswith("Failed to load resource") and ("/v1/" in address or "favicon.ico" in address or "/oauth2/" in address)):
                complaints.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    make.complaints = complaints
    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def person(stack, aws):
    """Makes people of a partner; what is made is a user name."""
    made = []

    def make(partner, role="global_admin", name="Ana Trujillo"):
        user = f"{role.replace('_', '-')}-{uuid.uuid4().hex[:8]}"
        cognito, pool = aws("cognito-idp"), stack["user_pool_id"]
        attributes = {"email": f"{user}@example.com", "email_verified": "true", "name": name, "custom:partner_id": partner.name}
        cognito.admin_create_user(UserPoolId=pool, Username=user, MessageAction="SUPPRESS",
                                  UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()])
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=role)
        cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=PASSWORD, Permanent=True)
        made.append(user)
        return user

    yield make
    for user in made:
        aws("cognito-idp").admin_delete_user(UserPoolId=stack["user_pool_id"], Username=user)


def order(number=1, **fields):
    lines = [
        {"line": 1, "product": "CFQ7", "name": "Business Basic", "quantity": 12, "unit_price": "14.90", "currency": "EUR", "subscription_id": "s-1"},
        {"line": 2, "product": "CFQ8", "name": "Enterprise", "quantity": 1000, "unit_price": "0.0125", "currency": "EUR", "subscription_id": "s-2"},
    ]
    return recent(action="order.created", customer={"id": "tailspin", "name": "Tailspin Toys"}, target={"type": "order", "id": f"o-{number}", "name": "Renewal"},
                  details={"lines": lines, "purchase_order": "BC-1"}) | fields


def recent(**fields):
    return new_activity(occurred_at=rfc3339(now()), actor={"id": "ana@contoso.example", "name": "Ana Trujillo", "role": "admin_agent", "ip": "203.0.113.7"}, **fields)


def mixed():
    """An activity of each status, an order and a change."""
    return [
        order(),
        recent(action="subscription.updated", customer={"id": "fabrikam", "name": "Fabrikam SARL"}, changes=[{"field": "quantity", "old": 5, "new": 12}]),
        recent(action="customer.created", status="failed", details={"reason": "The domain is in use."}),
        recent(action="user.created", status="declined", customer={"id": "fabrikam", "name": "Fabrikam SARL"}),
        recent(action="invoice.ready", status="in_progress"),
    ]


def sign_in(page, stack, user, language="en", query="", keyboard=False):
    """From the page through the hosted sign-in and back."""
    page.goto(stack["portal_url"] + query)
    button = page.get_by_role("button", name=SAYS[language]["sign_in"])
    button.wait_for()
    if keyboard:
        tab_to(page, SAYS[language]["sign_in"])
        page.keyboard.press("Enter")
    else:
        button.click()
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("activity-log h1").wait_for()


def shown(page):
    """Waits until the list is there."""
    page.locator("activity-log table.log:not([aria-busy])").wait_for(state="attached")
    page.locator("activity-log .count").filter(has_text=re.compile(r"\d|No|Aucune|Rien")).wait_for()


FOCUSED = """() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return [at?.getAttribute('aria-label') || at?.labels?.[0]?.innerText || at?.innerText || '', at?.getAttribute('class') || '']; }"""


def tab_to(page, text="", kind=None, most=80):
    """Goes on by the tabulator alone until what has the focus is called so."""
    for _ in range(most):
        name, classes = page.evaluate(FOCUSED)
        if name.strip().startswith(text) and (kind is None or kind in classes.split()):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{text or kind} is not reached by the keyboard")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_whole_task(window, stack, person, partner, language, by):
    """Sign in, find an order, read its lines, export what is shown, download it, sign out."""
    partner.record(mixed())
    says, keys = SAYS[language], by == "keyboard"
    page = window(language)
    sign_in(page, stack, person(partner), language, keyboard=keys)
    shown(page)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("activity-log tr.row").count() == 5

    if keys:
        tab_to(page, says["text"])
        page.keyboard.type("tailspin")
        page.keyboard.press("Enter")
    else:
        page.get_by_label(says["text"], exact=True).fill("tailspin")
        page.get_by_role("button", name=says["show"], exact=True).click()
    page.locator("activity-log tr.row").nth(1).wait_for(state="detached")
    shown(page)
    assert parse_qs(urlsplit(page.url).query)["q"] == ["tailspin"]
    row = page.locator("activity-log tr.row")
    assert "Tailspin Toys" in row.inner_text()
    assert row.get_by_role("link").get_attribute("href").endswith("/customers/tailspin/subscriptions")

    if keys:
        tab_to(page, kind="toggle")
        page.keyboard.press("Enter")
    else:
        row.get_by_role("button").click()
    assert row.get_by_role("button").get_attribute("aria-expanded") == "true"
    opened = page.locator("activity-log tr.opened")
    total = opened.locator("tfoot")
    total.wait_for()
    assert re.sub(r"\s", " ", total.inner_text()).strip().endswith({"en": "€191.30", "fr": "191,30 €"}[language])
    assert opened.get_by_role("link", name=re.compile("s-2")).get_attribute("href").endswith("/customers/tailspin/subscriptions#s-2")
    assert "203.0.113.7" in opened.inner_text() and "Europe/Paris" in opened.inner_text() and "America/New_York" in opened.inner_text()

    if keys:
        page.evaluate("document.querySelector('activity-log').shadowRoot.querySelector('h1').scrollIntoView()")
        page.locator("activity-log .export").focus()
        page.keyboard.press("Enter")
        page.locator("activity-log dialog[open]").wait_for()
        tab_to(page, says["start"])
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name=says["export"]).click()
        page.get_by_role("dialog").get_by_role("button", name=says["start"], exact=True).click()
    button = page.locator("activity-log .exporting").get_by_role("button", name=re.compile(says["download"]))
    button.wait_for(timeout=120_000)
    with page.expect_download() as downloading:
        if keys:
            button.focus()
            page.keyboard.press("Enter")
        else:
            button.click()
    content = Path(downloading.value.path()).read_bytes()
    export = partner.exports()[0]
    assert (export["status"], export["locale"], export["progress"]["rows"]) == ("ready", language, 1)
    assert content == partner.download(export)
    assert downloading.value.suggested_filename == export["files"][0]["name"]

    page.get_by_role("button", name=says["sign_out"]).click()
    page.get_by_role("button", name=says["sign_in"]).wait_for()
    assert page.locator("activity-log tr.row").count() == 0 or not page.locator("activity-log").is_visible()
    assert page.evaluate("Object.keys(localStorage).filter((key) => /token|session/i.test(key)).length") == 0


def test_a_link_shows_the_same_view(window, stack, person, partner):
    partner.record(mixed())
    query = "?" + urlencode({"from": now().strftime("%Y-%m-01"), "to": now().strftime("%Y-%m-%d"), "tz": "UTC", "status": "failed", "order": "asc"})
    page = window("fr")
    sign_in(page, stack, person(partner), "fr", query)
    shown(page)
    assert page.locator("activity-log tr.row").count() == 1
    assert "Échec" in page.locator("activity-log tr.row .state").inner_text()
    assert page.locator("activity-log select[name=status]").input_value() == "failed"
    assert page.locator("activity-log .view select[name=time_zone]").input_value() == "UTC"
    assert page.locator("activity-log select[name=order]").input_value() == "asc"
    page.locator("activity-log select[name=status]").select_option("declined")
    page.get_by_role("button", name="Afficher", exact=True).click()
    page.locator("activity-log .state.declined").wait_for()
    page.go_back()
    page.locator("activity-log .state.failed").wait_for()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_offered_what_it_may_do_and_told_what_it_may_not(window, stack, person, partner, role):
    page = window("en")
    sign_in(page, stack, person(partner, role))
    shown(page)
    page.get_by_role("button", name="Exports", exact=True).click()
    if role not in MAY_SCHEDULE:
        page.get_by_text("The monthly schedule is managed by").wait_for()
        assert page.get_by_role("button", name="Save").count() == 0
        return
    page.get_by_label("Export every month").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_text(re.compile(r"^Next: ")).wait_for()
    schedule = partner.caller.get(f"{partner.path}/export-schedule").json()
    assert schedule["enabled"] and schedule["time_zone"] == "Europe/Paris" and schedule["locale"] == "en"


def test_a_session_that_ends_keeps_what_was_asked(window, stack, person, partner, aws):
    partner.record(mixed())
    user = person(partner)
    page = window("en")
    page.clock.install()
    sign_in(page, stack, user)
    shown(page)
    # Renewed without a word, an hour later.
    page.clock.fast_forward("01:10:00")
    page.locator("activity-log select[name=status]").select_option("failed")
    with page.expect_response(lambda answer: answer.url.endswith("/oauth2/token")) as renewal:
        page.get_by_role("button", name="Show", exact=True).click()
    assert renewal.value.ok
    page.locator("activity-log tr.row").nth(1).wait_for(state="detached")
    # Refused at the next renewal.
    aws("cognito-idp").admin_disable_user(UserPoolId=stack["user_pool_id"], Username=user)
    aws("cognito-idp").admin_user_global_sign_out(UserPoolId=stack["user_pool_id"], Username=user)
    page.clock.fast_forward("01:10:00")
    page.locator("activity-log select[name=status]").select_option("declined")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("Your session has ended. Sign in again").first.wait_for()
    aws("cognito-idp").admin_enable_user(UserPoolId=stack["user_pool_id"], Username=user)
    page.get_by_role("button", name="Sign in").click()
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("activity-log .state.declined").wait_for()


def test_what_looks_like_markup_is_text(window, stack, person, partner):
    partner.record([order(
        customer={"id": "x", "name": HOSTILE}, target={"type": "order", "id": "o", "name": HOSTILE}, source=HOSTILE[:60], correlation_id="c-1",
        actor={"id": "a@b", "name": HOSTILE, "role": "x", "user_agent": HOSTILE}, changes=[{"field": HOSTILE, "old": HOSTILE, "new": {HOSTILE: HOSTILE}}],
        details={"lines": [{"product": HOSTILE, "quantity": 1, "unit_price": "1", "currency": "<b>", HOSTILE: HOSTILE, "subscription_id": "../../x"}], HOSTILE: [HOSTILE]})])
    page = window("en")
    sign_in(page, stack, person(partner, name="<img src=x onerror=window.hit=1>"), query="?" + urlencode({"q": "", "user": ""}))
    shown(page)
    page.locator("activity-log .toggle").click()
    page.locator("activity-log tr.opened dl").wait_for()
    text = page.locator("activity-log tr.opened").inner_text()
    assert text.count("onerror=") >= 6
    assert page.locator("activity-log").evaluate("element => element.shadowRoot.querySelectorAll('img, script').length") == 0
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hit") is None


def violations(page):
    """What axe finds by the rules of WCAG 2.2, A and AA."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations']})")["violations"]
    return [(each["id"], node["target"], node.get("failureSummary", "")[:200]) for each in found for node in each["nodes"]]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_state_is_accessible(window, stack, person, partner, language, scheme, width):
    partner.record(mixed())
    says = SAYS[language]
    page = window(language, color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce")

    def check(state):
        assert violations(page) == [], state
        # At 320 px, which is also 400 % of 1280: nothing to scroll sideways.
        assert page.evaluate("document.documentElement.scrollWidth") <= width, state

    page.goto(stack["portal_url"])
    page.get_by_role("button", name=says["sign_in"]).wait_for()
    check("welcome")
    sign_in(page, stack, person(partner), language)
    shown(page)
    check("list")
    for toggle in page.locator("activity-log .toggle").all():
        toggle.click()
    page.locator("activity-log tfoot").wait_for()
    page.locator("activity-log tr.opened dl").nth(4).wait_for()
    check("open rows")
    page.get_by_role("button", name=says["export"]).click()
    check("export dialog")
    page.get_by_role("dialog").get_by_role("button", name=says["start"], exact=True).click()
    page.locator("activity-log .exporting").get_by_role("button", name=re.compile(says["download"])).wait_for(timeout=120_000)
    page.get_by_role("button", name=says["exports"], exact=True).click()
    page.get_by_role("button", name=says["save"]).wait_for()
    check("exports")
    page.get_by_role("button", name=says["log"], exact=True).click()
    page.get_by_label(says["text"], exact=True).fill("nothing has this")
    page.get_by_role("button", name=says["show"], exact=True).click()
    page.get_by_text(says["none"]).wait_for()
    check("empty")
    page.context.set_offline(True)
    page.get_by_role("button", name=says["show"], exact=True).click()
    page.get_by_role("button", name=says["again"]).wait_for()
    check("offline")
    page.context.set_offline(False)
    # It goes on by itself.
    page.get_by_role("button", name=says["again"]).wait_for(state="detached")


def test_thousands_of_rows_keep_the_browser_light_and_the_place(window, stack, person, partner, record_property):
    base = now()
    first = [new_activity(occurred_at=rfc3339(base), id=f"r-{number:06}", target={"type": "user", "id": f"t-{number}"}) for number in range(ROWS)]
    earlier = [new_activity(occurred_at=rfc3339(base - timedelta(seconds=number))) for number in range(1, ACTIVITIES - ROWS + 1)]
    in_parallel(partner.record, batches(first + earlier))
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    # How much longer than the API's answer it takes until the rows are painted. Reported, not asserted: machines are noisy.
    ratios = sorted(page.evaluate(PAINT) for _ in range(5))
    record_property("paint_over_answer", ratios[2])
    print(f"first rows painted after {ratios[2]:.2f} times the API's answer time, of {ACTIVITIES:,} activities ({ratios[0]:.2f} to {ratios[-1]:.2f})")
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
    assert most < 12_000
    # Above and below, blocks come and go, and nothing moves.
    page.locator("activity-log .target", has_text="t-0").last.wait_for() if ACTIVITIES == ROWS else None
    height = page.evaluate("document.documentElement.scrollHeight")
    page.evaluate("scrollTo(0, 0)")
    page.locator("activity-log .target", has_text=f"t-{ROWS - 1}").first.wait_for()
    assert page.locator("activity-log tr.row").count() < 1_200
    if ACTIVITIES == ROWS:
        assert abs(page.evaluate("document.documentElement.scrollHeight") - height) <= 2


# Asks again, and says how long that took until rows were painted, divided by how long the API took to answer.
PAINT = """async () => {
  const root = document.querySelector('activity-log').shadowRoot;
  performance.clearResourceTimings();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const started = performance.now();
  root.querySelector('.view form').requestSubmit();
  while (root.querySelector('tr.row')) await frame();
  while (!root.querySelector('tr.row')) await frame();
  await frame();
  const painted = performance.now() - started;
  const answer = performance.getEntriesByType('resource').find((each) => each.name.includes('/activities?'));
  return painted / answer.duration;
}"""


def test_the_page_is_light_and_loads_nothing_from_elsewhere(window, stack, person, partner):
    loaded = {}
    page = window("fr")
    # Only what the page itself loads: the API's answers and the sign-in's pages are not its weight.
    page.on("response", lambda answer: loaded.setdefault(answer.url, answer))
    sign_in(page, stack, person(partner), "fr")
    shown(page)
    page.get_by_role("button", name="Exports", exact=True).click()
    page.get_by_role("button", name="Enregistrer").wait_for()
    hosts = {urlsplit(url).netloc for url in loaded}
    assert hosts == {urlsplit(stack["portal_url"]).netloc}
    ours = {url: answer for url, answer in loaded.items() if url.startswith(stack["portal_url"]) and "/v1/" not in url and answer.status == 200}
    bodies = {url: requests.get(url, timeout=60).content for url in ours if not urlsplit(url).query}
    assert len(bodies) > 10
    assert sum(len(gzip.compress(body)) for body in bodies.values()) <= 80 * 1024
    for url, answer in ours.items():
        kept = re.search(r"\.[0-9a-f]{16}\.(js|css|ftl|svg)$", url)
        assert ("immutable" in answer.headers["cache-control"]) == bool(kept), url
        assert kept or url.endswith(("/", "config.json")) or urlsplit(url).query, url


def test_no_text_of_the_page_stands_in_its_code(window, stack, person, partner):
    """In a language made up for this, every text is in brackets: whatever is not would be raw."""
    partner.record(mixed())
    page = window("en")

    def bracketed(route):
        text = route.fetch().text()
        text = re.sub(r"^([a-zA-Z]\w*) = (.+)$", r"\1 = ⟦\2⟧", text, flags=re.M)
        text = re.sub(r"(\[(?:one|other)\]) (.+)$", r"\1 ⟦\2⟧", text, flags=re.M)
        route.fulfill(body=text, content_type="text/plain; charset=utf-8")

    page.route(re.compile(r"/en\.[0-9a-f]+\.ftl$"), bracketed)
    page.goto(stack["portal_url"])
    page.get_by_role("button", name="⟦Sign in⟧").click()
    page.locator("input[name=username]").fill(person(partner))
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("activity-log tr.row").first.wait_for()
    for toggle in page.locator("activity-log .toggle").all():
        toggle.click()
    page.locator("activity-log tfoot").wait_for()
    page.get_by_role("button", name="⟦Exports⟧").click()
    page.get_by_role("button", name="⟦Save⟧").wait_for()
    raw = page.evaluate("""() => {
      const found = [];
      const names = 'bdi, time, .number, .row td:nth-child(3), .quiet, option[value*="."], option[value*="/"], [name=time_zone] option, dd, .brand, #language, tbody th';
      const walk = (root) => {
        for (const each of root.querySelectorAll('*')) {
          if (each.shadowRoot) walk(each.shadowRoot);
          if (each.closest(names) || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(each.tagName)) continue;
          for (const node of each.childNodes) {
            if (node.nodeType === 3 && /[a-z]{2}/i.test(node.data) && !node.data.includes('⟦')) found.push(node.data);
          }
          for (const name of ['aria-label', 'placeholder', 'title']) {
            const value = each.getAttribute(name);
            if (value && !value.includes('⟦')) found.push(value);
          }
        }
      };
      walk(document.body);
      return found;
    }""")
    assert raw == []


def test_it_works_from_right_to_left(window, stack, person, partner):
    partner.record(mixed())
    page = window("en", viewport={"width": 320, "height": 900})
    sign_in(page, stack, person(partner))
    shown(page)
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.locator("activity-log .toggle").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})
    first, last = (page.locator(f"activity-log .log thead th:nth-child({number})").bounding_box()["x"] for number in (1, 5))
    assert first > last


def test_a_large_order_stays_within_reach(window, stack, person, partner):
    lines = [{"line": number, "product": "P" * 40, "note": "x" * 2_300, "quantity": number, "unit_price": "1.10", "currency": "EUR"} for number in range(2_000)]
    activity = order(details={"lines": lines})
    partner.record([activity])
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    page.locator("activity-log .toggle").click()
    page.locator("activity-log tfoot").wait_for()
    assert page.locator("activity-log tr.opened tbody tr").count() <= 201
    assert "€2,198,900.00" in page.locator("activity-log tfoot").inner_text()
    page.get_by_role("button", name=re.compile(r"Show more \(1,800 lines left\)")).click()
    page.get_by_role("button", name=re.compile(r"1,600 lines left")).wait_for()
    page.get_by_role("button", name="Copy as JSON").click()
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert json.loads(copied)["details"] == {"lines": lines}


@pytest.fixture
def other_origin(tmp_path):
    """Serves a directory from an origin that is not the stack's; its address and place."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.func.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", tmp_path
    server.shutdown()
    server.server_close()


def test_a_portal_embeds_it_twice_with_one_script_tag(window, stack, person, partner, other_origin):
    import tokens

    partner.record(mixed())
    address, place = other_origin
    token = tokens.of_person(stack, person(partner), PASSWORD)
    element = '<activity-log id="{}" api="{}" partner="{}" locale="{}" subscriptions-url="https://portal.example/c/{{customer}}/s/{{subscription}}"></activity-log>'
    api = stack["api_url"]
    (place / "host.js").write_text(
        f"for (const log of document.querySelectorAll('activity-log')) log.getToken = async () => {json.dumps(token)};\n")
    (place / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Portal</title><link rel="icon" href="data:,"><h1>Portal</h1>'
        + element.format("one", api, partner.name, "en") + element.format("two", api, partner.name, "fr")
        + f'<script type="module" src="{api}/activity-log.js"></script><script type="module" src="host.js"></script></html>')
    page = window("en")
    page.goto(address)
    for name, title in (("one", "Activity log"), ("two", "Journal d'activité")):
        log = page.locator(f"#{name}")
        log.locator("tr.row").nth(4).wait_for()
        assert log.locator("h1").inner_text() == title
    page.locator("#one .toggle").nth(4).wait_for()
    order_row = page.locator("#one tr.row", has_text="Tailspin")
    order_row.get_by_role("button").click()
    link = page.locator("#one tr.opened").get_by_role("link", name=re.compile("s-2"))
    link.wait_for()
    assert link.get_attribute("href") == "https://portal.example/c/tailspin/s/s-2"
    assert page.url == address
    # What the host's token no longer opens is told to the host.
    page.evaluate("""() => { const log = document.querySelector('#one'); window.told = 0;
      log.addEventListener('daybook-unauthorized', () => { window.told += 1; }); log.getToken = async () => null; }""")
    page.locator("#one .foot .alert").wait_for()
    assert page.evaluate("window.told") >= 1
    assert page.locator("#two tr.row").count() == 5
