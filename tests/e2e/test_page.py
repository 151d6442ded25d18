"""The page in Chromium on the deployed stack, after a sign-in through the real hosted page."""

import json
import re
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from test_exports import workers_stopped
from test_months import grace, run, schedules  # noqa: F401
from test_notifications import made, receiver, settled  # noqa: F401

from api import eventually, now
from browser import (
    LANGUAGES,
    NEEDED,
    PASSWORD,
    SAYS,
    TRIED_LANGUAGES,
    hosted_sign_in,
    keep_the_issuers_session,
    mixed,
    order,
    origin,
    search,
    shown,
    sign_in,
    tab_to,
)

ROLES = ["global_admin", "billing_admin", "user_management_admin", "admin_agent", "sales_agent", "helpdesk_agent"]
MAY_SCHEDULE = {"global_admin", "billing_admin", "admin_agent"}
# Text that a careless page would take for markup, script, a template, an attribute or a text direction.
HOSTILE = """<img src=x onerror="window.hit=1">'"><script>window.hit=1</script>${hit}{{hit}}&lt;\u202e"""

pytestmark = NEEDED


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_person_filters_exports_and_downloads(window, stack, person, partner, language, by):
    """Signs in, finds an order, reads its lines, exports the list, downloads the file, signs out."""
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
        search(page, "tailspin", language)
    page.locator("activity-log tr.row").nth(1).wait_for(state="detached")
    shown(page)
    assert parse_qs(urlsplit(page.url).query)["customer"] == ["tailspin"]
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
    assert "Europe/Paris" in opened.inner_text() and "America/New_York" in opened.inner_text()
    # Metadata are folded.
    assert "203.0.113.7" in opened.locator(".metadata").text_content() and "203.0.113.7" not in opened.inner_text()

    if keys:
        # Tab reaches the rest of the page, and then its beginning.
        tab_to(page, says["export"])
        page.keyboard.press("Enter")
        page.locator("activity-log dialog[open]").wait_for()
        tab_to(page, says["start"], kind="primary")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name=says["export"]).click()
        page.get_by_role("dialog").get_by_role("button", name=says["start"], exact=True).click()
    button = page.locator("activity-log .exporting").get_by_role("button", name=re.compile(says["download"]))
    ready(page, button)
    with page.expect_download() as downloading:
        if keys:
            tab_to(page, says["download"])
            page.keyboard.press("Enter")
        else:
            button.click()
    content = Path(downloading.value.path()).read_bytes()
    export = partner.exports()[0]
    assert (export["status"], export["locale"], export["progress"]["rows"]) == ("ready", language, 1)
    assert content == partner.download(export)
    assert downloading.value.suggested_filename == export["files"][0]["name"]

    if keys:
        tab_to(page, says["sign_out"])
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name=says["sign_out"]).click()
    page.get_by_role("button", name=says["sign_in"]).wait_for()
    assert not page.locator("activity-log").is_visible() and page.locator("activity-log tr.row").count() == 0
    # No token remains, and nothing that could get one.
    assert page.evaluate("[{...localStorage}, {...sessionStorage}]") == [{}, {}]


def test_link_shows_the_same_view(window, stack, person, partner):
    partner.record(mixed())
    query = "?" + urlencode({"from": now().strftime("%Y-%m-01"), "to": now().strftime("%Y-%m-%d"), "tz": "UTC", "status": "failed", "order": "asc"})
    page = window("fr")
    sign_in(page, stack, person(partner), "fr", query)
    shown(page)
    assert page.locator("activity-log tr.row").count() == 1
    assert "Échec" in page.locator("activity-log tr.row .state").inner_text()
    page.locator("activity-log .chip").filter(has_text="Échec").wait_for()
    assert page.locator("activity-log .view select[name=time_zone]").input_value() == "UTC"
    assert page.locator("activity-log select[name=order]").input_value() == "asc"
    search(page, "statut:refus", "fr")
    page.locator("activity-log .state.declined").wait_for()
    page.go_back()
    page.locator("activity-log .state.declined").wait_for(state="detached")
    page.locator("activity-log .state.failed").wait_for()


