"""Section *record and query*: starting, the first call, and calls to a warm function, each beside its peers."""

import json
from collections import defaultdict
from itertools import count

import build
import deployed
import events
from build import PLACE, Tools
from figures import number, ratio, summary, table, times, verdict

from environments import UserFacingError, print_progress
from processes import Contestant, Runtime, Store

WARM_UP = 1_000
CALLS = 1_000
BATCH = 500
BATCHES = 6
HELLO = "hello"
# No two requests of a run have an id in common: a table that keeps them would answer the second one otherwise.
SEEDS = count(1)


def measure(tools: Tools, rounds: int) -> dict:
    """All figures of the section, round by round."""
    data = build.data(tools, activities=20_000, partners=20)
    found = {"rounds": rounds, "profile": tools.profile, "tiers": {}}
    schema = json.dumps(deployed.schema())
    with tools.servers("lambda") as lambda_server, tools.servers("store", schema, *certificate()) as store_server:
        runtime, store = Runtime(lambda_server), Store(store_server)
        store.tell("load", str(data))
        store.settings(mode="replay")
        found["tiers"]["replay"] = _tier(tools, runtime, store.url, rounds, CALLS)
        found["first"] = _first_calls(tools, runtime, store, rounds)
    folder = PLACE / "objects"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    with tools.servers("lambda") as lambda_server, tools.servers("engine", json.dumps(deployed.tables()), str(folder), str(data)) as engine:
        found["tiers"]["engine"] = _tier(tools, Runtime(lambda_server), engine.addresses["url"], max(3, rounds // 2), CALLS // 4)
    return found


def certificate() -> tuple[str, str]:
    """A certificate for the loopback interface, signed by itself: where it is, and its key."""
    from datetime import datetime, timedelta, timezone
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    chain, private = PLACE / "loopback.pem", PLACE / "loopback.key"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(timezone.utc)
    made = (
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
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(chain), str(private)


def _tier(tools: Tools, runtime: Runtime, endpoint: str, rounds: int, calls: int) -> dict:
    """Rounds of every contestant at both functions, one after the other, the order reversed each round."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for number_of_round in range(rounds):
        print_progress(f"· record and query, round {number_of_round + 1} of {rounds}")
        for function in ("record", "query"):
            contestants = build.commands(tools, function)
            if function == "query":
                contestants[HELLO] = [tools.programs[HELLO]]
            order = list(contestants)
            for name in order if number_of_round % 2 else reversed(order):
                variables = deployed.variables(function, runtime.api, endpoint)
                for what, value in _run(contestants[name], variables, runtime, function, name, calls).items():
                    found[function][name][what].append(value)
    return json.loads(json.dumps(found))


def _run(command: list[str], variables: dict, runtime: Runtime, function: str, name: str, calls: int) -> dict:
    """One process from its start to its end."""
    runtime.reset()
    contestant = Contestant(command, variables, PLACE / "contestants.log")
    try:
        runtime.wait_until_idle()
        found = {"start_ms": contestant.cpu() * 1e3, "start_mb": contestant.resident()[0]}
        seed = lambda: next(SEEDS)

        def cost(body: bytes, calls: int, status: str, times: int = 1) -> float:
            before = contestant.cpu()
            answered = runtime.invoke(body, times)
            if answered["statuses"] != {status: calls}:
                raise UserFacingError(f"{command[0]} answered {answered['statuses']} instead of {calls} times {status}: {answered['last'][:600]}")
            return (contestant.cpu() - before) / calls

        if name == HELLO:
            one, many = [events.listing()], (events.listing(), calls)
            status = "200"
        elif function == "record":
            one, many = [events.singles(1, seed())], (events.singles(calls, seed()), 1)
            status = "201"
        else:
            page = events.listing(**{"from": "2026-10-01", "to": "2026-10-31", "limit": "100"})
            one, many = [page], (page, calls)
            status = "200"
        found["first_ms"] = cost(one[0], 1, status) * 1e3
        if function == "record" and name != HELLO:
            cost(events.singles(calls, seed()), calls, status)
            found["call_us"] = cost(many[0], calls, status) * 1e6
            found["mb"], found["peak_mb"] = contestant.resident()
            cost(events.batches(1, BATCH, seed()), 1, "200")
            per_batch = cost(events.batches(BATCHES, BATCH, seed()), BATCHES, "200")
            found["batch_rate"] = BATCH / per_batch
            found["batch_mb"] = contestant.resident()[1]
        else:
            cost(many[0], calls, status, calls)
            found["call_us"] = cost(many[0], calls, status, calls) * 1e6
            found["mb"], found["peak_mb"] = contestant.resident()
        return found
    finally:
        contestant.end()


def _first_calls(tools: Tools, runtime: Runtime, store: Store, rounds: int) -> dict:
    """What the first connection costs over TLS and over plain HTTP, and what a later new connection costs."""
    found = defaultdict(lambda: defaultdict(list))
    chain = str(PLACE / "loopback.pem")
    event = events.listing(**{"from": "2026-10-01", "to": "2026-10-31", "limit": "100"})
    # Each answer ends its connection, so that a later call needs new ones as the first did.
    store.settings(mode="replay", closes=True)
    for _ in range(rounds):
        for name, command in build.commands(tools, "query").items():
            for kind, endpoint in (("tls", store.tls_url), ("plain", store.url)):
                runtime.reset()
                variables = deployed.variables("query", runtime.api, endpoint)
                variables |= {"SSL_CERT_FILE": chain, "AWS_CA_BUNDLE": chain, "NODE_EXTRA_CA_CERTS": chain}
                contestant = Contestant(command, variables, PLACE / "contestants.log")
                try:
                    runtime.wait_until_idle()
                    for call in ("first", "second", "third", "later"):
                        before = contestant.cpu()
                        answered = runtime.invoke(event)
                        if answered["statuses"] != {"200": 1}:
                            raise UserFacingError(f"{name} over {kind}: {answered['last'][:600]}")
                        found[name][f"{kind}_{call}_ms"].append((contestant.cpu() - before) * 1e3)
                finally:
                    contestant.end()
    store.settings(mode="replay")
    return json.loads(json.dumps(found))


def report(found: dict) -> str:
    """The section in Markdown."""
    replay, engine = found["tiers"]["replay"], found["tiers"]["engine"]
    peers = [name for name in ("node", "python") if name in replay["record"]]
    shown = {"daybook": "Daybook", "node": "Node 20, SDK v3", "python": "Python, boto3", HELLO: "a bare Rust function"}

    def rows(tier, function, what, names):
        return [[shown[name], number((each := summary(tier[function][name][what]))["min"]), number(each["median"]), f"{each['spread']:.0%}"] for name in names]

    def block(title, tier, function, what, extra=()):
        names = ["daybook", *peers, *extra]
        return f"{title}\n\n" + table(["", "min", "median", "spread"], rows(tier, function, what, names))

    parts = []
    for function in ("record", "query"):
        parts.append(block(f"**Starting `{function}`**: CPU from its start to its first request for an event, ms", replay, function, "start_ms", [HELLO] if function == "query" else []))
    one = {"record": "one activity recorded", "query": "one page of 100 activities"}
    for function in ("record", "query"):
        parts.append(block(f"**First call of `{function}`**: CPU of {one[function]}, connections and all, ms", replay, function, "first_ms"))
    for function in ("record", "query"):
        parts.append(block(f"**Warm `{function}`**: CPU of {one[function]}, µs, answers from memory (tier B)", replay, function, "call_us", [HELLO] if function == "query" else []))
    for function in ("record", "query"):
        parts.append(block(f"**Warm `{function}`**, the same against a real engine (tier A), µs", engine, function, "call_us"))
    parts.append(block(f"**Batches of {BATCH}**: activities recorded for a second of CPU, answers from memory", replay, "record", "batch_rate"))
    for function in ("record", "query"):
        parts.append(block(f"**Memory of `{function}`** after 2,000 calls: resident, MB", replay, function, "mb", [HELLO] if function == "query" else []))
    parts.append(block(f"**Memory of `record`** after batches of {BATCH} as well: the most resident, MB", replay, "record", "batch_mb"))

    first = found["first"]
    columns = ["plain_first_ms", "plain_later_ms", "tls_first_ms", "tls_later_ms"]
    cells = [[shown[name], *(number(summary(first[name][column])["median"]) for column in columns), number(summary(_setup(first[name]))["median"])] for name in first]
    parts.append(
        "**Cryptography**: CPU of a call of `query` whose requests each need a new connection, ms (median). What TLS adds to the "
        "first call, less what it adds to a later one, is what is set up once: roots, key generator, tables.\n\n"
        + table(["", "first, plain", "later, plain", "first, TLS", "later, TLS", "set up once"], cells)
    )
    parts.append("**Targets**\n\n" + table(["target", "figure", "verdict"], _targets(replay, first, peers)))
    return "\n\n".join(parts)


def _setup(first: dict) -> list[float]:
    columns = (first[name] for name in ("tls_first_ms", "plain_first_ms", "tls_later_ms", "plain_later_ms"))
    return [tls - plain - (tls_later - plain_later) for tls, plain, tls_later, plain_later in zip(*columns)]


def _targets(replay: dict, first: dict, peers: list[str]) -> list[list[str]]:
    rows = []
    for function in ("record", "query"):
        ours = replay[function]["daybook"]
        for peer in peers:
            apart = ratio(replay[function][peer]["start_ms"], ours["start_ms"])
            rows.append([f"`{function}` starts with at most 1/20 of the CPU of {peer}", f"1/{times(apart)}", verdict(apart["ratio"] >= 20, apart["wide"])])
        apart = ratio(ours["start_ms"], replay["query"][HELLO]["start_ms"])
        rows.append([f"`{function}` starts with at most 3 × the CPU of a bare Rust function (stretch)", times(apart), verdict(apart["ratio"] <= 3, apart["wide"])])
    setup = summary(_setup(first["daybook"]))
    rows.append(["cryptography is set up in at most 1 ms", f"{number(setup['median'])} ms", verdict(setup["median"] <= 1)])
    for function in ("record", "query"):
        ours = summary(replay[function]["daybook"]["mb"])
        rows.append([f"`{function}` is resident in at most 25 MB after 1,000 calls", f"{number(ours['median'])} MB", verdict(ours["median"] <= 25)])
        better = min(peers, key=lambda peer: summary(replay[function][peer]["call_us"])["median"], default=None)
        if better:
            apart = ratio(replay[function][better]["call_us"], replay[function]["daybook"]["call_us"])
            rows.append([f"a warm call of `{function}` takes at most 1/8 of the CPU of the better peer ({better})", f"1/{times(apart)}", verdict(apart["ratio"] >= 8, apart["wide"])])
    better = max(peers, key=lambda peer: summary(replay["record"][peer]["batch_rate"])["median"], default=None)
    if better:
        apart = ratio(replay["record"]["daybook"]["batch_rate"], replay["record"][better]["batch_rate"])
        rows.append([f"batches: at least 10 × the activities per CPU second of the better peer ({better})", times(apart), verdict(apart["ratio"] >= 10, apart["wide"])])
    return rows
