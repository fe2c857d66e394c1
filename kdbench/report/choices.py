"""What was chosen on validation data: every setting that was tried, its mean there, and the choice; nothing of it is a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kdbench.jobs.decide import Decision
from kdbench.jobs.job import where
from kdbench.report.numbers import SCORE, listed, number, scaled
from kdbench.stats import sd

TITLE = "Chosen on validation"
ABOUT = (
    "Each of these cells tried the settings below at seeds of their own, and took the one with the best mean on the validation "
    "split. Test data had no part in it. What a choice was made by says too much good of it, so that the trials stand in no "
    "other table."
)
HEADS = ("setting", "mean", "sd", "trials", "")


@dataclass(frozen=True)
class Line:
    """One setting of a grid."""

    setting: str
    mean: str
    spread: str
    trials: str
    chosen: bool


@dataclass(frozen=True)
class Choice:
    """One cell's grid, its settings best first, in words."""

    title: str
    said: list[str]
    lines: list[Line]


def choices(decisions: Sequence[Decision]) -> list[Choice]:
    return [choice(decision) for decision in decisions]


def choice(decision: Decision) -> Choice:
    tuning = decision.tuning
    task, pair, cell = tuning.place
    return Choice(f"{where(task, pair)}: {cell}", said(decision), lines(decision))


def lines(decision: Decision) -> list[Line]:
    """In the order of the grid."""
    unit, found = decision.tuning.metric.unit, []
    for index, (variant, tried) in enumerate(zip(decision.tuning.variants, decision.tried)):
        spread = sd(tried.values) if all(map(math.isfinite, tried.values)) else math.nan
        mean = "diverged" if math.isinf(tried.mean) else finer(tried.mean, unit)
        trials = f"{len(tried.values)}/{len(decision.tuning.seeds)}"
        found.append(Line(str(variant.setting), mean, finer(spread, unit), trials, index == decision.chosen))
    return found


def finer(value: float, unit: str) -> str:
    """Settings that lie side by side differ by less than methods do, so shares have a digit more than elsewhere."""
    return number(scaled(value, unit), SCORE) if unit == "share" else number(value, unit)


def said(decision: Decision) -> list[str]:
    """By what was chosen, at which seeds, whether a value beyond the grid may be better; or why nothing is chosen yet."""
    tuning = decision.tuning
    metric = f"{tuning.metric.title} ({'%, ' if tuning.metric.unit == 'share' else ''}the higher the better)"
    if tuning.metric.direction == "down":
        metric = metric.replace("higher", "lower")
    found = [f"By {metric} on val, at seeds {listed(list(map(str, tuning.seeds)))}."]
    if tuning.hold_out:
        held = listed([f"{name} = {value}" for name, value in tuning.hold_out.items()])
        found.append(f"Held out in the trials alone: {held}. Their teachers leave it out too; the reported runs train on it.")
    if decision.chosen is None:
        return [*found, f"Nothing is chosen yet: {decision.why}."]
    found.append(f"Chosen: {tuning.variants[decision.chosen].setting}.")
    if ends := tuning.ends(decision.chosen):
        found.append(f"It lies at the end of the grid ({listed(ends)} that was tried): a value beyond might be better.")
    return found
