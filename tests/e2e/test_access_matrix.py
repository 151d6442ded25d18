"""Calls every route as every caller, at every kind of partner, and with every kind of bad token.

Every answer's security headers are checked as well. access.yaml holds the expected statuses and lists every deployed route.
"""

import base64
import json
import re
import sys
import time
import uuid
from pathlib import Path

import pytest
import yaml
from amounts import amount

import tokens
from api import Caller, Partner, eventually, in_parallel, is_guarded, is_problem, new_activity
from issuer import Issuer, Key, encoded

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "template"))

from application import Template

# These tests give the authorizer another issuer.
pytestmark = pytest.mark.alone

MATRIX = yaml.safe_load((HERE / "access.yaml").read_text())
CALLERS, ROUTES = MATRIX["callers"], MATRIX["routes"]
PROTECTED = [route for route, cells in ROUTES.items() if "public" not in cells]
PUBLIC = [route for route in ROUTES if route not in PROTECTED]
# Each faulty token is tried at one in so many routes, the next one at the routes after these.
STEP = amount("TOKEN_ROUTES_STEP", 5, 1)
PLACES = {"own": "contoso", "other": "fabrikam", "absent": "never-heard-of"}
# A time that no other test lists.
OF_2019 = {"from": "2019-06-01", "to": "2019-06-30"}
KNOWN = new_activity(id="of-the-matrix", occurred_at="2019-06-05T09:30:00Z", customer={"id": "fabrikam-sarl"}, details={"a": 1})
STREAM = {"name": "Of the matrix", "destination": {"kind": "https", "url": "https://siem.contoso.example/"}, "paused": True}
NOTIFY = {"enabled": False, "notify": ["https://127.0.0.1/hook"]}
# Bodies of the routes that take one.
BODIES = {
    "POST /v1/partners/{partner}/activities": lambda: new_activity(occurred_at="2019-06-06T09:30:00Z"),
    "POST /v1/partners/{partner}/exports": lambda: OF_2019,
    "PUT /v1/partners/{partner}/export-schedule": lambda: NOTIFY,
    # Nothing is created or sent again: who may do it is told what is missing.
    "POST /v1/partners/{partner}/streams": lambda: {},
    "PATCH /v1/partners/{partner}/streams/{id}": lambda: {"paused": True},
    "POST /v1/partners/{partner}/streams/{id}/replay": lambda: {},
    "PUT /v1/partners/{partner}/settings": lambda: {"shards": 1},
    "POST /v1/months/{month}/run": lambda: {"partner": "never-heard-of"},
    "PUT /v1/partners/{partner}/retention": lambda: {"months": 1_200},
    "POST /v1/partners/{partner}/holds": lambda: {"from": "1999-01-01", "to": "1999-01-31", "reason": "a probe"},
    "POST /v1/partners/{partner}/erasures": lambda: {"actor": "nobody-at-all", "groups": ["actor"], "reason": "a probe", "dry_run": True},
    "PUT /v1/clients/{client_id}": lambda: {"partner": "never-heard-of"},
}
QUERIES = {
    "GET /v1/partners/{partner}/activities/{id}": f"?occurred_at={KNOWN['occurred_at']}",
    "GET /v1/partners/{partner}/activities/{id}/details": f"?occurred_at={KNOWN['occurred_at']}",
    "GET /v1/partners/{partner}/activities": "?limit=1",
    "PUT /v1/partners/{partner}/retention": "?dry_run=true",
    "DELETE /v1/partners/{partner}": "?days=0",
    "GET /v1/exports": "?kind=monthly&month=2019-06",
}
FIXED = {"customer": "fabrikam-sarl", "month": "2019-06", "client_id": "of-the-matrix", "asset": "page.css"}