@pytest.mark.parametrize("role", ROLES)
def test_page_offers_only_what_the_role_allows(window, stack, person, partner, role):
    page = window("en")
    sign_in(page, stack, person(partner, role))
    shown(page)
    assert page.get_by_role("button", name="Export log").is_visible()
    page.get_by_role("button", name="Exports", exact=True).click()
    if role not in MAY_SCHEDULE:
        page.get_by_text("Global admins, admin agents and billing admins manage the monthly export").wait_for()
        assert page.get_by_role("button", name="Save", exact=True).count() == 0 and page.get_by_role("button", name=re.compile("secret")).count() == 0
        return
    page.get_by_label("Export every month").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_text(re.compile(r"^Next: ")).wait_for()
    schedule = partner.caller.get(f"{partner.path}/export-schedule").json()
    assert schedule["enabled"] and schedule["time_zone"] == "Europe/Paris" and schedule["locale"] == "en"


def test_person_without_a_role_is_offered_nothing(window, stack, person, partner):
    page = window("en")
    sign_in(page, stack, person(partner, role=None))
    page.get_by_text("Your role does not allow this").first.wait_for()
    assert not page.get_by_role("button", name="Export log").is_visible()
    assert page.get_by_role("button", name="Try again").count() == 0


# Exports


def start_export(page, language="en"):
    says = SAYS[language]
    page.get_by_role("button", name=says["export"]).click()
    page.get_by_role("dialog").get_by_role("button", name=says["start"], exact=True).click()


def ready(page, button):
    """Waits for the download that starts by itself when the export is ready, since any later navigation would interrupt it."""
    with page.expect_download(timeout=120_000):
        button.wait_for(timeout=120_000)


def test_export_survives_a_reload_until_its_download(window, stack, aws, person, partner):
    partner.record(mixed())
    user = person(partner)
    page = window("en")
    sign_in(page, stack, user)
    shown(page)
    keep_the_issuers_session(page, user)
    bar = page.locator("activity-log .exporting")
    with workers_stopped(stack, aws):
        start_export(page)
        bar.locator("progress").wait_for()
        page.reload()
        bar.locator("progress").wait_for()
        assert "Your export is being prepared" in bar.inner_text()
        # The list shows another person's export, but not as one's own.
        other = partner.order({}).json()["id"]
    ready(page, bar.get_by_role("button", name="Download"))
    page.reload()
    with page.expect_download() as downloading:
        bar.get_by_role("button", name="Download").click()
    partner.ready(other)
    [ours] = [each for each in partner.exports() if each["id"] != other]
    assert Path(downloading.value.path()).read_bytes() == partner.download(ours)
    # A dismissed export stays dismissed.
    bar.get_by_role("button", name="Close").click()
    page.reload()
    page.locator("activity-log tr.row").first.wait_for()
    page.get_by_role("button", name="Exports", exact=True).click()
    page.locator("activity-log .jobs tbody tr").nth(1).wait_for()
    assert bar.inner_text().strip() == ""


def test_running_export_can_be_cancelled(window, stack, aws, person, partner):
    partner.record(mixed())
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    with workers_stopped(stack, aws):
        start_export(page)
        page.get_by_role("button", name="Cancel this export").click()
        page.get_by_text("The export was cancelled.").wait_for()
        assert [each["status"] for each in partner.exports()] == ["cancelled"]
    page.get_by_role("button", name="Exports", exact=True).click()
    page.locator("activity-log .jobs .state.cancelled").wait_for()


