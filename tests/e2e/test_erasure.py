"""What becomes of a partner's data: retention, holds and erasures, on the deployed stack, with every store searched."""

import contextlib
import gzip
import io
import json
import time
import uuid
import zipfile
from datetime import timedelta

import pytest
from test_partners import run_keeper

from api import ALL_OF_2024, check_problem, eventually, instant, is_problem, new_activity, now, rfc3339


def everything(stack, aws):
    """Yields the bytes of every item, object, message and log line of the stack."""
    outputs = stack["outputs"]
    for name, table in outputs.items():
        if not name.endswith("Table"):
            continue
        for page in aws("dynamodb").get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                for attribute, value in item.items():
                    (held,) = value.values()
                    yield f"{name} {attribute}", held if isinstance(held, bytes) else str(held).encode()
    for name in ("DataBucket", "DetailsBucket"):
        for page in aws("s3").get_paginator("list_objects_v2").paginate(Bucket=outputs[name]):
            for each in page.get("Contents", []):
                # Another test may have removed the object since it was listed.
                with contextlib.suppress(aws("s3").exceptions.NoSuchKey):
                    yield f"{name} {each['Key']}", aws("s3").get_object(Bucket=outputs[name], Key=each["Key"])["Body"].read()
    for name, url in outputs.items():
        if name.endswith("DeadLetterQueueUrl"):
            found = aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"])
            for message in found.get("Messages", []):
                yield name, json.dumps(message, default=str).encode()
    logs = aws("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            for event in page["events"]:
                yield group["logGroupName"], event["message"].encode()


def unpacked(held):
    """Returns what bytes hold, unpacked where they are packed."""
    if held[:2] == b"\x1f\x8b":
        return gzip.decompress(held)
    if held[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(held)) as whole:
            return b"\n".join(whole.read(name) for name in whole.namelist())
    return held


def places_of(stack, aws, *texts):
    """Returns the places that hold any of some texts."""
    return [place for place, held in everything(stack, aws) if any(text.encode() in unpacked(held) for text in texts)]


def packed(stack, aws, partner):
    """Returns the places of a partner's details that are compressed, which nobody can search here."""
    outputs = stack["outputs"]
    objects = aws("s3").get_paginator("list_objects_v2").paginate(Bucket=outputs["DetailsBucket"], Prefix=f"details/{partner.name}/")
    keys = [each["Key"] for page in objects for each in page.get("Contents", [])]
    items = aws("dynamodb").get_paginator("scan").paginate(TableName=outputs["ActivitiesTable"])
    twins = [each["sk"]["S"] for page in items for each in page["Items"] if "z" in each and each["pk"]["S"].startswith(f"{partner.name}#")]
    return keys + twins


def order(partner, **fields):
    """Orders an erasure, and waits until it is carried out as far as holds allow."""
    answer = partner.caller.post(f"{partner.path}/erasures", json={"reason": "a person asks"} | fields)
    assert answer.status_code == 202, answer.text
    return eventually(lambda: ends(partner, answer.json()["id"]), "the order is carried out")


def ends(partner, id, among=("done", "held")):
    found = partner.caller.get(f"{partner.path}/erasures/{id}").json()
    return found if found["status"] in among else None


def test_erased_person_is_nowhere_but_where_a_hold_keeps_it(stack, aws, partner, operator):
    person, word = f"{uuid.uuid4().hex[:8]}@erased.example", uuid.uuid4().hex
    name = f"Name {uuid.uuid4().hex[:8]}"
    actor = {"id": person, "name": name, "ip": "203.0.113.99", "role": "admin_agent"}
    large = {"note": word, "noise": [uuid.uuid4().hex for _ in range(4_000)]}
    mine = [
        new_activity(actor=actor, details={"note": word}),
        new_activity(actor=actor, details={"note": word * 100}, customer={"id": "fabrikam", "name": "Fabrikam"}),
        new_activity(actor=actor, details=large, changes=[{"field": "by", "old": person, "new": word}]),
        new_activity(actor=actor, occurred_at="2024-04-05T09:30:00Z", details={"note": word}),
    ]
    other = new_activity(details={"note": f"written by {person}"})
    partner.record([*mine, other])
    exports = [partner.export(**ALL_OF_2024, format=kind) for kind in ("csv", "jsonl", "xlsx")]
    assert all(export["status"] == "ready" for export in exports)
    letter = json.dumps({"partner": partner.name, "activities": [{"actor": {"id": person}}, {"id": "kept", "actor": {"id": "bob"}}]})
    aws("sqs").send_message(QueueUrl=stack["outputs"]["IntakeDeadLetterQueueUrl"], MessageBody=letter)
    assert len(places_of(stack, aws, person, word)) > 10 and len(packed(stack, aws, partner)) == 2

    # A dry run counts, mentions elsewhere included, and changes nothing.
    dry = order(partner, actor=person, groups=["actor", "details", "changes"], dry_run=True)
    assert dry["status"] == "done" and dry["dry_run"] and dry["counts"] == {"activities": 4, "held": 0, "mentions": 1, "exports": 3}
    assert len(partner.list(**ALL_OF_2024, actor=person).json()["activities"]) == 4

    hold = operator.post(f"{partner.path}/holds", json={"from": "2024-04-01", "to": "2024-04-30", "reason": "a court asks"})
    assert hold.status_code == 201 and hold.json()["status"] == "active", hold.text
    held = order(partner, actor=person.upper(), groups=["actor", "details", "changes"])
    assert held["status"] == "held" and held["counts"]["activities"] == 3 and held["counts"]["held"] == 1
    listed = partner.list(**ALL_OF_2024).json()["activities"]
    erased = [each for each in listed if "erased" in each]
    assert {each["id"] for each in erased} == {each["id"] for each in mine[:3]}
    for each in erased:
        assert each["actor"] is None and each["details"] is None and each["has_details"] is False
        assert each["erased"] == {"actor": held["id"], "details": held["id"], "changes": held["id"]}
        assert each["status"] == "succeeded" and instant(each["occurred_at"]) == instant(mine[0]["occurred_at"])
    (kept,) = partner.list(**ALL_OF_2024, actor=person).json()["activities"]
    assert kept["id"] == mine[3]["id"]
    for export in exports:
        gone = partner.caller.get(f"{partner.path}/exports/{export['id']}").json()
        assert gone["status"] == "cancelled" and held["id"] in gone["problem"] and gone["files"] == []
    # Counts, filters and files of erased activities work.
    counted = partner.caller.get(f"{partner.path}/counts", params=ALL_OF_2024 | {"by": "actor"}).json()
    assert counted["total"] == 5 and sum(each["count"] for each in counted["by"]["actor"] if each["value"]) == 2
    assert mine[0]["id"].encode() in partner.download(partner.export(**ALL_OF_2024))

    # Released, the rest goes, and the order forgets whom it was about.
    assert operator.delete(f"{partner.path}/holds/{hold.json()['id']}").status_code == 204
    done = eventually(lambda: ends(partner, held["id"], ("done",)), "the order is done")
    assert done["selector"] is None and done["counts"]["activities"] == 4
    left = [place for place in places_of(stack, aws, person, name) if "details" not in place.lower()]
    # The other activity's details mention the person; that is what the dry run said.
    assert all(place == "ActivitiesTable d" for place in left), left
    for export in partner.caller.get(f"{partner.path}/exports").json()["exports"]:
        assert operator.delete(f"{partner.path}/exports/{export['id']}").status_code == 204
    assert places_of(stack, aws, word) == [] and packed(stack, aws, partner) == []
    # Sent again, whatever the content, it does not come back.
    for again in (mine[0], mine[0] | {"actor": {"id": "eve"}}):
        answer = partner.send(again)
        assert answer.status_code == 200 and answer.json()["actor"] is None, answer.text
    assert places_of(stack, aws, word) == [] and packed(stack, aws, partner) == []
    whole = partner.caller.get(f"{partner.path}/activities/{mine[0]['id']}", params={"occurred_at": mine[0]["occurred_at"]})
    assert whole.status_code == 200 and whole.json()["actor"] is None


def test_erased_reader_is_nowhere_in_the_audit(stack, aws, partner, operator, machine):
    client_id, fresh = machine("daybook/read")
    assert operator.put(f"/v1/clients/{client_id}", json={"partner": partner.name}).status_code == 200
    reader = fresh()
    for path in ("activities", "counts"):
        assert reader.get(f"{partner.path}/{path}").status_code == 200
    # A refusal too is kept once an hour.
    assert reader.get(f"{partner.path}/audit").status_code == 403

    def of_the_reader():
        found = partner.all(f"{partner.path}/audit", **{"from": rfc3339(now() - timedelta(hours=2))})
        return [each for each in found if each["action"] in ("log.read", "access.refused") and (each["actor"] or {}).get("id") in (None, client_id)]

    before = eventually(lambda: len(found := of_the_reader()) == 2 and found, "the read and the refusal are in the audit")
    order(partner, actor=client_id, groups=["actor"])
    after = of_the_reader()
    assert [each["actor"] for each in after] == [None, None] and all("actor" in each["erased"] for each in after)
    # The ids of such entries are made from the reader, so they would tell who it was to everybody who guesses.
    ids = [each["id"] for each in before]
    assert [place for place in places_of(stack, aws, client_id, *ids) if place.startswith("AuditTable")] == []


def test_month_ends_by_retention_and_its_data_go(stack, aws, partner, operator):
    word = uuid.uuid4().hex
    old = new_activity(details={"note": word, "noise": [uuid.uuid4().hex for _ in range(4_000)]})
    young = new_activity(occurred_at=rfc3339(now() - timedelta(days=1)), details={"note": "stays"})
    partner.record([old, young])
    export = partner.export(**ALL_OF_2024)
    dry = operator.put(f"{partner.path}/retention?dry_run=true", json={"months": 12}).json()
    assert dry["ended"] == ["2024-03"] and dry["rows"] == 1 and dry["exact"] and dry["dollars"] > 0
    saved = operator.put(f"{partner.path}/retention", json={"months": 12})
    assert saved.status_code == 200, saved.text
    pending = saved.json()["pending"]
    assert saved.json()["months"] is None and pending["months"] == 12
    assert instant(pending["effective_at"]) - now() > timedelta(days=29)
    ended_at = now() + timedelta(days=31)
    run_keeper(stack, aws, now=rfc3339(ended_at), partner=partner.name)
    (ended,) = operator.get(f"{partner.path}/retention").json()["ended"]
    assert ended["month"] == "2024-03" and instant(ended["deletes_after"]) - instant(ended["ended_at"]) == timedelta(days=30)
    hold = operator.post(f"{partner.path}/holds", json={"customers": ["nobody"], "reason": "a court asks"}).json()
    run_keeper(stack, aws, now=rfc3339(ended_at + timedelta(days=31)), partner=partner.name)
    assert operator.get(f"{partner.path}/retention").json()["deleted"] == []
    assert operator.delete(f"{partner.path}/holds/{hold['id']}").status_code == 204
    for days in (32, 63):
        run_keeper(stack, aws, now=rfc3339(ended_at + timedelta(days=days)), partner=partner.name)
    assert operator.get(f"{partner.path}/retention").json()["deleted"] == ["2024-03"]
    assert places_of(stack, aws, word) == [] and packed(stack, aws, partner) == []
    is_problem(partner.caller.get(f"{partner.path}/exports/{export['id']}"), 404, "not-found")
    # For a minute, functions remember that the month is kept.
    time.sleep(61)
    assert partner.ids() == [young["id"]]
    is_problem(partner.send(old), 410, "gone")
    result = partner.send({"activities": [old]}).json()["results"][0]
    check_problem(result["problem"], 410, "gone")
    refused = operator.post(f"{partner.path}/holds", json={"reason": "a court asks"})
    assert "2024-03" in is_problem(refused, 409, "conflict")["detail"]
    rest = operator.post(f"{partner.path}/holds", json={"reason": "a court asks", "partial": True}).json()
    assert rest["status"] == "active" and rest["left_out"] == ["2024-03"]


@pytest.mark.parametrize(
    "route, body, pointer",
    [
        ("PUT retention", {}, "/months"),
        ("PUT retention", {"months": 0}, "/months"),
        ("PUT retention", {"months": 1_201}, "/months"),
        ("PUT retention", {"months": "84"}, "/months"),
        ("POST holds", {}, "/reason"),
        ("POST holds", {"reason": " "}, "/reason"),
        ("POST holds", {"reason": "x", "from": "soon"}, "/from"),
        ("POST holds", {"reason": "x", "from": "2024-02-01", "to": "2024-01-01"}, "/from"),
        ("POST holds", {"reason": "x", "customers": []}, "/customers"),
        ("POST holds", {"reason": "x", "customers": [""]}, "/customers/0"),
        ("POST erasures", {"actor": "a", "groups": ["actor"]}, "/reason"),
        ("POST erasures", {"actor": "a", "reason": "x"}, "/groups"),
        ("POST erasures", {"actor": "a", "groups": [], "reason": "x"}, "/groups"),
        ("POST erasures", {"actor": "a", "groups": ["soul"], "reason": "x"}, "/groups/0"),
        ("POST erasures", {"actor": "", "groups": ["actor"], "reason": "x"}, "/actor"),
        ("POST erasures", {"activities": [], "groups": ["actor"], "reason": "x"}, "/activities"),
        ("POST erasures", {"activities": [{"id": "a b", "occurred_at": "x"}], "groups": ["actor"], "reason": "x"}, "/activities/0/occurred_at"),
    ],
)
def test_faulty_order_is_refused_with_its_field(operator, route, body, pointer):
    method, name = route.split()
    answer = operator.request(method, f"/v1/partners/contoso/{name}", json=body)
    is_problem(answer, 400, "invalid-request", pointer)


def test_an_order_names_one_thing(operator):
    for body in ({}, {"actor": "a", "customer": "b"}):
        answer = operator.post("/v1/partners/contoso/erasures", json=body | {"groups": ["actor"], "reason": "x"})
        assert "one of actor, customer, target and activities" in is_problem(answer, 400, "invalid-request")["detail"]
