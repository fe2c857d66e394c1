"""Crossed intervals between arms as results hold them: readings and their units; kept on disk by the contents they stand on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kdbench.jobs.identity import canonical
from kdbench.results.files import StorageError, write_atomically
from kdbench.results.home import Home
from kdbench.results.readings import Reading
from kdbench.results.unit_reader import UnitReader
from kdbench.results.units import aligned
from kdbench.stats.bootstrap import AT_ONCE, RESAMPLES, Crossed, Run, average, difference
from kdbench.stats.intervals import Interval

VERSION = 1  # raise when what is computed from the same units changes


@dataclass(frozen=True)
class Arm:
    """The finished runs of a cell, and where their units are found."""

    family: str
    readings: tuple[Reading, ...]
    reader: UnitReader

    @staticmethod
    def of(family: str, readings: Sequence[Reading], reader: UnitReader) -> Arm:
        return Arm(family, tuple(reading for reading in readings if reading.status == "done"), reader)

    def stands_on(self) -> list[list[object]]:
        return [[r.seed, r.teachers, self.reader.stamp(r.key, r.teachers)] for r in self.readings]


@dataclass(frozen=True)
class CrossedStore:
    """Answers from `.kdbench/cache` what was asked before of the same units, and computes the rest."""

    home: Home

    def differences(self, metrics: Sequence[str], first: Arm, second: Arm, pairing: bool = True) -> dict[str, Crossed | None]:
        """first - second for each metric; None where a run's units are unknown, lack the metric, or are too few."""
        path = self._path(["difference", pairing, first.stands_on(), second.stands_on()])

        def compute(metric: str, arms: list[list[Run]]) -> Crossed | None:
            return difference(metric, arms[0], arms[1], pairing)

        return self._answer(path, metrics, [first, second], compute)

    def means(self, metrics: Sequence[str], arm: Arm) -> dict[str, Crossed | None]:
        """The mean over the runs of one arm, for each metric."""
        path = self._path(["mean", arm.stands_on()])
        return self._answer(path, metrics, [arm], lambda metric, arms: average(metric, arms[0]))

    def _answer(
        self, path: Path, metrics: Sequence[str], arms: list[Arm], compute: Callable[[str, list[list[Run]]], Crossed | None]
    ) -> dict[str, Crossed | None]:
        known = _load(path)
        new = [metric for metric in metrics if metric not in known]
        if new:
            for metric in new:
                runs = _runs(arms, metric)
                known[metric] = compute(metric, runs) if runs is not None else None
            self._keep(path, known)
        return {metric: known[metric] for metric in metrics}

    def _path(self, what: list[object]) -> Path:
        name = hashlib.sha256(canonical([VERSION, RESAMPLES, AT_ONCE, *what]).encode()).hexdigest()
        return self.home.path / "cache" / "crossed" / name[:2] / f"{name}.json"

    def _keep(self, path: Path, known: dict[str, Crossed | None]) -> None:
        plain = {metric: None if found is None else asdict(found) for metric, found in known.items()}
        with suppress(StorageError):  # a folder that cannot be written costs time, not the report
            self.home.ensure()
            write_atomically(path, json.dumps(plain, sort_keys=True).encode())


def _load(path: Path) -> dict[str, Crossed | None]:
    try:
        plain = json.loads(path.read_text())
        return {m: None if f is None else Crossed(Interval(**f["interval"]), f["p"], f["spread"]) for m, f in plain.items()}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _runs(arms: Sequence[Arm], metric: str) -> list[list[Run]] | None:
    """Runs on common units; None where some are not to be had. Seeds go with their teachers, alone where they have none."""
    units = [arm.reader.units(arm.family, reading.key, reading.teachers) for arm in arms for reading in arm.readings]
    known = [found for found in units if found is not None]
    common = aligned(known, metric) if len(known) == len(units) else None
    if common is None:
        return None
    each = iter(common)
    return [[Run(r.seed, tuple(sorted(r.teachers)) or ("alone", r.seed), next(each)) for r in arm.readings] for arm in arms]
