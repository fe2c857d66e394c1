"""The verdict on a claim of a suite, from the readings of its cells and, where they are known, the examples of their runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdbench.jobs.job import Cell, JobSet
from kdbench.results.readings import ON_TEST, Reading, Readings
from kdbench.results.unit_reader import UnitReader
from kdbench.stats.claims import Judgement, judge
from kdbench.stats.crossed_store import CellRuns, CrossedStore
from kdbench.stats.intervals import Interval
from kdbench.suite.arm import ArmClaim


def judge_claim(claim: ArmClaim, jobs: JobSet, readings: Readings, reader: UnitReader | None = None) -> Judgement:
    """By the seeds that the suite plans for both cells; without a reader, by the seeds alone."""
    cells = [Cell(*place) for place in claim.places()]
    planned = [{jobs.jobs[key].labels["seed"] for key in jobs.cells.get(cell, ())} for cell in cells]
    runs = [readings.cells.get(cell, []) for cell in cells]
    values = [{r.seed: r.value(claim.metric) if r.status == "done" else math.nan for r in found} for found in runs]
    if len(values) == 1:  # about the arm's own value
        values.append(dict.fromkeys(values[0], 0.0))
    crossed = None if reader is None else _interval(claim.metric, readings.families.get(claim.task, ""), runs, reader)
    return judge(claim, values[0], values[1], len(set.intersection(*planned)), crossed)


def _interval(metric: str, family: str, runs: Sequence[Sequence[Reading]], reader: UnitReader) -> Interval | None:
    """Over seeds and test examples at once: of an arm's mean, or of the difference of two arms."""
    group, _, name = metric.rpartition(".")
    arms = [CellRuns.of(family, found, reader) for found in runs]
    if group not in ON_TEST or not family or not all(arm.readings for arm in arms):
        return None
    store = CrossedStore(reader.home)
    found = store.means([name], arms[0]) if len(arms) == 1 else store.differences([name], arms[0], arms[1])
    crossed = found[name]
    return None if crossed is None else crossed.interval
