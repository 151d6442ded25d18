"""What all functions have logged of all tests before this one: the last file, by its name."""

import re

import pytest

# What it looks like, and one that it must find. No line needs any of it: a request is found by its trace.
SECRETS = {
    "a token": (r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
    "a header with a token": (r"[Bb]earer [A-Za-z0-9]", "Authorization: Bearer abc"),
    "a presigned link": (r"X-Amz-(Signature|Credential|Security-Token)", "https://x/y?X-Amz-Signature=1"),
    "a key of AWS": (r"\b(AKIA|ASIA)[A-Z0-9]{12,}", "ASIA0123456789ABCDEF"),
    "a secret of webhooks": (r"whsec_", "whsec_c2VjcmV0"),
    "a signature of a webhook": (r"\bv1,[A-Za-z0-9+/]{20,}", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
    "an e-mail address": (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[a-z]{2,}", "ana@contoso.example"),
    "somebody's name": (r"Ana Trujillo|Lefèvre", "Ana Trujillo"),
    # Those of the emulator and of receivers on this machine are nobody's.
    "an address": (r"(?<![\d.])(?!127\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", "from 203.0.113.7 to"),
    "a recipient": (r"mailto:|https?://[^\s\"]*/hook", "https://portal.example/hooks/daybook"),
    "a body": (r"\\*\"(occurred_at|actor)\\*\"\s*:", '{"message":"{\\"occurred_at\\":1}"}'),
    "a cursor or a query": (r"[?&](cursor|q|customer|actor)=", "/activities?limit=1&cursor=e30"),
}


@pytest.fixture(scope="module")
def lines(stack, aws):
    """All lines, by function."""
    found = {}
    for name, physical in stack["functions"].items():
        group = aws("lambda").get_function_configuration(FunctionName=physical)["LoggingConfig"]["LogGroup"]
        pages = aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        found[name] = [event["message"] for page in pages for event in page["events"]]
    return found


@pytest.mark.parametrize("secret", SECRETS)
def test_no_line_of_any_log_holds(lines, secret):
    pattern, example = re.compile(SECRETS[secret][0]), SECRETS[secret][1]
    assert pattern.search(example)
    assert [(name, line[:400]) for name, each in lines.items() for line in each if pattern.search(line)][:5] == []


def test_every_function_that_was_called_has_logged(lines):
    """Else there would be nothing to find."""
    for name in ("record", "query", "exports", "portal"):
        assert any("answered" in line for line in lines[name]), name
