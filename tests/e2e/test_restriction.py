"""Callers who may see some customers only: every route with the claim, without it, with an empty one, `*` and one that is too long.

access.yaml holds the expected statuses. The deployed authorizer reads the claim `custom:customers` during these tests.
"""

import base64
import json
import re
import uuid

import pytest
from test_access_matrix import MATRIX, PROTECTED, ask, things  # noqa: F401
from test_page_words import change_tokens, changed

import tokens
from api import Caller, Partner, eventually, is_problem, new_activity
from browser import NEEDED, mixed, shown, sign_in
from issuer import Issuer

# These tests change what the authorizer reads of every token.
pytestmark = pytest.mark.alone

CLAIM = "custom:customers"
CALLERS, ROUTES = MATRIX["restricted"]["callers"], MATRIX["restricted"]["routes"]
# A list with one id more than the bound of 4,096 bytes has room for.
TOO_LONG = " ".join(f"c-{number:05}" for number in range(513))
VALUES = dict(zip(CALLERS, ["fabrikam-SARL", "northwind", None, "", "*", TOO_LONG], strict=True))
MARCH = {"from": "2024-03-01", "to": "2024-03-31"}
# More than the index of customers is read for.
OTHERS = " ".join(f"other-{number}" for number in range(9))


@pytest.fixture(scope="module")
def issuer(stack, aws):
    """An issuer that the authorizer trusts beside the user pool, while it reads the claim of the customers."""
    functions, name = aws("lambda"), stack["functions"]["authorizer"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    assert before["CUSTOMERS_CLAIM"] == ""
    issuer = Issuer(before["JWKS_URL"], before["ISSUER"], stack["client_id"])
    changed = before | {"JWKS_URL": issuer.url, "CUSTOMERS_CLAIM": CLAIM}
    try:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
        # The issuer is trusted, and the claim is read, once a claim that is no list is refused with 403.
        path = "/v1/partners/contoso/activities?limit=1"
        eventually(lambda: Caller(stack["api_url"], issuer.token(**{CLAIM: 7})).get(path).status_code == 403, "the authorizer reads the claim")
        yield issuer
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
        issuer.stop()


@pytest.fixture(scope="module")
def held(stack, issuer):
    """Returns a caller by the value of the claim, as in `held("fabrikam")`. Other claims can be changed too."""

    def of(value, partner="contoso", **changed):
        return Caller(stack["api_url"], issuer.token(**{CLAIM: value, "custom:partner_id": partner} | changed))

    return of


@pytest.fixture
def log(partner):
    """A partner with activities of three customers, and one without: their ids by customer."""
    made = {"fabrikam": [], "Northwind": [], "tailspin": [], None: []}
    activities = []
    for number in range(24):
        customer = list(made)[number % len(made)]
        fields = {"customer": {"id": customer, "name": f"{customer} SARL"}} if customer else {}
        activity = new_activity(occurred_at=f"2024-03-05T09:30:{number // 2:02}.5Z", details={"number": number}, **fields)
        made[customer].append(activity["id"])
        activities.append(activity)
    partner.record(activities)
    partner.activities, partner.made = activities, made
    return partner


def ids_of(log, *customers):
    return {each for customer in customers for each in log.made[customer]}


# What a claim shows: its value, and the customers of the log.
SHOWN = [
    ("fabrikam", ["fabrikam"]),
    ("NORTHWIND fabrikam", ["fabrikam", "Northwind"]),
    (["northwind", "nobody"], ["Northwind"]),
    ("nobody", []),
    ("", []),
    (None, []),
    ("*", ["fabrikam", "Northwind", "tailspin", None]),
    (f"tailspin {OTHERS}", ["tailspin"]),
    (OTHERS, []),
]


@pytest.mark.parametrize("route", PROTECTED)
def test_each_restricted_caller_gets_the_answer_of_the_matrix(held, things, route):  # noqa: F811
    answers = {name: ask(held(VALUES[name]), route, "any" if "any" in MATRIX["routes"][route] else "own", things) for name in CALLERS}
    found = [answers[name].status_code for name in CALLERS]
    if route in ROUTES:
        assert found == ROUTES[route], [answer.text[:200] for answer in answers.values()]
    else:
        assert set(found[:4]) <= {403, 404}, (route, found)
    # What is hidden answers as what does not exist.
    for name in ("of_another", "without", "empty"):
        if answers[name].status_code == 404:
            assert is_problem(answers[name], 404, "not-found")["detail"] == "No such resource, or none that this token can see."
    refused = answers["too_long"]
    if route != "GET /v1/actions":
        detail = is_problem(refused, 403, "forbidden")["detail"]
        assert f'The claim "{CLAIM}" of this token lists too many customers' in detail and "4096 bytes" in detail, detail


@pytest.mark.parametrize("value, customers", SHOWN, ids=lambda each: str(each)[:20])
def test_claim_decides_what_is_shown(held, log, value, customers):
    who = Partner(held(value, log.name), log.name)
    expected = ids_of(log, *customers)
    for parameters in ({}, {"limit": 1}, {"limit": 5, "order": "asc"}):
        listed = who.ids(**MARCH, **parameters)
        assert len(listed) == len(set(listed)) and set(listed) == expected
    for customer in ("fabrikam", "northwind", "tailspin", "nobody"):
        of_customer = {each for name in customers if name and name.lower() == customer for each in log.made[name]}
        assert set(who.ids(**MARCH, customer=customer)) == of_customer
        assert set(who.ids(f"{log.path}/customers/{customer.upper()}/activities", **MARCH)) == of_customer
        assert set(who.ids(**MARCH, customer=f"!{customer}")) == expected - of_customer
    assert set(who.ids(**MARCH, q="tailspin")) == expected & ids_of(log, "tailspin")

    counts = who.caller.get(f"{log.path}/counts", params=MARCH | {"by": "customer"}).json()
    assert (counts["total"], counts["complete"]) == (len(expected), True)
    assert {each["value"] for each in counts["by"]["customer"]} == set(customers)

    older = who.caller.get("/v1/auditrecords", params={"startDate": "2024-03-01", "endDate": "2024-03-31"}).json()
    newer = who.caller.get("/auditactivity/v1/auditrecords", params={"auditRequest.startDate": "2024-03-01", "auditRequest.endDate": "2024-03-31"}).json()
    for records in (older, newer):
        assert {each["id"] for each in records["items"]} == expected

    for activity in log.activities[:8]:
        path = f"{log.path}/activities/{activity['id']}"
        at = {"occurred_at": activity["occurred_at"]}
        answer, details = who.caller.get(path, params=at), who.caller.get(f"{path}/details", params=at)
        if activity["id"] in expected:
            assert answer.json()["details"] == activity["details"] and details.status_code == 303
        else:
            absent = who.caller.get(f"{log.path}/activities/never-recorded", params=at)
            for hidden in (answer, details):
                assert is_problem(hidden, 404, "not-found") | {"trace_id": 0} == is_problem(absent, 404, "not-found") | {"trace_id": 0}
            assert who.caller.get(path, params=at, headers={"If-None-Match": "*"}).status_code == 404


@pytest.mark.parametrize("value, customers", SHOWN, ids=lambda each: str(each)[:20])
def test_export_holds_what_its_author_may_see(held, log, value, customers):
    who = Partner(held(value, log.name), log.name)
    export = who.export(**MARCH, format="jsonl")
    rows = [json.loads(row) for row in who.download(export).decode().splitlines()]
    assert {row["id"] for row in rows} == ids_of(log, *customers)
    manifest = who.caller.get(f"{log.path}/exports/{export['id']}/files/manifest.json").headers["Location"]
    assert manifest
    asked = [] if value is None else value if isinstance(value, list) else value.split()
    assert set(export["filters"].get("customer", ["*"])) == (set(asked) or {""})
    assert [each["id"] for each in who.exports()] == [export["id"]]
    outside = who.export(**MARCH, customer="somebody-else", format="jsonl")
    assert outside["progress"]["rows"] == 0


def test_exports_of_others_and_of_months_do_not_exist(held, log, operator):
    colleague, months = held("*", log.name, sub="colleague"), f"{log.path}/export-schedule"
    everything, of_fabrikam = (Partner(colleague, log.name).export(**MARCH, **filters) for filters in ({}, {"customer": "Fabrikam"}))
    excluded = Partner(colleague, log.name).export(**MARCH, customer="!tailspin")
    try:
        # Monthly exports that are only about one customer belong to the whole partner all the same.
        saved = operator.put(months, json={"from": "2024-03", "filters": {"customer": "fabrikam"}})
        assert saved.status_code == 200, saved.text
        assert operator.post("/v1/months/2024-03/run", json={"partner": log.name}).json()["created"] == 1
        [monthly] = [each for each in log.exports() if each["kind"] == "monthly"]
        for value, reached in [
            ("*", [everything, of_fabrikam, excluded, monthly]),
            ("fabrikam", [of_fabrikam]),
            ("fabrikam northwind", [of_fabrikam]),
            (f"FABRIKAM {OTHERS}", [of_fabrikam]),
            ("northwind", []),
            ("", []),
            (None, []),
        ]:
            who = Partner(held(value, log.name), log.name)
            listed = who.exports(limit=1)
            assert {each["id"] for each in listed} == {each["id"] for each in reached}, value
            assert {each["id"] for each in who.exports(kind="monthly")} == {each["id"] for each in reached if each is monthly}
            for export in (everything, of_fabrikam, excluded, monthly):
                path = f"{log.path}/exports/{export['id']}"
                if export in reached:
                    assert who.caller.get(path).status_code == 200
                    continue
                is_problem(who.caller.get(path), 404, "not-found")
                is_problem(who.caller.get(f"{path}/files/{(export['files'] or everything['files'])[0]['name']}"), 404, "not-found")
                is_problem(who.caller.get(f"{path}/files/manifest.json"), 404, "not-found")
                is_problem(who.caller.delete(path), 404, "not-found")
        assert Partner(held("fabrikam", log.name), log.name).download(of_fabrikam)
        assert log.caller.get(f"{log.path}/exports/{everything['id']}").json()["status"] == "ready", "nobody has removed it"
    finally:
        operator.delete(months)


def test_idempotency_key_belongs_to_the_customers(held, log):
    def order(value):
        return Partner(held(value, log.name, sub="one-person"), log.name).order(MARCH, headers={"Idempotency-Key": "of-the-restriction"})

    first = order("fabrikam northwind")
    assert first.status_code == 202 and order("northwind fabrikam").json()["id"] == first.json()["id"]
    for other in ("fabrikam", "*", ""):
        is_problem(order(other), 422, "unprocessable", "/Idempotency-Key")


def test_cursor_shows_no_more_after_the_claim_changed(held, log):
    def page(value, **parameters):
        return Partner(held(value, log.name), log.name).list(**MARCH, limit=2, **parameters)

    for made_by, used_by in (("*", "fabrikam"), ("fabrikam tailspin", "fabrikam"), ("fabrikam", ""), ("fabrikam", "*")):
        cursor = page(made_by).json()["next_cursor"]
        assert page(made_by, cursor=cursor).status_code == 200
        is_problem(page(used_by, cursor=cursor), 400, "invalid-request", "/cursor")


def test_forged_cursor_shows_nothing_else(held, log):
    who = Partner(held("fabrikam", log.name), log.name)
    cursor = json.loads(base64.urlsafe_b64decode(who.list(**MARCH, limit=1).json()["next_cursor"] + "=="))
    for after in (f"2024-03-31T00:00:00.000000Z#{log.made['tailspin'][0]}", "2024-03-05T09:30:05.500000Z#zzz", "2024-03-06T00:00:00.000000Z#"):
        forged = base64.urlsafe_b64encode(json.dumps(cursor | {"after": after}).encode()).decode().rstrip("=")
        answer = who.list(**MARCH, limit=100, cursor=forged)
        assert answer.status_code == 200
        assert {each["id"] for each in answer.json()["activities"]} <= ids_of(log, "fabrikam")


@pytest.mark.parametrize(
    "value", [7, True, {"fabrikam": 1}, ["fabrikam", 7], [["fabrikam"]], "!fabrikam", "fabrikam !northwind", "x" * 129], ids=lambda each: str(each)[:20]
)
def test_claim_that_is_no_list_is_refused(held, value):
    for method, path in (("GET", "/activities"), ("POST", "/exports"), ("GET", "/export-schedule")):
        problem = is_problem(held(value).request(method, f"/v1/partners/contoso{path}"), 403, "forbidden")
        assert f'The claim "{CLAIM}" of this token does not list customers' in problem["detail"]


def test_longest_claim_reaches_the_functions(held, log):
    """The authorizer's answer and the gateway carry 4,096 bytes of ids."""
    longest = " ".join(["fabrikam", *(f"c-{number:05}" for number in range(510))])
    assert set(Partner(held(longest, log.name), log.name).ids(**MARCH)) == ids_of(log, "fabrikam")


def test_ids_of_any_characters_reach_the_functions(held, partner):
    odd = ['a b "c"', "été 日本 😀", "100%", "back\\slash", "a=b", "*x", "comma,semi;colon"]
    activities = [new_activity(customer={"id": each}) for each in [*odd, "other"]]
    partner.record(activities)
    assert set(Partner(held(odd, partner.name), partner.name).ids(**MARCH)) == {each["id"] for each in activities[:-1]}
    for each, activity in zip(odd, activities):
        assert Partner(held([each], partner.name), partner.name).ids(**MARCH) == [activity["id"]]


def test_person_of_the_user_pool_sees_the_customers_of_the_attribute(stack, aws, issuer, log):
    cognito, pool, user, password = aws("cognito-idp"), stack["user_pool_id"], f"held-{uuid.uuid4().hex[:8]}", "Only-for-tests-1!"

    def sees():
        return set(Partner(Caller(stack["api_url"], tokens.of_person(stack, user, password)), log.name).ids(**MARCH))

    attributes = {"email": f"{user}@example.com", "email_verified": "true", "custom:partner_id": log.name}
    cognito.admin_create_user(
        UserPoolId=pool, Username=user, MessageAction="SUPPRESS", UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()]
    )
    try:
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName="sales_agent")
        cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
        assert sees() == set()
        for value, customers in (("fabrikam tailspin", ["fabrikam", "tailspin"]), ("northwind", ["Northwind"]), ("*", list(log.made))):
            cognito.admin_update_user_attributes(UserPoolId=pool, Username=user, UserAttributes=[{"Name": CLAIM, "Value": value}])
            assert sees() == ids_of(log, *customers)
    finally:
        cognito.admin_delete_user(UserPoolId=pool, Username=user)


