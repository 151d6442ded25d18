"""The feed: whoever polls it reads everything that is recorded, also what comes late, once and in the order of recording."""

import random
import time
from datetime import timedelta

import pytest
from amounts import amount, report, setting

from api import eventually, in_parallel, instant, is_problem, new_activity, now, rfc3339

SECONDS = amount("FEED_SECONDS", 20, 600)
SEED = setting("FEED_SEED", 1)
WRITERS = 8


@pytest.fixture
def followed(partner, operator):
    """A partner whose feed has begun."""
    saved = operator.put(f"{partner.path}/settings", json={"feed": True})
    assert saved.status_code == 200 and saved.json()["feed"] is True, saved.text
    begins_at = instant(saved.json()["feed_begins_at"])
    assert timedelta(seconds=60) <= begins_at - now() <= timedelta(seconds=91)
    time.sleep(max(0, (begins_at - now()).total_seconds()))
    return partner


def poll(partner, after, limit):
    """Reads pages until there is nothing more to read now. Returns the activities and the position."""
    found = []
    while True:
        answer = partner.caller.get(f"{partner.path}/feed", params={"limit": limit} | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["activities"]) <= limit and (after is None or page["after"] >= after)
        assert all(each["recorded_at"] <= page["complete_through"] for each in page["activities"])
        found, after = found + page["activities"], page["after"]
        if now() - instant(page["complete_through"]) < timedelta(seconds=125):
            return found, after


def test_poller_reads_everything_once_while_eight_writers_record(followed, operator):
    chance = random.Random(SEED)
    end, sent, polled, after = time.monotonic() + SECONDS, [], [], None

    def write(number):
        ago = chance.choice([timedelta(), timedelta(seconds=5), timedelta(hours=1), timedelta(days=40), timedelta(days=900)])
        batch = [new_activity(occurred_at=rfc3339(now() - ago)) for _ in range(chance.randint(1, 5))]
        # Every fourth batch is sent twice, as senders do that heard no answer.
        for _ in range(2 if number % 4 == 0 else 1):
            answer = followed.send({"activities": batch})
            assert answer.status_code == 200, answer.text
        return batch

    while time.monotonic() < end:
        sent += [activity for batch in in_parallel(write, range(WRITERS), WRITERS) for activity in batch]
        found, after = poll(followed, after, chance.choice([1, 7, 100]))
        polled += found
        time.sleep(chance.random())

    def rest():
        nonlocal polled, after
        found, after = poll(followed, after, 1000)
        polled += found
        return len(polled) >= len(sent)

    eventually(rest, "the feed has everything", 180)
    keys = [(each["recorded_at"], instant(each["occurred_at"]), each["id"]) for each in polled]
    assert keys == sorted(keys)
    assert sorted(each["id"] for each in polled) == sorted(each["id"] for each in sent)
    report("a poller that follows the feed", f"{SECONDS} s, {len(sent)} activities of {WRITERS} writers", SEED)

    # A new poller reads the same from the beginning, and positions of before the feed are refused.
    again, _ = poll(followed, None, 1000)
    assert [each["id"] for each in again] == [each["id"] for each in polled]
    refused = followed.caller.get(f"{followed.path}/feed", params={"after": "2020-01-01T00:00:00.000Z"})
    assert "begins" in is_problem(refused, 410, "gone")["detail"]
    off = operator.put(f"{followed.path}/settings", json={"feed": False}).json()
    assert off["feed"] is False and off["feed_begins_at"] is None
    is_problem(followed.caller.get(f"{followed.path}/feed"), 409, "conflict")
