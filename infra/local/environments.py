"""Creates the virtual environments of the tools from requirements with pinned versions and hashes.

This module imports the standard library only, because it runs before there is an environment.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".local"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
SECONDS_OF_SILENCE = 2


class UserFacingError(Exception):
    """An error that the user can fix; the message says what failed and what to do."""


def print_progress(text: str) -> None:
    """Prints a line to standard error, so that standard output carries results only."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Prints how far long work is, every two seconds."""

    def __init__(self, work: str):
        self._work, self._next = work, time.monotonic() + SECONDS_OF_SILENCE

    def report(self, count: int) -> None:
        """Tells the work so far."""
        if time.monotonic() >= self._next:
            print_progress(f"· {self._work}: {count:,}")
            self._next = time.monotonic() + SECONDS_OF_SILENCE


def ensure(name: str) -> Path:
    """Returns the folder of an environment, and installs it first if its requirements or the version of Python have changed."""
    if sys.version_info < (3, 10):
        raise UserFacingError(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}.")
    place = TOOLS / "venvs" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _ensure(name, place)


def _ensure(name: str, place: Path) -> Path:
    requirements = REQUIREMENTS / f"{name}.txt"
    # An environment contains its absolute path, so a checkout that was moved needs a new one.
    installed_from = hashlib.sha256(requirements.read_bytes() + f"{sys.version_info[:2]} {place}".encode()).hexdigest()
    stamp = place / "installed-from"
    if stamp.exists() and stamp.read_text() == installed_from:
        return place
    print_progress(f"· installing the tools for {name} ({place.relative_to(ROOT)})")
    shutil.rmtree(place, ignore_errors=True)
    python = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run([python, "-m", "venv", str(place)], capture_output=True, text=True)
    if made.returncode:
        raise UserFacingError(f"python -m venv failed; on Debian install python3-venv.\n{made.stdout}{made.stderr}")
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # The file lists every package, so pip need not resolve anything.
    if subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(requirements)], stdout=sys.stderr).returncode:
        raise UserFacingError(f"pip could not install {requirements.relative_to(ROOT)}; its message is above.")
    stamp.write_text(installed_from)
    return place


@contextlib.contextmanager
def installing(*names: str) -> Iterator[None]:
    """Installs environments while the caller compiles, because on a fresh checkout each of the two takes minutes."""
    with ThreadPoolExecutor(1) as pool:
        installed = pool.submit(lambda: [ensure(name) for name in names])
        yield
        installed.result()


def is_inside(name: str) -> bool:
    """Returns whether this program runs inside an environment."""
    return Path(sys.prefix) == TOOLS / "venvs" / name


def run_inside(name: str) -> None:
    """Replaces this process by the same program inside an environment."""
    place = ensure(name)
    if not is_inside(name):
        python = str(place / "bin" / "python")
        os.execv(python, [python, *sys.argv])
