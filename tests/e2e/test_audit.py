"""The audit: each kind of act by each role that may do it, with its subject and client, and without secrets."""

import base64
import json
import uuid
from datetime import timedelta

import pytest

from api import ALL_OF_2024, Partner, eventually, is_problem, new_activity, now, rfc3339

# These tests change the schedule of a partner that other tests use too.
pytestmark = pytest.mark.alone

PEOPLE = ["global-admin", "admin-agent", "billing-admin", "user-management-admin", "sales-agent", "helpdesk-agent"]
MANAGERS = PEOPLE[:3]
# The path and the query of a webhook may be a key.
HOOK = f"https://hooks.example/{uuid.uuid4().hex}?key={uuid.uuid4().hex}"


def claims(caller):
    return json.loads(base64.urlsafe_b64decode(caller.token.split(".")[1] + "=="))


def identity(caller):
    """Returns the subject and the client of a token."""
    held = claims(caller)
    return held["sub"], held.get("client_id") or held.get("azp") or held["aud"]


def entries(overseer, partner, **parameters):
    """Lists the audit of a partner since the last full hour before the present one."""
    since = now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    return Partner(overseer, partner).all(f"/v1/partners/{partner}/audit", **{"from": rfc3339(since)} | parameters)


def who(entry):
    return entry["actor"]["id"], entry["source"]


@pytest.fixture(scope="module")
def overseer(caller):
    return caller("contoso-global-admin")


@pytest.fixture(scope="module")
def reader(operator, machine):
    """A machine of contoso that reads."""
    client_id, fresh = machine("daybook/read")
    assert operator.put(f"/v1/clients/{client_id}", json={"partner": "contoso"}).status_code == 200
    return fresh()


def test_each_reader_has_one_entry_an_hour(caller, overseer, operator, reader):
    readers = [*(caller(f"contoso-{name}") for name in PEOPLE), reader, operator]
    for each in readers:
        for path in ("activities?limit=1", "counts", "customers/fabrikam/activities?limit=1"):
            assert each.get(f"/v1/partners/contoso/{path}").status_code == 200
    found = entries(overseer, "contoso", action="log.read")
    for each in readers:
        own = [entry for entry in found if who(entry) == identity(each)]
        assert own and len({entry["occurred_at"] for entry in own}) == len(own), "one entry for each hour"
        for entry in own:
            assert entry["occurred_at"].endswith(":00:00.000000Z") and entry["status"] == "succeeded"
            assert entry["actor"]["type"] == ("application" if each in (reader, operator) else "user")
            assert entry["actor"]["ip"] and entry["correlation_id"]
    roles = {entry["actor"]["role"] for entry in found}
    assert roles >= {name.replace("-", "_") for name in PEOPLE} | {"reader", "operator"}


@pytest.mark.parametrize("name", [*PEOPLE, "reader", "operator"])
def test_exports_are_audited_from_the_request_to_the_removal(caller, overseer, operator, reader, name):
    who_asks = {"reader": reader, "operator": operator}.get(name) or caller(f"contoso-{name}")
    partner = Partner(who_asks, "contoso")
    export = partner.export(**ALL_OF_2024, customer="fabrikam")
    partner.link(export, export["files"][0]["name"])
    # A link to the head of a file leads to no content.
    assert who_asks.request("HEAD", f"{partner.path}/exports/{export['id']}/files/{export['files'][0]['name']}").status_code == 303
    assert who_asks.delete(f"{partner.path}/exports/{export['id']}").status_code == 204
    found = {entry["action"]: entry for entry in entries(overseer, "contoso", target=export["id"])}
    assert len(entries(overseer, "contoso", target=export["id"])) == 4
    for action in ("export.requested", "export.downloaded", "export.cancelled"):
        assert who(found[action]) == identity(who_asks) and found[action]["status"] == "succeeded"
    assert {"field": "filters.customer", "old": None, "new": ["fabrikam"]} in found["export.requested"]["changes"]
    assert found["export.downloaded"]["target"]["name"] == export["files"][0]["name"]
    assert found["export.cancelled"]["changes"] == [{"field": "status", "old": "ready", "new": "cancelled"}]
    assert who(found["export.finished"]) == ("daybook", "export-worker")


