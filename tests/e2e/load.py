"""Load: many recordings, lists and exports at once, while functions are killed."""

import csv
import io
import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict

import requests

from api import ALL_OF_2024, in_parallel, new_activity
from processes import peaks, running

WIDTH = 8
BATCH = 20
# Functions without state between requests: the client of a killed one repeats its request.
MORTAL = {"authorizer", "record", "query", "exports", "admin"}
# Statuses of a saturated installation; the answer must say when to retry.
BUSY = {429, 503}


class Load:
    """The activities sent to some partners, and the answers."""

    def __init__(self, stack, partners, seed):
        self.stack, self.partners, self.chance = stack, partners, random.Random(seed)
        self.statuses, self.kills, self.impatient = Counter(), Counter(), 0
        self.memory = []
        self.exports = []
        self._acknowledged = defaultdict(dict)
        self._unsure = defaultdict(dict)
        self._lock = threading.Lock()

    def run(self, seconds, kill_every=None):
        """Sends requests for some seconds, and kills a process of a function every `kill_every` seconds."""
        ends = time.monotonic() + seconds
        work = [threading.Thread(target=self._ask_until, args=(ends, self.chance.random())) for _ in range(WIDTH)]
        work.append(threading.Thread(target=self._look_until, args=(ends, seconds / 4)))
        if kill_every:
            work.append(threading.Thread(target=self._kill_until, args=(ends, kill_every)))
        for each in work:
            each.start()
        for each in work:
            each.join()

    def _ask_until(self, ends, seed):
        chance = random.Random(seed)
        while time.monotonic() < ends:
            partner, kind = chance.choice(self.partners), chance.random()
            if kind < 0.55:
                self._record(partner, [self._activity(chance)], chance)
            elif kind < 0.75:
                self._record(partner, [self._activity(chance) for _ in range(BATCH)], chance)
            elif kind < 0.98:
                self._ask(partner.list, **ALL_OF_2024, limit=100, order=chance.choice(["asc", "desc"]))
            else:
                ordered = self._ask(partner.order, {**ALL_OF_2024, "details": chance.random() < 0.5})
                if ordered is not None and ordered.status_code == 202:
                    self.exports.append((partner, ordered.json()["id"]))

    def _activity(self, chance):
        day, second = chance.randint(1, 28), chance.randint(0, 86_399)
        at = f"2024-{chance.randint(1, 12):02}-{day:02}T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}.000001Z"
        return new_activity(occurred_at=at, details={"text": "x" * int(chance.paretovariate(1.1) * 200 % 60_000)})

    def _record(self, partner, activities, chance):
        """Records activities, and sends one in ten again after its acknowledgement."""
        with self._lock:
            self._unsure[partner.name] |= {activity["id"]: activity for activity in activities}
        self._send(partner, activities, {"recorded", "duplicate"})
        if chance.random() < 0.1:
            self._send(partner, activities, {"duplicate"} if self._knows(partner, activities) else {"recorded", "duplicate"})

    def _knows(self, partner, activities):
        with self._lock:
            return all(activity["id"] in self._acknowledged[partner.name] for activity in activities)

    def _send(self, partner, activities, expected):
        answer = self._ask(partner.send, {"activities": activities} if len(activities) > 1 else activities[0])
        if answer is None or answer.status_code not in (200, 201):
            return
        if len(activities) > 1:
            came = {result["id"]: result["status"] for result in answer.json()["results"]}
        else:
            came = {answer.json()["id"]: {201: "recorded", 200: "duplicate"}[answer.status_code]}
        with self._lock:
            for activity in activities:
                status = came[activity["id"]]
                assert status in expected or status == "rejected", (activity["id"], status, expected)
                if status != "rejected":
                    self._acknowledged[partner.name][activity["id"]] = activity
                    self._unsure[partner.name].pop(activity["id"], None)

    def _ask(self, ask, *arguments, **options):
        """Returns the answer, or nothing if the connection broke."""
        try:
            answer = ask(*arguments, **options)
        except requests.RequestException:
            self._count("no answer")
            return None
        self._count(answer.status_code)
        if answer.status_code in BUSY and "Retry-After" not in answer.headers:
            with self._lock:
                self.impatient += 1
        return answer

    def _count(self, status):
        with self._lock:
            self.statuses[status] += 1

    def _look_until(self, ends, every):
        """Samples the peak memory of the functions."""
        while time.monotonic() < ends:
            time.sleep(min(every, max(0, ends - time.monotonic())))
            self.memory.append(peaks(self.stack))

    def _kill_until(self, ends, every):
        while time.monotonic() < ends:
            time.sleep(every * self.chance.random() * 2)
            there = [(number, name) for number, name in running(self.stack) if name in MORTAL]
            if there:
                number, name = self.chance.choice(there)
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.kills[name] += 1

    def settle(self):
        """Resends activities until each is acknowledged; returns their number and the number of duplicates."""
        sent, there = 0, 0
        for partner in self.partners:
            present = set(partner.ids(**ALL_OF_2024, limit=1_000))
            unsure = list(self._unsure[partner.name].values())
            sent, there = sent + len(unsure), there + sum(activity["id"] in present for activity in unsure)

            def again(activity, partner=partner, present=present):
                for _ in range(20):
                    self._send(partner, [activity], {"duplicate"} if activity["id"] in present else {"recorded", "duplicate"})
                    if self._knows(partner, [activity]):
                        return

            in_parallel(again, unsure)
            assert not self._unsure[partner.name], f"{len(self._unsure[partner.name])} activities of {partner.name} are never acknowledged"
        return sent, there

    def check(self):
        """Checks that lists hold each acknowledged activity once and that exports hold none twice; returns the number of activities."""
        for partner in self.partners:
            wanted = set(self._acknowledged[partner.name])
            listed = Counter(partner.ids(**ALL_OF_2024, limit=1_000))
            assert set(listed) == wanted, f"lost {len(wanted - set(listed))}, {len(set(listed) - wanted)} were never sent"
            assert max(listed.values()) == 1, "an activity is listed twice"
            whole = exported(partner, partner.export(**ALL_OF_2024))
            assert Counter(whole) == listed, "the export differs from the list"
        for partner, export in self.exports:
            held = Counter(exported(partner, partner.ready(export)))
            assert not held or max(held.values()) == 1, "an activity is exported twice"
            assert set(held) <= set(self._acknowledged[partner.name]), "an export holds an activity that was never acknowledged"
        return sum(map(len, self._acknowledged.values()))


def exported(partner, export):
    """Returns the ids in the files of an export."""
    bodies = [partner.download(export, number) for number, file in enumerate(export["files"]) if file["name"].endswith(".csv")]
    return [row["Activity ID"] for body in bodies for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))]
