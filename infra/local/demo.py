"""Records three months of plausible activities of two partners through the API, as their portals would.

Everything comes from a seed and the moment at which the data end, so that an interrupted run that is repeated sends
the same activities under the same ids, and the service answers `duplicate` for those it has.
"""

import json
import random
import urllib.error
import urllib.request
from datetime import datetime, timedelta

import tokens
from environments import UserFacingError, print_progress

# A new number makes the data anew.
VERSION = "2"
DAYS = 92
ACTIVITIES = {"contoso": 3_200, "fabrikam": 2_400}
# The limit of the API for one request.
BATCH = 500

CUSTOMERS = {
    "contoso": [
        "Adventure Works GmbH", "Alpine Ski House", "Bäckerei Müller & Söhne", "Boulangerie Dupré", "Café Nørrebro ApS",
        "City Power & Light", "Coho Winery", "École Jules-Ferry", "Fourth Coffee", "Graphic Design Institute",
        "Hôpital Saint-Rémy", "Humongous Insurance", "Kraków Logistyka Sp. z o.o.", "L'Atelier d'Hélène", "Lamna Healthcare",
        "Łódź Tkaniny S.A.", "Margie's Travel", "Northwind Traders", "Proseware, Inc.", "Señor Tapas S.L.",
        "Tailspin Toys", "Trey Research", "VanArsdel, Ltd.", "Woodgrove Bank",
    ],
    "fabrikam": [
        "Ångström Elektronik AB", "Bibliothèque de Crécy", "Blue Yonder Airlines", "Brasserie Île-de-Ré", "Château Vézelay",
        "Clinique Béthanie", "Consolidated Messenger", "Datum Corporation", "Façades & Cie", "First Up Consultants",
        "Garage Lefèvre", "Litware, Inc.", "Lucerne Publishing", "Mairie de Nîmes", "Munson's Pickles",
        "Relecloud", "School of Fine Art", "Söderström Åkeri AB", "The Phone Company", "Wide World Importers",
    ],
}  # fmt: skip
PRODUCTS = [
    ("CFQ7TTC0LH18:0001", "Business Basic", "6.00"), ("CFQ7TTC0LDPB:0001", "Business Standard", "12.50"),
    ("CFQ7TTC0LCHC:0002", "Business Premium", "22.00"), ("CFQ7TTC0LF8Q:0001", "Enterprise E3", "33.75"),
    ("CFQ7TTC0LFLZ:0002", "Enterprise E5", "54.75"), ("CFQ7TTC0LH16:0001", "Mail Plan 1", "3.60"),
    ("CFQ7TTC0LGZT:0001", "Sécurité – Plan 2", "7.20"), ("CFQ7TTC0HD33:0003", "Project Plan 3", "27.50"),
    ("CFQ7TTC0HD32:0002", "Diagrams Plan 2", "14.00"), ("CFQ7TTC0HX9R:0001", "Téléphonie Standard", "7.50"),
]  # fmt: skip
ROLES = ["global_admin", "admin_agent", "billing_admin", "user_management_admin", "sales_agent", "helpdesk_agent"]
GIVEN = ["Amélie", "Bjørn", "Chloé", "Dmitri", "Élodie", "François", "Gülay", "Håkon", "Inès", "José", "Katarzyna", "Lukáš", "Maël", "Noémie"]
FAMILY = ["Ångström", "Besançon", "Côté", "D'Angelo", "Ferreira", "García", "Hofmann", "Kowalczyk", "Lefèvre", "Müller", "Öztürk", "Žák"]
# Action, frequency, actors, target.
ACTIONS = [
    ("order.created", 12, "user", "order"), ("order.updated", 4, "user", "order"), ("order.cancelled", 1, "user", "order"),
    ("subscription.updated", 14, "user", "subscription"), ("subscription.created", 7, "user", "subscription"),
    ("subscription.renewed", 5, "system", "subscription"), ("subscription.suspended", 2, "user", "subscription"),
    ("user.created", 9, "user", "user"), ("user.updated", 6, "user", "user"), ("user.deleted", 2, "user", "user"),
    ("user.password_reset", 11, "user", "user"), ("licence.assigned", 10, "user", "user"), ("licence.removed", 4, "user", "user"),
    ("invoice.ready", 4, "application", "invoice"), ("invoice.viewed", 5, "user", "invoice"),
    ("customer.created", 3, "user", "customer"), ("customer.billing_profile_updated", 2, "user", "customer"),
    ("partner_user.signed_in", 14, "user", "partner_user"), ("partner_user.role_updated", 1, "user", "partner_user"),
    ("agreement.accepted", 1, "user", "agreement"), ("support_request.created", 3, "user", "support_request"),
    ("usage_budget.exceeded", 1, "system", "customer"),
]  # fmt: skip
# These actions concern no single customer.
OF_NO_CUSTOMER = {"invoice.ready", "invoice.viewed", "partner_user.signed_in", "partner_user.role_updated"}
REASONS = [
    "The domain is already in use by another tenant.",
    "L’adresse n’a pas pu être vérifiée : le code postal ne correspond pas à la ville.",
    "The payment method was declined.",
    "Le nombre de licences est inférieur au nombre d’utilisateurs affectés.",
]


