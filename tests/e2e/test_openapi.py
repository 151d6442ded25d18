"""The API answers every described request as its OpenAPI document says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amounts import amount, report

from api import ALL_OF_2024, new_activity

HERE = Path(__file__).resolve().parent
# Generated requests for each operation, besides those at the limits of values.
EXAMPLES = amount("SCHEMATHESIS_EXAMPLES", 1, 30)
# One operation in so many gets requests at the limits of values.
STEP = amount("SCHEMATHESIS_STEP", 6, 1)
SEED = 7


@pytest.fixture(scope="session")
def document(caller):
    return caller().get("/openapi.json").json()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Schemathesis needs Python 3.11")
def test_generated_requests_get_the_described_answers(stack, machine, document, tmp_path):
    # Schemathesis also sends ids that it has read in answers, and so registers the client that it runs as.
    _, token = machine("daybook/operate")
    operator = token()
    operations = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    chosen = [option for name in operations[::STEP] for option in ("--include-name", name)]
    cases = sum(generate(stack, operator, tmp_path, *options) for options in (["--phases", "examples,fuzzing"], ["--phases", "coverage", *chosen]))
    report("generated requests", f"{cases} requests, {EXAMPLES} examples an operation", SEED)


def generate(stack, operator, place, *options):
    """Sends generated requests, and returns their number once all answers are as described."""
    run = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "--config-file",
            str(HERE / "schemathesis.toml"),
            "run",
            f"{stack['api_url']}/openapi.json",
            "--url",
            stack["api_url"],
            "--header",
            f"Authorization: Bearer {operator.token}",
            *options,
            "--max-examples",
            str(EXAMPLES),
            "--seed",
            str(SEED),
            "--workers",
            "1",
            "--max-redirects",
            "0",
            "--request-timeout",
            "60",
            "--continue-on-failure",
            "--no-color",
        ],
        # Schemathesis leaves files in its working directory.
        cwd=place,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    return int(re.search(r"(\d+) generated", run.stdout)[1])


def described(document, schema):
    """Resolves the references of a schema, and merges its alternatives."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    properties = dict(schema.get("properties", {}))
    for choice in schema.get("oneOf", []) + schema.get("allOf", []):
        properties |= described(document, choice)
    return properties


def undescribed(document, schema, value, where=""):
    """Returns the fields of an answer that the schema does not describe."""
    if isinstance(value, list):
        items = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
        return [found for each in value for found in undescribed(document, items.get("items", {}), each, where + "[]")]
    properties = described(document, schema)
    if not isinstance(value, dict) or not properties:
        return []
    return [
        found
        for name, inside in value.items()
        for found in (undescribed(document, properties[name], inside, f"{where}.{name}") if name in properties else [f"{where}.{name}"])
    ]


def test_answers_hold_described_fields_only(document, partner):
    """Clients should never need to ignore unknown fields."""
    full = new_activity(
        customer={"id": "c", "name": "n"},
        target={"type": "order", "id": "o", "name": "n"},
        changes=[{"field": "f", "old": 1, "new": 2}],
        actor={"type": "user", "id": "a", "name": "n", "role": "r", "ip": "::1", "user_agent": "u"},
        source="s",
        correlation_id="c",
        details={"a": 1},
    )
    answers = {
        ("post", "/v1/partners/{partner}/activities", "201"): partner.send(full),
        ("post", "/v1/partners/{partner}/activities", "200"): partner.send({"activities": [full, {"id": "x"}]}),
        ("get", "/v1/partners/{partner}/activities", "200"): partner.list(**ALL_OF_2024),
        ("get", "/v1/partners/{partner}/activities/{id}", "200"): partner.caller.get(
            f"{partner.path}/activities/{full['id']}", params={"occurred_at": full["occurred_at"]}
        ),
        ("get", "/v1/partners/{partner}/counts", "200"): partner.caller.get(
            f"{partner.path}/counts", params=ALL_OF_2024 | {"interval": "month", "by": ["customer", "actor", "category", "target_type"]}
        ),
        ("get", "/v1/actions", "200"): partner.caller.get("/v1/actions"),
        ("post", "/v1/partners/{partner}/exports", "202"): partner.order(ALL_OF_2024 | {"customer": "c", "q": "n"}),
        ("put", "/v1/partners/{partner}/export-schedule", "200"): partner.caller.put(f"{partner.path}/export-schedule", json={"enabled": False}),
        ("get", "/v1/partners/{partner}/settings", "200"): partner.caller.get(f"{partner.path}/settings"),
        ("get", "/v1/partners/{partner}/exports", "200"): partner.caller.get(f"{partner.path}/exports"),
        ("get", "/v1/partners/{partner}/activities", "400"): partner.list(limit="x"),
    }
    export = partner.ready(answers["post", "/v1/partners/{partner}/exports", "202"].json()["id"])
    for (method, path, status), answer in answers.items():
        assert str(answer.status_code) == status, answer.text
        [content] = document["paths"][path][method]["responses"][status]["content"].values()
        assert undescribed(document, content["schema"], answer.json()) == [], f"{method} {path}"
    assert undescribed(document, {"$ref": "#/components/schemas/Export"}, export) == []
    assert undescribed(
        document, {"$ref": "#/components/schemas/Activity"}, answers["get", "/v1/partners/{partner}/activities/{id}", "200"].json() | {"colour": 1}
    ) == [".colour"]


def test_served_description_equals_the_committed_one(document):
    held = HERE.parents[1] / "functions" / "portal" / "assets" / "openapi.json"
    assert document == json.loads(held.read_text())