@pytest.fixture(scope="module")
def issuer(stack, aws):
    """An issuer that the deployed authorizer trusts beside the user pool during these tests."""
    functions, name = aws("lambda"), stack["functions"]["authorizer"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    issuer = Issuer(before["JWKS_URL"], before["ISSUER"], stack["client_id"])
    try:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | {"JWKS_URL": issuer.url}})
        eventually(lambda: Caller(stack["api_url"], issuer.token()).get("/v1/actions").status_code == 200, "the authorizer trusts the issuer")
        yield issuer
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
        issuer.stop()


@pytest.fixture(scope="module")
def callers(stack, caller, operator, issuer, machine):
    """The columns of the matrix: people and machines with tokens of the user pool; the last two with tokens of the issuer."""
    people = {role: caller(f"contoso-{role.replace('_', '-')}") for role in CALLERS[:6]}
    reader, fresh = machine("daybook/read")
    assert operator.put(f"/v1/clients/{reader}", json={"partner": "contoso"}).status_code == 200
    machines = {"record": caller("recorder-contoso"), "read": fresh(), "operate": operator}
    others = {"no_role": issuer.token(**{"cognito:groups": None}), "no_partner": issuer.token(**{"custom:partner_id": None})}
    return people | machines | {name: Caller(stack["api_url"], token) for name, token in others.items()}


@pytest.fixture(scope="module")
def things(operator):
    """The data of the caller's partner and of another one: an activity, exports, a schedule with a secret."""
    made = {}
    for place in ("own", "other"):
        partner = Partner(operator, PLACES[place])
        assert partner.send(KNOWN).status_code in (200, 201)
        export = partner.export(**OF_2019)
        made[place] = {"id": KNOWN["id"], "export": export["id"], "name": export["files"][0]["name"], "cancelled": partner.export(**OF_2019)["id"]}
        assert operator.put(f"{partner.path}/export-schedule", json=NOTIFY).status_code == 200
        streams = operator.get(f"{partner.path}/streams").json()["streams"] or [operator.post(f"{partner.path}/streams", json=STREAM).json()]
        made[place]["stream"] = streams[0]["id"]
    return made | {"absent": made["own"], "any": made["own"]}


def address(route, place, things):
    """Returns the path of a route, with the ids of a partner's data."""
    thing = things[place]
    names = FIXED | {"partner": PLACES.get(place, "contoso"), "name": thing["name"], "id": thing["id"]}
    if "/exports/{id}" in route:
        names["id"] = thing["cancelled" if route.startswith("DELETE") else "export"]
    if "/streams/{id}" in route:
        # The stream of the other rows stays.
        names["id"] = "of-the-matrix" if route.startswith("DELETE") else thing["stream"]
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], route.split(" ")[1]) + QUERIES.get(route, "")


def ask(who, route, place, things):
    """Calls a route, and checks the security headers of the answer."""
    body = BODIES[route]() if route in BODIES else None
    if route == "PUT /v1/partners/{partner}":
        # The partner that nobody has heard of must not be registered.
        body = {"status": "unheard-of"} if place == "absent" else {}
    answer = who.request(route.split(" ")[0], address(route, place, things), json=body)
    return is_guarded(answer, private=route in PROTECTED)


def cases(route):
    return [(place, name, status) for place, row in ROUTES[route].items() for name, status in zip(CALLERS, row, strict=True)]


def test_matrix_lists_every_deployed_route(caller):
    template = Template()
    deployed = {f"{method} {path}" for function in template.functions for method, path, _ in template.routes(function)}
    # The route of all other paths serves the files of the page.
    deployed = deployed - {"ANY /{proxy+}"} | {"GET /{asset}"}
    document = caller().get("/openapi.json").json()
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert set(ROUTES) == deployed == described


@pytest.mark.parametrize("route", PROTECTED)
def test_each_caller_gets_the_answer_of_the_matrix(callers, things, route):
    # The routes run one after the other, because some change data that others read.
    unexpected, refused = [], {}
    for place, name, status in cases(route):
        answer = ask(callers[name], route, place, things)
        if answer.status_code != status:
            unexpected.append((place, name, status, answer.status_code, answer.text[:200]))
        elif status in (403, 404):
            problem = is_problem(answer, status, {403: "forbidden", 404: "not-found"}[status])
            refused[place, name] = problem | {"trace_id": None}
    assert unexpected == []
    # The answer does not reveal whether the partner exists.
    for place, name in refused:
        if place == "other":
            assert refused["other", name] == refused["absent", name]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith("GET ")])
