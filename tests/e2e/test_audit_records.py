"""The list in the format of Partner Center's audit log, for its existing clients."""

import json
import uuid
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from api import Partner, is_problem, new_activity, newest_first, now, rfc3339

FIELDS = {
    "id",
    "partnerId",
    "customerId",
    "customerName",
    "userPrincipalName",
    "applicationId",
    "resourceType",
    "resourceOldValue",
    "resourceNewValue",
    "operationType",
    "operationDate",
    "operationStatus",
    "originalCorrelationId",
    "customizedData",
    "attributes",
}


@pytest.fixture
def reader(machine, operator, partner):
    """Returns a machine client of a partner that may read."""
    client_id, fresh = machine("daybook/read")
    assert operator.put(f"/v1/clients/{client_id}", json={"partner": partner.name}).status_code == 200
    return fresh()


def records(reader, headers=None, **parameters):
    answer = reader.get("/v1/auditrecords", params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def where(field, value, operator):
    return json.dumps({"Field": field, "Value": value, "Operator": operator})


def ids(found):
    return [record["id"] for record in found["items"]]


def test_activity_is_shown_in_partner_centers_format(reader, partner):
    partner.record(
        [
            new_activity(
                id="r-1",
                occurred_at="2017-06-01T20:09:07.045048Z",
                action="user.licences_updated",
                status="in_progress",
                customer={"id": "4B10BF41-AB18-40A8-9FD4-DBDA4D3DC7B4", "name": "Fabrikam SARL"},
                actor={"id": "admin@contoso.example", "name": "Ana", "role": "admin_agent", "ip": "203.0.113.7"},
                target={"type": "user", "id": "u-1"},
                reason="no licence left",
                source="portal",
                correlation_id="c-1",
                changes=[{"field": "licences", "old": 1.0, "new": [1, 2]}],
                details={"a": 1},
            )
        ]
    )
    found = records(reader, startDate="2017-06-01", endDate="2017-06-01")
    assert (found["totalCount"], found["attributes"]) == (1, {"objectType": "Collection"})
    [record] = found["items"]
    assert set(record) == FIELDS
    customized = record.pop("customizedData")
    assert record == {
        "id": "r-1",
        "partnerId": partner.name,
        "customerId": "4B10BF41-AB18-40A8-9FD4-DBDA4D3DC7B4",
        "customerName": "Fabrikam SARL",
        "userPrincipalName": "admin@contoso.example",
        "applicationId": "portal",
        "resourceType": "license",
        "resourceOldValue": '{"licences":1.0}',
        "resourceNewValue": '{"licences":[1,2]}',
        "operationType": "update_customer_user_licenses",
        "operationDate": "2017-06-01T20:09:07.0450480Z",
        "operationStatus": "progress",
        "originalCorrelationId": "c-1",
        "attributes": {"objectType": "AuditRecord"},
    }
    named = {each["key"]: each["value"] for each in customized}
    assert named["Role"] == "admin_agent" and named["TargetId"] == "u-1" and named["Reason"] == "no licence left"
    assert reader.get(named["DetailsUrl"]).json()["details"] == {"a": 1}


def test_record_is_listed_without_customer_or_known_action(reader, partner):
    partner.record(
        [
            new_activity(id="a", occurred_at="2024-03-05T09:30:00Z", action="customer.created", status="failed"),
            new_activity(id="b", occurred_at="2024-03-05T09:30:01Z", action="kms.decrypt", status="declined", actor={"type": "application", "id": "app-1"}),
        ]
    )
    unknown, failed = records(reader, startDate="2024-03-05", endDate="2024-03-05")["items"]
    assert (failed["operationType"], failed["operationStatus"]) == ("add_customer", "failed")
    assert "customerId" not in failed and "resourceNewValue" not in failed
    assert (unknown["operationType"], unknown["resourceType"], unknown["operationStatus"]) == ("kms.decrypt", "kms", "decline")
    assert unknown["applicationId"] == unknown["userPrincipalName"] == "app-1"


def test_continuation_token_leads_to_the_next_page(reader, partner):
    sent = [new_activity(occurred_at=f"2024-03-05T09:{minute:02}:00Z") for minute in range(25)]
    partner.record(sent)
    question, found, token = {"startDate": "3/5/2024 12:00:00 AM", "endDate": "3/5/2024 12:00:00 AM", "size": 10}, [], None
    while True:
        page = records(reader, {"MS-ContinuationToken": token} if token else None, **question)
        assert page["totalCount"] == len(page["items"]) <= 10
        found += ids(page)
        this = page["links"]["self"]
        assert this["method"] == "GET" and this["uri"].startswith("/auditrecords?")
        assert parse_qs(urlsplit(this["uri"]).query) == {name: [str(value)] for name, value in question.items()}
        token = page.get("continuationToken")
        if token is None:
            break
        assert page["links"]["next"]["headers"] == [{"key": "MS-ContinuationToken", "value": token}]
    assert "next" not in page["links"]
    assert found == [one["id"] for one in newest_first(sent)]
    days = {"startDate": "2024-03-05", "endDate": "2024-03-05"}
    token = records(reader, size=10, **days)["continuationToken"]
    assert len(ids(records(reader, {"MS-ContinuationToken": token}, size=11, **days))) == 11
    other = reader.get("/v1/auditrecords", params={"startDate": "2024-03-05"}, headers={"MS-ContinuationToken": token})
    is_problem(other, 400, "invalid-request", "/MS-ContinuationToken")


def test_documented_filters_select_matching_records(reader, partner):
    upper, lower = "4B10BF41-AB18", "4b10bf41-ab18"
    for number, (customer, action) in enumerate(
        [
            ({"id": upper, "name": "Fabrikam SARL"}, "order.created"),
            ({"id": lower, "name": "FABRIKAM"}, "user.created"),
            ({"id": "c-2", "name": "Société Été"}, "order.cancelled"),
            (None, "kms.decrypt"),
        ]
    ):
        activity = new_activity(id=f"f-{number}", occurred_at=f"2024-03-05T09:30:0{number}Z", action=action)
        partner.record([activity | ({"customer": customer} if customer else {})])
    days = {"startDate": "2024-03-01", "endDate": "2024-03-31"}
    for filter, expected in [
        (where("CompanyName", "fabriKAM", "substring"), ["f-1", "f-0"]),
        (where("companyname", "ÉT", "Substring"), ["f-2"]),
        (where("CompanyName", "societe ete", "substring"), ["f-2"]),
        (where("CustomerId", upper, "equals"), ["f-1", "f-0"]),
        (where("CustomerId", lower, "equals"), ["f-1", "f-0"]),
        (where("ResourceType", "Order", "equals"), ["f-2", "f-0"]),
        (where("ResourceType", "customer_user", "equals"), ["f-1"]),
        (where("ResourceType", "CustomerUser", "equals"), ["f-1"]),
        (where("ResourceType", "kms", "equals"), ["f-3"]),
    ]:
        assert ids(records(reader, filter=filter, **days)) == expected, filter


def test_default_period_is_thirty_days_and_any_age_is_listed(reader, partner):
    moments = {
        "now": now() - timedelta(minutes=1),
        "29 days": now() - timedelta(days=29),
        "31 days": now() - timedelta(days=31),
        "ten years": now() - timedelta(days=3650),
    }
    partner.record([new_activity(id=name.replace(" ", "-"), occurred_at=rfc3339(moment)) for name, moment in moments.items()])
    assert ids(records(reader)) == ["now", "29-days"]
    assert ids(records(reader, startDate="2000-01-01")) == ["now", "29-days", "31-days", "ten-years"]


def test_answer_repeats_the_request_and_correlation_ids(reader):
    sent = {"MS-RequestId": str(uuid.uuid4()), "MS-CorrelationId": str(uuid.uuid4()), "X-Locale": "en-US"}
    answer = reader.get("/v1/auditrecords", headers=sent)
    assert answer.status_code == 200
    assert (answer.headers["MS-RequestId"], answer.headers["MS-CorrelationId"]) == (sent["MS-RequestId"], sent["MS-CorrelationId"])


@pytest.mark.parametrize(
    "parameters, field",
    [
        ({"startDate": "44"}, "/startDate"),
        ({"endDate": "yesterday"}, "/endDate"),
        ({"startDate": "2024-02-01", "endDate": "2024-01-01"}, "/startDate"),
        ({"filter": "CompanyName"}, "/filter"),
        ({"filter": where("Colour", "red", "equals")}, "/filter"),
        ({"filter": where("CompanyName", "x", "equals")}, "/filter"),
        ({"filter": ""}, "/filter"),
        ({"filter": where("CompanyName", "", "substring")}, "/filter"),
        ({"filter": where("CustomerId", " ", "equals")}, "/filter"),
        ({"filter": where("ResourceType", "", "equals")}, "/filter"),
        ({"startDate": ""}, "/startDate"),
        ({"size": "0"}, "/size"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_unsupported_parameter_is_refused_by_name(caller, parameters, field):
    is_problem(caller("contoso-sales-agent").get("/v1/auditrecords", params=parameters), 400, "invalid-request", field)


@pytest.mark.parametrize(
    "path, prefix, sent, refused",
    [
        ("/v1/auditrecords", "", {"filter": "?"}, "/filter"),
        ("/auditactivity/v1/auditrecords", "auditRequest.", {"auditRequest.filter.field": "CustomerId"}, "/auditRequest.filter.value"),
    ],
)
def test_all_faults_of_a_query_for_records_are_named_at_once(caller, path, prefix, sent, refused):
    wrong = {f"{prefix}{name}": "?" for name in ("startDate", "endDate", "size")} | {"colour": "red"}
    found = is_problem(caller("contoso-sales-agent").get(path, params=wrong | sent), 400, "invalid-request")
    assert {error["pointer"] for error in found["errors"]} == {f"/{name}" for name in wrong} | {refused}


def test_person_reads_records_of_its_own_partner_only(caller, operator):
    marker = uuid.uuid4().hex
    for name in ("contoso", "fabrikam"):
        Partner(operator, name).record([new_activity(id=f"{marker}-{name}", occurred_at="2019-05-05T00:00:00Z")])
    for name in ("contoso", "fabrikam"):
        found = ids(records(caller(f"{name}-helpdesk-agent"), startDate="2019-05-05", endDate="2019-05-05"))
        assert [one for one in found if one.startswith(marker)] == [f"{marker}-{name}"]
