"""Timing on a machine that others use too: interleaved rounds, process CPU time, medians of paired ratios, and a guard.

Seconds of one minute say nothing about those of the next here. So whatever is compared is run alternately, in an order that is
drawn anew each round, and compared within the round. The reference is run twice in each round: where one of these runs differs
from the other by more than 3 % in the middle, nothing that was timed beside it can be judged.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

GUARD = 0.03  # by how much a thing may seem to differ from itself
AGAIN = " again"  # the reference's second run of a round

Verdict = Literal["met", "missed", "too noisy", "no bar"]
Figures = dict[str, list[float]]  # what was measured of each part, a number a round


def cpu() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds(call: Callable[[], object], clock: Callable[[], float] = cpu) -> Callable[[], float]:
    """A part whose figure is what its call costs."""

    def measured() -> float:
        began = clock()
        call()
        return clock() - began

    return measured


def interleave(parts: Mapping[str, Callable[[], float]], reference: str, rounds: int) -> Figures:
    """The figure of every part once a round, of the reference twice."""
    order = [*parts, reference + AGAIN]
    figures: Figures = {name: [] for name in order}
    shuffled = random.Random(0)
    for _ in range(rounds):
        for name in shuffled.sample(order, len(order)):
            figures[name].append(parts[name.removesuffix(AGAIN)]())
    return figures


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def mean_of(figures: Figures, reference: str) -> list[float]:
    """The reference's figure of each round, from its two runs."""
    return [(a + b) / 2 for a, b in zip(figures[reference], figures[reference + AGAIN], strict=True)]


def guard(figures: Figures, reference: str) -> float:
    """How the reference compares with itself; 1 on a quiet machine."""
    return median(ratios(figures[reference], figures[reference + AGAIN]))


@dataclass(frozen=True)
class Line:
    """One figure, of every round, beside its bar. `guard` says how the reference compared with itself, where it was timed."""

    what: str
    unit: str
    found: Sequence[float]
    bar: float | None
    guard: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def value(self) -> float:
        return median(self.found)

    @property
    def verdict(self) -> Verdict:
        if self.bar is None:
            return "no bar"
        if self.guard is not None and abs(self.guard - 1) > GUARD:
            return "too noisy"
        return "met" if (self.value >= self.bar if self.at_least else self.value <= self.bar) else "missed"

    @property
    def beyond(self) -> float:
        """How far it is on the wrong side of its bar, as a share of the bar; negative where there is room."""
        if self.bar is None:
            return 0.0
        share = self.value / self.bar - 1
        return -share if self.at_least else share


@dataclass(frozen=True)
class Effort:
    """How much is done for a figure: rounds, steps a round, jobs of a large suite and of a small one, and networks."""

    rounds: int = 5
    steps: int = 4
    null_steps: int = 100
    jobs: int = 10_000
    few: int = 1_000
    pair: tuple[str, str] = ("wrn_40_2", "wrn_16_2")
    small: tuple[str, str] = ("resnet8", "resnet8")
    batch: int = 64


FULL = Effort()
QUICK = Effort(rounds=3, steps=2, null_steps=30, jobs=2_000, few=200)


@dataclass(frozen=True)
class Found:
    """What a benchmark found: its lines, and where the time of a step goes (CPU seconds by part, a bar each)."""

    lines: Sequence[Line]
    shares: Mapping[str, Mapping[str, float]] | None = None
