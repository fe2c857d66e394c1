"""Numbers and counts as the gate writes them: shares in points, one more digit than the report, because differences are small."""

from __future__ import annotations

import math

from kdbench.metrics.catalogue import MetricInfo

UNITS = {"share": "pp", "nats": "nats", "log nats": "log nats"}
HEADS = {"share": "pp", "nats": "nats"}  # of columns: the name of a logarithm says that it is one
PLACES = {"share": 2, "log nats": 3}


def amount(value: float, unit: str, sign: bool = False) -> str:
    """−1.23 pp"""
    return f"{bare(value, unit, sign)} {UNITS.get(unit, '')}".rstrip()


def bare(value: float, unit: str, sign: bool = False) -> str:
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return ("−" if value < 0 else "+" if sign else "") + "∞"
    text = f"{abs(value * (100 if unit == 'share' else 1)):.{PLACES.get(unit, 4)}f}"
    if float(text) == 0:
        return text
    return ("−" if value < 0 else "+" if sign else "") + text


def span(low: float, high: float, unit: str, sign: bool = True) -> str:
    """[−1.90, −0.55] pp"""
    return f"[{bare(low, unit, sign)}, {bare(high, unit, sign)}] {UNITS.get(unit, '')}".rstrip()


def level(value: float, info: MetricInfo) -> str:
    """A metric's own value: 86.21 %."""
    return bare(value, info.unit) + (" %" if info.unit == "share" else "")


def count(number: int, one: str) -> str:
    """1 seed, 3 seeds"""
    return f"{number:,} {one if number == 1 else one + 's'}"


def numbers(values: tuple[int, ...]) -> str:
    """Seeds: 0-2, 7"""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"


def listed(names: list[str]) -> str:
    """a, b and c"""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
