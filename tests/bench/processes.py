"""Processes: the harness's servers, and the contestants whose processor time and memory are measured."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from environments import UserFacingError

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
# A contestant has a core of its own; servers and this program share another.
CONTESTANT_CORE, SERVER_CORE = CORES[0], CORES[-1]


def stay_out_of_the_way() -> None:
    """Moves this program, and what it starts from now on, to the servers' core."""
    os.sched_setaffinity(0, {SERVER_CORE})


class Server:
    """One of the harness's servers; it ends when its standard input does."""

    def __init__(self, *command: str, log: Path):
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise UserFacingError(f"{command[0]} {command[1]} did not start; see {log}.")
        self.addresses = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid


def ask(url: str, body: bytes | None = None, timeout: float = 1_800) -> bytes:
    """Asks one of the servers; what it answers."""
    request = urllib.request.Request(url, data=body, method="GET" if body is None else "POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise UserFacingError(f"{url}: {error.code} {error.read().decode(errors='replace')[:500]}") from error


class Store:
    """DynamoDB, S3 and SQS in memory."""

    def __init__(self, server: Server):
        self.url = server.addresses["url"]
        self.tls_url = server.addresses.get("tls_url")

    def settings(self, **settings) -> None:
        """Sets how it answers, and starts counting anew."""
        ask(f"{self.url}/bench/settings", json.dumps(settings).encode())

    def counts(self) -> dict:
        """What was asked of it since."""
        return json.loads(ask(f"{self.url}/bench/counts"))

    def sizes(self) -> dict:
        """Rows and bytes by hash key."""
        return json.loads(ask(f"{self.url}/bench/sizes"))

    def tell(self, what: str, argument: str = "") -> dict:
        """`save`, `load`, `empty`."""
        return json.loads(ask(f"{self.url}/bench/{what}", argument.encode()))

    def object(self, key: str) -> bytes:
        """The bytes of a finished object."""
        return ask(f"{self.url}/bench/object", key.encode())


class Runtime:
    """The Lambda Runtime API."""

    def __init__(self, server: Server):
        self.api = server.addresses["api"]

    def invoke(self, events: bytes, times: int = 1, seconds: int = 29) -> dict:
        """Hands events to the function, one a line; returns when it is idle again."""
        return json.loads(ask(f"http://{self.api}/bench/invoke?times={times}&seconds={seconds}", events))

    def generate(self, plan: dict) -> dict:
        """Hands generated activities to the recording function."""
        return json.loads(ask(f"http://{self.api}/bench/generate", json.dumps(plan).encode()))

    def wait_until_idle(self) -> None:
        """Returns when the function asks for its next event."""
        ask(f"http://{self.api}/bench/idle", timeout=120)

    def reset(self) -> None:
        """Forgets the process before."""
        ask(f"http://{self.api}/bench/reset", b"")


class Contestant:
    """A process that is measured."""

    def __init__(self, command: list[str], environment: dict[str, str], errors: Path):
        # The affinity is inherited: set here, so that no wrapper runs on the contestant's account.
        os.sched_setaffinity(0, {CONTESTANT_CORE})
        try:
            with errors.open("ab") as log:
                self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, close_fds=False)
        finally:
            stay_out_of_the_way()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of processor time so far, user and system, of all its threads, dead ones included."""
        # The clock of another process, numbered as clock_getcpuclockid(3) does it.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def resident(self) -> tuple[float, float]:
        """Megabytes resident: now, and the most so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(fields[name].split()[0]) / 1_000 * 1.024 for name in ("VmRSS", "VmHWM"))

    def end(self) -> None:
        """Ends it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Asks it to end, and waits."""
        self._process.terminate()
        self._process.wait(60)

    def finish(self, seconds: float) -> tuple[float, float]:
        """Waits for its end: seconds of processor time, megabytes at most."""
        # Not the peak that wait4 knows: it counts what the starting process had before it became this one.
        peak, ends = 0.0, time.monotonic() + seconds
        while True:
            try:
                peak = max(peak, self.resident()[1])
            except (KeyError, FileNotFoundError, ProcessLookupError):
                pass  # It has just ended.
            ended, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > ends:
                self._process.kill()
            time.sleep(0.02)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise UserFacingError(f"{self._process.args[:3]} ended with {self._process.returncode}; see .local/bench/contestants.log.")
        return usage.ru_utime + usage.ru_stime, peak