def test_exports_and_schedule_show_results_and_deliveries(window, stack, person, partner, receiver, made):  # noqa: F811
    deaf = f"http://127.0.0.1:{receiver.port}/deaf"
    receiver.answers = [(410, {})]
    month = made(deaf, receiver.url)
    assert {settled(partner, each)["status"] for each in (deaf, receiver.url)} == {"delivered", "failed"}
    partner.export(format="xlsx", status=["failed"])
    page = window("en")
    sign_in(page, stack, person(partner))
    page.get_by_role("button", name="Exports", exact=True).click()
    jobs, monthly = page.locator("activity-log .jobs tbody tr"), page.locator("activity-log .monthly tbody tr")
    jobs.wait_for()
    monthly.wait_for()
    export = partner.ready(month.name)
    name = f"{month.start:%B %Y}"
    assert name in monthly.inner_text() and export["files"][0]["name"] in monthly.inner_text()
    assert "Available until" in monthly.inner_text()
    cells = monthly.locator("td").all_inner_texts()
    assert cells[2] == "1" and re.match(r"\d+ byte|[\d.]+ kB", cells[3])
    asked = jobs.inner_text()
    [on_demand] = partner.exports(kind="on_demand")
    assert on_demand["created_by"]["name"] in asked and "Only: Status: Failed" in asked
    results = page.locator("activity-log .results tbody tr")
    results.wait_for()
    text = results.inner_text()
    assert f"{name}, version 1" in text and "Ready" in text
    assert results.locator(".state.delivered").count() == 1 and results.locator("li .state.failed").count() == 1
    assert deaf in text and "answered 410" in text and "1 attempt" in text and "Given up" in text
    page.get_by_text(re.compile(r"^Next: ")).wait_for()

    # The page shows the secret on request, until the person leaves.
    secret = partner.caller.get(f"{partner.path}/export-schedule/secret").json()["secret"]
    assert secret not in page.locator("activity-log").evaluate("element => element.shadowRoot.textContent")
    page.get_by_role("button", name="Show the secret").click()
    page.locator("activity-log .secret code").filter(has_text=secret).wait_for()
    page.get_by_role("button", name="Copy the secret").click()
    page.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_role("button", name="Log", exact=True).click()
    assert secret not in page.locator("activity-log").evaluate("element => element.shadowRoot.textContent")
    page.get_by_role("button", name="Exports", exact=True).click()
    page.get_by_role("button", name="Replace the secret…").click()
    page.get_by_role("button", name="Replace now").click()
    page.get_by_text("The previous secret also signs until").wait_for()
    replaced = partner.caller.get(f"{partner.path}/export-schedule/secret").json()["secret"]
    assert replaced != secret and page.locator("activity-log .secret code").inner_text() == replaced
    page.get_by_role("button", name="Hide").click()
    assert page.locator("activity-log .secret code").count() == 0


# The session


def test_ended_session_keeps_the_filters(window, stack, person, partner, aws):
    partner.record(mixed())
    user = person(partner)
    page = window("en")
    page.clock.install()
    sign_in(page, stack, user)
    shown(page)
    # An hour later the session is renewed silently.
    page.clock.fast_forward("01:10:00")
    with page.expect_response(lambda answer: answer.url.endswith("/oauth2/token")) as renewal:
        search(page, "status:failed")
    assert renewal.value.ok
    page.locator("activity-log tr.row").nth(1).wait_for(state="detached")
    # The next renewal is refused.
    aws("cognito-idp").admin_disable_user(UserPoolId=stack["user_pool_id"], Username=user)
    aws("cognito-idp").admin_user_global_sign_out(UserPoolId=stack["user_pool_id"], Username=user)
    page.clock.fast_forward("01:10:00")
    page.locator("activity-log select[name=period]").select_option("last7")
    page.get_by_text("Your session has ended. Sign in again").first.wait_for()
    aws("cognito-idp").admin_enable_user(UserPoolId=stack["user_pool_id"], Username=user)
    page.get_by_role("button", name="Sign in").click()
    hosted_sign_in(page, user)
    page.locator("activity-log .state.failed").wait_for()
    assert parse_qs(urlsplit(page.url).query)["period"] == ["last7"]


