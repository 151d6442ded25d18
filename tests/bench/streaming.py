"""Section *streams*: a stream to a server, as fast as it goes."""

import gzip
import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import deployed
import events
from build import WORK, Tools
from figures import Target, number, summary, table

from environments import UserFacingError, print_progress
from processes import Runtime

TITLE = "Streams"
ACTIVITIES, BATCH = 20_000, 500
FORMATS = ["daybook", "ocsf"]
# A feed begins 90 seconds after it is switched on, and shows what is 120 seconds old.
BEGINS_AFTER, SETTLES_AFTER = 92, 123
# The time-out of the function `streamer`, in seconds.
TIMEOUT = 120


class Receiver:
    """A server that accepts every batch and counts."""

    def __init__(self):
        self.requests = self.activities = self.bytes = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests, receiver.bytes = receiver.requests + 1, receiver.bytes + len(body)
                receiver.activities += len(json.loads(gzip.decompress(body)))
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def measure(tools: Tools, options) -> dict:
    """Measures how one stream sends all activities of its feed, from a real engine to a server on this machine."""
    runs, receiver = {form: [] for form in FORMATS}, Receiver()
    objects = WORK / "objects"
    shutil.rmtree(objects, ignore_errors=True)
    (objects / "data").mkdir(parents=True)
    with tools.servers("lambda") as lambda_server, tools.servers("engine", json.dumps(deployed.tables()), str(objects)) as engine:
        runtime, url = Runtime(lambda_server), engine.addresses["url"]

        def ask(function: str, requests: bytes, **variables: str) -> list[str]:
            process = tools.start([tools.programs[function]], function, runtime, url, **variables)
            try:
                answered = runtime.invoke(requests)
                if set(answered["statuses"]) - {"200", "201"}:
                    raise UserFacingError(f"{function} answered {answered['statuses']}: {answered['last'][:600]}")
                return answered["last"]
            finally:
                process.kill()

        streams = {}
        for form in FORMATS:
            for turn in range(options.rounds):
                destination = {"kind": "https", "url": receiver.url, "framing": "array"}
                wanted = {"name": f"{form} {turn}", "destination": destination, "format": form}
                answer = ask("streams", events.streaming(wanted), WEBHOOK_TEST_HOSTS="127.0.0.1")
                streams[form, turn] = json.loads(json.loads(answer)["body"])["id"]
        print_progress(f"· streams: the feed begins in {BEGINS_AFTER} seconds")
        time.sleep(BEGINS_AFTER)
        ask("record", events.batches(ACTIVITIES // BATCH, BATCH, events.next_seed()))
        print_progress(f"· streams: {ACTIVITIES:,} activities are recorded, and in the feed in {SETTLES_AFTER} seconds")
        time.sleep(SETTLES_AFTER)
        for (form, turn), stream in streams.items():
            print_progress(f"· streams, {form}, round {turn + 1} of {options.rounds}")
            receiver.requests = receiver.activities = receiver.bytes = 0
            streamer = tools.start([tools.programs["streamer"]], "streamer", runtime, url, WEBHOOK_TEST_HOSTS="127.0.0.1")
            try:
                cpu, started = streamer.cpu_seconds(), time.monotonic()
                message = {"messageId": "m", "body": json.dumps({"partner": deployed.PARTNER, "stream": stream})}
                runtime.invoke(json.dumps({"Records": [message]}).encode(), seconds=TIMEOUT)
                run = {"seconds": time.monotonic() - started, "cpu": streamer.cpu_seconds() - cpu, "mb": streamer.memory_mb()[1]}
            finally:
                streamer.kill()
            if receiver.activities != ACTIVITIES:
                raise UserFacingError(f"{receiver.activities:,} of {ACTIVITIES:,} activities arrived")
            runs[form].append(run | {"requests": receiver.requests, "bytes": receiver.bytes})
    receiver.close()
    return {"activities": ACTIVITIES, "runs": runs}


def report(found: dict) -> str:
    """Returns the section in Markdown."""
    count, rows = found["activities"], []
    for form, runs in found["runs"].items():
        seconds, cpu, memory, requests, size = (summary([run[what] for run in runs])["median"] for what in ("seconds", "cpu", "mb", "requests", "bytes"))
        rows.append([f"`{form}`", number(count / seconds), number(cpu / count * 1e6), number(memory), f"{requests:.0f}", number(size / count)])
    return (
        f"One stream sends the {count:,} activities of a feed to a server on this machine: batches of at most 500, compressed and signed, one after the other. Activities come from a real "
        "engine (tier A), which is slower than the function. A destination that takes 100 ms for an answer gets about 5,000 activities a second at most, because a batch waits for the answer to "
        "the one before.\n\n"
        + table(["", "activities a second", "CPU for a million, s", "peak MB", "requests", "bytes sent for an activity"], rows)
        + "\n\n**Idle streams** cost no request of their own: a visit of the schedule makes as many calls with 10,000 idle streams as without any "
        "(`idle_streams_cost_no_call` in `functions/streamer/tests`).\n\n"
        "**From recorded to delivered**: an activity is in the feed after 120 seconds, and the schedule comes every minute. So it leaves 120 to 180 seconds after its recording, plus the time of "
        "the destination. The test of streams on the local stack reports the median and the 99th percentile that it saw."
    )


def targets(found: dict | None) -> list[Target]:
    """Returns no targets: the destination decides how fast a stream is."""
    return []
