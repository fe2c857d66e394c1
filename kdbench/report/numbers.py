"""How numbers are written, the same in every report: shares as percentages, undefined values as n/a, signs on differences."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "n/a"
MINUS = "−"
SCORE = "score"  # the unit of what is no metric: scores over tasks, gains, ranks
DECIMALS = {"share": 1, "log nats": 2, SCORE: 2, "nats": 3, "count": 0}
WORDS = {"share": "%", "nats": "nats", "log nats": "log nats"}


def scaled(value: float, unit: str) -> float:
    return value * 100 if unit == "share" else value


def decimals(unit: str) -> int:
    return DECIMALS.get(unit, 3)


def number(value: float, unit: str = "", sign: bool = False) -> str:
    """86.2 for a share of 0.862, 0.789 nats, +5.5 for a difference; n/a for NaN."""
    if math.isnan(value):
        return MISSING
    places = decimals(unit)
    if math.isinf(value):
        text = "∞"
    else:
        text = f"{abs(scaled(value, unit)):.{places}f}"
    if float(text.replace("∞", "1")) == 0:
        return text  # neither +0.0 nor −0.0
    return (MINUS if value < 0 else "+" if sign else "") + text


def spread(value: float, sd: float, unit: str) -> str:
    """86.2 ± 0.7; without a spread, the mean alone."""
    return number(value, unit) if math.isnan(value) or math.isnan(sd) else f"{number(value, unit)} ± {number(sd, unit)}"


def span(low: float, high: float, unit: str, sign: bool = True) -> str:
    return f"[{number(low, unit, sign)}, {number(high, unit, sign)}]"


def in_percent(unit: str) -> str:
    """What stands behind the name of an axis; nothing for other units than shares."""
    return ", %" if unit == "share" else ""


def points(unit: str) -> str:
    """The unit of a difference."""
    return "pp" if unit == "share" else WORDS.get(unit, "")


def short(value: float) -> str:
    """2.9 k parameters, 25.5 M multiply-adds."""
    if math.isnan(value):
        return MISSING
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}" if abs(value) / size < 999.5 else f"{value / size:.0f} {letter}"
    return f"{value:.0f}"


def seconds(value: float) -> str:
    if math.isnan(value):
        return MISSING
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def counted(count: int, one: str) -> str:
    """1 seed, 3 seeds."""
    return f"{count} {one if count == 1 else one + 's'}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else "none"
