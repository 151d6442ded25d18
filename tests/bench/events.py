"""Events of the functions, in the form of the gateway's proxy integration."""

import json
import random
from itertools import count

from deployed import PARTNER

# Every request of a run has ids of its own, because an engine would answer a repeated id with the stored activity.
_SEEDS = count(1)


def next_seed() -> int:
    """Returns a seed that this run has not used."""
    return next(_SEEDS)


def _event(method: str, resource: str, partner: str, role: str, query: dict | None, body: str | None) -> dict:
    path = "/live" + resource.replace("{partner}", partner)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {"Accept": "application/json", "Content-Type": "application/json", "Host": "api.example", "User-Agent": "portal/1.0", "X-Forwarded-For": "192.0.2.1"},
        "multiValueHeaders": {
            "Accept": ["application/json"], "Content-Type": ["application/json"], "Host": ["api.example"],
            "User-Agent": ["portal/1.0"], "X-Forwarded-For": ["192.0.2.1"],
        },
        # The gateway gives the last of several values.
        "queryStringParameters": query and {name: value[-1] if isinstance(value, list) else value for name, value in query.items()},
        "multiValueQueryStringParameters": query and {name: value if isinstance(value, list) else [value] for name, value in query.items()},
        "pathParameters": {"partner": partner},
        "stageVariables": {"client_id": "bench"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "bench",
            "resourceId": "abc123",
            "resourcePath": resource,
            "path": path,
            "httpMethod": method,
            "protocol": "HTTP/1.1",
            "stage": "live",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTimeEpoch": 1_790_000_000_000,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "portal/1.0"},
            "authorizer": {"principalId": "subject-1", "subject": "subject-1", "name": "Ana Trujillo", "partner": partner, "roles": role, "integrationLatency": 3},
        },
        "body": body,
        "isBase64Encoded": False,
    }  # fmt: skip


def _activity(number: int, chance: random.Random) -> dict:
    """Returns an activity of the usual size: 350 bytes stored, with small details."""
    return {
        "id": f"evt-{number:012d}",
        "occurred_at": f"2026-10-{chance.randint(1, 28):02d}T{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}.{chance.randint(0, 999_999):06d}Z",
        "action": chance.choice(["order.created", "subscription.quantity_changed", "user.created"]),
        "actor": {"id": f"person{chance.randint(0, 40)}@partner.example", "name": "Ana Trujillo", "role": "admin_agent"},
        "customer": {"id": f"c-{chance.randint(0, 500):05d}", "name": "Fabrikam SARL"},
        "target": {"type": "order", "id": f"o-{chance.randint(0, 99_999)}"},
        "details": {"lines": [{"product": "Seats", "quantity": chance.randint(1, 99), "unit_price": "14.90", "currency": "EUR"}]},
    }


def singles(count: int, seed: int) -> bytes:
    """Returns requests that record one activity each, one a line."""
    chance = random.Random(seed)
    return b"\n".join(_line(_recording(json.dumps(_activity(seed * 1_000_000 + number, chance)))) for number in range(count))


def batches(count: int, size: int, seed: int) -> bytes:
    """Returns requests that record `size` activities each, one a line."""
    chance = random.Random(seed)
    many = lambda batch: {"activities": [_activity(seed * 1_000_000 + batch * size + number, chance) for number in range(size)]}
    return b"\n".join(_line(_recording(json.dumps(many(batch)))) for batch in range(count))


def _recording(body: str) -> dict:
    return _event("POST", "/v1/partners/{partner}/activities", PARTNER, "recorder", None, body)


def listing(partner: str = PARTNER, **query: str) -> bytes:
    """Returns a request for a page of the list."""
    return _line(_event("GET", "/v1/partners/{partner}/activities", partner, "global_admin", query, None))


def streaming(wanted: dict, partner: str = PARTNER) -> bytes:
    """Returns a request for a new stream."""
    return _line(_event("POST", "/v1/partners/{partner}/streams", partner, "global_admin", None, json.dumps(wanted)))


def counting(partner: str = PARTNER, **query: str | list[str]) -> bytes:
    """Returns a request for counts."""
    return _line(_event("GET", "/v1/partners/{partner}/counts", partner, "global_admin", query, None))


def _line(event: dict) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
