"""Judges a claim about two arms by the intervals of their difference: holds, fails, undecided or not run.

One interval is over seeds (paired t), the other, where the examples of the runs are known, over seeds and test examples at once
(bootstrap.py); it is the wider one. A claim is decided only where both lie clear of the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from kdbench.stats.intervals import Interval, mean, paired

Outcome = Literal["holds", "fails", "undecided", "not_run"]


class Bounds(Protocol):
    """What of a claim is judged: where the difference arm - reference is said to lie."""

    @property
    def at_least(self) -> float | None: ...
    @property
    def at_most(self) -> float | None: ...


@dataclass(frozen=True)
class Judgement:
    """`n` seeds that both arms have, `wins` of which lie within the bounds by themselves; `why` in one sentence.

    `crossed` is the interval over seeds and test examples, None where the examples are not known.
    """

    outcome: Outcome
    difference: float
    interval: Interval | None
    n: int
    wins: int
    why: str
    crossed: Interval | None = None

    @property
    def quoted(self) -> Interval | None:
        """The one to quote where there is room for one; never the narrower."""
        return self.crossed or self.interval

    @property
    def said(self) -> str:
        """The outcome as it is written."""
        return self.outcome.replace("_", " ")


def judge(
    claim: Bounds,
    arm_values_by_seed: Mapping[int, float],
    reference_values_by_seed: Mapping[int, float],
    planned: int | None = None,
    crossed: Interval | None = None,
) -> Judgement:
    """The verdict from the 95 % paired t interval of arm - reference and, where given, the `crossed` one.

    It holds where both lie wholly within the bounds, and fails where both lie wholly outside; else it is undecided.
    A seed that ran without a value (diverged, undefined) is given as NaN. With such a seed, or with fewer seeds than
    `planned`, nothing is decided: the runs that are left over are not a fair sample.
    """
    low = -math.inf if claim.at_least is None else claim.at_least
    high = math.inf if claim.at_most is None else claim.at_most
    seeds = sorted(set(arm_values_by_seed) & set(reference_values_by_seed))
    pairs = [(arm_values_by_seed[seed], reference_values_by_seed[seed]) for seed in seeds]
    differences = [arm - reference for arm, reference in pairs if math.isfinite(arm) and math.isfinite(reference)]
    n = len(differences)
    wins = sum(low <= difference <= high for difference in differences)
    interval = paired(differences)

    def verdict(outcome: Outcome, why: str) -> Judgement:
        return Judgement(outcome, mean(differences), interval, n, wins, why, crossed)

    if not seeds:
        return verdict("not_run", "no seed of which both arms have a result")
    if n < len(seeds):
        without = f"{len(seeds) - n} of {len(seeds)} seeds"
        return verdict("undecided", f"{without} without a value (diverged, or the metric is undefined)")
    if planned is not None and n < planned:
        return verdict("undecided", f"{n} of {planned} seeds have run")
    if interval is None:
        return verdict("undecided", "one seed gives no interval")
    by_seeds = place(interval, low, high)
    by_both = by_seeds if crossed is None else place(crossed, low, high)
    if by_seeds == by_both != "undecided":
        whole = "the whole interval lies" if crossed is None else "both intervals lie"
        return verdict(by_seeds, f"{whole} {'within' if by_seeds == 'holds' else 'outside'} the bounds")
    if by_seeds == "undecided":
        return verdict("undecided", "the interval crosses a bound")
    return verdict("undecided", "the interval over seeds is clear of the bounds, the one over seeds and test examples is not")


def place(interval: Interval, low: float, high: float) -> Outcome:
    """Where an interval lies: within the bounds, outside of them, or across one."""
    if low <= interval.low and interval.high <= high:
        return "holds"
    if interval.high < low or interval.low > high:
        return "fails"
    return "undecided"
