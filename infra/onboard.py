#!/usr/bin/env python3
"""Brings a partner in: `make onboard PARTNER=tailspin ADMIN=ana@tailspin.example`. `make onboard` says what it takes.

The program registers the partner, saves a schedule of monthly exports if you ask for one, creates a machine client and registers
it, and creates a person who can sign in. First it shows what is there and what it will create or change, and asks. What is there
stays, so that you can repeat an interrupted run. The person comes last, because Cognito sends the invitation at once.
docs/onboard.md does the same by hand.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent / "local")]

from environments import TOOLS, print_progress, run_inside
from onboard_inputs import INPUTS, PLACES, check, read_words, refuse

if TYPE_CHECKING:
    from onboarding import Onboarding, Step

HELP = """\
make onboard brings a partner in. It needs the partner's id and the e-mail address of the first person:

  make onboard PARTNER=tailspin ADMIN=ana@tailspin.example

That works on the stack of make up. For an installation on AWS, add STACK=daybook. You may add:

  NAME="Tailspin Toys" TIME_ZONE=Europe/Paris        how lists show the partner; its calendar
  ADMIN_NAME="Ana Trujillo" ROLE=global_admin        the person's name and role; ADMIN=none creates nobody
  CUSTOMERS="*"                                      whom the person sees, if the stack has the parameter CustomersClaim
  CLIENT=record|read|both|none                       what the machine client may do (record)
  CLIENT_ID=…                                        registers this client instead of creating one
  SCHEDULE=1 LOCALE=fr FORMAT=xlsx NOTIFY=…          monthly exports, with addresses to notify: https://… or e-mail
  YES=1                                              does not ask

docs/onboard.md explains all of it."""


def run(onboarding: "Onboarding", is_confirmed: bool, reply: Callable[[str], str] = input) -> int:
    """Shows the plan, asks, carries the plan out, and prints what to hand over."""
    print_progress("· reading what is there")
    plan = onboarding.plan()
    print_progress(f"\nPlan for the partner {onboarding.wanted.partner}, at {onboarding.installation.place}:")
    for step in plan.steps:
        print_progress(f"  {step}")
    for note in plan.notes:
        print_progress(f"! {note}")
    if plan.faults:
        return refuse(plan.faults)
    if plan.open:
        if not is_confirmed and not is_agreed(reply):
            return 1
        carry_out(plan.open)
    else:
        print_progress("Nothing to do: everything is there.")
    hand_over(onboarding, plan.by_hand)
    return 0


def is_agreed(reply: Callable[[str], str]) -> bool:
    """Asks whether to go on."""
    if not sys.stdin.isatty():
        print_progress("\nNothing is changed: there is no terminal to ask at. Read the plan, then run the same command with YES=1.")
        return False
    print_progress("")
    if reply("Go on? [y/N] ").strip().lower() in ("y", "yes"):
        return True
    print_progress("Nothing is changed.")
    return False


def carry_out(steps: "list[Step]") -> None:
    """Does one step after the other."""
    print_progress("")
    for number, step in enumerate(steps):
        try:
            step.act()
        except BaseException:
            left = len(steps) - number
            print_progress(f"✗ {step.what}\n  {number} done, {left} left. What is done stays; run the same command again to go on.")
            raise
        print_progress(f"✓ {step.what} {step.done}")


def hand_over(onboarding: "Onboarding", by_hand: "list[Step]") -> None:
    """Prints what the partner's people and its back end need."""
    there, wanted = onboarding.installation, onboarding.wanted
    lines = [("Page", there.outputs["PortalUrl"])]
    if wanted.admin and onboarding.pool:
        lines += _sign_in(onboarding)
    lines += [("API", there.outputs["ApiUrl"]), ("Partner", f"{wanted.partner}, in paths {onboarding.path}/…")]
    if client := onboarding.client:
        lines += [("Tokens", f"POST {there.token_url} (client credentials)"), ("Client id", client.id)]
        if client.scopes:
            lines.append(("Scopes", " ".join(client.scopes)))
        if onboarding.is_new_client:
            lines.append(("Secret", f"{client.secret} (shown this once)"))
        if onboarding.pool:
            lines.append(("Secret later", there.how_to_read_secret(client)))
    lines.append(("How to use", "docs/use.md"))
    print(f"\nHand over to {onboarding.partner['name']}:\n")
    for name, value in lines:
        print(f"  {name:<13} {value}")
    if by_hand:
        print("\nLeft to you:\n")
        for step in by_hand:
            print(f"  {step.what}: {step.detail}")


def _sign_in(onboarding: "Onboarding") -> list[tuple[str, str]]:
    """Returns how the person signs in."""
    there, pool, person = onboarding.installation, onboarding.pool, onboarding.person
    username = person.username if person else onboarding.wanted.admin
    if person and person.is_federated:
        return [("Sign-in", f"{onboarding.wanted.admin}, through the partner's identity provider")]
    if pool.password:
        is_set = person is None or person.is_invited
        return [("Sign-in", f"{username}, password {pool.password}" + ("" if is_set else " unless it was changed"))]
    lines = [("Sign-in", username)]
    if onboarding.is_new_person:
        lines.append(("Password", f"in the invitation that Cognito has sent, valid for {pool.invitation_days()} days"))
    if onboarding.is_new_person or person.is_invited:
        lines.append(("Invite again", there.how_to_invite_again(username)))
    return lines


def main(words: list[str]) -> int:
    """Reads the inputs, finds the installation, and runs."""
    if not words:
        print_progress(HELP)
        return 2
    given, unknown = read_words(words, (*INPUTS, *PLACES))
    wanted, faults = check(given)
    if unknown or faults:
        return refuse(unknown + faults)
    run_inside("emulator")
    import installation
    from onboarding import Onboarding

    def work() -> int:
        there = installation.find(given.get("STACK"), Path(given.get("DIR", TOOLS)))
        return run(Onboarding(there, wanted), is_confirmed="YES" in given)

    return installation.run_as_operator(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
