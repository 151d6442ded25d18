"""Prints the logs of the functions as they arrive."""

import time

import stack as platform

SECONDS_BETWEEN_LOOKS = 1
SECONDS_TO_LOOK_BACK = 600


def follow(stack: dict) -> None:
    """Prints the last minutes of all logs, and new lines until it is interrupted."""
    client = platform.clients(stack["port"])
    logs, functions = client("logs"), client("lambda")
    groups = {name: functions.get_function_configuration(FunctionName=physical)["LoggingConfig"]["LogGroup"] for name, physical in stack["functions"].items()}
    since = dict.fromkeys(groups, int((time.time() - SECONDS_TO_LOOK_BACK) * 1000))
    seen = set()
    while True:
        lines = []
        for name, group in groups.items():
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since[name]):
                lines += ((event["timestamp"], name, event["message"].rstrip()) for event in page["events"])
        # Lines of the same millisecond keep their order of arrival.
        fresh = [line for line in dict.fromkeys(lines) if line not in seen]
        for timestamp, name, message in sorted(fresh, key=lambda line: line[0]):
            print(f"{time.strftime('%H:%M:%S', time.localtime(timestamp / 1000))} {name:13} {message}", flush=True)
            # The next query begins at the time of the last line, and returns that line again.
            since[name] = max(since[name], timestamp)
        seen = set(lines)
        time.sleep(SECONDS_BETWEEN_LOOKS)
