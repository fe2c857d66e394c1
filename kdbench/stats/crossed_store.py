"""Crossed intervals of cells and of their differences, kept on disk by the contents that they stand on."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbench.jobs.identity import canonical
from kdbench.results.files import StorageError, write_atomically
from kdbench.results.home import Home
from kdbench.results.readings import Reading
from kdbench.results.unit_reader import UnitReader
from kdbench.results.units import Units, aligned
from kdbench.stats.bootstrap import (
    AT_ONCE,
    RESAMPLES,
    Crossed,
    Run,
    average,
    difference,
    plausible,
)
from kdbench.stats.intervals import Interval
from kdbench.stats.overdispersion import overdispersion
from kdbench.stats.ranks import rank_probabilities

if TYPE_CHECKING:
    import numpy as np

VERSION = 3  # raise when what is computed from the same units changes


@dataclass(frozen=True)
class CellRuns:
    """The finished runs of a cell, and where their units are found."""

    family: str
    readings: tuple[Reading, ...]
    reader: UnitReader

    @staticmethod
    def of(family: str, readings: Sequence[Reading], reader: UnitReader) -> CellRuns:
        return CellRuns(family, tuple(reading for reading in readings if reading.status == "done"), reader)

    @functools.cached_property
    def stands_on(self) -> list[list[object]]:
        return [[r.seed, r.teachers, self.reader.stamp(r.key, r.teachers)] for r in self.readings]


@dataclass(frozen=True)
class CrossedStore:
    """Answers from `.kdbench/cache` what was asked before of the same units, and computes the rest."""

    home: Home

    def differences(
        self, metrics: Sequence[str], first: CellRuns, second: CellRuns, pairing: bool = True
    ) -> dict[str, Crossed | None]:
        """first - second for each metric; None where a run's units are unknown, lack the metric, or are too few."""
        path = self._path(["difference", pairing, first.stands_on, second.stands_on])

        def compute(metric: str, arms: list[list[Run]]) -> Crossed | None:
            return difference(metric, arms[0], arms[1], pairing)

        return self._answer(path, metrics, [first, second], compute)

    def means(self, metrics: Sequence[str], arm: CellRuns) -> dict[str, Crossed | None]:
        """The mean over the runs of one arm, for each metric."""
        path = self._path(["mean", arm.stands_on])
        return self._answer(path, metrics, [arm], lambda metric, arms: average(metric, arms[0]))

    def ranking(self, metric: str, arms: Sequence[CellRuns], higher_is_better: bool = True) -> list[list[float]] | None:
        """Share of the draws (see `bootstrap.plausible`) in which each arm has each place; None without units or two arms.

        Arms are of one suite, with the same seeds: all of them are drawn alike.
        """
        if len(arms) < 2 or len({tuple(r.seed for r in arm.readings) for arm in arms}) > 1 or len(arms[0].readings) < 2:
            return None
        path = self._path(["ranking", metric, higher_is_better, *(arm.stands_on for arm in arms)])
        known = _json(path)
        if "shares" not in known:
            runs = _runs(arms, metric)
            known = {"shares": None if runs is None else _shares_of_places(metric, runs, higher_is_better)}
            self._write(path, known)
        return known["shares"]

    def overdispersion(self, metric: str, arms: Sequence[CellRuns]) -> float:
        """φ of a metric that is a mean over units, pooled over arms; NaN where it is no such mean or units are unknown."""
        path = self._path(["overdispersion", metric, *(arm.stands_on for arm in arms)])
        known = _json(path)
        if "phi" not in known:
            units = _common_units(arms, metric)
            phi = math.nan if units is None else _pooled_overdispersion(metric, units)
            known = {"phi": None if math.isnan(phi) else phi}
            self._write(path, known)
        return math.nan if known["phi"] is None else float(known["phi"])

    def _answer(
        self, path: Path, metrics: Sequence[str], arms: list[CellRuns], compute: Callable[[str, list[list[Run]]], Crossed | None]
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
        self._write(path, {metric: None if found is None else asdict(found) for metric, found in known.items()})

    def _write(self, path: Path, plain: Mapping[str, Any]) -> None:
        with suppress(StorageError):  # a folder that cannot be written costs time, not the report
            self.home.ensure()
            write_atomically(path, json.dumps(plain, sort_keys=True).encode())


def _load(path: Path) -> dict[str, Crossed | None]:
    try:
        plain = _json(path)
        return {m: None if f is None else _crossed(f) for m, f in plain.items()}
    except (TypeError, KeyError):
        return {}


def _crossed(plain: Mapping[str, Any]) -> Crossed:
    return Crossed(Interval(**plain["interval"]), plain["p"], tuple(tuple((v, f) for v, f in part) for part in plain["parts"]))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _shares_of_places(metric: str, arms: Sequence[Sequence[Run]], higher_is_better: bool) -> list[list[float]] | None:
    draws = plausible(metric, arms)
    return None if draws is None else rank_probabilities(draws, higher_is_better).round(4).tolist()


def _pooled_overdispersion(metric: str, arms: Sequence[Sequence[Units]]) -> float:
    import numpy as np

    tables = [[values for units in arm if (values := _unit_values(units, metric)) is not None] for arm in arms]
    if any(len(table) < len(arm) for table, arm in zip(tables, arms, strict=True)):
        return math.nan
    return overdispersion([np.stack(table) for table in tables])


def _unit_values(units: Units, metric: str) -> np.ndarray | None:
    """The metric of each single unit; None where it is no mean of such, or units are known in groups only."""
    block = units.blocks[metric]
    if block.reduction != "mean" or block.size != units.of or (block.values[:, 1] == 0).any():
        return None
    return block.values[:, 0] / block.values[:, 1]


def _common_units(arms: Sequence[CellRuns], metric: str) -> list[list[Units]] | None:
    """The units of each arm's runs, the same ones for all; None where some are not to be had."""
    units = [arm.reader.units(arm.family, reading.key, reading.teachers) for arm in arms for reading in arm.readings]
    known = [found for found in units if found is not None]
    common = aligned(known, metric) if len(known) == len(units) else None
    if common is None:
        return None
    each = iter(common)
    return [[next(each) for _ in arm.readings] for arm in arms]


def _runs(arms: Sequence[CellRuns], metric: str) -> list[list[Run]] | None:
    """Each arm's runs on common units. Seeds go with their teachers, alone where they have none."""
    common = _common_units(arms, metric)
    if common is None:
        return None
    return [
        [Run(r.seed, tuple(sorted(r.teachers)) or ("alone", r.seed), units) for r, units in zip(arm.readings, own, strict=True)]
        for arm, own in zip(arms, common, strict=True)
    ]
