"""Gets tokens as clients do: users through the hosted sign-in with code and PKCE, machines with their credentials."""

import base64
import hashlib
import html
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request

from environments import UserFacingError


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def token(stack: dict, name: str) -> str:
    """Returns a fresh token for a user or a machine of the stack."""
    for user in stack["users"]:
        if user["name"] == name:
            return of_person(stack, user["name"], user["password"])
    for client in stack["clients"]:
        if client["name"] == name:
            return of_machine(stack, client)
    names = [entry["name"] for entry in stack["clients"] + stack["users"]]
    raise UserFacingError(f"Nobody is called {name!r}. There are: {', '.join(names)}")


def of_person(stack: dict, name: str, password: str, kind: str = "id_token") -> str:
    """Returns the ID token of a user, because at Cognito only that token contains the partner."""
    base, page, client = stack["sign_in_url"], stack["portal_url"], stack["client_id"]
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    question = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": page,
        "scope": "openid profile email",
        "state": secrets.token_urlsafe(8),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    _, _, form = _send(f"{base}/oauth2/authorize?{urllib.parse.urlencode(question)}")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    answer = {field: html.unescape(value) for field, value in hidden.items()} | {"username": name, "password": password}
    status, location, page_again = _send(f"{base}/login", answer)
    if status != 302:
        raise UserFacingError(f"The sign-in of {name} was refused: {re.sub('<[^>]+>', ' ', page_again)[-200:].strip()}")
    back = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
    if back.get("state") != [question["state"]]:
        raise UserFacingError("The sign-in came back with another state.")
    _, _, body = _send(
        f"{base}/oauth2/token",
        {
            "grant_type": "authorization_code",
            "code": back["code"][0],
            "redirect_uri": page,
            "client_id": client,
            "code_verifier": verifier,
        },
    )
    return json.loads(body)[kind]


def of_machine(stack: dict, client: dict) -> str:
    """Returns the access token of a machine."""
    status, _, body = _send(
        f"{stack['sign_in_url']}/oauth2/token",
        {
            "grant_type": "client_credentials",
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "scope": client["scope"],
        },
    )
    if status != 200:
        raise UserFacingError(f"The client {client['name']} got no token: {body[:200]}")
    return json.loads(body)["access_token"]


def _send(url: str, form: dict | None = None) -> tuple[int, str, str]:
    """Returns status, location and body of an answer, without following redirects."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with _opener.open(urllib.request.Request(url, data=data), timeout=30) as answer:
            return answer.status, "", answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers.get("Location", ""), answer.read().decode(errors="replace")
