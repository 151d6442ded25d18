"""Starts and stops the AWS emulator: one process on the loopback interface, with its state in one directory."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from environments import UserFacingError, ensure

REGION = "us-east-1"
# The emulator's root keys. They open nothing else.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
USUAL_PORT = 4566
# The emulator writes its whole state when it stops.
SECONDS_TO_STOP = 60
SECONDS_TO_START = 60


class Emulator:
    """An emulator with its files in one directory. At most one runs in each."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.pid_file = directory / "emulator.pid"
        self.log = directory / "emulator.log"

    def running(self) -> tuple[int, int] | None:
        """Returns process id and port of the emulator that runs in this directory."""
        try:
            pid, port = (int(word) for word in self.pid_file.read_text().split())
        except (OSError, ValueError):
            return None
        return (pid, port) if _is_ours(pid) else None

    def start(self, port: int) -> None:
        """Starts the emulator and waits until it answers."""
        require_free(port)
        command = [str(ensure("emulator") / "bin" / "python"), "-I", str(Path(__file__).with_name("run_ministack.py"))]
        state = self.directory / "state"
        objects = self.directory / "objects"
        scratch = self.directory / "scratch"
        for place in (state, objects, scratch):
            place.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= KEYS | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            # The functions get this address. A number instead of `localhost` makes the SDK address buckets by path.
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(state),
            "S3_DATA_DIR": str(objects),
            "TMPDIR": str(scratch),
            # These servers would listen on fixed ports of every interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid_file.write_text(f"{process.pid} {port}\n")
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(f"http://127.0.0.1:{port}/_ministack/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise UserFacingError(f"The emulator did not start. Its log, {self.log}, ends with:\n{self.tail(15)}")
            time.sleep(0.1)

    def stop(self) -> bool:
        """Stops the emulator, so that it writes its state. Returns whether one ran."""
        running = self.running()
        if running is None:
            self.pid_file.unlink(missing_ok=True)
            return False
        pid = running[0]
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_STOP
        while _is_ours(pid):
            if time.monotonic() > deadline:
                raise UserFacingError(f"The emulator (process {pid}) does not end. See {self.log}.")
            time.sleep(0.1)
        # The functions run in the session of the emulator; none may outlive it.
        try:
            os.killpg(pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            pass
        self.pid_file.unlink(missing_ok=True)
        return True

    def tail(self, lines: int) -> str:
        """Returns the last lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def _is_ours(pid: int) -> bool:
    """Returns whether a process lives and is an emulator, because the system reuses process ids."""
    try:
        # A child of this process stays as a zombie until it is waited for.
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    if Path("/proc/self").exists():
        # The command line of a zombie is empty.
        try:
            return b"ministack" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    found = subprocess.run(["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return "ministack" in found and not found.startswith("Z")


def port_is_free(port: int) -> bool:
    """Returns whether nothing listens on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """Fails with advice if something listens on a port."""
    if not port_is_free(port):
        raise UserFacingError(f"Something else listens on port {port}. Choose another one (make up PORT=4600), or none to get a free one.")


def free_port() -> int:
    """Returns the usual port, or any free one."""
    if port_is_free(USUAL_PORT):
        return USUAL_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url: str) -> bool:
    """Returns whether an address answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False
