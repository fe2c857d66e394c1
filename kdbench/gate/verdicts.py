"""What the gate says: verdicts of endpoints, cells and claims, as plain data that every output is made from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kdbench.jobs.job import Cell, where
from kdbench.metrics.catalogue import MetricInfo
from kdbench.stats.claims import Judgement
from kdbench.suite.arm import ArmClaim


class Verdict(StrEnum):
    """From what wants attention most to what wants none; the worst of its endpoints is a cell's."""

    regressed = "regressed"  # proved worse, or runs that diverged
    missing = "missing"  # no result, or not the metric
    stale = "stale"  # results of older code
    incomparable = "incomparable"  # the baseline is of another experiment
    removed = "removed"  # in the baseline, and no longer in the suite
    unjudged = "unjudged"  # seeds that cannot show any loss, however large: no pass, and no question of luck
    drifted = "drifted"  # proved nearer to the teacher than before: news, though no loss
    inconclusive = "inconclusive"
    new = "new"  # no baseline
    improved = "improved"
    passed = "passed"
    identical = "identical"


UNCOMPARED = (Verdict.missing, Verdict.stale, Verdict.incomparable, Verdict.removed, Verdict.new)
OPEN = (Verdict.inconclusive, Verdict.unjudged)  # more seeds may decide


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    held = set(verdicts)
    return next(verdict for verdict in Verdict if verdict in held)


@dataclass(frozen=True)
class Side:
    """A metric over the seeds of one side."""

    mean: float = math.nan
    sd: float = math.nan
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """One primary metric of one cell. Difference and interval are new - baseline in the metric's own direction; `noise` is the
    standard deviation over seeds that was assumed, `tolerance` the loss that may pass as the suite has it, `margin` as the rule
    used it, `detectable` the true loss that is found four times of five."""

    metric: MetricInfo
    verdict: Verdict
    why: str
    new: Side = Side()
    base: Side = Side()
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    noise: float = math.nan
    margin: float = math.nan
    tolerance: float = math.nan
    detectable: float = math.nan

    @property
    def blind(self) -> bool:
        """Whether these seeds see no loss at all: none can be worse by more than all of a share."""
        return math.isinf(self.detectable) or (self.metric.unit == "share" and self.detectable > 1)

    @property
    def worse(self) -> bool:
        """Whether the mean moved to the worse side, proved or not."""
        return self.difference * (-1 if self.metric.direction == "down" else 1) < 0


@dataclass(frozen=True)
class CellVerdict:
    """A cell with its endpoints; none where there was nothing to compare."""

    cell: Cell
    family: str
    verdict: Verdict
    why: str
    seeds: tuple[int, ...] = ()
    base_seeds: tuple[int, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def place(self) -> str:
        return where(self.cell.task, self.cell.pair)

    @property
    def label(self) -> str:
        return self.cell.cell


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim with its judgement."""

    claim: ArmClaim
    judged: Judgement

    @property
    def outcome(self) -> str:
        return self.judged.said


@dataclass(frozen=True)
class GateReport:
    """All verdicts, and what they rest on: `tests` endpoints share `alpha` over the looks. `absent` says why there is no baseline
    at all, where there is none."""

    suite: str
    baseline: str
    cells: tuple[CellVerdict, ...]
    claims: tuple[ClaimVerdict, ...]
    alpha: float
    looks: tuple[int, ...]
    tests: int
    notes: list[str] = field(default_factory=list)
    absent: str = ""

    @property
    def compared(self) -> int:
        """Cells for which a baseline and results were held together."""
        return sum(cell.verdict not in UNCOMPARED for cell in self.cells)

    @property
    def counts(self) -> dict[Verdict, int]:
        return {v: n for v in Verdict if (n := sum(cell.verdict is v for cell in self.cells))}

    def data(self) -> dict[str, Any]:
        """For --json; what is not a number is null."""
        return {
            "suite": self.suite,
            "baseline": self.baseline,
            "alpha": self.alpha,
            "looks": list(self.looks),
            "tests": self.tests,
            "counts": {str(verdict): number for verdict, number in self.counts.items()},
            "cells": [_cell(cell) for cell in self.cells],
            "claims": [_claim(claim) for claim in self.claims],
            "notes": self.notes,
        }


def _cell(cell: CellVerdict) -> dict[str, Any]:
    named = {"task": cell.cell.task, "pair": cell.cell.pair, "cell": cell.label}
    said = {"verdict": cell.verdict, "why": cell.why, "seeds": list(cell.seeds), "baseline_seeds": list(cell.base_seeds)}
    return {**named, **said, "endpoints": [_endpoint(endpoint) for endpoint in cell.endpoints]}


def _endpoint(found: Endpoint) -> dict[str, Any]:
    numbers = ("difference", "low", "high", "noise", "margin", "tolerance", "detectable")
    sides = {
        name: {"mean": plain(side.mean), "sd": plain(side.sd), "seeds": list(side.seeds)}
        for name, side in (("new", found.new), ("baseline", found.base))
    }
    named = {"metric": found.metric.name, "better": found.metric.direction, "verdict": found.verdict, "why": found.why}
    return {**named, **{name: plain(getattr(found, name)) for name in numbers}, **sides}


def _claim(found: ClaimVerdict) -> dict[str, Any]:
    claim, judged = found.claim, found.judged
    interval, crossed = (None if one is None else [plain(one.low), plain(one.high)] for one in (judged.interval, judged.crossed))
    arms = {"arm": claim.arm, "over": claim.over, "over_pair": claim.over_pair}
    named = {"id": claim.id, "task": claim.task, "pair": claim.pair, **arms, "metric": claim.metric}
    bounds = {"at_least": claim.at_least, "at_most": claim.at_most}
    said = {"outcome": judged.outcome, "difference": plain(judged.difference), "interval": interval, "crossed": crossed}
    return {**named, **bounds, **said, "seeds": judged.n, "why": judged.why}


def plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
