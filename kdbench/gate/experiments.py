"""What job a cell is at any seed: the keys by which baseline lines and further results are known to be of the same experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdbench.jobs.graph import graph
from kdbench.jobs.identity import canonical, unseeded
from kdbench.jobs.job import Cell, Job, JobSet
from kdbench.registry import Registry
from kdbench.suite.arm import Arm

MISSING = "not set"
SHOWN = 3  # differences of identities that are told


@dataclass(frozen=True)
class Experiments:
    """The cells of a suite as it stands, each as one arm whose seed may be changed."""

    arms: Mapping[Cell, Arm]
    registry: Registry
    root: Path

    @staticmethod
    def of(arms: Sequence[Arm], registry: Registry, root: Path) -> Experiments:
        by_cell = {Cell(arm.task["name"], arm.pair, arm.cell): arm for arm in reversed(arms)}
        return Experiments(by_cell, registry, root)

    def arms_at(self, wanted: Mapping[Cell, Collection[int]]) -> list[Arm]:
        """The arms of these cells at these seeds."""
        return [replace(self.arms[cell], seed=seed) for cell, seeds in wanted.items() for seed in sorted(seeds)]

    def graph_at(self, wanted: Mapping[Cell, Collection[int]]) -> JobSet:
        """Their jobs, with those of their teachers; a cell that cannot run has none."""
        return graph(self.arms_at(wanted), self.registry, self.root)


def identity_of(job: Job, jobs: Mapping[str, Job]) -> dict[str, Any]:
    """What a cell is, without what differs from seed to seed: the student's identity and its kinds of teachers."""
    kinds = {canonical(unseeded(jobs[key].identity)): unseeded(jobs[key].identity) for key in job.teachers if key in jobs}
    return {**unseeded(job.identity), "teachers": [kinds[kind] for kind in sorted(kinds)]}


def differences(before: Any, after: Any, under: str = "") -> list[str]:
    """`recipe.lr: 0.001, now 0.002` for each value of two identities that differs."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        before, after = (dict(enumerate(value)) for value in (before, after))
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found = []
        for name in [*before, *(name for name in after if name not in before)]:
            place = f"{under}.{name}" if under else str(name)
            found += differences(before.get(name, MISSING), after.get(name, MISSING), place)
        return found
    if before == after:
        return []
    return [f"{under}: {_text(before)}, now {_text(after)}"]


def listed_differences(lines: Sequence[str]) -> str:
    """The first few of them."""
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
