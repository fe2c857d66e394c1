"""Every number of a suite's cells, one reading a student: from its record, and for the controls from stored outputs.

`none` has no teacher of its own, so its fidelity is read here against the teacher that its seed would have had. The
`independent` control is the student of another teacher, read against this one: how near a student comes without being taught by
it. Neither costs training; what is computed is kept beside the results (results/against.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kdbench.jobs.job import Cell, JobSet
from kdbench.results.against import Against
from kdbench.results.garbage import no_garbage_collection
from kdbench.results.record import Record
from kdbench.results.timing import own_seconds

NONE: Mapping[str, float] = {}
ON_TEST = ("", "truth", "fidelity")  # groups of metrics that are read on the test set, whose units records keep
INDEPENDENT = ("agreement", "miou_st", "positive_agreement", "tau_ap", "kl", "log_kl")


@dataclass(frozen=True)
class Reading:
    """One student: metrics by group (truth, val, fidelity, distil, independent), and what it cost."""

    key: str
    seed: int
    status: str
    teachers: tuple[str, ...]
    groups: Mapping[str, Mapping[str, float]]
    cost: Mapping[str, float]
    seconds: float  # of training, NaN where they are not its own (results/timing.py)

    def value(self, metric: str) -> float:
        """A metric by name, searched in truth and then in fidelity; NaN where it was not measured."""
        group, _, name = metric.rpartition(".")
        if group:
            return self.groups.get(group, NONE).get(name, math.nan)
        truth = self.groups.get("truth", NONE)
        return truth[name] if name in truth else self.groups.get("fidelity", NONE).get(name, math.nan)


@dataclass
class Readings:
    """All readings of a suite, teachers apart, and what could not be read."""

    cells: dict[Cell, list[Reading]] = field(default_factory=dict)
    teachers: dict[tuple[str, str], list[Reading]] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)  # task label -> family
    missing: dict[Cell, int] = field(default_factory=dict)


def read(jobs: JobSet, records: Mapping[str, Record], against: Against, families: Mapping[str, str]) -> Readings:
    """Readings of every cell that has results."""
    found = Readings(families=dict(families))
    reader = _Reader(jobs, records, against, families)
    with no_garbage_collection():
        for pair, keys in jobs.teachers.items():
            found.teachers[pair] = [reader.plain(key) for key in keys if key in records]
        for cell, keys in jobs.cells.items():
            done = [key for key in keys if key in records]
            found.cells[cell] = [reader.student(cell, key, done) for key in done]
            if len(done) < len(keys):
                found.missing[cell] = len(keys) - len(done)
    against.save()
    return found


class _Reader:
    def __init__(self, jobs: JobSet, records: Mapping[str, Record], against: Against, families: Mapping[str, str]):
        self.jobs, self.records, self.against, self.families = jobs, records, against, families

    def plain(self, key: str, teachers: tuple[str, ...] = (), more: Mapping[str, Mapping[str, float]] | None = None) -> Reading:
        record = self.records[key]
        groups = {**record.metrics, **(more or {})}
        return Reading(key, self.jobs.jobs[key].labels["seed"], record.status, teachers, groups, record.cost, own_seconds(record))

    def student(self, cell: Cell, key: str, done: Sequence[str]) -> Reading:
        teachers = self.refers(cell, key)
        record, more = self.records[key], {}
        if record.status == "done" and teachers and all(t in self.records for t in teachers):
            if "fidelity" not in record.metrics:
                more["fidelity"] = self.fidelity(cell, key, teachers)
            other = self.independent_of(cell, key, teachers, done)
            if other is not None:
                measured = self.fidelity(cell, other, teachers)
                more["independent"] = {name: measured[name] for name in INDEPENDENT if name in measured}
        return self.plain(key, teachers, {group: values for group, values in more.items() if values})

    def independent_of(self, cell: Cell, key: str, teachers: tuple[str, ...], done: Sequence[str]) -> str | None:
        """The next student of the cell that shares no teacher with this one; None where the pool has no such."""
        at = done.index(key)
        for other in (*done[at + 1 :], *done[:at]):
            theirs = self.refers(cell, other)
            if not set(theirs) & set(teachers) and self.records[other].status == "done":
                return other
        return None

    def refers(self, cell: Cell, key: str) -> tuple[str, ...]:
        return self.jobs.reference.get((cell.task, cell.pair, key), ())

    def fidelity(self, cell: Cell, student: str, teachers: tuple[str, ...]) -> dict[str, float]:
        family = self.families[cell.task]
        return self.against.fidelity(family, self.records[student], [self.records[teacher] for teacher in teachers])
