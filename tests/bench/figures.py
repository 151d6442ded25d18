"""Figures of several rounds: the least, the middle, and how far two contestants are apart."""

from statistics import median

# Where the rounds of one measurement differ by more than this part of their median, nothing is claimed from it.
TOO_WIDE = 0.25


def summary(values: list[float]) -> dict:
    """The least and the middle of some rounds, and how wide they are spread."""
    middle = median(values)
    return {"min": min(values), "median": middle, "spread": (max(values) - min(values)) / middle if middle else 0.0, "rounds": len(values)}


def ratio(of: list[float], to: list[float]) -> dict:
    """The ratio of medians, and the least and the most that single rounds gave, taken in pairs."""
    pairs = [a / b for a, b in zip(of, to) if b]
    least, most, middle = min(pairs), max(pairs), median(of) / median(to)
    return {"ratio": middle, "min": least, "max": most, "wide": (most - least) / middle > 2 * TOO_WIDE}


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown: the first column is text, the others are figures."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float) -> str:
    """Three significant digits, thousands separated."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def times(found: dict) -> str:
    """A ratio as `12.3 (11.9–12.6)`, marked where it is too wide to claim."""
    text = f"{number(found['ratio'])} ({number(found['min'])}–{number(found['max'])})"
    return text + " ⚠" if found["wide"] else text


def verdict(met: bool, wide: bool = False) -> str:
    """Whether a target is met."""
    return ("met" if met else "**missed**") + (", within noise" if wide else "")