def test_head_answers_as_get_without_a_body(stack, callers, things, route):
    place = "any" if route in PUBLIC else next(iter(ROUTES[route]))
    for who in (callers["global_admin"], callers["record"], Caller(stack["api_url"], "garbage")):
        get, head = (who.request(method, address(route, place, things)) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (get.status_code, b""), route
        assert head.headers.get("Content-Type") == get.headers.get("Content-Type"), route
        is_guarded(head, private=route in PROTECTED)


@pytest.mark.parametrize("route", PUBLIC)
def test_public_route_ignores_tokens(stack, caller, things, route):
    for who in (caller(), Caller(stack["api_url"], "garbage"), caller("operator")):
        assert ask(who, route, "any", things).status_code == ROUTES[route]["public"]


def of_another(issuer, **changed):
    """Returns a token under a published key id, signed with a key that the issuer does not publish."""
    return issuer.token(key=Key(), header={"kid": issuer.key.id}, **changed)


def tampered(token, **changed):
    head, claims, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(claims + "==")) | changed
    return f"{head}.{encoded(claims)}.{signature}"


# Bad tokens, each different from a good one in one point. `client` is a registered client.
FAULTS = {
    "none": lambda issuer, client: None,
    "empty": lambda issuer, client: "",
    "garbage": lambda issuer, client: "garbage",
    "three words": lambda issuer, client: "a.b.c",
    "expired": lambda issuer, client: issuer.token(exp=int(time.time()) - 60),
    "not yet valid": lambda issuer, client: issuer.token(nbf=int(time.time()) + 60),
    "another issuer": lambda issuer, client: issuer.token(iss="https://issuer.example"),
    "another issuer's beginning": lambda issuer, client: issuer.token(iss=issuer.name[:-1]),
    "another audience": lambda issuer, client: issuer.token(aud="another-client"),
    "other audiences": lambda issuer, client: issuer.token(aud=["another-client", ""]),
    "a registered client's for another API": lambda issuer, client: issuer.token(aud="https://other.example", client_id=client, scope="daybook/read"),
    "nobody's signature": lambda issuer, client: issuer.token(algorithm="none"),
    "no signature under a good algorithm": lambda issuer, client: issuer.token().rsplit(".", 1)[0] + ".",
    "another's signature": lambda issuer, client: of_another(issuer),
    "another's signature, its key brought along": lambda issuer, client: own_key(issuer),
    "the public key as a secret": lambda issuer, client: issuer.token(algorithm="HS256"),
    "an algorithm that is not ours": lambda issuer, client: issuer.token(algorithm="RS512"),
    "another padding": lambda issuer, client: issuer.token(algorithm="PS256"),
    "an algorithm of other keys": lambda issuer, client: issuer.token(key=issuer.elliptic, algorithm="ES256", header={"kid": issuer.key.id}),
    "an unknown key": lambda issuer, client: issuer.token(key=Key()),
    "no key": lambda issuer, client: issuer.token(header={"kid": None}),
    "a key that is a path": lambda issuer, client: issuer.token(header={"kid": "../../../dev/null"}),
    "other claims": lambda issuer, client: tampered(issuer.token(), **{"cognito:groups": ["global_admin"], "custom:partner_id": "fabrikam"}),
    "no end": lambda issuer, client: issuer.token(exp=None),
    "an end that is no number": lambda issuer, client: issuer.token(exp="never"),
    "no issuer": lambda issuer, client: issuer.token(iss=None),
    "no audience": lambda issuer, client: issuer.token(aud=None),
    "no subject": lambda issuer, client: issuer.token(sub=None),
    "a subject that is no text": lambda issuer, client: issuer.token(sub={"a": 1}),
    "claims that are no object": lambda issuer, client: issuer.token(claims=[1]),
    "very long": lambda issuer, client: issuer.token(padding="x" * 20_000),
}