# Machine clients


@pytest.fixture
def registered(issuer, held, operator, log):
    """Registers a client of the log's partner, and returns a caller with a token of it."""
    made = []

    def with_customers(scope="daybook/read", **registration):
        client = f"client-{uuid.uuid4().hex[:8]}"
        made.append(client)
        answer = operator.put(f"/v1/clients/{client}", json={"partner": log.name} | registration)
        assert answer.status_code == 200, answer.text
        assert answer.json()["customers"] == operator.get(f"/v1/clients/{client}").json()["customers"] == registration.get("customers")
        claims = {"aud": None, "client_id": client, "scope": scope, "cognito:groups": None}
        return Partner(held("*", None, **claims), log.name)

    yield with_customers
    for client in made:
        operator.delete(f"/v1/clients/{client}")


def test_registration_restricts_a_client(registered, log, operator):
    for registration, customers in [
        ({}, list(log.made)),
        ({"customers": None}, list(log.made)),
        ({"customers": ["*"]}, list(log.made)),
        ({"customers": ["FABRIKAM", "tailspin"]}, ["fabrikam", "tailspin"]),
        ({"customers": []}, []),
    ]:
        who = registered(**registration)
        assert set(who.ids(**MARCH)) == ids_of(log, *customers), registration
        export = who.export(**MARCH, format="jsonl")
        assert {json.loads(row)["id"] for row in who.download(export).decode().splitlines()} == ids_of(log, *customers)


