"""Checks the log lines of all functions from all earlier tests; the file's name makes it run last."""

import re

import pytest

pytestmark = pytest.mark.last
# A pattern of each kind of personal data, with an example that it must match. Traces identify requests instead.
SECRETS = {
    "a token": (r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
    "a header with a token": (r"[Bb]earer [A-Za-z0-9]", "Authorization: Bearer abc"),
    "a presigned link": (r"X-Amz-(Signature|Credential|Security-Token)", "https://x/y?X-Amz-Signature=1"),
    "a key of AWS": (r"\b(AKIA|ASIA)[A-Z0-9]{12,}", "ASIA0123456789ABCDEF"),
    "a secret of webhooks": (r"whsec_", "whsec_c2VjcmV0"),
    "a signature of a webhook": (r"\bv1,[A-Za-z0-9+/]{20,}", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
    "an e-mail address": (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[a-z]{2,}", "ana@contoso.example"),
    "somebody's name": (r"Ana Trujillo|Lefèvre", "Ana Trujillo"),
    # Addresses of the emulator and of receivers on this machine are not personal.
    "an address": (r"(?<![\d.])(?!127\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", "from 203.0.113.7 to"),
    "a recipient": (r"mailto:|https?://[^\s\"]*/hook", "https://portal.example/hooks/daybook"),
    "a body": (r"\\*\"(occurred_at|actor)\\*\"\s*:", '{"message":"{\\"occurred_at\\":1}"}'),
    "a cursor or a query": (r"[?&](cursor|q|customer|actor)=", "/activities?limit=1&cursor=e30"),
}


def everything(logs, group):
    """Yields every line of a group. The emulator silently stops an answer at 10,000 lines."""
    since = 0
    while True:
        events = logs.filter_log_events(logGroupName=group, startTime=since, limit=10_000)["events"]
        yield from (event["message"] for event in events)
        if len(events) < 10_000:
            return
        # Lines with the time of the last one arrive again.
        assert events[-1]["timestamp"] > since, "more than 10,000 lines in a millisecond"
        since = events[-1]["timestamp"]


@pytest.fixture(scope="module")
def lines(stack, aws):
    """Returns all lines by function."""
    found = {}
    for name, physical in stack["functions"].items():
        group = aws("lambda").get_function_configuration(FunctionName=physical)["LoggingConfig"]["LogGroup"]
        found[name] = list(everything(aws("logs"), group))
    return found


@pytest.mark.parametrize("secret", SECRETS)
def test_no_log_line_contains(lines, secret):
    pattern, example = re.compile(SECRETS[secret][0]), SECRETS[secret][1]
    assert pattern.search(example)
    assert [(name, line[:400]) for name, each in lines.items() for line in each if pattern.search(line)][:5] == []


def test_every_called_function_has_logged(lines):
    """Without log lines, the tests above would find nothing."""
    for name in ("record", "query", "exports", "admin", "portal"):
        assert any("answered" in line for line in lines[name]), name
