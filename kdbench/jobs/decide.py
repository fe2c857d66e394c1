"""The choice of a setting from the records of its trials: the best mean of one metric on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from kdbench.jobs.job import where
from kdbench.suite.tuning import Tuning

SPLIT = "val"  # the one group of a record's metrics that is read here


@dataclass(frozen=True)
class Tried:
    """A variant's trials: the jobs, the value of each that is done, and their mean; NaN until all are there."""

    keys: tuple[str, ...]
    values: tuple[float, ...]
    mean: float


@dataclass(frozen=True)
class Decision:
    """What came of a tuning: the index of the variant that was chosen, or why there is none yet."""

    tuning: Tuning
    tried: tuple[Tried, ...]
    chosen: int | None
    why: str = ""

    @property
    def keys(self) -> list[str]:
        return [key for tried in self.tried for key in tried.keys]

    @property
    def said(self) -> str:
        """`digits kd: weight=0.3 of 4 settings: accuracy 0.8312 on val, mean of 2 seeds`, or why nothing is chosen yet."""
        tuning = self.tuning
        what = f"{where(tuning.place.task, tuning.place.pair)} {tuning.place.cell}"
        if self.chosen is None:
            return f"{what}: one of {len(tuning.variants)} settings: {self.why}"
        setting, mean = tuning.variants[self.chosen].setting, self.tried[self.chosen].mean
        seeds = f"mean of {len(tuning.seeds)} seeds" if len(tuning.seeds) > 1 else "one seed"
        ends = "".join(f"; {end} that was tried" for end in tuning.ends(self.chosen))
        return f"{what}: {setting} of {len(tuning.variants)} settings: {tuning.metric.name} {mean:.4g} on val, {seeds}{ends}"


def decide(tuning: Tuning, keys: Sequence[Sequence[str]], records: Mapping[str, Any]) -> Decision:
    """Choose where every trial has a result. `keys` are the jobs of each variant; of equal means the first in the grid wins."""
    worst = -math.inf if tuning.metric.direction == "up" else math.inf
    tried = []
    for jobs in keys:
        done = [records[key] for key in jobs if key in records]
        values = tuple(worst if record.status == "diverged" else measured(record, tuning) for record in done)
        whole = len(done) == len(tuning.seeds)
        tried.append(Tried(tuple(jobs), values, mean_of(values) if whole else math.nan))
    missing = sum(len(tuning.seeds) - len(one.values) for one in tried)
    if missing:
        return Decision(tuning, tuple(tried), None, f"{missing} of {len(tried) * len(tuning.seeds)} trials have no result yet")
    if any(math.isnan(one.mean) for one in tried):
        why = f"a trial has no {tuning.metric.name} on the validation split; hold_out makes the task hold one out"
        return Decision(tuning, tuple(tried), None, why)
    means = [one.mean for one in tried]
    best = (max if tuning.metric.direction == "up" else min)(means)
    if best == worst:
        return Decision(tuning, tuple(tried), None, "every setting has a trial that diverged")
    return Decision(tuning, tuple(tried), means.index(best))


def measured(record: Any, tuning: Tuning) -> float:
    return float(record.metrics.get(SPLIT, {}).get(tuning.metric.name, math.nan))


def mean_of(values: Sequence[float]) -> float:
    """With a diverged trial a setting is the worst there is, whatever its other trials say."""
    return next((value for value in values if math.isinf(value)), mean(values) if values else math.nan)
