"""The inputs of `make onboard`: words such as PARTNER=tailspin, checked before anything is read or changed.

Every fault names its input and says what to give instead, and all faults are found at once.
"""

import json
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from environments import print_progress

ROLES = ("global_admin", "billing_admin", "user_management_admin", "admin_agent", "sales_agent", "helpdesk_agent")
RECORD, READ = "daybook/record", "daybook/read"
# The beginning of a client's name, and its scopes, by CLIENT.
CLIENTS = {"record": ("recorder", (RECORD,)), "read": ("reader", (READ,)), "both": ("client", (RECORD, READ))}
NONE = "none"
MAX_NAME_CHARS = 256
MAX_ID_CHARS = 128
# Cognito's limit for the names of users and of clients.
MAX_COGNITO_CHARS = 128
MAX_CUSTOMERS_CHARS = 2_048
MAX_RECIPIENTS = 10
PARTNER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
# The stack of `make up` also notifies programs on this machine.
WEBHOOK = re.compile(r"https://[^/\s]\S*|http://127\.0\.0\.1[:/]\S*")


def quoted(value: str) -> str:
    """Returns a value as a fault shows it."""
    return json.dumps(value if len(value) <= 60 else value[:60] + "…", ensure_ascii=False)


def partner_fault(value: str) -> str | None:
    """Returns what is wrong with a partner's id, if anything."""
    is_id = PARTNER_ID.fullmatch(value) and value not in (".", "..")
    return None if is_id else f"{quoted(value)} is not a partner's id; use 1 to {MAX_ID_CHARS} letters (A-Z, a-z), digits, dots, underscores and hyphens"


def _name_fault(value: str) -> str | None:
    is_name = len(value) <= MAX_NAME_CHARS and value.isprintable() and value.strip()
    return None if is_name else f"{quoted(value)} is not a name; use 1 to {MAX_NAME_CHARS} characters on one line"


def _address_fault(value: str) -> str | None:
    if value == NONE:
        return None
    if len(value) > MAX_COGNITO_CHARS:
        return f"{quoted(value)} is too long; people sign in with their address, which may have {MAX_COGNITO_CHARS} characters"
    return None if ADDRESS.fullmatch(value) else f"{quoted(value)} is not one e-mail address such as ana@tailspin.example"


def _time_zone_fault(value: str) -> str | None:
    known = zoneinfo.available_timezones()
    # A machine without rules of zones leaves this to the service.
    if not known or value in known:
        return None
    near = get_close_matches(value, known, 3, 0.7)
    return f"{quoted(value)} is not a time zone; give an IANA name such as Europe/Paris" + (f". Did you mean {' or '.join(near)}?" if near else "")


def _one_of(*choices: str) -> Callable[[str], str | None]:
    return lambda value: None if value in choices else f"{quoted(value)} is none of {', '.join(choices)}"


def _flag_fault(value: str) -> str | None:
    return None if value == "1" else f"{quoted(value)} is not 1; leave it out for no"


def _customers_fault(value: str) -> str | None:
    is_list = value.isprintable() and value.split() and len(value) <= MAX_CUSTOMERS_CHARS
    return (
        None if is_list else f"{quoted(value)} is not a list of customers; give ids with spaces between, {MAX_CUSTOMERS_CHARS} characters at most, or * for all"
    )


def _client_id_fault(value: str) -> str | None:
    is_id = len(value) <= MAX_ID_CHARS and value.isprintable() and " " not in value
    return None if is_id else f"{quoted(value)} is not the id of a client; use 1 to {MAX_ID_CHARS} characters without spaces"


def recipients(value: str) -> list[str]:
    """Returns the addresses to notify, as a schedule takes them."""
    return [word if ":" in word else f"mailto:{word}" for word in re.split(r"[\s,]+", value) if word]


def _notify_fault(value: str) -> str | None:
    given = recipients(value)
    if not 1 <= len(given) <= MAX_RECIPIENTS:
        return f"has {len(given)} addresses; give 1 to {MAX_RECIPIENTS}, with commas between"
    is_email = lambda text: text.startswith("mailto:") and ADDRESS.fullmatch(text.removeprefix("mailto:"))
    wrong = [quoted(text) for text in given if not (is_email(text) or WEBHOOK.fullmatch(text))]
    return f"{', '.join(wrong)}: give https://… or an e-mail address" if wrong else None


