"""Reads the processes of the functions from /proc."""

from pathlib import Path


def running(stack):
    """Yields the process id and the function of every process of a stack."""
    names = {physical: name for name, physical in stack["functions"].items()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = dict(entry.split("=", 1) for entry in (process / "environ").read_text(errors="replace").split("\0") if "=" in entry)
        except OSError:
            continue  # The process has ended, or is not a function.
        name = names.get(variables.get("AWS_LAMBDA_FUNCTION_NAME"))
        if name and variables.get("AWS_ENDPOINT_URL") == stack["endpoint"]:
            yield int(process.name), name


def peaks(stack):
    """Returns the peak memory of each running function in KB, by name."""
    found = {}
    for number, name in running(stack):
        try:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{number}/status").read_text().splitlines() if ":" in line)
            found[name] = max(found.get(name, 0), int(status["VmHWM"].split()[0]))
        except (OSError, KeyError):
            continue  # The process has ended.
    return found