def record(stack: dict, until: datetime) -> None:
    """Records the activities of every partner up to a moment, with the token of the partner's back end."""
    for partner, amount in ACTIVITIES.items():
        token = tokens.token(stack, f"recorder-{partner}")
        activities = list(activities_of(partner, amount, until))
        for start in range(0, amount, BATCH):
            batch = activities[start : start + BATCH]
            _send(f"{stack['api_url']}/v1/partners/{partner}/activities", token, batch)
            print_progress(f"· demo data of {partner}: {start + len(batch):,} of {amount:,}")
    print_progress(f"✓ demo data: {sum(ACTIVITIES.values()):,} activities of {DAYS} days")


def activities_of(partner: str, amount: int, until: datetime) -> list[dict]:
    """Yields the activities of a partner, oldest first."""
    chance = random.Random(f"{partner} {VERSION}")
    customers = [(_slug(name), name) for name in CUSTOMERS[partner]]
    people = [_person(chance, partner, role) for role in ROLES for _ in range(3)]
    moments = sorted(_moment(chance, until) for _ in range(amount))
    return [_activity(chance, partner, number, moment, customers, people) for number, moment in enumerate(moments, 1)]


def _activity(chance: random.Random, partner: str, number: int, moment: datetime, customers, people) -> dict:
    action, _, by, kind = chance.choices(ACTIONS, weights=[each[1] for each in ACTIONS])[0]
    person = chance.choice(people)
    status = chance.choices(["succeeded", "failed", "declined", "in_progress"], weights=[92, 5, 2, 1])[0]
    activity = {
        "id": f"{partner}-demo-{number:05}",
        "occurred_at": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "action": action,
        "status": status,
        "actor": _actor(by, person),
        "source": "portal" if by == "user" else "back-office",
        "correlation_id": f"{chance.getrandbits(64):016x}",
    }
    # Some customers buy far more than others, as in real data.
    customer_id, customer = customers[min(int(chance.expovariate(0.15)), len(customers) - 1)]
    # A customer whose creation failed has no id.
    if action not in OF_NO_CUSTOMER and not (action == "customer.created" and status == "failed"):
        activity["customer"] = {"id": customer_id, "name": customer}
    activity["target"] = {"type": kind, "id": f"{kind}-{chance.randrange(10**6):06}", "name": _target_name(chance, kind, customer)}
    if action == "order.created":
        activity["details"] = {"lines": _lines(chance), "purchase_order": f"BC-{chance.randrange(10**5):05}"}
    elif action == "subscription.updated":
        before, after = chance.randrange(1, 40), chance.randrange(1, 60)
        activity["changes"] = [{"field": "quantity", "old": before, "new": after}]
        if chance.random() < 0.3:
            activity["changes"].append({"field": "auto_renew", "old": True, "new": False})
    elif action == "partner_user.role_updated":
        old, new = chance.sample(ROLES, 2)
        activity["changes"] = [{"field": "role", "old": old, "new": new}]
    elif action == "invoice.ready":
        activity["details"] = {"invoice": f"G{chance.randrange(10**8):08}", "total": f"{chance.uniform(80, 90_000):.2f}", "currency": "EUR"}
    if status in ("failed", "declined"):
        activity["reason"] = chance.choice(REASONS)
    return activity


