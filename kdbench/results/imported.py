"""Runs made elsewhere, from a CSV file of yours: a line a run becomes a record of its own kind, of which only numbers are known.

Such records lie under `results/imported/` and have keys longer than any job's, so that none is ever taken for a job's result.
Shares are fractions, as in every record. Reading the same file again changes nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.jobs.identity import canonical
from kdbench.metrics.catalogue import FAMILIES, METRICS, MetricInfo, primary
from kdbench.registry import Registry
from kdbench.results.names import FOREIGN, check, unknown
from kdbench.results.provenance import now
from kdbench.results.record import Record, RecordError, comparable
from kdbench.results.store import ResultStore
from kdbench.tasks.data.csv_rows import with_header

NEEDED = ("task", "method", "seed", "source")
OTHER = ("pair", "teacher", "student")
KEY_LENGTH = 40  # jobs have 24
TEMPLATE = """\
task,method,teacher,student,seed,accuracy,source
cifar100,kd,resnet56,resnet20,0,0.7066,"RepDistiller at b84f547, last epoch, our machine"
cifar100,~sskd,resnet56,resnet20,0,0.7082,"SSKD's own code, last epoch, our machine"
"""


@dataclass(frozen=True)
class Import:
    """What a file brings: new records, those that are there already, and those that are there with other numbers (old, new)."""

    new: tuple[Record, ...]
    known: tuple[Record, ...]
    changed: tuple[tuple[Record, Record], ...]


def compared(records: Sequence[Record], store: ResultStore) -> Import:
    """The records of a file beside those that a results folder holds."""
    there = store.imported().records
    new = tuple(record for record in records if record.key not in there)
    both = [(there[record.key], record) for record in records if record.key in there]
    known = tuple(old for old, record in both if comparable(old) == comparable(record))
    changed = tuple((old, record) for old, record in both if comparable(old) != comparable(record))
    return Import(new, known, changed)


def read(path: Path, registry: Registry, labels: Mapping[str, str]) -> list[Record]:
    """The records of a file; one error names every line that is wrong. `labels` are suites' own names of tasks, with families."""
    found: dict[str, tuple[Record, str]] = {}
    faults: list[str] = []
    for place, row in with_header(path, NEEDED):
        _check_columns(path, row)
        try:
            record = _Line(place, row, registry, labels).record(path)
            if record.key in found:
                raise DataError(
                    f"{place}: the same run as {found[record.key][1]}: task, method, networks, seed and source are equal"
                )
            found[record.key] = (record, place)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(faults))
    if not found:
        raise DataError(f"{path}: no runs; a line each is expected under the names of the columns")
    return [record for record, _ in found.values()]


def _check_columns(path: Path, row: Mapping[str, str]) -> None:
    names = [*NEEDED, *OTHER, *dict.fromkeys(entry.name for entry in METRICS)]
    for name in row:
        if name not in names:
            raise DataError(unknown(f"{path}:1", "column or metric", name, names))


@dataclass(frozen=True)
class _Line:
    place: str
    row: Mapping[str, str]
    registry: Registry
    labels: Mapping[str, str]

    def record(self, path: Path) -> Record:
        row = {name: text.strip() for name, text in self.row.items()}
        for name in NEEDED:
            if not row[name]:
                raise DataError(f"{self.place}: {name}: is empty")
        check(f"{self.place}: method", "method", row["method"], self.registry)
        method = row["method"].removeprefix(FOREIGN)
        groups = self.metrics(row, self.family(row["task"]))
        networks = self.networks(row)
        run = {"task": row["task"], "method": method, **networks, "source": row["source"]}
        identity = {"imported": run, "seed": self.seed(row["seed"])}
        labels = {"task": row["task"], "method": method, "cell": cell(method, row["source"]), "seed": identity["seed"]}
        labels |= {"pair": networks["pair"], "from": row["source"]}
        key = hashlib.sha256(canonical(identity).encode()).hexdigest()[:KEY_LENGTH]
        told = {"file": path.name, "line": int(self.place.rpartition(":")[2]), "finished": now()}
        try:
            return Record(key, "imported", "done", identity, labels, groups, provenance={"imported": told})
        except RecordError as error:
            raise DataError(f"{self.place}: {error}") from None

    def networks(self, row: Mapping[str, str]) -> dict[str, str]:
        """A pair as a suite calls it, or both its networks."""
        pair, teacher, student = (row.get(name, "") for name in OTHER)
        if pair and (teacher or student):
            raise DataError(f"{self.place}: pair: '{pair}' beside networks; name the pair of a suite, or its teacher and student")
        if bool(teacher) != bool(student):
            missing = "student" if teacher else "teacher"
            raise DataError(f"{self.place}: {missing}: is empty, though the other network is named; a pair is both")
        for kind, name in (("teacher", teacher), ("student", student)):
            if name:
                check(f"{self.place}: {kind}", "model", name, self.registry)
        named = f"{teacher}>{student}" if teacher else "default"
        return {"pair": pair or named, "teacher": teacher, "student": student}

    def family(self, task: str) -> str:
        plugin = self.registry.find("task", task)
        if plugin is not None:
            return str(plugin.facts["family"])
        if task in self.labels:
            return self.labels[task]
        more = " (a name that a suite gives to a task is known once the suite has results)"
        raise DataError(unknown(f"{self.place}: task", "task", task, [*self.registry.names("task"), *self.labels], more))

    def seed(self, text: str) -> int:
        if not text.isascii() or not text.isdigit():
            raise DataError(f"{self.place}: seed: '{text}' is no whole number from 0")
        return int(text)

    def metrics(self, row: Mapping[str, str], family: str) -> dict[str, dict[str, float]]:
        known = {entry.name: entry for entry in METRICS if entry.family == family}
        groups: dict[str, dict[str, float]] = {}
        for name in (name for name in row if name not in (*NEEDED, *OTHER) and row[name]):
            if name not in known:
                others = [other for other in FAMILIES if any(m.name == name and m.family == other for m in METRICS)]
                raise DataError(f"{self.place}: {name}: is measured in {' and '.join(others)}, and '{row['task']}' is {family}")
            info = known[name]
            groups.setdefault("fidelity" if info.kind == "fidelity" else "truth", {})[name] = self.value(row[name], info)
        headline = next(m.name for m in primary(family) if m.kind == "truth")
        if headline not in groups.get("truth", {}):
            raise DataError(f"{self.place}: {headline}: is missing; it is what runs of {family} are compared by")
        return groups

    def value(self, text: str, info: MetricInfo) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataError(f"{self.place}: {info.name}: '{text}' is no number")
        if info.unit == "share" and not (-1 if info.direction == "zero" else 0) <= value <= 1:
            hint = f"; did you mean {value / 100:g}?" if 1 < value <= 100 else ""
            raise DataError(f"{self.place}: {info.name}: {text} is no share: these are fractions here, not percent{hint}")
        return value


def cell(method: str, source: str) -> str:
    """What tables call runs made elsewhere; no cell of a suite can have this name."""
    return f"imported:{method} ({source})"


def belongs(record: Record, task: Mapping[str, Any], pair: str, teachers: Collection[str], student: str) -> bool:
    """Whether a run made elsewhere is of a suite's task and pair: by their names, or by the networks."""
    run = record.identity["imported"]
    if run["task"] not in (task["name"], task["plugin"]):
        return False
    return run["pair"] == pair if not run["student"] else (set(teachers), student) == ({run["teacher"]}, run["student"])
