"""Every number of a suite's cells, one reading a student: from its record, and for the controls from stored outputs.

`none` has no teacher of its own, so its fidelity is read here against the teacher that its seed would have had. The
`independent` control is the student of another teacher, read against this one: how near a student comes without being taught by
it. Neither costs training; what is computed is cached by the outputs that it stands on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.jobs.job import Cell, JobSet
from kdbench.metrics import card
from kdbench.results.files import write_atomically
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record

CACHE_VERSION = 1  # raise when a metric's definition changes
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
    seconds: float

    def value(self, metric: str) -> float:
        """A metric by name, searched in truth and then in fidelity; NaN where it was not measured."""
        group, _, name = metric.rpartition(".")
        groups = [group] if group else ["truth", "fidelity"]
        return next((self.groups[g][name] for g in groups if name in self.groups.get(g, {})), math.nan)


@dataclass
class Readings:
    """All readings of a suite, teachers apart, and what could not be read."""

    cells: dict[Cell, list[Reading]] = field(default_factory=dict)
    teachers: dict[tuple[str, str], list[Reading]] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)  # task label -> family
    missing: dict[Cell, int] = field(default_factory=dict)


def read(jobs: JobSet, records: Mapping[str, Record], home: Home, families: Mapping[str, str]) -> Readings:
    """Readings of every cell that has results."""
    found = Readings(families=dict(families))
    reader = _Reader(jobs, records, home, families)
    for pair, keys in jobs.teachers.items():
        found.teachers[pair] = [reader.plain(key) for key in keys if key in records]
    for cell, keys in jobs.cells.items():
        done = [key for key in keys if key in records]
        found.cells[cell] = [reader.student(cell, key, done) for key in done]
        if len(done) < len(keys):
            found.missing[cell] = len(keys) - len(done)
    return found


class _Reader:
    def __init__(self, jobs: JobSet, records: Mapping[str, Record], home: Home, families: Mapping[str, str]):
        self.jobs, self.records, self.home, self.families = jobs, records, home, families
        self.store = OutputStore(home)

    def plain(self, key: str, teachers: tuple[str, ...] = (), more: Mapping[str, Mapping[str, float]] | None = None) -> Reading:
        record = self.records[key]
        seconds = float(record.timing.get("train_seconds", math.nan))
        groups = {**record.metrics, **(more or {})}
        return Reading(key, self.jobs.jobs[key].labels["seed"], record.status, teachers, groups, record.cost, seconds)

    def student(self, cell: Cell, key: str, done: Sequence[str]) -> Reading:
        teachers = self.jobs.reference.get(key, ())
        record, more = self.records[key], {}
        if record.status == "done" and teachers and all(t in self.records for t in teachers):
            if "fidelity" not in record.metrics:
                more["fidelity"] = self.fidelity(cell, key, teachers)
            other = self.independent_of(key, teachers, done)
            if other is not None:
                measured = self.fidelity(cell, other, teachers)
                more["independent"] = {name: measured[name] for name in INDEPENDENT if name in measured}
        return self.plain(key, teachers, {group: values for group, values in more.items() if values})

    def independent_of(self, key: str, teachers: tuple[str, ...], done: Sequence[str]) -> str | None:
        """The next student of the cell that shares no teacher with this one; None where the pool has no such."""
        at = done.index(key)
        for other in (*done[at + 1 :], *done[:at]):
            theirs = self.jobs.reference.get(other, ())
            if not set(theirs) & set(teachers) and self.records[other].status == "done":
                return other
        return None

    def fidelity(self, cell: Cell, student: str, teachers: tuple[str, ...]) -> dict[str, float]:
        """The fidelity card from stored outputs, cached; empty where the outputs are no longer on this machine."""
        path = self.cache(student, teachers)
        try:
            return {name: math.nan if value is None else value for name, value in json.loads(path.read_text()).items()}
        except (OSError, ValueError):
            pass
        try:
            theirs = [self.outputs(t) for t in teachers]
            values = card.fidelity(self.families[cell.task], self.outputs(student), theirs)
        except (DataError, ValueError):  # gone, or made by older code of the task, on other items
            return {}
        plain = {name: None if math.isnan(value) else value for name, value in values.items()}
        write_atomically(path, json.dumps(plain, sort_keys=True).encode())
        return values

    def cache(self, student: str, teachers: tuple[str, ...]) -> Path:
        """Named by the contents that the numbers stand on: a job that ran again under its key has other outputs."""
        contents = [sorted(self.records[key].outputs.items()) for key in (student, *teachers)]
        name = hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:24]
        return self.home.path / "cache" / "fidelity" / f"v{CACHE_VERSION}" / student / f"{name}.json"

    def outputs(self, key: str) -> dict[str, Any]:
        names = self.records[key].outputs
        return {n.removeprefix("test/"): self.store.get(sha) for n, sha in names.items() if n.startswith("test/")}
