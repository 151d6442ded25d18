"""Statistics over the rounds of a measurement, and the way the report shows them."""

from dataclasses import dataclass
from statistics import median

# The report claims nothing from rounds that differ by more than this share of their median.
TOO_WIDE = 0.25
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Target:
    """A target of the report: the wanted value, the measured value, and whether the measurement meets the target."""

    name: str
    wanted: str
    measured: str = "–"
    verdict: str = NOT_MEASURED

    def row(self) -> list[str]:
        """Returns the cells of the target's line in a table."""
        return [self.name, self.wanted, self.measured, self.verdict]


def summary(values: list[float]) -> dict:
    """Returns the minimum, the median and the spread of the rounds; the spread is a share of the median."""
    middle = median(values)
    return {"min": min(values), "median": middle, "spread": (max(values) - min(values)) / middle if middle else 0.0, "rounds": len(values)}


def ratio(of: list[float], to: list[float]) -> dict:
    """Returns the ratio of the medians, and the smallest and largest ratio of two values of the same round."""
    pairs = [a / b for a, b in zip(of, to) if b]
    least, most, middle = min(pairs), max(pairs), median(of) / median(to)
    return {"ratio": middle, "min": least, "max": most, "wide": (most - least) / middle > 2 * TOO_WIDE}


def at_most(name: str, wanted: float, found: dict) -> Target:
    """Compares a ratio with the largest value that the target allows."""
    return Target(name, f"≤ {wanted:g} ×", f"{ratio_text(found)} ×", verdict(found["ratio"] <= wanted, found["wide"]))


def at_least(name: str, wanted: float, found: dict) -> Target:
    """Compares a ratio with the smallest value that the target allows."""
    return Target(name, f"≥ {wanted:g} ×", f"{ratio_text(found)} ×", verdict(found["ratio"] >= wanted, found["wide"]))


def fraction(name: str, wanted: float, found: dict) -> Target:
    """Compares a fraction with the target; `found` is the ratio of the peer to Daybook."""
    return Target(name, f"≤ 1/{wanted:g}", f"1/{ratio_text(found)}", verdict(found["ratio"] >= wanted, found["wide"]))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Formats a Markdown table: text in the first column, figures in the others."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def target_table(targets: list[Target]) -> str:
    """Formats targets as a Markdown table."""
    return table(["", "target", "measured", "verdict"], [target.row() for target in targets])


def number(value: float) -> str:
    """Formats three significant digits, with separated thousands."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def ratio_text(found: dict) -> str:
    """Formats a ratio as `12.3 (11.9–12.6)`, with ⚠ if its spread is too wide to claim."""
    text = f"{number(found['ratio'])} ({number(found['min'])}–{number(found['max'])})"
    return text + " ⚠" if found["wide"] else text


def verdict(met: bool, wide: bool = False) -> str:
    """Says whether a target is met."""
    return ("met" if met else "**missed**") + (", within noise" if wide else "")