# The inputs, with the rule of each.
INPUTS: dict[str, Callable[[str], str | None]] = {
    "PARTNER": partner_fault,
    "NAME": _name_fault,
    "TIME_ZONE": _time_zone_fault,
    "ADMIN": _address_fault,
    "ADMIN_NAME": _name_fault,
    "ROLE": _one_of(*ROLES),
    "CUSTOMERS": _customers_fault,
    "CLIENT": _one_of(*CLIENTS, NONE),
    "CLIENT_ID": _client_id_fault,
    "SCHEDULE": _flag_fault,
    "LOCALE": _one_of("en", "fr"),
    "FORMAT": _one_of("csv", "jsonl", "xlsx"),
    "NOTIFY": _notify_fault,
    "YES": _flag_fault,
}
OF_PEOPLE = ("ADMIN_NAME", "ROLE", "CUSTOMERS")
OF_SCHEDULES = ("LOCALE", "FORMAT", "NOTIFY")
# The name of a stack on AWS, and the folder of the local stack's files.
PLACES = ("STACK", "DIR")


@dataclass(frozen=True)
class Wanted:
    """What a run is to bring about, once all inputs are checked."""

    partner: str
    name: str | None = None
    time_zone: str | None = None
    # None for nobody.
    admin: str | None = None
    admin_name: str | None = None
    role: str = ROLES[0]
    # The customers whom the person may see, where people are restricted to customers.
    customers: str | None = None
    # The kind of client to create, or `NONE`.
    client: str = NONE
    # A client that exists.
    client_id: str | None = None
    # The given members of the schedule; none if no schedule is asked for.
    schedule: dict | None = None

    @property
    def client_name(self) -> str:
        """The name of the client to create."""
        return f"{CLIENTS[self.client][0]}-{self.partner}"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the client to create."""
        return CLIENTS[self.client][1]


def read_words(words: list[str], known: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Reads words such as PARTNER=tailspin; an empty value counts as left out. Returns the inputs, and the faults."""
    given, faults = {}, []
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or name not in known:
            near = get_close_matches(name.upper(), known, 1, 0.6)
            faults.append(f"{quoted(word)} is not an input" + (f"; did you mean {near[0]}=…?" if near else f"; there are {', '.join(known)}"))
        elif value:
            given[name] = value
    return given, faults


def check(given: dict[str, str]) -> tuple[Wanted | None, list[str]]:
    """Returns what is wanted, or all faults of the inputs."""
    faults = [f"{name}: {fault}" for name, rule in INPUTS.items() if name in given and (fault := rule(given[name]))]
    if "PARTNER" not in given:
        faults.append("PARTNER: is missing; give the partner's id, such as PARTNER=tailspin")
    if "ADMIN" not in given:
        faults.append("ADMIN: is missing; give the e-mail address of a person, or ADMIN=none for nobody")
    elif given["ADMIN"] == NONE:
        faults += [f"{name}: needs a person; give ADMIN" for name in OF_PEOPLE if name in given]
    if "SCHEDULE" not in given:
        faults += [f"{name}: needs a schedule; give SCHEDULE=1" for name in OF_SCHEDULES if name in given]
    if "CLIENT" in given and "CLIENT_ID" in given:
        faults.append("CLIENT_ID: is given with CLIENT; CLIENT creates a client, and CLIENT_ID registers one that exists")
    wanted = None if faults else _wanted(given)
    if wanted and wanted.client != NONE and len(wanted.client_name) > MAX_COGNITO_CHARS:
        return None, ["PARTNER: is too long for the name of a client; create the client by hand, and give CLIENT=none"]
    return wanted, faults


def _wanted(given: dict[str, str]) -> Wanted:
    schedule = None
    if "SCHEDULE" in given:
        schedule = {name.lower(): given[name] for name in ("TIME_ZONE", "LOCALE", "FORMAT") if name in given}
        if "NOTIFY" in given:
            schedule["notify"] = recipients(given["NOTIFY"])
    return Wanted(
        partner=given["PARTNER"],
        name=given.get("NAME"),
        time_zone=given.get("TIME_ZONE"),
        # In lower case, because Cognito tells sign-in names apart by their case.
        admin=None if given["ADMIN"] == NONE else given["ADMIN"].lower(),
        admin_name=given.get("ADMIN_NAME"),
        role=given.get("ROLE", ROLES[0]),
        customers=" ".join(given["CUSTOMERS"].split()) if "CUSTOMERS" in given else None,
        client=NONE if "CLIENT_ID" in given else given.get("CLIENT", "record"),
        client_id=given.get("CLIENT_ID"),
        schedule=schedule,
    )


def refuse(faults: list[str]) -> int:
    """Prints why nothing is done, and returns the exit status."""
    print_progress("\nNothing is changed. Correct this first:")
    for fault in faults:
        print_progress(f"  {fault}{'' if fault.endswith(('?', '.')) else '.'}")
    return 2