def own_key(issuer):
    key = Key()
    return issuer.token(key=key, header={"kid": issuer.key.id, "jwk": key.jwk(), "jku": issuer.url, "x5u": issuer.url})


@pytest.fixture(scope="module")
def registered(operator):
    name = f"client-{uuid.uuid4().hex[:8]}"
    assert operator.put(f"/v1/clients/{name}", json={"partner": "contoso"}).status_code == 200
    yield name
    assert operator.delete(f"/v1/clients/{name}").status_code == 204


@pytest.mark.parametrize("fault", FAULTS)
def test_routes_refuse_a_bad_token_with_401(stack, issuer, registered, things, fault):
    token, routes = FAULTS[fault](issuer, registered), PROTECTED[[*FAULTS].index(fault) % STEP :: STEP]
    for route, answer in zip(routes, in_parallel(lambda route: ask(Caller(stack["api_url"], token), route, "own", things), routes)):
        assert answer.status_code == 401, (route, answer.status_code, answer.text[:200])
        is_problem(answer, 401, "unauthorized")


# Verified tokens that lack something: what the answer says, and what it says to send. `client` is a registered client.
LACKING = {
    "no partner": (lambda issuer, client: issuer.token(**{"custom:partner_id": None}), '"custom:partner_id" is missing or empty', "new ID token"),
    "an empty partner": (lambda issuer, client: issuer.token(**{"custom:partner_id": ""}), '"custom:partner_id" is missing or empty', "new ID token"),
    "two partners": (lambda issuer, client: issuer.token(**{"custom:partner_id": ["contoso", "fabrikam"]}), '"custom:partner_id" of this token is not', "new ID token"),
    "no role": (lambda issuer, client: issuer.token(**{"cognito:groups": None}), '"cognito:groups" names none of global_admin,', "for a role"),
    "an unknown role": (lambda issuer, client: issuer.token(**{"cognito:groups": ["operator"]}), '"cognito:groups" names none of global_admin,', "for a role"),
    "a person's access token": (
        lambda issuer, client: issuer.token(aud=None, client_id=issuer.audience, token_use="access", username="ana", **{"custom:partner_id": None}),
        'access token without the claim "custom:partner_id"', "Send the ID token",
    ),
    "an unregistered client": (
        lambda issuer, client: issuer.token(aud=None, client_id="unheard-of", scope="daybook/operate"),
        'client "unheard-of" of this token is not registered', "PUT /v1/clients/{client_id}",
    ),
    "a client without a scope": (lambda issuer, client: issuer.token(aud=None, client_id=client, scope="other/read", **{"custom:partner_id": None}), "has no scope", "daybook/read to read"),
}  # fmt: skip


@pytest.mark.parametrize("fault", LACKING)
def test_routes_say_what_a_verified_token_lacks(stack, issuer, registered, things, fault):
    token, said, remedy = LACKING[fault]
    who = Caller(stack["api_url"], token(issuer, registered))
    for route in PROTECTED[[*LACKING].index(fault) % STEP :: STEP]:
        for place in set(ROUTES[route]) & {"own", "absent", "any"}:
            answer = ask(who, route, place, things)
            if route == "GET /v1/actions" and fault != "an unregistered client":
                # The catalogue needs neither a partner nor a role.
                assert answer.status_code == 200, fault
                continue
            problem = is_problem(answer, 403, "forbidden")
            assert said in problem["detail"] and remedy in problem["detail"], (route, problem)


def test_access_token_of_the_user_pool_is_answered_with_403(stack, caller):
    """The hosted sign-in gives both tokens; only the ID token names the partner."""
    user = next(user for user in stack["users"] if user["name"] == "contoso-global-admin")
    access = tokens.of_person(stack, user["name"], user["password"], "access_token")
    problem = is_problem(Partner(Caller(stack["api_url"], access), "contoso").list(), 403, "forbidden")
    assert "Send the ID token" in problem["detail"]
    assert Partner(caller("contoso-global-admin"), "contoso").list().status_code == 200