@pytest.mark.parametrize(
    "customers, field",
    [("fabrikam", "/customers"), ([7], "/customers/0"), (["fabrikam", ""], "/customers/1"), (["!fabrikam"], "/customers/0"), (["x" * 129], "/customers/0")],
    ids=lambda each: str(each)[:20],
)
def test_registration_of_no_customers_is_refused(operator, customers, field):
    answer = operator.put("/v1/clients/of-nobody", json={"partner": "contoso", "customers": customers})
    is_problem(answer, 400, "invalid-request", field)
    is_problem(operator.get("/v1/clients/of-nobody"), 404, "not-found")


def test_registration_of_too_many_customers_is_refused(operator):
    answer = operator.put("/v1/clients/of-nobody", json={"partner": "contoso", "customers": TOO_LONG.split()})
    assert "4096 bytes" in is_problem(answer, 413, "too-large", "/customers")["errors"][0]["detail"]
    is_problem(operator.get("/v1/clients/of-nobody"), 404, "not-found")


def test_restricted_client_records_and_sees_its_own_words_again(registered, log):
    """A restriction is about seeing: a portal's back end records for all customers."""
    both = registered(scope="daybook/record daybook/read", customers=["fabrikam"])
    other = new_activity(customer={"id": "tailspin"}, details={"secret": "1.50"})
    own = new_activity(customer={"id": "fabrikam"})
    assert both.send(other).status_code == both.send(own).status_code == 201
    for activity in (own, other):
        again = both.send(activity)
        assert again.status_code == 200
        assert {name: again.json()[name] for name in activity} == activity | {"actor": again.json()["actor"]}
    problem = is_problem(both.send(other | {"status": "failed"}), 409, "conflict")
    assert "tailspin" not in json.dumps(problem) and "secret" not in json.dumps(problem)
    assert set(both.ids(**MARCH)) == ids_of(log, "fabrikam") | {own["id"]}
    assert other["id"] in log.ids(**MARCH)