@pytest.mark.parametrize("name", [*MANAGERS, "operator"])
def test_schedules_and_secrets_are_audited_without_a_secret(caller, overseer, operator, name):
    manager = operator if name == "operator" else caller(f"contoso-{name}")
    path, began = "/v1/partners/contoso/export-schedule", rfc3339(now())
    secrets = [HOOK.removeprefix("https://hooks.example/"), "whsec_"]
    assert manager.put(path, json={"enabled": False, "notify": [HOOK]}).status_code == 200
    for method in ("GET", "HEAD", "POST"):
        shown = manager.request(method, f"{path}/secret")
        assert shown.status_code == 200
        secrets += [shown.json()["secret"].removeprefix("whsec_")] if shown.content else []
    assert manager.delete(path).status_code == 204
    found = entries(overseer, "contoso", **{"from": began}, target_type="schedule")
    assert sorted(entry["action"] for entry in found) == ["schedule.removed", "schedule.saved", "secret.replaced", "secret.shown"]
    for entry in found:
        assert who(entry) == identity(manager) and entry["status"] == "succeeded"
        assert entry["actor"]["role"] == name.replace("-", "_")
    assert len(secrets) == 4
    text = json.dumps(entries(overseer, "contoso"))
    assert [secret for secret in secrets if secret in text] == []
    assert "https://hooks.example/… (SHA-256 " in json.dumps(found, ensure_ascii=False)


def test_details_that_are_downloaded_are_audited(caller, overseer, operator):
    activity = new_activity(details={"a": 1})
    assert Partner(operator, "contoso").send(activity).status_code == 201
    agent = caller("contoso-helpdesk-agent")
    for method in ("GET", "HEAD"):
        answer = agent.request(method, f"/v1/partners/contoso/activities/{activity['id']}/details", params={"occurred_at": activity["occurred_at"]})
        assert answer.status_code == 303
    [entry] = entries(overseer, "contoso", target=activity["id"])
    assert (entry["action"], entry["target"]["name"], who(entry)) == ("details.downloaded", activity["occurred_at"], identity(agent))


def test_operator_is_audited_at_the_partner_that_is_concerned(operator, partner, names):
    client, other = f"client-{uuid.uuid4().hex[:8]}", names()
    assert operator.put(f"{partner.path}/settings", json={"limits": {"open_exports": 7}}).status_code == 200
    for place in (partner.name, other):
        assert operator.put(f"/v1/clients/{client}", json={"partner": place}).status_code == 200
    assert operator.delete(f"/v1/clients/{client}").status_code == 204
    assert operator.put(f"{partner.path}/export-schedule", json={"from": "2024-01"}).status_code == 200
    assert operator.post("/v1/months/2024-01/run", json={"partner": partner.name}).status_code == 202
    # The export of the schedule is asked for by the service itself.
    eventually(lambda: entries(operator, partner.name, action="export.finished"), "the month is made")
    found = entries(operator, partner.name)
    acts = {(entry["action"], entry["target"]["id"]): entry for entry in found if entry["action"] != "audit.read"}
    background = {("export.requested", "2024-01"): "monthly", ("export.finished", "2024-01"): "export-worker"}
    assert set(acts) == set(background) | {
        ("settings.saved", partner.name), ("client.registered", client), ("client.removed", client), ("schedule.saved", partner.name),
        ("month.run", "2024-01"), ("partner.saved", partner.name),
    }  # fmt: skip
    for act, entry in acts.items():
        assert who(entry) == (("daybook", background[act]) if act in background else identity(operator)), act
    assert acts["settings.saved", partner.name]["changes"] == [{"field": "limits.open_exports", "old": None, "new": 7}]
    assert acts["client.removed", client]["changes"] == [{"field": "partner", "old": partner.name, "new": None}]
    assert other not in json.dumps(found) and partner.name not in json.dumps([entry["changes"] for entry in entries(operator, other, target=client)])


