"""Builds the functions for this machine: one call of cargo for all of them, then one folder for each, as `sam build` lays them out.

`sam build` calls cargo once for each function, and each call compiles the libraries whose features differ anew. The release
build for AWS stays with `sam build`, because there each function shall have no more than the features that it needs.
"""

import hashlib
import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

from environments import ROOT, TOOLS, UserFacingError, print_progress

BUILD = TOOLS / "build"
# `make up` gives this one to `sam deploy`.
TEMPLATE = BUILD / "template.yaml"
# Enables the features that the tests need, so that functions and tests share one build of every library.
UNIFIED_FEATURES = "unified-features"
SECONDS_BETWEEN_LINES = 4
# Cargo's own progress bar, as in "Building [=====>   ] 120/310: serde, tokio".
COUNT = re.compile(r"\] (\d+)/(\d+)")


def build(functions: dict[str, str]) -> str:
    """Builds the functions if their sources have changed, and returns the hash of the sources.

    `functions` maps the crate of each function to the name of its resource in the template.
    """
    built_from, stamp = _hash_sources(), BUILD / "built-from"
    if stamp.exists() and stamp.read_text() == built_from:
        print_progress("✓ functions are built")
        return built_from
    stamp.unlink(missing_ok=True)
    started = time.monotonic()
    compile_functions()
    _package(functions)
    stamp.write_text(built_from)
    print_progress(f"✓ functions built in {time.monotonic() - started:.0f} s")
    return built_from


def compile_functions() -> None:
    """Compiles all functions, without packaging them."""
    crates = sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))
    packages = [word for crate in [*crates, UNIFIED_FEATURES] for word in ("--package", crate)]
    run_cargo(["build", "--locked", "--bins", *packages])


def target_directory() -> Path:
    """Returns the folder of cargo's output."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def host() -> str:
    """Returns the target triple of this machine."""
    try:
        compiler = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, cwd=ROOT)
    except FileNotFoundError:
        raise UserFacingError("Rust is needed: install it from https://rustup.rs.") from None
    if compiler.returncode:
        raise UserFacingError(f"Rust is needed: install it from https://rustup.rs. {compiler.stderr.strip()}")
    return re.search(r"^host: (.+)$", compiler.stdout, re.MULTILINE)[1]


def run_cargo(arguments: list[str]) -> None:
    """Runs cargo, and prints how many of the crates are compiled, at least every five seconds.

    Cargo's messages go to `.local/cargo-build.log`; the end of this file is part of the error.
    """
    environment = os.environ | {
        # A named target, as in the Makefile: cargo keeps its output apart from that of a build without one.
        "CARGO_BUILD_TARGET": host(),
        "CARGO_TARGET_DIR": str(target_directory()),
        "CARGO_TERM_COLOR": "never",
        # The bar says how many crates there are in all; cargo draws it on a pipe only when it is told to.
        "CARGO_TERM_PROGRESS_WHEN": "always",
        "CARGO_TERM_PROGRESS_WIDTH": "100",
    }
    TOOLS.mkdir(exist_ok=True)
    log_path = TOOLS / "cargo-build.log"
    started = printed = time.monotonic()
    count, status = "", "starting cargo"
    with log_path.open("w") as log, subprocess.Popen(["cargo", *arguments], cwd=ROOT, env=environment, stderr=subprocess.PIPE) as cargo:
        rest = ""
        while True:
            ready, _, _ = select.select([cargo.stderr], [], [], 1)
            if ready:
                read = os.read(cargo.stderr.fileno(), 65_536)
                if not read:
                    break
                *lines, rest = re.split(r"[\r\n]", rest + read.decode(errors="replace"))
                # The bar ends with a carriage return that comes before the next one.
                for line in filter(str.strip, lines):
                    if found := COUNT.search(line):
                        count = f"{found[1]} of {found[2]} crates"
                    elif "Building [" not in line:
                        log.write(line + "\n")
                        status = line.strip()
            if time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
                printed = time.monotonic()
                print_progress(f"  {count or status} ({printed - started:.0f} s)")
        failed = cargo.wait()
    if failed:
        end = "\n".join(log_path.read_text().splitlines()[-60:])
        raise UserFacingError(f"cargo {arguments[0]} failed ({log_path}):\n{end}")


def _package(functions: dict[str, str]) -> None:
    """Copies each program to the folder that the template of the build names, as `sam build` does."""
    programs = target_directory() / host() / "debug"
    for old in BUILD.iterdir() if BUILD.exists() else ():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    text = (ROOT / "template.yaml").read_text()
    for crate, resource in functions.items():
        place = BUILD / resource
        place.mkdir(parents=True)
        shutil.copy2(programs / crate, place / "bootstrap")
        text, replaced = re.subn(rf"(?m)^( +CodeUri:) functions/{re.escape(crate)}$", rf"\1 {resource}", text)
        if replaced != 1:
            raise UserFacingError(f"template.yaml names functions/{crate} {replaced} times as CodeUri, instead of once.")
    # Nested stacks keep their relative place.
    for nested in re.findall(r"(?m)^ +TemplateURL: (\S+)$", text):
        (BUILD / nested).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / nested, BUILD / nested)
    TEMPLATE.write_text(text)


def _hash_sources() -> str:
    """Returns a hash of everything that the build reads."""
    digest = hashlib.sha256(subprocess.run(["rustc", "-vV"], capture_output=True, cwd=ROOT).stdout if host() else b"")
    digest.update(os.environ.get("RUSTFLAGS", "").encode())
    single = ["template.yaml", "samconfig.toml", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"]
    single += ["infra/local/cargo_build.py", "infra/local/stack.py", "tests/unified-features/Cargo.toml"]
    files = [ROOT / name for name in single if (ROOT / name).exists()]
    files += (ROOT / "infra").glob("*.yaml")
    for tree in ("crates", "functions"):
        files += (path for path in (ROOT / tree).rglob("*") if path.is_file() and "target" not in path.parts)
    for path in sorted(files):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
