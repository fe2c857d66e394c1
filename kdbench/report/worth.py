"""Whether a table can answer its question: has the teacher something to give, is a difference shown, and what would show it."""

from __future__ import annotations

import math

from kdbench.report.model import Difference, Row, Table
from kdbench.report.numbers import number, points, span
from kdbench.report.rows import paired_differences
from kdbench.stats import Interval, mean, sd, welch
from kdbench.stats.power import seeds_for
from kdbench.stats.scores import informative

MANY = 100  # seeds that nobody runs
LONGER = (
    "What the rows say here, and claims on them, is not about distilling a better teacher. Train the teacher longer, or take a "
    "larger one (teachers: {recipe: {steps: …}} or {model: …}), and run again."
)


def nothing_to_learn(table: Table) -> str:
    """A teacher that has nothing over the student alone, or of which that cannot be told."""
    both = above(table)
    if both is None:
        return ""
    ours, theirs, better = both
    said = f"{size(table, mean(theirs) - mean(ours))} in {table.endpoints.truth.name}"
    if better <= 0:
        return f"There is nothing to learn here: the teacher is not better than the student alone ({said}). {LONGER}"
    if len(ours) > 1 and not informative(ours, theirs):
        return (
            "Whether there is anything to learn cannot be told: the teacher stands within two standard deviations of the student "
            f"alone ({said}). {LONGER}"
        )
    return ""


def teacher_above(table: Table) -> str:
    """How far the teacher stands above the student alone; nothing where a warning says that it does not."""
    both = above(table)
    if both is None or nothing_to_learn(table):
        return ""
    ours, theirs, _ = both
    truth = table.endpoints.truth
    said, interval = size(table, mean(theirs) - mean(ours)), welch(theirs, ours)
    if interval is None:  # of one teacher, or one student: no spread is known
        return f"The teacher less the student alone: {said} in {truth.name}, without an interval: there are too few runs."
    clear = "better" if interval.excludes_zero else "not clearly better"
    return (
        f"The teacher is {clear} than the student alone: {said} {span(interval.low, interval.high, truth.unit)} in {truth.name}."
    )


def above(table: Table) -> tuple[list[float], list[float], float] | None:
    """The values of the student alone, those of the teachers, and by how much the teachers are better."""
    if not table.teachers or not table.controls:
        return None
    truth = table.endpoints.truth
    theirs = [value for row in table.teachers for value in row.summary(truth.name).by_seed.values()]
    ours = list(table.controls[0].summary(truth.name).by_seed.values())
    if not theirs or not ours or not all(map(math.isfinite, (*theirs, *ours))):
        return None
    return ours, theirs, (mean(theirs) - mean(ours)) * (1 if truth.direction == "up" else -1)


def undecided(table: Table) -> str:
    """Where nothing is shown, what would show it: the seeds that the clearest of the differences would take, were it real."""
    truth = table.endpoints.truth
    rows = [row for row in table.students if row.complete and row.control is not None and truth.name in row.differences]
    found = [(row, row.differences[truth.name]) for row in rows if row.differences[truth.name].interval is not None]
    if not found or any(one.verdict or not abs(one.mean) > 0 for _, one in found):
        return ""
    row, one = min(found, key=lambda pair: width(pair[1].interval) / abs(pair[1].mean))
    text = f"No difference in {truth.name} is decided. The clearest is {row.name}, {size(table, one.mean)}"
    if examples_alone(one) >= abs(one.mean):
        return f"{text}: this test set is too small for it, whatever the seeds."
    needed = seeds_for(one.mean, spread(row, table), MANY)
    if needed is None:
        return f"{text}: it would take more than {MANY} seeds to notice; look for a larger effect."
    return f"{text}: if it is real, about {max(needed, one.n + 1)} seeds would notice it with a chance of 80 %; here are {one.n}."


def spread(row: Row, table: Table) -> float:
    """The standard deviation of a seed's difference to the control."""
    truth = table.endpoints.truth.name
    control = next(control for control in table.controls if control.label == row.control)
    return sd(paired_differences(row.summary(truth).by_seed, control.summary(truth).by_seed))


def examples_alone(found: Difference) -> float:
    """Half the width that the examples alone would leave, with any number of seeds."""
    if found.crossed is None:
        return 0.0
    return math.sqrt(max(0.0, width(found.crossed) ** 2 - width(found.interval) ** 2)) / 2


def width(interval: Interval | None) -> float:
    return interval.high - interval.low if interval is not None else math.inf


def size(table: Table, difference: float) -> str:
    unit = table.endpoints.truth.unit
    return f"{number(difference, unit, sign=True)} {points(unit)}".rstrip()
