"""Access rules that the statuses in the matrix (test_access_matrix.py) do not show."""

import base64
import json

import pytest

from api import ALL_OF_2024, Caller, Partner, compact, in_parallel, is_guarded, is_problem, new_activity

READERS = ["global-admin", "admin-agent", "billing-admin", "user-management-admin", "sales-agent", "helpdesk-agent"]


# Bad tokens


def unsigned(token):
    """Returns a token with the same claims and no signature."""
    head, claims, _ = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return f"{none}.{claims}."


def promoted(token):
    """Returns a token with other claims and the same signature."""
    head, claims, signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    read["cognito:groups"], read["custom:partner_id"] = ["global_admin"], "fabrikam"
    return f"{head}.{base64.urlsafe_b64encode(compact(read).encode()).decode().rstrip('=')}.{signature}"


def resigned(token):
    """Returns a token with one changed character in its signature."""
    head, claims, signature = token.split(".")
    return f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


# Values of the header in place of a good token.
BAD = {
    "garbage": lambda token: "Bearer garbage",
    "no token": lambda token: "Bearer",
    "three words": lambda token: "Bearer a.b.c",
    "another scheme": lambda token: f"Basic {token}",
    "no scheme": lambda token: token,
    "nobody's signature": lambda token: f"Bearer {unsigned(token)}",
    "other claims": lambda token: f"Bearer {promoted(token)}",
    "another signature": lambda token: f"Bearer {resigned(token)}",
    "a cut one": lambda token: f"Bearer {token[:-20]}",
    "an endless one": lambda token: "Bearer " + "x" * 20_000,
}


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_bad_token_is_refused_with_401(caller, header):
    good = caller("contoso-sales-agent")
    for path in ("/v1/actions", "/v1/partners/contoso/activities"):
        assert good.get(path).status_code == 200
        is_problem(caller().get(path, headers={"Authorization": header(good.token)}), 401, "unauthorized")


def test_partner_cannot_read_or_remove_data_of_another(caller, operator):
    fabrikam = Partner(operator, "fabrikam")
    activity = new_activity(details={"secret": "it"})
    fabrikam.record([activity])
    export = fabrikam.export(**ALL_OF_2024)
    foreign, absent = caller("contoso-global-admin"), Partner(caller("contoso-global-admin"), "contoso")
    addresses = [
        f"{fabrikam.path}/activities/{activity['id']}?occurred_at={activity['occurred_at']}",
        f"{fabrikam.path}/exports/{export['id']}",
        f"{fabrikam.path}/exports/{export['id']}/files/{export['files'][0]['name']}",
    ]
    for address in addresses:
        is_problem(foreign.get(address), 404, "not-found")
        is_problem(foreign.get(address.replace(fabrikam.path, absent.path)), 404, "not-found")
    is_problem(foreign.delete(addresses[1]), 404, "not-found")
    is_problem(foreign.delete(addresses[1].replace(fabrikam.path, absent.path)), 404, "not-found")
    assert fabrikam.seen_by(caller("fabrikam-sales-agent")).download(export)


def test_cached_authorization_does_not_serve_another_token(caller):
    """The gateway caches the authorizer's answer by token: callers of two partners take turns, then call at once."""
    pairs = [(caller(f"{own}-sales-agent"), asked, 200 if own == asked else 404) for own in ("contoso", "fabrikam") for asked in ("contoso", "fabrikam")] * 8
    statuses = in_parallel(lambda pair: pair[0].get(f"/v1/partners/{pair[1]}/activities?limit=1").status_code, pairs)
    assert statuses == [expected for _, _, expected in pairs]


@pytest.mark.parametrize("partner", ["CONTOSO", "contoso%20", "contoso%23", "%2e%2e", "contoso%2f..%2ffabrikam", "a" * 129])
def test_partner_is_matched_by_exact_name(caller, partner):
    answer = caller("contoso-global-admin").get(f"/v1/partners/{partner}/activities")
    is_problem(answer, 404, "not-found")


# Roles


@pytest.mark.parametrize("role", READERS)
def test_every_person_lists_exports_and_downloads(caller, operator, role):
    Partner(operator, "contoso").send(new_activity(id="of-roles"))
    contoso = Partner(caller(f"contoso-{role}"), "contoso")
    assert "of-roles" in contoso.ids(**ALL_OF_2024)
    assert contoso.caller.get(f"{contoso.path}/customers/none/activities").status_code == 200
    assert contoso.caller.get("/v1/actions").status_code == 200
    export = contoso.export(**ALL_OF_2024, q="of-nothing")
    assert contoso.download(export)
    assert contoso.caller.delete(f"{contoso.path}/exports/{export['id']}").status_code == 204


def test_export_is_removed_by_its_creator_or_a_manager(caller, operator):
    def path(export):
        return f"/v1/partners/contoso/exports/{export['id']}"

    mine, theirs = caller("contoso-helpdesk-agent"), caller("contoso-sales-agent")
    orders = {"from": "2024-01-01", "to": "2024-01-01"}
    for creator, stranger, status in ((operator, mine, 403), (theirs, mine, 403), (mine, caller("contoso-billing-admin"), 204), (mine, mine, 204)):
        export = Partner(creator, "contoso").order(orders).json()
        answer = stranger.delete(path(export))
        assert answer.status_code == status, answer.text
        if status == 403:
            assert "somebody else" in is_problem(answer, 403, "forbidden")["detail"]
            assert stranger.get(path(export)).json()["status"] != "cancelled"
            assert creator.delete(path(export)).status_code == 204