def _lines(chance: random.Random) -> list[dict]:
    """Returns the lines of an order: mostly a few, sometimes hundreds."""
    amount = chance.choices([chance.randrange(1, 6), chance.randrange(6, 40), chance.randrange(150, 600)], weights=[80, 16, 4])[0]
    lines = []
    for number in range(1, amount + 1):
        product, name, price = chance.choice(PRODUCTS)
        lines.append(
            {
                "line": number,
                "product": product,
                "name": name,
                "quantity": chance.choice([1, 1, 2, 3, 5, 5, 10, 12, 25, 50, 250]),
                "unit_price": price,
                "currency": "EUR",
                "term": chance.choice(["P1M", "P1Y", "P3Y"]),
                "subscription_id": f"s-{chance.getrandbits(48):012x}",
            }
        )
    return lines


def _moment(chance: random.Random, until: datetime) -> datetime:
    """Returns a moment of the last months, mostly in office hours."""
    while True:
        day = until - timedelta(days=chance.randrange(DAYS))
        hour = chance.choices(range(24), weights=[1] * 6 + [3, 8, 14, 16, 15, 10, 8, 13, 15, 14, 10, 6, 3] + [1] * 5)[0]
        moment = day.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60), microsecond=chance.randrange(10**6))
        if moment <= until and (moment.weekday() < 5 or chance.random() < 0.15):
            return moment


def _person(chance: random.Random, partner: str, role: str) -> dict:
    given, family = chance.choice(GIVEN), chance.choice(FAMILY)
    return {
        "type": "user",
        "id": f"{_slug(given)}.{_slug(family)}@{partner}.example",
        "name": f"{given} {family}",
        "role": role,
        "ip": f"203.0.113.{chance.randrange(1, 255)}",
        "user_agent": chance.choice(
            ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/144.0", "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_6) Safari/605.1.15"]
        ),
    }


def _actor(by: str, person: dict) -> dict:
    if by == "application":
        return {"type": "application", "id": "billing-sync", "name": "Billing synchronisation"}
    if by == "system":
        return {"type": "system", "id": "scheduler", "name": "Scheduler"}
    return dict(person)


def _target_name(chance: random.Random, kind: str, customer: str) -> str:
    if kind in ("user", "partner_user"):
        return f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}"
    if kind in ("subscription", "order"):
        return chance.choice(PRODUCTS)[1]
    return customer


def _slug(name: str) -> str:
    """Turns a name into an id of letters, digits and hyphens."""
    plain = name.lower().translate(str.maketrans("àáâãäåæçèéêëìíîïłñòóôõöøùúûüýžšåğış", "aaaaaaaceeeeiiiilnoooooouuuuyzsagis"))
    return "-".join("".join(letter if letter.isascii() and letter.isalnum() else " " for letter in plain).split())


def _send(url: str, token: str, batch: list[dict]) -> None:
    body = json.dumps({"activities": batch}, ensure_ascii=False).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=120) as answer:
            outcome = json.load(answer)
    except urllib.error.HTTPError as error:
        raise UserFacingError(f"Recording the demo data failed: {error.code} {error.read().decode(errors='replace')[:500]}") from None
    if outcome["rejected"]:
        first = next(each for each in outcome["results"] if each["status"] == "rejected")
        raise UserFacingError(f"{outcome['rejected']} demo activities were rejected, the first for: {first}")