def test_reload_signs_in_silently_during_a_session(window, stack, person, partner):
    partner.record(mixed())
    user = person(partner)
    page = window("en")
    sign_in(page, stack, user)
    shown(page)
    keep_the_issuers_session(page, user)
    search(page, "status:failed")
    page.locator("activity-log tr.row").nth(1).wait_for(state="detached")
    page.reload()
    page.locator("activity-log .state.failed").wait_for()
    assert page.locator("activity-log tr.row").count() == 1 and "code=" not in page.url
    # Another tab of this browser behaves the same.
    other = page.context.new_page()
    keep_the_issuers_session(other, user)
    other.goto(stack["portal_url"])
    other.locator("activity-log tr.row").nth(4).wait_for()
    # Without a session at the issuer, the page asks the person to sign in.
    page.unroute_all()
    page.route(
        re.compile(r"prompt=none"),
        lambda route: route.fulfill(
            status=302,
            headers={
                "Location": stack["portal_url"] + "?" + urlencode({"error": "login_required", "state": parse_qs(urlsplit(route.request.url).query)["state"][0]})
            },
        ),
    )
    page.reload()
    page.get_by_text("Your session has ended. Sign in again. Your dates and filters are kept.").wait_for()
    assert parse_qs(urlsplit(page.url).query)["status"] == ["failed"]
    page.reload()
    page.get_by_role("button", name="Sign in").click()
    hosted_sign_in(page, user)
    page.locator("activity-log .state.failed").wait_for()
    # A person who signed out is not signed in again.
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for()
    page.reload()
    page.get_by_role("button", name="Sign in").wait_for()


# Values from outside


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_markup_in_values_is_shown_as_text(window, stack, person, partner, language):
    partner.record(
        [
            order(
                customer={"id": "x", "name": HOSTILE},
                target={"type": "order", "id": "o", "name": HOSTILE},
                source=HOSTILE[:60],
                reason=HOSTILE,
                correlation_id="c-1",
                actor={"id": "a@b", "name": HOSTILE, "role": "x", "user_agent": HOSTILE},
                changes=[{"field": HOSTILE, "old": HOSTILE, "new": {HOSTILE: HOSTILE}}],
                details={
                    "lines": [{"product": HOSTILE, "quantity": 1, "unit_price": "1", "currency": "<b>", HOSTILE: HOSTILE, "subscription_id": "../../x"}],
                    HOSTILE: [HOSTILE],
                },
            )
        ]
    )
    name = "<img src=x onerror=window.hit=1>"
    user = person(partner, name=name)
    page = window(language)
    sign_in(page, stack, user, language, query="?" + urlencode({"q": "<b>onerror=", "view": "<b>"}))
    page.get_by_text(SAYS[language]["none"]).wait_for()
    page.goto(stack["portal_url"])
    page.locator("input[name=username]").wait_for()
    hosted_sign_in(page, user)
    shown(page)
    page.locator("activity-log .toggle").click()
    page.locator("activity-log tr.opened dl").first.wait_for()
    text = page.locator("activity-log tr.opened").inner_text()
    assert text.count("onerror=") >= 6
    search(page, "onerror=", language)
    shown(page)
    start_export(page, language)
    page.locator("activity-log .exporting").get_by_role("button", name=re.compile(SAYS[language]["download"])).wait_for(timeout=120_000)
    page.get_by_role("button", name=SAYS[language]["exports"], exact=True).click()
    jobs = page.locator("activity-log .jobs tbody")
    assert name in jobs.inner_text() and "onerror=" in jobs.inner_text()
    assert name in page.locator("#who").inner_text()
    assert page.locator("activity-log").evaluate("element => element.shadowRoot.querySelectorAll('img, script').length") == 0
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hit") is None


# Embedding in another portal


