"""Runs the local platform: the real template on an AWS emulator on this machine. `python3 infra/local up --help`"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cargo_build
from environments import ROOT, TOOLS, UserFacingError, ensure, installing, is_inside, print_progress, run_inside


def main() -> int:
    """Runs the command of the command line."""
    parser = argparse.ArgumentParser(prog="infra/local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the emulator, deploy changes, record demo data")
    up.add_argument("--port", type=int, help="port of the emulator; by default that of the last time, or a free one")
    up.add_argument("--no-demo", action="store_true", help="record no demo data")
    commands.add_parser("down", help="stop the emulator and keep the data")
    commands.add_parser("logs", help="print the logs of the functions, and follow them")
    token = commands.add_parser("token", help="print a fresh token")
    token.add_argument("name", help="such as contoso-global-admin, recorder-contoso or operator, or somebody whom make onboard has created")
    redrive = commands.add_parser("redrive", help="show dead letters, send them to their queues again, or drop them")
    redrive.add_argument("--stack", help="name of a stack on AWS; by default the local stack")
    redrive.add_argument("--send", nargs="+", default=[], help="letters to send again: all, the name of a queue, or ids")
    redrive.add_argument("--drop", nargs="+", default=[], help="letters to delete: all, the name of a queue, or ids")
    commands.add_parser("sam-local", help="run the functions in containers, on the data of the stack")
    commands.add_parser("clean", help="stop the emulator and remove its data")
    tools = commands.add_parser("tools", help="install the tools of one environment, and print its folder")
    tools.add_argument("name", choices=["emulator", "sam", "build", "check", "rust", "tests", "bench"])
    for command in commands.choices.values():
        command.add_argument("--dir", type=Path, default=TOOLS, help="folder of the stack's files (.local)")
    chosen = parser.parse_args()
    try:
        return _run(chosen)
    except UserFacingError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "tools":
        print(ensure(chosen.name))
        return 0
    if chosen.command == "up" and not is_inside("emulator"):
        print_progress("· building the functions (the first time takes some minutes)")
        with installing("emulator", "sam"):
            cargo_build.compile_functions()
    run_inside("emulator")
    import logs
    import redrive

    import stack
    import tokens

    if chosen.command == "up":
        _print_how_to_use(stack.with_others(stack.up(chosen.dir, chosen.port, demo=not chosen.no_demo)))
    elif chosen.command == "down":
        print("Stopped. The data stay in .local for the next make up." if stack.down(chosen.dir) else "Nothing was running.")
    elif chosen.command == "logs":
        logs.follow(stack.load(chosen.dir))
    elif chosen.command == "token":
        print(tokens.token(stack.with_others(stack.load(chosen.dir)), chosen.name))
    elif chosen.command == "redrive" and chosen.stack:
        redrive.of_stack(chosen.stack, chosen.send, chosen.drop)
    elif chosen.command == "redrive":
        running = stack.load(chosen.dir)
        redrive.work(stack.clients(running["port"])("sqs"), running["outputs"], chosen.send, chosen.drop)
    elif chosen.command == "sam-local":
        import sam_local

        sam_local.run(stack.load(chosen.dir))
    elif chosen.command == "clean":
        stack.clean(chosen.dir)
        print("Stopped and removed the data. Tools and builds stay.")
    return 0


def _print_how_to_use(made: dict) -> None:
    import tokens

    api, user = made["api_url"], made["users"][0]
    token = tokens.token(made, user["name"])
    print(f"\nThe activity log   {made['portal_url']}\nThe API            {api}\n")
    print(f"Sign in with the password {user['password']} as one of")
    # People whom `make onboard` has brought in come without their partner, and last.
    for partner in dict.fromkeys(each.get("partner") for each in made["users"]):
        names = [each["name"] for each in made["users"] if each.get("partner") == partner]
        for first in range(0, len(names), 3):
            print(f"  {', '.join(names[first : first + 3])}")
    print("\nPrograms, which get tokens (make token USER=…) and do not sign in\n  " + ", ".join(each["name"] for each in made["clients"]))
    print(f"\nA token of {user['name']}, valid for an hour (make token USER={user['name']} prints a fresh one)\n\n{token}\n")
    print("Three requests that work without changes\n")
    bearer = f'-H "Authorization: Bearer $(make -sC {ROOT} token USER={user["name"]})"'
    recorder = f'-H "Authorization: Bearer $(make -sC {ROOT} token USER=recorder-{user["partner"]})"'
    body = '{"occurred_at": "\'$(date -u +%Y-%m-%dT%H:%M:%SZ)\'", "action": "order.created", "actor": {"id": "me@contoso.example"}, "customer": {"id": "tailspin-toys"}}'
    base = f"{api}/v1/partners/{user['partner']}"
    print(f"curl -sS {bearer} '{base}/activities?limit=3'\n")
    print(f"curl -sS {recorder} -H 'Content-Type: application/json' -d '{body}' {base}/activities\n")
    print(f'curl -sS {bearer} -H \'Content-Type: application/json\' -d \'{{"format": "csv", "locale": "fr"}}\' {base}/exports\n')
    print("make onboard PARTNER=tailspin ADMIN=ana@tailspin.example brings another partner in.")
    print("make logs shows the logs of the functions. make down stops everything and keeps the data. make clean removes them.")


if __name__ == "__main__":
    sys.exit(main())