def test_caller_with_accents_is_shown_as_written(stack, issuer):
    name = 'José « Pépé » Ångström 日本 😀 "100 %"'
    who = Partner(Caller(stack["api_url"], issuer.token(sub="josé-1", name=name)), "contoso")
    ordered = who.order(OF_2019)
    assert ordered.status_code == 202 and ordered.json()["created_by"] == {"subject": "josé-1", "name": name}
    assert who.caller.delete(f"{who.path}/exports/{ordered.json()['id']}").status_code == 204


def test_good_tokens_of_the_same_form_are_accepted(stack, issuer, registered):
    """Without this test, the tests above could pass for a wrong reason."""
    now = int(time.time())
    for token in (
        issuer.token(),
        issuer.token(key=issuer.elliptic),
        issuer.token(nbf=now),
        issuer.token(aud=["another-client", issuer.audience]),
        issuer.token(padding="x" * 4_000),
        issuer.token(name="x" * 5_000),
        issuer.token(aud=None, client_id=registered, scope="daybook/read", **{"custom:partner_id": None}),
        issuer.token(aud=registered, client_id=registered, scope="daybook/read", **{"custom:partner_id": None}),
    ):
        assert Caller(stack["api_url"], token).get("/v1/partners/contoso/activities?limit=1").status_code == 200


def test_claims_of_unexpected_types_grant_nothing(stack, issuer, registered):
    """A partner or role must be text; a person's claim grants no machine role, and a registration no person's role."""
    odd = [
        ({"custom:partner_id": ["contoso"]}, 403),
        ({"custom:partner_id": {"contoso": 1}}, 403),
        ({"custom:partner_id": "contoso "}, 403),
        ({"custom:partner_id": "CONTOSO"}, 404),
        ({"custom:partner_id": "*"}, 403),
        ({"custom:partner_id": "contoso#months"}, 403),
        ({"cognito:groups": {"global_admin": 1}}, 403),
        ({"cognito:groups": ["GLOBAL_ADMIN"]}, 403),
        ({"cognito:groups": ["operator"]}, 403),
        ({"cognito:groups": ["daybook/operate"]}, 403),
        ({"cognito:groups": None, "scope": "operate"}, 403),
        ({"cognito:groups": None, "scope": {"daybook/operate": 1}}, 403),
        ({"custom:partner_id": None, "client_id": registered, "aud": None}, 403),
    ]
    for changed, status in odd:
        answer = Caller(stack["api_url"], issuer.token(**changed)).get("/v1/partners/contoso/activities?limit=1")
        assert answer.status_code == status, (changed, answer.status_code)
        assert Caller(stack["api_url"], issuer.token(**changed)).get("/v1/partners/fabrikam/activities?limit=1").status_code == status


def test_keys_follow_the_issuer_and_survive_its_outage(stack, issuer):
    """Replaces and withdraws keys while the deployed authorizer runs."""

    def status(key):
        # The gateway caches answers by token, so each call needs a new token.
        return Caller(stack["api_url"], issuer.token(key=key)).get("/v1/actions").status_code

    old, new = Key(), Key()
    issuer.shown = [*issuer.shown, old]
    eventually(lambda: status(old) == 200, "the authorizer has learned of a key", 30)

    issuer.shown = [new if key is old else key for key in issuer.shown]
    eventually(lambda: status(new) == 200, "the authorizer has learned of the next key", 30)
    assert status(old) == 401, "the issuer has withdrawn it"

    issuer.is_up = False
    asked = issuer.asked
    try:
        assert [status(new) for _ in range(5)] == [200] * 5
        assert [status(Key()) for _ in range(20)] == [401] * 20
        assert status(new) == 200
        # The authorizer fetches the keys at most once in ten seconds.
        assert issuer.asked - asked <= 4
    finally:
        issuer.is_up = True
