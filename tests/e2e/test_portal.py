"""The portal: files that a browser loads without a token, and the sign-in."""

import base64
import hashlib
import html
import re
import secrets
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from api import Caller, Partner, is_problem

TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json", ".html": "text/html"}


@pytest.fixture(scope="module")
def page(stack):
    """The page as HTML."""
    answer = requests.get(stack["portal_url"], timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def links(text):
    """Returns the addresses that a page loads or links to."""
    return [html.unescape(link) for link in re.findall(r'(?:src|href)="([^"]*)"', text)]


def test_page_is_html_and_needs_no_token(page):
    assert page.headers["Content-Type"].replace(" ", "").lower() == "text/html;charset=utf-8"
    assert "<html" in page.text


def test_links_of_the_page_are_relative_and_resolve(page):
    loaded = [link for link in links(page.text) if not link.startswith(("#", "data:"))]
    assert loaded
    for link in loaded:
        assert not urlsplit(link).scheme and not link.startswith("/"), link
        answer = requests.get(urljoin(page.url, link), timeout=60)
        assert answer.status_code == 200, link
        extension = "." + urlsplit(link).path.rsplit(".", 1)[-1]
        if extension in TYPES:
            assert answer.headers["Content-Type"].startswith(TYPES[extension]), link


def test_web_component_is_a_script(stack):
    answer = requests.get(urljoin(stack["portal_url"], "activity-log.js"), timeout=60)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "customElements.define" in answer.text and "activity-log" in answer.text


def test_page_sends_its_security_headers(page, stack):
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    sign_in = urlsplit(stack["sign_in_url"])
    assert f"{sign_in.scheme}://{sign_in.netloc}" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "max-age" in page.headers["Strict-Transport-Security"]


def test_page_contains_nothing_that_its_policy_forbids(page):
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page.text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page.text)


def test_cached_page_is_not_sent_again(page):
    again = requests.get(page.url, headers={"If-None-Match": page.headers["ETag"]}, timeout=60)
    assert (again.status_code, again.text) == (304, "")


def test_configuration_names_issuer_client_and_api(stack):
    answer = requests.get(urljoin(stack["portal_url"], "config.json"), timeout=60)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    config = answer.json()
    assert config["client_id"] == stack["client_id"]
    assert stack["user_pool_id"] in config["issuer"]
    assert urljoin(stack["portal_url"], config["api"]).rstrip("/") == stack["api_url"].rstrip("/")
    assert "{customer}" in config["subscriptions_url"]
    assert (config["partner_claim"], config["roles_claim"]) == ("custom:partner_id", "cognito:groups")
    assert config["customers_claim"] == "", "nobody is restricted"


def test_health_check_answers_without_a_token(caller):
    answer = caller().get("/health")
    assert answer.status_code == 200 and answer.json()["status"] == "ok"
    assert answer.json()["version"] == caller().get("/openapi.json").json()["info"]["version"]


def test_api_serves_its_description(caller):
    answer = caller().get("/openapi.json")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    document = answer.json()
    assert document["openapi"].startswith("3.")
    for path in (
        "/v1/partners/{partner}/activities",
        "/v1/partners/{partner}/activities/{id}",
        "/v1/partners/{partner}/customers/{customer}/activities",
        "/v1/partners/{partner}/counts",
        "/v1/actions",
        "/v1/partners/{partner}/exports",
        "/v1/partners/{partner}/exports/{id}",
        "/v1/partners/{partner}/exports/{id}/files/{name}",
        "/v1/partners/{partner}/export-schedule",
        "/v1/months/{month}/run",
        "/v1/clients/{client_id}",
    ):
        assert path in document["paths"], path


def test_page_of_the_description_has_a_policy_of_its_own(caller, stack):
    docs = caller().get("/docs")
    assert docs.status_code == 200 and docs.headers["Content-Type"].startswith("text/html")
    policy = dict(directive.split(" ", 1) for directive in docs.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'" and {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=", docs.text)
    for link in links(docs.text):
        answer = requests.get(urljoin(stack["portal_url"], link), timeout=60)
        assert answer.status_code == 200, link


def test_unknown_asset_is_answered_with_404(caller):
    for path in ("/nothing.js", "/..%2fCargo.toml", "/assets", "/favicon.nothing", "/assets/page.css", "/health/page.css"):
        is_problem(caller().get(path), 404, "not-found")


@pytest.mark.parametrize(
    "path, method",
    [
        ("/v1/partners/contoso/activities", "GET"),
        ("/v1/partners/contoso/exports", "POST"),
        ("/v1/partners/contoso/export-schedule", "PUT"),
        ("/v1/partners/contoso/exports/x", "DELETE"),
    ],
)
def test_allowed_origin_may_call_with_a_token(caller, stack, path, method):
    asked = {"Origin": "http://portal.localhost", "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    answer = caller().request("OPTIONS", path, headers=asked)
    assert answer.status_code in (200, 204), answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == stack["allowed_origin"]
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
    if method == "GET":
        for name in ("contoso-sales-agent", None):
            called = caller(name).get(path, headers={"Origin": "http://portal.localhost"})
            assert called.headers["Access-Control-Allow-Origin"] == stack["allowed_origin"]


def test_person_signs_in_and_lists_activities(stack):
    """Uses the authorization code flow with PKCE, with the values of config.json and the issuer's endpoints alone."""
    config = requests.get(urljoin(stack["portal_url"], "config.json"), timeout=60).json()
    issuer = requests.get(f"{config['discovery_url'] or config['issuer']}/.well-known/openid-configuration", timeout=60).json()
    assert issuer["issuer"] == config["issuer"]
    person = next(user for user in stack["users"] if user["name"] == "fabrikam-admin-agent")
    verifier = secrets.token_urlsafe(48)
    browser = requests.Session()
    form = browser.get(
        issuer["authorization_endpoint"],
        timeout=60,
        params={
            "response_type": "code",
            "client_id": config["client_id"],
            "redirect_uri": stack["portal_url"],
            "scope": config["scope"],
            "state": "s-1",
            "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
        },
    )
    assert form.status_code == 200, form.text
    action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', form.text)[1])
    hidden = {name: html.unescape(value) for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.text)}
    filled_in = hidden | {"username": person["name"], "password": person["password"]}
    back = browser.post(urljoin(form.url, action), data=filled_in, allow_redirects=False, timeout=60)
    assert back.status_code in (302, 303), back.text
    assert back.headers["Location"].startswith(stack["portal_url"])
    answer = parse_qs(urlsplit(back.headers["Location"]).query)
    assert answer["state"] == ["s-1"]
    tokens = browser.post(
        issuer["token_endpoint"],
        timeout=60,
        data={
            "grant_type": "authorization_code",
            "code": answer["code"][0],
            "redirect_uri": stack["portal_url"],
            "client_id": config["client_id"],
            "code_verifier": verifier,
        },
    ).json()
    signed_in = Caller(stack["api_url"], tokens["id_token"])
    assert Partner(signed_in, person["partner"]).list().status_code == 200
    is_problem(Partner(signed_in, "contoso").list(), 404, "not-found")