def embed(elsewhere, stack, logs, token):
    """Writes a page of another origin with these components, and returns its path."""
    name = f"{uuid.uuid4().hex}.html"
    api = stack["api_url"]
    element = (
        '<activity-log id="{}" api="{}" partner="{}" locale="{}" subscriptions-url="https://portal.example/c/{{customer}}/s/{{subscription}}"></activity-log>'
    )
    (elsewhere.directory / name.replace(".html", ".js")).write_text(
        f"for (const log of document.querySelectorAll('activity-log')) log.getToken = async () => {json.dumps(token)};\n"
    )
    (elsewhere.directory / name).write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Portal</title><link rel="icon" href="data:,"><h1>Portal</h1>'
        + "".join(element.format(id, api, partner, language) for id, partner, language in logs)
        + f'<script type="module" src="{api}/activity-log.js"></script><script type="module" src="{name.replace(".html", ".js")}"></script></html>'
    )
    return name


def test_portal_embeds_two_components_with_one_script(window, stack, person, partner, elsewhere):
    import tokens

    partner.record(mixed())
    page = window("en")
    token = tokens.of_person(stack, person(partner), PASSWORD)
    address = "http://portal.localhost/" + embed(elsewhere, stack, [("one", partner.name, "en"), ("two", partner.name, "fr")], token)
    with page.expect_response(lambda answer: "/activities?" in answer.url) as answered:
        page.goto(address)
    assert answered.value.header_value("access-control-allow-origin") == stack["allowed_origin"]
    for name, title in (("one", "Activity log"), ("two", "Journal d’activité")):
        log = page.locator(f"#{name}")
        log.locator("tr.row").nth(4).wait_for()
        assert log.locator("h1").inner_text() == title
    order_row = page.locator("#one tr.row", has_text="Tailspin")
    order_row.get_by_role("button").click()
    link = page.locator("#one tr.opened").get_by_role("link", name=re.compile("s-2"))
    link.wait_for()
    assert link.get_attribute("href") == "https://portal.example/c/tailspin/s/s-2"
    assert page.url == address
    # Each component has its own filters.
    search(page.locator("#two"), "statut:failed", "fr")
    page.locator("#two tr.row").nth(1).wait_for(state="detached")
    assert page.locator("#one tr.row").count() == 5
    # A component downloads the exports that it started.
    page.locator("#one").get_by_role("button", name="Export log").click()
    page.locator("#one").get_by_role("dialog").get_by_role("button", name="Export", exact=True).click()
    button = page.locator("#one .exporting").get_by_role("button", name=re.compile("Download"))
    ready(page, button)
    with page.expect_download() as downloading:
        button.click()
    assert Path(downloading.value.path()).read_bytes() == partner.download(partner.exports()[0])
    # The component tells its host when the token is refused.
    page.evaluate("""() => { const log = document.querySelector('#one'); window.told = 0;
      log.addEventListener('daybook-unauthorized', () => { window.told += 1; }); log.getToken = async () => null; }""")
    page.locator("#one .foot .alert").wait_for()
    assert page.evaluate("window.told") >= 1
    assert page.locator("#two tr.row").count() == 1


def test_portal_of_another_origin_sees_nothing(window, stack, person, partner, elsewhere):
    import tokens

    if stack["allowed_origin"] == "*":
        pytest.skip("this stack lets every origin call; the one that tests deploy does not")
    partner.record(mixed())
    page = window("en")
    token = tokens.of_person(stack, person(partner), PASSWORD)
    refused = []
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.goto(f"http://127.0.0.1:{elsewhere.port}/" + embed(elsewhere, stack, [("one", partner.name, "en")], token))
    eventually(lambda: page.wait_for_timeout(20) or refused, "the script refused")
    assert origin(refused[0]) == origin(stack["api_url"])
    assert page.locator("activity-log").evaluate("element => element.shadowRoot") is None
    # The browser logs the reason to the console.
    assert all("CORS" in each or "ERR_FAILED" in each for each in window.complaints)
    window.complaints.clear()
