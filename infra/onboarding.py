"""What `make onboard` does: reads what is there, plans the steps to what is wanted, and carries them out one by one.

A plan changes nothing. What speaks against it is found before the first step, as far as it can be read: somebody of another
partner, a client that is registered for another one, a schedule that cannot notify by e-mail. No step undoes or moves anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from installation import PARTNER_ATTRIBUTE, Client, Installation, Person
from onboard_inputs import NONE, READ, RECORD, Wanted, quoted

KEEP, CREATE, CHANGE, ADD, SET, BY_HAND = "keep", "create", "change", "add", "set", "by hand"
DONE = {CREATE: "created", CHANGE: "changed", ADD: "added", SET: "set"}
SCHEDULE = "schedule of monthly exports"


@dataclass(frozen=True)
class Step:
    """A part of the plan: what stays, what the run does, or what it leaves to you."""

    # One of the words above.
    verb: str
    what: str
    detail: str = ""
    act: Callable[[], None] | None = None

    @property
    def done(self) -> str:
        """The word for the step once it is done."""
        return DONE[self.verb]

    def __str__(self) -> str:
        return f"{self.verb:<9} {self.what}" + (f": {self.detail}" if self.detail else "")


@dataclass
class Plan:
    """The steps of a run, what speaks against it, and what you should know before."""

    steps: list[Step] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[Step]:
        """The steps that create or change something."""
        return [step for step in self.steps if step.act]

    @property
    def by_hand(self) -> list[Step]:
        """The steps that are left to you."""
        return [step for step in self.steps if step.verb == BY_HAND]


class Onboarding:
    """Plans and carries out what is wanted of an installation."""

    def __init__(self, installation: Installation, wanted: Wanted):
        self.installation, self.wanted = installation, wanted
        self.api, self.pool = installation.api, installation.pool
        self.path = f"/v1/partners/{wanted.partner}"
        # What the plan has found, and what the steps create.
        self.partner: dict = {}
        self.person: Person | None = None
        self.client: Client | None = None
        self.is_new_client = self.is_new_person = False

    def plan(self) -> Plan:
        """Reads what is there, and returns the steps to what is wanted."""
        plan = Plan()
        self._plan_partner(plan)
        if self.wanted.schedule is not None:
            self._plan_schedule(plan)
        if self.wanted.client_id:
            self._plan_existing_client(plan)
        elif self.wanted.client != NONE:
            self._plan_new_client(plan)
        if self.wanted.admin:
            self._plan_person(plan)
        return plan

    # The registry

    def _plan_partner(self, plan: Plan) -> None:
        wanted = self.wanted
        given = {name: value for name, value in (("name", wanted.name), ("time_zone", wanted.time_zone)) if value}
        found = self.api.get(self.path)
        if found and found["status"] == "deleted":
            plan.notes.append(f"The data of an earlier partner {wanted.partner} were deleted. The partner begins anew.")
            found = None
        self.partner = {"name": wanted.partner, "time_zone": "UTC"} | (found or {}) | given
        what, save = f"partner {wanted.partner}", lambda body: lambda: self.api.put(self.path, body)
        if found is None:
            if near := self.api.similar_partners(wanted.partner):
                shown = ", ".join(f"{partner['partner_id']} ({partner['name']})" for partner in near)
                plan.notes.append(f"{wanted.partner} is new, and there are partners with a similar name: {shown}. Is it a typing error?")
            plan.steps.append(Step(CREATE, what, f"{self.partner['name']}, {self.partner['time_zone']}", save(given | {"status": "active"})))
            return
        if found["status"] == "suspended":
            plan.notes.append(f'{wanted.partner} is suspended: it reads and does not record. To activate it: PUT {self.path} {{"status": "active"}}')
        elif found["status"] != "active":
            plan.faults.append(f"PARTNER: {wanted.partner} is {found['status']}, and make onboard takes no partner back: see make partner")
        changed = {name: value for name, value in given.items() if found[name] != value}
        if changed:
            plan.steps.append(Step(CHANGE, what, _describe_changes(found, changed), save(changed)))
        else:
            plan.steps.append(Step(KEEP, what, f"{found['name']}, {found['time_zone']}, {found['status']}"))

    # The schedule

    def _plan_schedule(self, plan: Plan) -> None:
        given = self.wanted.schedule
        if not self.installation.sends_email and any(each.startswith("mailto:") for each in given.get("notify", [])):
            plan.faults.append("NOTIFY: this installation sends no e-mail (its parameter EmailSender is empty); give a webhook, https://…")
        path = f"{self.path}/export-schedule"
        found = self.api.get(path)
        if found is None:
            body = {"enabled": True, "time_zone": self.partner["time_zone"]} | given
            shown = ", ".join(f"{name} {_show(value)}" for name, value in body.items() if name != "enabled")
            plan.steps.append(Step(CREATE, SCHEDULE, shown, lambda: self.api.put(path, body)))
            return
        wanted = {"enabled": True} | given
        changed = {name: value for name, value in wanted.items() if not _is_same(found[name], value)}
        if changed:
            plan.steps.append(Step(CHANGE, SCHEDULE, _describe_changes(found, changed), lambda: self.api.put(path, changed)))
        else:
            plan.steps.append(Step(KEEP, SCHEDULE, f"{found['format']}, {found['locale']}, {found['time_zone']}"))

    # The machine client

    def _plan_existing_client(self, plan: Plan) -> None:
        client_id = self.wanted.client_id
        self.client = self.pool.client(client_id) if self.pool else Client(client_id, client_id)
        if self.client is None:
            plan.faults.append(f"CLIENT_ID: the user pool has no client {quoted(client_id)}; leave CLIENT_ID out to create one")
        elif self.pool and client_id in self.pool.own_clients:
            plan.faults.append(f"CLIENT_ID: {client_id} is the installation's own client {self.client.name}; register a client of the partner")
        elif self.pool and not {RECORD, READ} & set(self.client.scopes):
            plan.faults.append(f"CLIENT_ID: the client {self.client.name} has neither of the scopes {RECORD} and {READ} for client credentials")
        else:
            self._plan_registration(plan)

    def _plan_new_client(self, plan: Plan) -> None:
        wanted = self.wanted
        what, scopes = f"client {wanted.client_name}", " ".join(wanted.scopes)
        if self.pool is None:
            how = f"create a client with the scopes {scopes} at your issuer, then run this again with CLIENT_ID=…"
            plan.steps.append(Step(BY_HAND, "machine client", how))
            return
        found = [client for client in self.pool.clients() if client.name == wanted.client_name]
        if len(found) > 1:
            plan.faults.append(f"CLIENT: the user pool has {len(found)} clients of the name {wanted.client_name}; give CLIENT_ID={found[0].id} or another")
        elif not found:

            def create() -> None:
                self.client, self.is_new_client = self.pool.create_client(wanted.client_name, wanted.scopes), True

            plan.steps.append(Step(CREATE, what, f"scopes {scopes}", create))
            self._plan_registration(plan)
        else:
            self.client = self.pool.client(found[0].id)
            if set(self.client.scopes) != set(wanted.scopes):
                has = " ".join(self.client.scopes) or "none"
                plan.faults.append(f"CLIENT: the client {self.client.name} is there with the scopes {has}, and make onboard changes no client")
            else:
                plan.steps.append(Step(KEEP, what, f"{self.client.id}, scopes {scopes}"))
                self._plan_registration(plan)

    def _plan_registration(self, plan: Plan) -> None:
        """Plans the registration of the client that is there, or that an earlier step creates."""
        partner, client = self.wanted.partner, self.client
        name = client.name if client else self.wanted.client_name
        what = f"registration of {name}"
        found = self.api.registration(client.id) if client else None
        if found is None:
            plan.steps.append(Step(CREATE, what, f"acts for {partner}", lambda: self.api.register(self.client.id, partner)))
        elif found["partner"] == partner:
            plan.steps.append(Step(KEEP, what, f"acts for {partner}"))
        else:
            plan.faults.append(
                f"CLIENT: {name} is registered for the partner {found['partner']}, and make onboard moves no client. "
                f"Use another client, or remove the registration first: DELETE /v1/clients/{client.id}"
            )

    # The person

    def _plan_person(self, plan: Plan) -> None:
        wanted = self.wanted
        what = f"person {wanted.admin}"
        if self.pool is None:
            claims = f"partner {wanted.partner}, role {wanted.role}"
            plan.steps.append(Step(BY_HAND, what, f"create the person at your issuer, with the claims of docs/onboard.md: {claims}"))
            return
        people = self.pool.find_people(wanted.admin)
        strangers = [person for person in people if person.partner != wanted.partner]
        if strangers:
            plan.faults += [_describe_stranger(person, wanted.admin) for person in strangers]
        elif len(people) > 1:
            names = ", ".join(person.username for person in people)
            plan.faults.append(f"ADMIN: {len(people)} people have this address ({names}); give the role by hand (docs/onboard.md)")
        elif people:
            self._plan_existing_person(plan, people[0])
        else:
            self._plan_new_person(plan)

    def _plan_new_person(self, plan: Plan) -> None:
        wanted, pool, claim = self.wanted, self.pool, self.installation.customers_claim
        if claim and not wanted.customers:
            plan.faults.append('CUSTOMERS: is missing; people see the customers of their claim only. Give CUSTOMERS="*" for all, or ids with spaces between')
        elif wanted.customers and not claim:
            plan.faults.append("CUSTOMERS: people of this installation are not restricted to customers (its parameter CustomersClaim is empty); leave it out")
        attributes = {PARTNER_ATTRIBUTE: wanted.partner}
        attributes |= {name: value for name, value in (("name", wanted.admin_name), (claim, wanted.customers)) if name and value}
        shown = f"partner {wanted.partner}" + (f", customers {wanted.customers}" if wanted.customers else "")

        def create() -> None:
            pool.create_person(wanted.admin, attributes)
            self.is_new_person = True

        sent = "" if pool.password else "; Cognito sends the invitation"
        plan.steps.append(Step(CREATE, f"person {wanted.admin}", shown + sent, create))
        self._plan_role_and_password(plan, wanted.admin, has_role=False, has_password=False)

    def _plan_existing_person(self, plan: Plan, person: Person) -> None:
        self.person = person
        roles = self.pool.roles(person.username)
        shown = f"partner {person.partner}, {', '.join(roles) or 'no role'}" + (", invited" if person.is_invited and not self.pool.password else "")
        plan.steps.append(Step(KEEP, f"person {person.username}", shown))
        if self.wanted.admin_name and self.wanted.admin_name != person.name:
            plan.notes.append(f"{person.username} keeps the name {quoted(person.name)}.")
        customers = person.attributes.get(self.installation.customers_claim, "")
        if self.wanted.customers not in (None, customers):
            plan.notes.append(f"{person.username} keeps the customers {quoted(customers)}.")
        if not person.enabled:
            plan.notes.append(f"{person.username} is disabled, and cannot sign in. To enable: aws cognito-idp admin-enable-user (docs/onboard.md)")
        self._plan_role_and_password(plan, person.username, self.wanted.role in roles, not person.is_invited)

    def _plan_role_and_password(self, plan: Plan, username: str, has_role: bool, has_password: bool) -> None:
        pool, role = self.pool, self.wanted.role
        if not has_role:
            plan.steps.append(Step(ADD, f"role {role} of {username}", act=lambda: pool.add_role(username, role)))
        # The password comes last, so that somebody whom an interrupted run left half made cannot sign in.
        if pool.password and not has_password:
            plan.steps.append(Step(SET, f"password of {username}", act=lambda: pool.set_password(username)))


def _describe_stranger(person: Person, address: str) -> str:
    """Says why somebody who has the address stays as they are."""
    if person.partner:
        how = f"belongs to the partner {person.partner}, and make onboard moves nobody. Use another address"
    else:
        how = "has no partner, and make onboard gives one to new people only"
    name = address if person.username == address else f"{address} ({person.username})"
    return f"ADMIN: {name} {how}. docs/onboard.md says how to change a person by hand"


def _is_same(found, wanted) -> bool:
    """Compares a member of a schedule; the service writes an address without a path with a slash."""

    def plain(text: str) -> str:
        url = urlsplit(text)
        return url._replace(netloc=url.netloc.lower(), path=url.path or "/").geturl() if url.scheme.startswith("http") else text

    if isinstance(wanted, list):
        return set(map(plain, found)) == set(map(plain, wanted))
    return found == wanted


def _describe_changes(found: dict, changed: dict) -> str:
    return ", ".join(f"{name} {_show(found[name])} → {_show(value)}" for name, value in changed.items())


def _show(value) -> str:
    if isinstance(value, list):
        return " ".join(value) or "nobody"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
