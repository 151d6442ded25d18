"""Limits of partners: the load of one partner does not affect the others."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from api import ALL_OF_2024, Partner, in_parallel, is_problem, new_activity


@pytest.fixture
def limited(operator, names):
    """Creates partners with their own limits."""

    def make(**limits):
        partner = Partner(operator, names()).register()
        saved = operator.put(f"{partner.path}/settings", json={"limits": limits})
        assert saved.status_code == 200 and saved.json()["limits"] == limits, saved.text
        return partner

    return make


def is_refused(answer):
    is_problem(answer, 429, "throttled")
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    return True


def test_limit_refuses_a_noisy_partner_but_no_quiet_one(limited, partner):
    noisy = limited(records_per_second=3)
    with ThreadPoolExecutor(1) as aside:
        quiet = aside.submit(lambda: [partner.send(new_activity()).status_code for _ in range(40)])
        sent = [new_activity() for _ in range(200)]
        answers = in_parallel(noisy.send, sent)
    assert quiet.result() == [201] * 40
    recorded = [activity["id"] for activity, answer in zip(sent, answers) if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    # The limit counts in spans of ten seconds.
    assert refused and all(map(is_refused, refused))
    assert len(recorded) >= 30
    # The list holds the acknowledged activities and no refused one.
    assert sorted(noisy.ids(**ALL_OF_2024)) == sorted(recorded)


def test_reading_is_refused_when_the_read_units_are_used(limited, partner):
    noisy = limited(read_units_per_second=1)
    noisy.record([new_activity(details={"text": "x" * 700}) for _ in range(200)])
    answers = [noisy.list(**ALL_OF_2024, limit=200) for _ in range(12)]
    # The first page costs more than ten seconds allow.
    assert answers[0].status_code == 200
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused and all(map(is_refused, refused))
    assert "1 read units a second" in refused[0].json()["detail"]
    assert partner.list(**ALL_OF_2024).status_code == 200


def test_batch_is_recorded_up_to_the_limit_and_can_be_resent(limited):
    partner = limited(records_per_second=2)
    sent = [new_activity() for _ in range(50)]
    answer = partner.send({"activities": sent}).json()
    assert (answer["recorded"], answer["rejected"]) == (20, 30)
    statuses = [result["status"] for result in answer["results"]]
    assert statuses == ["recorded"] * 20 + ["rejected"] * 30
    assert {result["problem"]["type"].rsplit(":", 1)[-1] for result in answer["results"][20:]} == {"throttled"}
    assert sorted(partner.ids(**ALL_OF_2024)) == sorted(activity["id"] for activity in sent[:20])


def test_export_is_refused_when_the_rows_of_the_day_are_used(limited):
    partner = limited(export_rows_per_day=3)
    partner.record([new_activity() for _ in range(3)])
    key = {"Idempotency-Key": "once"}
    first = partner.order(ALL_OF_2024, headers=key)
    partner.ready(first.json()["id"])
    refused = partner.order(ALL_OF_2024)
    assert "3" in is_problem(refused, 429, "throttled")["detail"]
    assert 86_000 < int(refused.headers["Retry-After"]) <= 86_401
    again = partner.order(ALL_OF_2024, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    # The key of a refused request stays refused until there is room.
    for _ in range(2):
        is_problem(partner.order(ALL_OF_2024, headers={"Idempotency-Key": "twice"}), 429, "throttled")


@pytest.mark.parametrize(
    "body, field",
    [
        ({"limits": {"open_exports": 0}}, "/limits/open_exports"),
        ({"limits": {"open_exports": 1_001}}, "/limits/open_exports"),
        ({"limits": {"records_per_second": 1_000_001}}, "/limits/records_per_second"),
        ({"limits": {"export_rows_per_day": 2 * 10**9 + 1}}, "/limits/export_rows_per_day"),
        ({"limits": {"records_per_second": -1}}, "/limits/records_per_second"),
        ({"limits": {"read_units_per_second": 0}}, "/limits/read_units_per_second"),
        ({"limits": {"read_units_per_second": 1_000_001}}, "/limits/read_units_per_second"),
        ({"limits": {"colour": 1}}, "/limits/colour"),
    ],
)
def test_invalid_limits_are_refused(partner, operator, body, field):
    is_problem(operator.put(f"{partner.path}/settings", json=body), 400, "invalid-request", field)


def test_limits_and_shards_change_independently(limited, operator):
    partner = limited(open_exports=5)
    spread = operator.put(f"{partner.path}/settings", json={"shards": 4}).json()
    assert (spread["limits"], [step["shards"] for step in spread["shards"]]) == ({"open_exports": 5}, [4])
    free = operator.put(f"{partner.path}/settings", json={"limits": None}).json()
    assert (free["limits"], free["shards"]) == ({}, spread["shards"])


def test_absent_settings_stay_and_null_sets_the_default(limited, operator):
    partner = limited(open_exports=5, records_per_second=7)
    path = f"{partner.path}/settings"
    for limits, expected in [
        ({}, {"open_exports": 5, "records_per_second": 7}),
        ({"open_exports": 6}, {"open_exports": 6, "records_per_second": 7}),
        ({"open_exports": None}, {"records_per_second": 7}),
    ]:
        assert operator.put(path, json={"limits": limits}).json()["limits"] == expected
    assert operator.put(path, json={}).json()["limits"] == {"records_per_second": 7}
    assert [step["shards"] for step in operator.put(path, json={"shards": 4}).json()["shards"]] == [4]
    assert operator.put(path, json={"shards": None}).json()["shards"] == []


def test_all_faults_of_settings_are_named_at_once(partner, operator):
    body = {"shards": 65, "shards_from": "soon", "limits": {"open_exports": 0, "colour": 1, "records_per_second": "x"}, "size": 1}
    found = is_problem(operator.put(f"{partner.path}/settings", json=body), 400, "invalid-request")
    pointers = {error["pointer"] for error in found["errors"]}
    assert pointers == {"/shards", "/shards_from", "/limits/open_exports", "/limits/colour", "/limits/records_per_second", "/size"}
