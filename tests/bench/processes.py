"""Processes of a benchmark: the servers, and the contestants with their CPU time and memory."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from environments import UserFacingError

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
# A contestant has a core of its own; the servers and this program share another one.
CONTESTANT_CORE, SERVER_CORE = CORES[0], CORES[-1]


def pin_to_server_core() -> None:
    """Moves this program, and the processes that it starts from now on, to the servers' core."""
    os.sched_setaffinity(0, {SERVER_CORE})


class Server:
    """One of the benchmark's servers; the server ends with its standard input."""

    def __init__(self, *command: str, log: Path):
        with log.open("ab") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise UserFacingError(f"could not start {command[0]} {command[1]}; see {log}")
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


def send(url: str, body: bytes | None = None, timeout: float = 1_800) -> bytes:
    """Sends a request to one of the servers and returns the body of the answer."""
    request = urllib.request.Request(url, data=body, method="GET" if body is None else "POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise UserFacingError(f"{url}: {error.code} {error.read().decode(errors='replace')[:500]}") from error


class Store:
    """Client of the server that imitates DynamoDB, S3 and SQS in memory."""

    def __init__(self, server: Server):
        self.url = server.addresses["url"]
        self.tls_url = server.addresses.get("tls_url")

    def configure(self, **settings) -> None:
        """Sets how the server answers, and sets all its counters to zero."""
        send(f"{self.url}/bench/settings", json.dumps(settings).encode())

    def counts(self) -> dict:
        """Returns the counters since the last `configure`."""
        return json.loads(send(f"{self.url}/bench/counts"))

    def sizes(self) -> dict:
        """Returns the number of rows and their bytes by hash key."""
        return json.loads(send(f"{self.url}/bench/sizes"))

    def details(self) -> dict:
        """Returns the number of details, their bytes of JSON and their stored bytes: in items, in twin items, in objects."""
        return json.loads(send(f"{self.url}/bench/details"))

    def load(self, data: Path) -> None:
        """Replaces the items and objects by those of a file."""
        send(f"{self.url}/bench/load", str(data).encode())

    def save(self, data: Path) -> None:
        """Writes the items and objects to a file."""
        send(f"{self.url}/bench/save", str(data).encode())

    def object(self, key: str) -> bytes:
        """Returns the bytes of a finished object."""
        return send(f"{self.url}/bench/object", key.encode())


class Runtime:
    """Client of the server that imitates the Lambda Runtime API."""

    def __init__(self, server: Server):
        self.api = server.addresses["api"]

    def invoke(self, events: bytes, times: int = 1, seconds: int = 29) -> dict:
        """Sends events to the function, one a line, and returns when the function waits for its next event."""
        return json.loads(send(f"http://{self.api}/bench/invoke?times={times}&seconds={seconds}", events))

    def generate(self, plan: dict) -> dict:
        """Sends generated activities to the recording function."""
        return json.loads(send(f"http://{self.api}/bench/generate", json.dumps(plan).encode()))

    def wait_until_idle(self) -> None:
        """Returns when the function waits for its next event."""
        send(f"http://{self.api}/bench/idle", timeout=120)

    def reset(self) -> None:
        """Forgets the previous process."""
        send(f"http://{self.api}/bench/reset", b"")


class Contestant:
    """A process whose CPU time and memory are measured."""

    def __init__(self, command: list[str], environment: dict[str, str], errors: Path):
        # The child inherits the affinity. A wrapper such as taskset would add its own CPU time.
        os.sched_setaffinity(0, {CONTESTANT_CORE})
        try:
            with errors.open("ab") as log:
                self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, close_fds=False)
        finally:
            pin_to_server_core()

    def cpu_seconds(self) -> float:
        """Returns the CPU time so far: user and system, of all threads, also of those that have ended."""
        # clock_getcpuclockid(3) defines this number for the CPU clock of another process.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def memory_mb(self) -> tuple[float, float]:
        """Returns the resident megabytes: the current value and the peak."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(fields[name].split()[0]) / 1_000 * 1.024 for name in ("VmRSS", "VmHWM"))

    def kill(self) -> None:
        """Kills the process."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Asks the process to end, and waits for its end."""
        self._process.terminate()
        self._process.wait(60)

    def finish(self, seconds: float) -> tuple[float, float]:
        """Waits for the end of the process, and returns its CPU seconds and its peak megabytes."""
        # The peak of wait4 does not serve, because it includes the memory of this program before exec.
        peak, deadline = 0.0, time.monotonic() + seconds
        while True:
            try:
                peak = max(peak, self.memory_mb()[1])
            except (KeyError, FileNotFoundError, ProcessLookupError):
                pass  # The process has just ended.
            ended, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                self._process.kill()
            time.sleep(0.02)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise UserFacingError(f"{self._process.args[:3]} ended with {self._process.returncode}; see .local/bench/contestants.log")
        return usage.ru_utime + usage.ru_stime, peak
