"""The functions' processes, as the kernel of this machine sees them."""

from pathlib import Path


def running(stack):
    """The process of each function that runs on a stack, or several: number and function."""
    names = {physical: name for name, physical in stack["functions"].items()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = dict(entry.split("=", 1) for entry in (process / "environ").read_text(errors="replace").split("\0") if "=" in entry)
        except OSError:
            continue  # It has ended, or is nobody of ours.
        name = names.get(variables.get("AWS_LAMBDA_FUNCTION_NAME"))
        if name and variables.get("AWS_ENDPOINT_URL") == stack["endpoint"]:
            yield int(process.name), name


def peaks(stack):
    """The most memory that each running function has held, in KB, by its name."""
    found = {}
    for number, name in running(stack):
        try:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{number}/status").read_text().splitlines() if ":" in line)
            found[name] = max(found.get(name, 0), int(status["VmHWM"].split()[0]))
        except (OSError, KeyError):
            continue  # It has ended meanwhile.
    return found
