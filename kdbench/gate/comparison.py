"""The two sides of a cell: its results, the baseline's values, and which of the runs the baseline was itself made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kdbench.gate.baseline import Baseline
from kdbench.gate.candidates import Candidate
from kdbench.jobs.job import Cell, where


@dataclass(frozen=True)
class Comparison:
    """A cell whose baseline is of the same experiment. `fit` says that its results may be judged; the baseline's noise counts in
    any case."""

    cell: Cell
    family: str
    baseline: Mapping[str, Mapping[int, float]]  # metric -> seed -> value
    candidate: Candidate
    repeated: frozenset[int]  # seeds whose runs are, value for value, those of the baseline
    fit: bool

    @property
    def place(self) -> str:
        return where(self.cell.task, self.cell.pair)

    def new(self, metric: str) -> dict[int, float]:
        """The new values by seed."""
        runs = self.candidate.runs if self.fit else ()
        return {run.seed: run.values[metric] for run in runs if metric in run.values}

    def fresh(self, metric: str) -> dict[int, float]:
        """Those of runs that are not the baseline's own."""
        return {seed: value for seed, value in self.new(metric).items() if seed not in self.repeated}


def comparison(cell: Cell, baseline: Baseline, candidate: Candidate, fit: bool) -> Comparison:
    """Both sides of a cell, by metric."""
    return Comparison(cell, candidate.family, _by_metric(baseline, cell), candidate, repeated(candidate, baseline), fit)


def repeated(candidate: Candidate, baseline: Baseline) -> frozenset[int]:
    """The seeds whose runs are the baseline's own, value for value."""
    runs, known = baseline.runs(candidate.cell), _by_metric(baseline, candidate.cell)
    return frozenset(
        run.seed
        for run in candidate.runs
        if run.seed in runs
        and runs[run.seed].key == run.key
        and all(run.values.get(metric) == values.get(run.seed) for metric, values in known.items())
    )


def without_echo(candidate: Candidate, baseline: Baseline) -> Candidate:
    """Without unplanned runs that the baseline was made from: they lie in the folder still, and would water down what is new."""
    echo = repeated(candidate, baseline)
    return replace(candidate, runs=tuple(run for run in candidate.runs if run.planned or run.seed not in echo))


def _by_metric(baseline: Baseline, cell: Cell) -> dict[str, dict[int, float]]:
    return {metric: baseline.values(cell, metric) for metric in baseline.metrics(cell)}