@pytest.mark.parametrize("role", READERS)
def test_person_cannot_record(caller, role):
    contoso = Partner(caller(f"contoso-{role}"), "contoso")
    activity = new_activity(occurred_at="2022-01-01T00:00:00Z")
    is_problem(contoso.send(activity), 403, "forbidden")
    is_problem(contoso.send({"activities": [activity]}), 403, "forbidden")
    assert contoso.ids(**{"from": "2022-01-01", "to": "2022-01-01"}) == []


def test_recorder_records_for_its_own_partner_only(caller, operator):
    contoso = Partner(caller("recorder-contoso"), "contoso")
    activity = new_activity(occurred_at="2021-01-01T00:00:00Z")
    assert contoso.send(activity).status_code == 201
    assert contoso.send({"activities": [activity]}).json()["duplicates"] == 1
    assert activity["id"] in contoso.seen_by(operator).ids(**{"from": "2021-01-01", "to": "2021-01-01"})


def test_operator_may_do_everything_for_every_partner(partner, caller):
    partner.record([new_activity()])
    assert partner.download(partner.export(**ALL_OF_2024))
    path = f"{partner.path}/export-schedule"
    assert partner.caller.put(path, json={"enabled": False}).status_code == 200
    assert partner.caller.delete(path).status_code == 204


# Machine clients


def test_machine_client_acts_for_its_registered_partner(machine, operator, partner, names):
    client_id, fresh = machine("daybook/record")
    path = f"/v1/clients/{client_id}"
    is_problem(operator.get(path), 404, "not-found")
    assert client_id in is_problem(partner.seen_by(fresh()).send(new_activity()), 403, "forbidden")["detail"]

    answer = operator.put(path, json={"partner": partner.name})
    assert answer.status_code == 200 and answer.json()["partner"] == partner.name
    assert set(answer.json()["updated_by"]) == {"subject", "name"}
    assert operator.get(path).json()["partner"] == partner.name
    mine = partner.seen_by(fresh())
    assert mine.send(new_activity()).status_code == 201
    assert "daybook/read" in is_problem(mine.list(), 403, "forbidden")["detail"]
    is_problem(Partner(mine.caller, names()).send(new_activity()), 404, "not-found")

    assert operator.delete(path).status_code == 204
    assert operator.delete(path).status_code == 204
    is_problem(operator.get(path), 404, "not-found")
    is_problem(partner.seen_by(fresh()).send(new_activity()), 403, "forbidden")


def test_reading_machine_client_cannot_record(machine, operator, partner):
    client_id, fresh = machine("daybook/read")
    assert operator.put(f"/v1/clients/{client_id}", json={"partner": partner.name}).status_code == 200
    mine = partner.seen_by(fresh())
    assert mine.list().status_code == 200
    assert mine.download(mine.export(**ALL_OF_2024))
    assert "daybook/record" in is_problem(mine.send(new_activity()), 403, "forbidden")["detail"]
    assert "global_admin" in is_problem(mine.caller.get(f"{mine.path}/export-schedule"), 403, "forbidden")["detail"]


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "/partner"),
        ({"partner": "a b"}, "/partner"),
        ({"partner": ""}, "/partner"),
        ({"partner": 7}, "/partner"),
        ({"partner": "contoso", "scope": "operate"}, "/scope"),
    ],
    ids=compact,
)
def test_invalid_registration_is_refused(operator, body, field):
    is_problem(operator.put("/v1/clients/of-nobody", json=body), 400, "invalid-request", field)
    is_problem(operator.get("/v1/clients/of-nobody"), 404, "not-found")


# Unknown parameters and paths


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/activities"),
        ("GET", "/exports/x"),
        ("DELETE", "/exports/x"),
        ("GET", "/export-schedule"),
        ("PUT", "/export-schedule"),
        ("DELETE", "/export-schedule"),
        ("GET", "/export-schedule/secret"),
        ("POST", "/export-schedule/secret"),
        ("GET", "/settings"),
        ("PUT", "/settings"),
        ("GET", "/v1/clients/x"),
        ("PUT", "/v1/clients/x"),
        ("DELETE", "/v1/clients/x"),
        ("POST", "/v1/months/2024-01/run"),
    ],
)
def test_route_without_parameters_refuses_a_query(operator, partner, method, path):
    path = path if path.startswith("/v1") else f"{partner.path}{path}"
    answer = operator.request(method, path, params={"partner": "contoso"})
    is_problem(answer, 400, "invalid-request", "/partner")


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/v2/partners/contoso/activities"),
        ("GET", "/v1/partner"),
        ("GET", "/v1/partners/contoso/nothing"),
        ("GET", "/v1/partners/contoso/activities/e-1/details/more"),
        ("GET", "/v1"),
        ("GET", "/nothing"),
        ("POST", "/v1/actions"),
        ("PUT", "/v1/partners/contoso/activities/e-1"),
        ("PATCH", "/v1/partners/contoso/activities/e-1"),
        ("DELETE", "/v1/partners/contoso/activities/e-1"),
        ("DELETE", "/v1/partners/contoso/activities"),
        ("POST", "/nothing"),
        ("DELETE", "/page.css"),
        ("PUT", "/deep/down/page.css"),
        ("PATCH", "/v1/clients/x"),
        ("GET", "/%C3%A9t%C3%A9"),
    ],
)
def test_unknown_path_is_answered_with_404(stack, caller, method, path):
    others = [Caller(stack["api_url"], "garbage")]
    for who in [caller(name) for name in (None, "contoso-global-admin", "operator")] + others:
        is_problem(is_guarded(who.request(method, path)), 404, "not-found")
