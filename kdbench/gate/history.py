"""A suite's metrics over commits: what each commit newly accepted into the baselines, or committed as results."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdbench.gate.baseline_file import BaselineError, read
from kdbench.gate.candidates import cell_of, code_of, tested
from kdbench.gate.git import Checkout, Commit
from kdbench.jobs.job import Cell
from kdbench.results.record import Record, RecordError, folder_name


@dataclass(frozen=True)
class Value:
    """One measured value, and what made it; equal ones are one measurement, however often they are committed."""

    seed: int
    value: float
    key: str
    code: str


@dataclass(frozen=True)
class Point:
    """What one commit brought for one cell and metric. `origin` says where it was found."""

    commit: str
    day: str
    subject: str
    origin: str
    values: tuple[Value, ...]


@dataclass
class Series:
    """A metric of a cell through time."""

    cell: Cell
    metric: str
    points: list[Point] = field(default_factory=list)


@dataclass
class History:
    """All series, by cell and metric, and the files that could not be read as they were."""

    series: dict[tuple[Cell, str], Series] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def history(
    checkout: Checkout, baselines: Path, results: Path, suite: str, cells: Collection[Cell], wanted: Collection[str]
) -> History:
    """The past of a suite's cells. A commit is a point where it brought values that were not there before."""
    tasks = {folder_name(cell.task, "task"): cell.task for cell in cells}
    folder, stored = checkout.inside(baselines / suite), checkout.inside(results)
    found = History()
    seen: dict[tuple[Cell, str], set[Value]] = {}
    commits = checkout.commits(folder, stored)
    asked = [(commit, path) for commit in commits for path in commit.paths if relevant(path, folder, stored, tasks)]
    contents = checkout.contents([(commit.sha, path) for commit, path in asked])
    new: dict[tuple[Commit, str, Cell, str], list[Value]] = {}
    for (commit, path), content in zip(asked, contents, strict=True):
        if content is None:
            continue
        origin = "baseline" if path.endswith(".csv") else "results"
        for cell, metric, value in values_of(commit, path, content, tasks, found.broken):
            known = seen.setdefault((cell, metric), set())
            if cell in cells and metric in wanted and value not in known:
                known.add(value)
                new.setdefault((commit, origin, cell, metric), []).append(value)
    for (commit, origin, cell, metric), values in new.items():
        series = found.series.setdefault((cell, metric), Series(cell, metric))
        series.points.append(Point(commit.sha, commit.day, commit.subject, origin, tuple(sorted(values, key=lambda v: v.seed))))
    return found


def relevant(path: str, folder: str, stored: str, tasks: Collection[str]) -> bool:
    """A baseline file of the suite, or a record of one of its tasks (an archived one, too)."""
    parts = path.split("/")
    if path.endswith(".csv"):
        return "/".join(parts[:-1]) == folder and parts[-1].removesuffix(".csv") in tasks
    inside = stored == "." or path.startswith(f"{stored}/")
    return inside and path.endswith(".json") and len(parts) >= 3 and parts[-3] in tasks


def values_of(
    commit: Commit, path: str, content: bytes, tasks: dict[str, str], broken: list[str]
) -> Iterator[tuple[Cell, str, Value]]:
    """What a file held at a commit."""
    name = f"{commit.sha[:9]}:{path}"
    try:
        if path.endswith(".csv"):
            task = tasks[path.rpartition("/")[2].removesuffix(".csv")]
            for line in read(content.decode(), name):
                yield Cell(task, line.pair, line.cell), line.metric, Value(line.seed, line.value, line.key, line.code)
        else:
            yield from measured(Record.loads(content))
    except (BaselineError, UnicodeDecodeError) as error:
        broken.append(str(error).splitlines()[0])
    except RecordError as error:
        broken.append(f"{name}: {error}")


def measured(record: Record) -> Iterator[tuple[Cell, str, Value]]:
    """A finished student's metrics."""
    label = record.labels
    if record.kind != "student" or record.status != "done" or not isinstance(label.get("seed"), int):
        return
    code = code_of(record.provenance.get("sources"))
    for metric, value in tested(record).items():
        if math.isfinite(value):
            yield cell_of(record), metric, Value(label["seed"], value, record.key, code)
