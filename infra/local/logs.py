"""What the functions log, as it comes."""

import time

import stack as platform

SECONDS_BETWEEN_LOOKS = 1
SECONDS_TO_LOOK_BACK = 600


def follow(stack: dict) -> None:
    """Prints the last minutes of every function's log, and goes on until interrupted."""
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
        # In the order in which they came where the clock does not tell.
        fresh = [line for line in dict.fromkeys(lines) if line not in seen]
        for timestamp, name, message in sorted(fresh, key=lambda line: line[0]):
            print(f"{time.strftime('%H:%M:%S', time.localtime(timestamp / 1000))} {name:13} {message}", flush=True)
            # The next look begins where this one ended, and sees the last lines again.
            since[name] = max(since[name], timestamp)
        seen = set(lines)
        time.sleep(SECONDS_BETWEEN_LOOKS)