def test_run_for_all_partners_is_audited_at_the_installation(operator, overseer):
    began = rfc3339(now())
    assert operator.post("/v1/months/2019-01/run").status_code == 202
    [entry] = entries(operator, "_installation", **{"from": began}, action="month.run")
    assert (entry["target"]["id"], who(entry)) == ("2019-01", identity(operator))
    is_problem(overseer.get("/v1/partners/_installation/audit"), 404, "not-found")


def test_refusals_are_kept_at_the_partner_of_the_refused(caller, overseer, operator):
    agent, foreign = caller("contoso-sales-agent"), "/v1/partners/fabrikam/counts"
    for _ in range(3):
        is_problem(agent.get("/v1/partners/contoso/export-schedule/secret"), 403, "forbidden")
        is_problem(agent.get(foreign), 404, "not-found")
    found = [entry for entry in entries(overseer, "contoso", action="access.refused") if who(entry) == identity(agent)]
    routes = {"GET /v1/partners/{partner}/export-schedule/secret", "GET /v1/partners/{partner}/counts"}
    assert {entry["target"]["id"] for entry in found} >= routes
    own = [entry for entry in found if entry["target"]["id"] in routes]
    # The hour may have changed meanwhile.
    assert len(own) <= 4 and len({(entry["occurred_at"], entry["target"]["id"]) for entry in own}) == len(own)
    assert all(entry["status"] == "declined" and entry["reason"] for entry in own)
    subject, _ = identity(agent)
    assert subject not in json.dumps(entries(operator, "fabrikam")), "another partner does not learn who tried"


def test_only_overseers_list_the_audit(caller, reader, operator):
    for each in [*(caller(f"contoso-{name}") for name in PEOPLE[1:]), caller("recorder-contoso"), reader]:
        is_problem(each.get("/v1/partners/contoso/audit"), 403, "forbidden")
    for path in ("/v1/partners/fabrikam/audit", "/v1/partners/never-heard-of/audit"):
        is_problem(caller("contoso-global-admin").get(path), 404, "not-found")
    assert operator.get("/v1/partners/contoso/audit").status_code == 200
    assert caller("contoso-global-admin").request("HEAD", "/v1/partners/contoso/audit").status_code == 200
    is_problem(operator.get("/v1/partners/contoso/audit?from=never"), 400, "invalid-request", "/from")


def test_recording_makes_no_entry(operator, partner):
    partner.record([new_activity() for _ in range(10)])
    assert {entry["action"] for entry in entries(operator, partner.name)} <= {"audit.read", "partner.saved"}


def test_pages_of_the_audit_go_on_at_their_cursors(overseer):
    whole = entries(overseer, "contoso")
    assert len(whole) > 10
    short = entries(overseer, "contoso", limit=3)
    key = lambda entry: (entry["occurred_at"], entry["id"])
    assert {key(entry) for entry in whole} <= {key(entry) for entry in short} and len({key(entry) for entry in short}) == len(short)
    assert list(map(key, whole)) == sorted(map(key, whole), reverse=True)


def test_acts_are_named_in_both_languages(caller):
    agent = caller("contoso-sales-agent")
    english, french = (agent.get("/v1/actions", params={"log": "audit", "locale": locale}).json() for locale in ("en", "fr"))
    assert [each["action"] for each in english] == [each["action"] for each in french]
    assert {each["action"]: each["label"] for each in french}["export.downloaded"] == "Téléchargement d’un fichier d’export"
    assert not {each["action"] for each in english} & {each["action"] for each in agent.get("/v1/actions").json()}
