#!/usr/bin/env python3
"""Shows a partner, or lists all: `make partner PARTNER=tailspin`, `make partner`. Changes nothing.

For an installation on AWS, add STACK=daybook. People and clients are shown if the installation has its own user pool.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent / "local")]

from environments import TOOLS, Progress, print_progress, run_inside
from onboard_inputs import PLACES, partner_fault, read_words, refuse

if TYPE_CHECKING:
    from installation import Api, Installation

# How many of the newest exports are looked at.
EXPORTS = 1_000
OPEN = ("pending", "running")
# Requests at the same time.
WIDTH = 8


def show(installation: "Installation", name: str) -> int:
    """Prints everything about a partner."""
    api, path = installation.api, f"/v1/partners/{name}"
    found = api.get(path)
    if found is None:
        return report_unknown(installation, name)
    print(f"{name}, at {installation.place}\n")
    schedule = api.get(f"{path}/export-schedule")
    sections = [
        *registry(found),
        *settings(api.get(f"{path}/settings")),
        *retention(api, path, found),
        ("schedule", describe_schedule(schedule)),
        *open_exports(api, path),
    ]
    if installation.pool:
        sections += [*people(installation, name), *clients(installation, name)]
    for title, text in sections:
        print(f"  {title:<13} {text}")
    return 0


def report_unknown(installation: "Installation", name: str) -> int:
    """Says that a partner is not registered, which similar ones are, and who belongs to it all the same."""
    print_progress(f"No partner {name} is registered at {installation.place}.")
    if near := [f"{partner['partner_id']} ({partner['name']})" for partner in installation.api.similar_partners(name)]:
        print_progress(f"Partners with a similar name: {', '.join(near)}")
    left = [person.username for person in installation.pool.people_of(name)] if installation.pool else []
    if left:
        print_progress(f"The user pool has people of {name}: {', '.join(left)}")
    print_progress(f"To register this partner: make onboard PARTNER={name} ADMIN=…")
    return 1


def registry(found: dict) -> Iterator[tuple[str, str]]:
    """Yields what the registry says."""
    yield "name", found["name"] or "none"
    yield "status", found["status"]
    yield "time zone", found["time_zone"] or "none"
    yield "months", _months(found)
    if found["created_at"]:
        yield "registered", found["created_at"]
        yield "changed", f"{found['updated_at']} by {found['updated_by']['name']}"
    if leaving := found.get("leaving"):
        deletion = f"begun {leaving['begun_at']}" if leaving["begun_at"] else f"begins {leaving['deletes_at']}"
        last = f"; last export {leaving['last_export']}" if leaving["last_export"] else ""
        yield "leaving", f"ordered {leaving['ordered_at']} by {leaving['ordered_by']['name']}; deletion {deletion}{last}"
    for left in found.get("left", []):
        yield "deleted", f"{left['deleted_at']}, ordered {left['ordered_at']} by {left['ordered_by']['name']}: {_counts(left['counts'])}"


def _months(found: dict) -> str:
    first, last = found["first_month"], found["last_month"]
    return f"{first} to {last}" if first else "no activities"


def _counts(counts: dict) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def settings(found: dict | None) -> Iterator[tuple[str, str]]:
    """Yields the partner's settings that differ from the installation's."""
    found = found or {}
    steps = [f"{step['shards']} from {step['from']}" for step in found.get("shards", [])]
    yield "shards", ", ".join(steps) or "1"
    limits = [f"{name} {value:,}" for name, value in (found.get("limits") or {}).items() if value is not None]
    yield "limits", (", ".join(limits) or "the installation's") + ("" if found.get("limits_apply", True) else "; this installation limits nobody")


def retention(api: "Api", path: str, found: dict) -> Iterator[tuple[str, str]]:
    """Yields how long activities are kept, and how many holds keep some of them."""
    kept = api.get(f"{path}/retention") or {"months": found.get("retention_months"), "pending": None}
    later = kept["pending"]
    yield "retention", _keep(kept["months"]) + (f"; {_keep(later['months'])} from {later['effective_at']} on" if later else "")
    yield "open holds", str(found.get("open_holds", 0))


def _keep(months: int | None) -> str:
    return "for ever" if months is None else f"{months} months"


def describe_schedule(found: dict | None) -> str:
    """Describes the schedule of monthly exports in a line."""
    if found is None:
        return "none"
    state = f"on, makes {found['next_month']} at {found['next_run_at']}" if found["enabled"] else "off"
    notified = f"; notifies {' '.join(found['notify'])}" if found["notify"] else ""
    return f"{state}; {found['format']}, {found['locale']}, {found['time_zone']}, since {found['from']}{notified}"


def open_exports(api: "Api", path: str) -> Iterator[tuple[str, str]]:
    """Yields the exports that are not finished, of the newest ones."""
    newest = list(islice(api.list_all(f"{path}/exports", "exports"), EXPORTS))
    unfinished = [each for each in newest if each["status"] in OPEN]
    yield "open exports", f"{len(unfinished)}" + (f" of the newest {EXPORTS:,}" if len(newest) == EXPORTS else "")
    for each in unfinished:
        yield "", f"{each['id']}  {each['status']}, {each['progress']['rows']:,} rows, created {each['created_at']}"


def people(installation: "Installation", partner: str) -> Iterator[tuple[str, str]]:
    """Yields the people of the partner, with their roles, and with their customers if people are restricted to customers."""
    pool, claim = installation.pool, installation.customers_claim
    found = pool.people_of(partner)
    yield "people", str(len(found))
    for person in found:
        roles = ", ".join(pool.roles(person.username)) or "no role"
        customers = f"customers {person.attributes.get(claim) or 'none'}" if claim else ""
        state = "disabled" if not person.enabled else "invited" if person.is_invited else ""
        yield "", _line(person.username, person.name, roles, customers, state)


def clients(installation: "Installation", partner: str) -> Iterator[tuple[str, str]]:
    """Yields the clients of the user pool that are registered for the partner."""
    progress, found, candidates = Progress("clients read"), [], installation.pool.clients()
    with ThreadPoolExecutor(WIDTH) as threads:
        registrations = threads.map(lambda client: installation.api.registration(client.id), candidates)
        for number, (client, registration) in enumerate(zip(candidates, registrations), 1):
            progress.report(number)
            if registration and registration["partner"] == partner:
                found.append((installation.pool.client(client.id), registration))
    yield "clients", str(len(found))
    for client, registration in found:
        customers = registration.get("customers")
        restriction = "" if customers is None else f"customers {' '.join(customers) or 'none'}"
        yield "", _line(client.name, client.id, " ".join(client.scopes) or "no scope", restriction)


def _line(*words: str) -> str:
    return "  ".join(word for word in words if word)


def list_all(installation: "Installation") -> int:
    """Prints every registered partner in a line."""
    found = installation.api.partners()
    width = max([len(partner["partner_id"]) for partner in found], default=0)
    for partner in found:
        print(f"{partner['partner_id']:<{width}}  {partner['status']:<9}  {_months(partner):<18}  {partner['name']}")
    print_progress(f"{len(found)} partners are registered at {installation.place}.")
    return 0


def main(words: list[str]) -> int:
    """Reads the inputs, finds the installation, and shows one partner or all."""
    given, faults = read_words(words, ("PARTNER", *PLACES))
    name = given.get("PARTNER")
    if name and (fault := partner_fault(name)):
        faults.append(f"PARTNER: {fault}")
    if faults:
        return refuse(faults)
    run_inside("emulator")
    import installation

    def work() -> int:
        there = installation.find(given.get("STACK"), Path(given.get("DIR", TOOLS)))
        return show(there, name) if name else list_all(there)

    return installation.run_as_operator(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
