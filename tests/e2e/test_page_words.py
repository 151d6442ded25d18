"""The page's words: texts and formats in each language, the sign-in's checks, and the page of the API's description."""

import base64
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from browser import NEEDED, hosted_sign_in, mixed, shown, sign_in

pytestmark = NEEDED

SAID = """async ({ language, key, values }) => {
  const { texts, Words } = await import(new URL("activity-log.js", document.baseURI).href);
  return new Words(language, await texts(language)).say(key, values);
}"""
DAYS = """async (language) => {
  const { texts, Words } = await import(new URL("activity-log.js", document.baseURI).href);
  const words = new Words(language, await texts(language));
  const numbers = words.dates({ day: "2-digit", month: "2-digit", year: "numeric", timeZone: "UTC" }).format(new Date("2026-10-01T00:00:00Z"));
  return [words.day("2026-10-01"), words.days({ from: "2026-10-01T00:00:00Z", to: "2026-10-04T00:00:00Z", time_zone: "UTC" }), numbers];
}"""


def opened(window, stack, locale):
    page = window(locale)
    page.goto(stack["portal_url"])
    page.locator("#sign-in").wait_for()
    return page


@pytest.mark.parametrize(
    "locale, language, days",
    [
        ("en-US", "en", ["Oct 1, 2026", "Oct 1 – 3, 2026", "10/01/2026"]),
        ("en-GB", "en", ["1 Oct 2026", "1–3 Oct 2026", "01/10/2026"]),
        # English for somebody whose browser is French.
        ("fr-FR", "en", ["1 Oct 2026", "1–3 Oct 2026", "01/10/2026"]),
        ("fr-FR", "fr", ["1er oct. 2026", "1er–3 oct. 2026", "01/10/2026"]),
        ("en-US", "fr", ["1er oct. 2026", "1er–3 oct. 2026", "01/10/2026"]),
    ],
)
def test_dates_follow_the_region_of_the_browser(window, stack, locale, language, days):
    page = opened(window, stack, locale)
    plain = [re.sub(r"\s", " ", text) for text in page.evaluate(DAYS, language)]
    assert [re.sub(" ?– ?", "–", text) for text in plain] == [re.sub(" ?– ?", "–", text) for text in days]


@pytest.mark.parametrize(
    "language, count, said",
    [
        ("en", 1, "1 activity"),
        ("en", 0, "0 activities"),
        ("en", 1204, "1,204 activities"),
        ("fr", 0, "0 activité"),
        ("fr", 1, "1 activité"),
        ("fr", 1204, "1 204 activités"),
    ],
)
def test_counts_agree_with_their_noun(window, stack, language, count, said):
    page = opened(window, stack, "en-GB")
    text = page.evaluate(SAID, {"language": language, "key": "activities", "values": {"count": count}})
    assert re.sub(r"\s", " ", text) == said


def test_sign_in_asks_in_the_language_of_the_page(window, stack):
    page = opened(window, stack, "fr")
    with page.expect_request(re.compile(r"/oauth2/authorize\?")) as asked:
        page.locator("#sign-in").click()
    query = parse_qs(urlsplit(asked.value.url).query)
    assert query["ui_locales"] == ["fr"] and query["code_challenge_method"] == ["S256"] and query["scope"] == ["openid profile email"]
    # Each of them is random, and long enough that nobody guesses one.
    assert len({query[name][0] for name in ("state", "nonce", "code_challenge")}) == 3
    assert all(len(query[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))


def changed(token, **claims):
    """Returns a token with other claims, and with a signature that does not fit them."""
    head, body, signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    written = base64.urlsafe_b64encode(json.dumps(read | claims).encode()).decode().rstrip("=")
    return f"{head}.{written}.{signature}"


def change_tokens(page, change):
    """Changes what the issuer answers to the page."""
    page.route(re.compile(r"/oauth2/token$"), lambda route: route.fulfill(json=change(route.fetch().json())))


@pytest.mark.parametrize("claim, value", [("nonce", "another"), ("aud", "another"), ("iss", "https://issuer.example")])
def test_tokens_for_others_are_refused(window, stack, person, partner, claim, value):
    page = opened(window, stack, "en")
    change_tokens(page, lambda answer: answer | {"id_token": changed(answer["id_token"], **{claim: value})})
    page.locator("#sign-in").click()
    hosted_sign_in(page, person(partner))
    page.get_by_text("Sign-in failed").wait_for()
    assert not page.locator("#log").is_visible()
    # The page logs what was wrong, for the operator.
    window.complaints.clear()


@pytest.mark.parametrize("carries_claims", [True, False])
def test_access_token_is_sent_where_it_carries_the_claims(window, stack, person, partner, carries_claims):
    partner.record(mixed())
    page = opened(window, stack, "en")
    tokens = {}

    def change(answer):
        claims = {"custom:partner_id": partner.name} if carries_claims else {}
        tokens.update(answer | {"access_token": changed(answer["access_token"], **claims)})
        return tokens

    change_tokens(page, change)
    page.locator("#sign-in").click()
    with page.expect_request(re.compile(r"/v1/partners/")) as asked:
        hosted_sign_in(page, person(partner))
    sent = tokens["access_token" if carries_claims else "id_token"]
    assert asked.value.headers["authorization"] == f"Bearer {sent}"


def test_sign_out_ends_the_session_at_the_issuer(window, stack, person, partner):
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    with page.expect_request(re.compile(r"/logout\?")) as asked:
        page.get_by_role("button", name="Sign out").click()
    query = parse_qs(urlsplit(asked.value.url).query)
    assert query["client_id"] == [stack["client_id"]]
    assert query["logout_uri"] == query["post_logout_redirect_uri"] == [stack["portal_url"]]
