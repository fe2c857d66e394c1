"""The cells of a suite or of a folder of results, as they are compared: their runs, what they are called, what was planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kdbench.jobs.identity import canonical, unseeded
from kdbench.jobs.job import Cell, JobSet, where
from kdbench.metrics.catalogue import FAMILIES, primary
from kdbench.results.against import Against
from kdbench.results.imported import belongs
from kdbench.results.older import Older
from kdbench.results.readings import Reading, Readings
from kdbench.results.record import Record
from kdbench.results.timing import own_seconds
from kdbench.results.unit_reader import UnitReader
from kdbench.suite.arm import Arm
from kdbench.suite.label import method_label


class Names(NamedTuple):
    """What a cell answers to, in the order in which a name that somebody types is looked for."""

    label: frozenset[str]
    given: frozenset[str] = frozenset()  # alias and preset
    as_it_comes: frozenset[str] = frozenset()  # its method, where every setting is the default
    method: frozenset[str] = frozenset()  # its method, whatever the settings


@dataclass(frozen=True, eq=False)
class Group:
    """One cell with its runs. `planned` counts seeds."""

    task: str
    pair: str
    cell: str
    family: str
    called: Names
    planned: int
    readings: tuple[Reading, ...]
    reader: UnitReader
    older: frozenset[str] = frozenset()  # keys of runs that older code made

    @property
    def name(self) -> str:
        """What its suite calls it, else its label."""
        return min(self.called.given, default=self.cell)

    @property
    def place(self) -> str:
        return where(self.task, self.pair)

    @property
    def imported(self) -> bool:
        """Whether these are runs made elsewhere, of which only numbers are known."""
        return any(record.kind == "imported" for record in self.records)

    @property
    def records(self) -> list[Record]:
        return [self.reader.records[reading.key] for reading in self.readings]

    @property
    def teachers(self) -> list[Record]:
        """The teachers of all runs, each once, as far as they have records."""
        keys = dict.fromkeys(key for reading in self.readings for key in reading.teachers)
        return [self.reader.records[key] for key in keys if key in self.reader.records]

    @property
    def lacking(self) -> str:
        """Why this cell as it stands is no fair sample of its runs; empty where it is one."""
        diverged = sum(reading.status != "done" for reading in self.readings)
        if not self.readings:
            return f"{self.cell} has no result"
        if diverged:
            return f"{self.cell}: {diverged} of {len(self.readings)} seeds diverged"
        if len(self.readings) < self.planned:
            return f"{self.cell}: {len(self.readings)} of {self.planned} seeds have a result"
        return ""


def of_suite(
    arms: Sequence[Arm],
    jobs: JobSet,
    readings: Readings,
    reader: UnitReader,
    aliases: Mapping[str, str],
    older: Older | None = None,
) -> list[Group]:
    """The cells of a suite. `aliases` are the names that fields have for methods."""
    by_cell = {Cell(arm.task["name"], arm.pair, arm.cell): arm for arm in reversed(arms)}
    before = frozenset(older.reasons) if older else frozenset()
    found = []
    for cell, keys in jobs.cells.items():
        arm = by_cell[cell]
        also = {alias for alias, method in aliases.items() if method == arm.method["name"]}
        plain = not arm.method["wrap"]
        called = Names(
            frozenset({cell.cell}),
            frozenset(name for name in (arm.alias, arm.preset) if name),
            frozenset({arm.method["name"], *also} if plain and cell.cell == arm.method["name"] else ()),
            frozenset({arm.method["name"], method_label(arm.method), *(also if plain else ())}),
        )
        done = tuple(sorted(readings.cells.get(cell, []), key=lambda reading: reading.seed))
        family = readings.families[cell.task]
        found.append(Group(cell.task, cell.pair, cell.cell, family, called, len(keys), done, reader, before & set(keys)))
    return found


def of_folder(reader: UnitReader) -> list[Group]:
    """The cells of a folder of results, by their labels. Runs of one label that differ in more than seed and teacher (those of
    a smoke profile beside the full ones) are cells apart."""
    variants: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in reader.records.values():
        label = record.labels
        if "tuning" in label:  # trained to choose a setting by, and for nothing else
            continue
        cell = label.get("cell") or ("teacher" if record.kind == "teacher" else label["method"])
        experiment = canonical(unseeded(record.identity))
        variants.setdefault((record.task, label.get("pair", "default"), cell, experiment), []).append(record)
    found = []
    for (task, pair, cell, _), runs in sorted(variants.items(), key=lambda item: item[0]):
        family = next((f for record in runs if (f := family_of(record))), None)
        if family is None:  # all diverged, or of a task that measures something else
            continue
        method = runs[0].labels.get("method", "")
        own = frozenset(name for record in runs for name in (record.labels.get("alias"), record.labels.get("preset")) if name)
        if runs[0].kind == "imported":
            called = names_of_imported(runs[0])
        else:
            called = Names(frozenset({cell}), own, frozenset({method} if cell == method else ()), frozenset({method}))
        done = readings_of(runs)
        found.append(Group(task, pair, cell, family, called, len(done), done, reader))
    return found


def of_imported(records: Iterable[Record], arms: Sequence[Arm], families: Mapping[str, str], against: Against) -> list[Group]:
    """Runs made elsewhere, at each of a suite's tasks and pairs that they are of."""
    every = list(records)
    places = {(arm.task["name"], arm.pair): arm for arm in reversed(arms)}
    found = []
    for (task, pair), arm in reversed(places.items()):
        teachers = {teacher["model"] for teacher in arm.teachers}
        here = [record for record in every if belongs(record, arm.task, pair, teachers, arm.student["model"])]
        for name in dict.fromkeys(record.labels["cell"] for record in here):
            runs = [record for record in here if record.labels["cell"] == name]
            reader = UnitReader({record.key: record for record in runs}, against)
            done = readings_of(runs)
            found.append(Group(task, pair, name, families[task], names_of_imported(runs[0]), len(done), done, reader))
    return found


def names_of_imported(record: Record) -> Names:
    """Of a cell of runs made elsewhere: never those of a suite's own."""
    return Names(frozenset({record.labels["cell"]}), as_it_comes=frozenset({f"imported:{record.method}"}))


def readings_of(runs: Iterable[Record]) -> tuple[Reading, ...]:
    """By seed."""
    return tuple(sorted(map(reading_of, runs), key=lambda reading: reading.seed))


def reading_of(record: Record) -> Reading:
    """A record as it stands: controls that were read against a teacher of their seed are not in it."""
    seed = record.labels.get("seed", record.identity.get("seed", 0))
    return Reading(record.key, seed, record.status, tuple(record.teachers), record.metrics, record.cost, own_seconds(record))


def family_of(record: Record) -> str | None:
    """By the truth metric that it holds: results are read without the plugins that made them."""
    truth = record.metrics.get("truth", {})
    return next((f for f in FAMILIES if next(m.name for m in primary(f) if m.kind == "truth") in truth), None)


def named(name: str, groups: Sequence[Group]) -> list[Group]:
    """The cells that a name means, in the clearest of its senses: a label, a name given in the suite, a method."""
    for sense in range(len(Names._fields)):
        found = [group for group in groups if name in group.called[sense]]
        if found:
            return found
    return []