def test_operator_is_never_restricted(log, operator):
    assert len(log.ids(**MARCH)) == 24 and log.download(log.export(**MARCH))
    path = f"{log.path}/export-schedule"
    assert operator.put(path, json={"enabled": False}).status_code == 200
    assert operator.get(path).status_code == 200 and operator.delete(path).status_code == 204


# The page


@pytest.fixture
def held_person(stack, aws, issuer, person, partner):
    """The user name of somebody who may see one customer of the partner only."""
    partner.record(mixed())
    user = person(partner)
    attributes = [{"Name": CLAIM, "Value": "fabrikam"}]
    aws("cognito-idp").admin_update_user_attributes(UserPoolId=stack["user_pool_id"], Username=user, UserAttributes=attributes)
    return user


@NEEDED
def test_page_shows_a_restricted_person_its_customers(window, stack, partner, held_person):
    everything = partner.export()
    page = window("en")
    sign_in(page, stack, held_person)
    shown(page)
    page.locator("activity-log .count").filter(has_text="2 activities").wait_for()
    assert page.locator("activity-log table.list").get_by_text("Tailspin").count() == 0

    page.locator("activity-log button.export").click()
    with page.expect_download(timeout=120_000) as downloading:
        page.locator("activity-log dialog.ask .primary").click()
    assert "_filtered_customer-fabrikam" in downloading.value.suggested_filename
    assert [export["progress"]["rows"] for export in partner.exports() if export["id"] != everything["id"]] == [2]

    # The list has the person's own export. The page was not told about the claim, so it offers the schedule until the service refuses.
    page.locator("activity-log [data-view=exports]").click()
    page.locator("activity-log .jobs tbody tr").first.wait_for()
    assert page.locator("activity-log .jobs tbody tr").count() == 1
    page.locator("activity-log .exports form .primary").click()
    page.locator("activity-log .exports").get_by_text("Your account sees some of them only").wait_for()
    assert page.locator("activity-log .exports form").count() == 0
    assert partner.caller.get(f"{partner.path}/export-schedule").status_code == 404


@NEEDED
def test_page_sends_the_token_that_names_the_customers(window, stack, partner, held_person):
    """An issuer may put partner and roles into access tokens, and the customers into the ID token only."""
    page = window("en")
    page.route(re.compile(r"/config\.json$"), lambda route: route.fulfill(json=route.fetch().json() | {"customers_claim": CLAIM}))
    # The changed token has no valid signature, so that the service would refuse it.
    change_tokens(page, lambda answer: answer | {"access_token": changed(answer["access_token"], **{"custom:partner_id": partner.name})})
    sign_in(page, stack, held_person)
    shown(page)
    page.locator("activity-log .count").filter(has_text="2 activities").wait_for()
