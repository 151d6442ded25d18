"""The virtual environments of the tools, made from pinned and hashed requirements.

Only the standard library is used here: this is what runs before there is an environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".local"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements"


class UserFacingError(Exception):
    """Something a person can mend: the message says what and how."""


def print_progress(text: str) -> None:
    """One line of progress, on standard error so that standard output carries results only."""
    print(text, file=sys.stderr, flush=True)


def ensure(name: str) -> Path:
    """The environment of that name, made or remade when its requirements or the Python have changed."""
    if sys.version_info < (3, 10):
        raise UserFacingError(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}.")
    place = TOOLS / "venvs" / name
    requirements = REQUIREMENTS / f"{name}.txt"
    # An environment knows its absolute place, so a moved checkout makes it anew.
    made_of = hashlib.sha256(requirements.read_bytes() + f"{sys.version_info[:2]} {place}".encode()).hexdigest()
    stamp = place / "made-of"
    if stamp.exists() and stamp.read_text() == made_of:
        return place
    print_progress(f"· installing the tools for {name} ({place.relative_to(ROOT)})")
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    python = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run([python, "-m", "venv", str(place)], capture_output=True, text=True)
    if made.returncode:
        raise UserFacingError(f"python -m venv failed; on Debian install python3-venv.\n{made.stdout}{made.stderr}")
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # The file names every package, those of extras included, which pip would ask for under another name: nothing to resolve.
    if subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(requirements)], stdout=sys.stderr).returncode:
        raise UserFacingError(f"pip could not install {requirements.relative_to(ROOT)}; its message is above.")
    stamp.write_text(made_of)
    return place


def run_inside(name: str) -> None:
    """Goes on inside that environment: replaces this process by the same program there."""
    place = ensure(name)
    if Path(sys.prefix) != place:
        python = str(place / "bin" / "python")
        os.execv(python, [python, *sys.argv])
