"""Decides how much the long tests try: little in `make test`, much in `make soak`.

`DAYBOOK_AMOUNT=soak` selects the large amounts. A variable of each test selects any amount, as in `KILLS=50`.
`tests/amounts/src/lib.rs` is the same for the tests in Rust.
"""

import os


def amount(variable: str, small: int, large: int) -> int:
    """Returns the amount that a variable names, or else the small or the large one."""
    return setting(variable, large if os.environ.get("DAYBOOK_AMOUNT") == "soak" else small)


def setting(variable: str, default: int) -> int:
    """Returns the number that a variable names, such as a seed."""
    return int(os.environ.get(variable, default))


def report(tried: str, tried_amount: str, seed: int) -> None:
    """Prints a row of the table of `docs/trust.md`, which `make soak` collects."""
    print(f"\ntried | {tried} | {tried_amount} | {seed}")
