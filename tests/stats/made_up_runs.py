"""Runs of known truth: correct or wrong on examples whose difficulty is drawn, as fidelity.md's simulation has it."""

from __future__ import annotations

import numpy as np

from kdbench.results.units import Units
from kdbench.stats import Run


def run_of(values: np.ndarray, seed: int, teacher: object = None) -> Run:
    """A run whose metric `score` is the mean of its values."""
    return Run(seed, seed if teacher is None else teacher, Units.read({"score|mean": np.asarray(values, dtype=np.float64)}))


def arm_of(table: np.ndarray) -> list[Run]:
    """A run a row."""
    return [run_of(row, seed) for seed, row in enumerate(table)]


def u_shaped(stream: np.random.Generator, units: int) -> np.ndarray:
    """Chance of being right on each example: most are easy or hopeless; E[p(1-p)] = .09."""
    return stream.beta(0.46, 0.22, units)
