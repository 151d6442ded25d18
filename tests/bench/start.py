"""Section *start*: CPU of a cold start, of the first call, and of the first connection over TLS."""

import json
from collections import defaultdict

import build
import deployed
import events
from build import WORK, Tools
from figures import Target, at_most, fraction, number, ratio, summary, table, target_table, verdict

from environments import UserFacingError, print_progress
from processes import Runtime, Store

TITLE = "Start"
HELLO = "hello"
# A start takes a fraction of a second and varies a lot, so each round starts every contestant several times.
STARTS_PER_ROUND = 3
SHOWN = {"daybook": "Daybook", "node": "Node 20, SDK v3", "python": "Python, boto3", HELLO: "a bare function on lambda_runtime"}
PAGE = {"from": "2026-10-01", "to": "2026-10-31", "limit": "100"}
CALLS = ("first", "second", "third", "later")


def measure(tools: Tools, options) -> dict:
    """Starts every contestant in every round, one after the other, in alternating order."""
    data = build.data(tools, activities=20_000, partners=20)
    schema = json.dumps(deployed.schema())
    with tools.servers("lambda") as lambda_server, tools.servers("store", schema, *_certificate()) as store_server:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.load(data)
        store.configure(mode="replay")
        found = {"starts": _starts(tools, runtime, store, options.rounds)}
        # Every answer closes its connection, so that a later call needs a new one as the first call does.
        store.configure(mode="replay", closes=True)
        found["connections"] = _connections(tools, runtime, store, options.rounds)
    return found


def _starts(tools: Tools, runtime: Runtime, store: Store, rounds: int) -> dict:
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for turn in range(rounds * STARTS_PER_ROUND):
        if turn % STARTS_PER_ROUND == 0:
            print_progress(f"· start, round {turn // STARTS_PER_ROUND + 1} of {rounds}")
        for function in ("record", "query"):
            contestants = build.commands(tools, function) | {HELLO: [tools.programs[HELLO]]}
            for name in contestants if turn % 2 else reversed(list(contestants)):
                contestant = tools.start(contestants[name], function, runtime, store.url)
                try:
                    figures = found[function][name]
                    figures["start_ms"].append(contestant.cpu_seconds() * 1e3)
                    figures["start_mb"].append(contestant.memory_mb()[0])
                    event = events.singles(1, events.next_seed()) if function == "record" else events.listing(**PAGE)
                    _call(runtime, event, {"200", "201"})
                    figures["first_ms"].append(contestant.cpu_seconds() * 1e3 - figures["start_ms"][-1])
                finally:
                    contestant.kill()
    return json.loads(json.dumps(found))


def _connections(tools: Tools, runtime: Runtime, store: Store, rounds: int) -> dict:
    found = defaultdict(lambda: defaultdict(list))
    chain = str(WORK / "loopback.pem")
    trust = {"SSL_CERT_FILE": chain, "AWS_CA_BUNDLE": chain, "NODE_EXTRA_CA_CERTS": chain}
    for turn in range(rounds):
        print_progress(f"· connections, round {turn + 1} of {rounds}")
        for name, command in build.commands(tools, "query").items():
            for kind, endpoint in (("tls", store.tls_url), ("plain", store.url)):
                contestant = tools.start(command, "query", runtime, endpoint, **trust)
                try:
                    for call in CALLS:
                        before = contestant.cpu_seconds()
                        _call(runtime, events.listing(**PAGE), {"200"})
                        found[name][f"{kind}_{call}_ms"].append((contestant.cpu_seconds() - before) * 1e3)
                finally:
                    contestant.kill()
    return json.loads(json.dumps(found))


def _call(runtime: Runtime, event: bytes, wanted: set[str]) -> None:
    answered = runtime.invoke(event)
    if not set(answered["statuses"]) <= wanted:
        raise UserFacingError(f"a first call was answered with {answered['statuses']}: {answered['last'][:600]}")


def _certificate() -> tuple[str, str]:
    """Writes a self-signed certificate for the loopback interface, and returns the paths of the certificate and its key."""
    from datetime import datetime, timedelta, timezone
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    chain, private = WORK / "loopback.pem", WORK / "loopback.key"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(chain), str(private)


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    parts = []
    for function in ("record", "query"):
        starts = found["starts"][function]
        rows = []
        for name in (name for name in SHOWN if name in starts):
            start, first = summary(starts[name]["start_ms"]), summary(starts[name]["first_ms"])
            rows.append(
                [
                    SHOWN[name],
                    *(number(each[what]) for each in (start, first) for what in ("min", "median")),
                    f"{start['spread']:.0%}",
                    number(summary(starts[name]["start_mb"])["median"]),
                ]
            )
        header = ["", "start, min", "median", "first call, min", "median", "spread of the start", "MB"]
        parts.append(
            f"**A cold start of `{function}`**, CPU in ms: from the start of the process to its first request for an event, then the first call with its connections\n\n{table(header, rows)}"
        )
    connections = found["connections"]
    columns = ["plain_first_ms", "plain_later_ms", "tls_first_ms", "tls_later_ms"]
    rows = [
        [SHOWN[name], *(number(summary(each[column])["median"]) for column in columns), number(summary(_tls_setup(each))["median"])]
        for name, each in connections.items()
    ]
    parts.append(
        "**Cryptography**, CPU in ms (median) of calls of `query` that each need a new connection. The setup is the extra cost of TLS in the first call, "
        "less its extra cost in a later call: trusted roots, random numbers, tables.\n\n"
        + table(["", "first, plain", "later, plain", "first, TLS", "later, TLS", "setup of TLS"], rows)
    )
    setup = summary(_tls_setup(connections["daybook"]))
    parts.append(target_table([Target("setup of TLS", "≤ 1 ms", f"{number(setup['median'])} ms", verdict(setup["median"] <= 1))]))
    return "\n\n".join(parts)


def _tls_setup(found: dict) -> list[float]:
    columns = (found[name] for name in ("tls_first_ms", "plain_first_ms", "tls_later_ms", "plain_later_ms"))
    return [tls - plain - (tls_later - plain_later) for tls, plain, tls_later, plain_later in zip(*columns)]


def targets(found: dict | None) -> list[Target]:
    """Returns the targets of the section, without figures if nothing was measured."""
    made = []
    for function in ("record", "query"):
        node, bare = f"cold start of `{function}`, CPU against Node", f"cold start of `{function}`, CPU against a bare function on lambda_runtime"
        starts = found["starts"][function] if found else {}
        if "node" in starts:
            made.append(fraction(node, 20, ratio(starts["node"]["start_ms"], starts["daybook"]["start_ms"])))
        else:
            made.append(Target(node, "≤ 1/20"))
        if HELLO in starts:
            made.append(at_most(bare, 3, ratio(starts["daybook"]["start_ms"], starts[HELLO]["start_ms"])))
        else:
            made.append(Target(bare, "≤ 3 ×"))
    return made
