"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from kdbench.report.numbers import counted, listed, number, seconds, short, span, spread


@pytest.mark.parametrize(
    ("value", "unit", "sign", "text"),
    [
        (0.8621, "share", False, "86.2"),
        (0.0549, "share", True, "+5.5"),
        (-0.0549, "share", True, "−5.5"),
        (-0.00001, "share", True, "0.0"),
        (-0.00001, "share", False, "0.0"),
        (0.78901, "nats", False, "0.789"),
        (-1.234, "log nats", False, "−1.23"),
        (0.5, "", True, "+0.500"),
        (math.nan, "share", True, "n/a"),
        (math.inf, "nats", False, "∞"),
        (-math.inf, "log nats", False, "−∞"),
        (12.0, "count", False, "12"),
    ],
)
def test_number(value: float, unit: str, sign: bool, text: str) -> None:
    assert number(value, unit, sign) == text


def test_spread_and_span() -> None:
    assert spread(0.862, 0.007, "share") == "86.2 ± 0.7"
    assert spread(0.862, math.nan, "share") == "86.2"
    assert spread(math.nan, math.nan, "share") == "n/a"
    assert span(-0.001, 0.063, "share") == "[−0.1, +6.3]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (2906, "2.91 k"), (999_900, "1000 k"), (25_500_000, "25.5 M"), (4.1e9, "4.1 G"), (math.nan, "n/a")],
)
def test_short(value: float, text: str) -> None:
    assert short(value) == text


def test_words() -> None:
    assert (counted(1, "seed"), counted(3, "seed")) == ("1 seed", "3 seeds")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("none", "a", "a, b and c")
    assert (seconds(3.14159), seconds(312.6), seconds(math.nan)) == ("3.1", "313", "n/a")
