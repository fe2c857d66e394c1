"""What the results folder holds of each cell: its runs, the seeds that lack one, and those that older code made.

Runs of further seeds count where they are of the same experiment and of the present code: that is how an undecided cell gets more
seeds without a change of its suite.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kdbench.gate.experiments import Experiments
from kdbench.jobs.identity import canonical
from kdbench.jobs.job import Cell, Job, JobSet
from kdbench.jobs.plan import Plan, Planned
from kdbench.jobs.sources import outdated
from kdbench.metrics.catalogue import primary
from kdbench.results.record import Record

UNKNOWN = "unknown"
CODE_LENGTH = 12


@dataclass(frozen=True)
class Run:
    """One student that was trained; `values` are its primary metrics as its record has them, and what made them."""

    seed: int
    key: str
    diverged: bool
    values: Mapping[str, float]
    code: str
    torch: str
    device: str
    teachers: tuple[str, ...]
    planned: bool = True


@dataclass(frozen=True)
class Candidate:
    """The results of one cell. `missing` and `stale` are planned seeds, each with the reason in words."""

    cell: Cell
    family: str
    runs: tuple[Run, ...]
    missing: tuple[tuple[int, str], ...] = ()
    stale: tuple[tuple[int, str], ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)

    @property
    def diverged(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs if run.diverged)


def collect(
    jobs: JobSet,
    plan: Plan,
    records: Mapping[str, Record],
    experiments: Experiments,
    digest: Callable[[Job], Mapping[str, str]] | None,
) -> dict[Cell, Candidate]:
    """A candidate for every planned cell. `records` are all of the folder; `digest` gives a job's present source digests, and
    None leaves further seeds out."""
    state = {item.job.key: item for item in plan.jobs}
    more = _current(jobs, further(jobs, records, experiments), records, digest) if digest is not None else {}
    found = {}
    for cell, keys in jobs.cells.items():
        family = experiments.registry.task(experiments.arms[cell].task["plugin"]).facts["family"]
        runs, missing, stale = [], [], []
        for key in keys:
            item = state[key]
            seed = item.job.labels["seed"]
            if key not in records:
                missing.append((seed, item.reason))
            elif reason := _outdated(item, state):
                stale.append((seed, reason))
            else:
                runs.append(run_of(records[key], family, seed, item.job.teachers))
        for job in more.get(cell, ()):
            runs.append(replace(run_of(records[job.key], family, job.labels["seed"], job.teachers), planned=False))
        found[cell] = Candidate(cell, family, tuple(sorted(runs, key=lambda run: run.seed)), tuple(missing), tuple(stale))
    return found


def run_of(record: Record, family: str, seed: int, teachers: tuple[str, ...]) -> Run:
    """A record as the gate sees it. What is computed from raw outputs is left out: they need not be on this machine."""
    measured = tested(record)
    values = {entry.name: measured[entry.name] for entry in primary(family) if entry.name in measured}
    made = record.provenance
    torch = str((made.get("versions") or {}).get("torch") or UNKNOWN)
    device = " ".join(str(made.get("device") or UNKNOWN).split())
    return Run(seed, record.key, record.status != "done", values, code_of(made.get("sources")), torch, device, teachers)


def tested(record: Record) -> dict[str, float]:
    """A record's metrics on the test set; of a name that both groups have, truth's."""
    return {**record.metrics.get("fidelity", {}), **record.metrics.get("truth", {})}


def cell_of(record: Record) -> Cell:
    """Where a student's record belongs, by its labels."""
    return Cell(record.task, record.labels.get("pair", "default"), str(record.labels.get("cell")))


def code_of(sources: Mapping[str, str] | None) -> str:
    """One short digest of all sources that made a record."""
    return hashlib.sha256(canonical(sources).encode()).hexdigest()[:CODE_LENGTH] if sources else UNKNOWN


def _outdated(item: Planned, state: Mapping[str, Planned]) -> str:
    """Why a planned result is stale; empty where it is not. Students of a teacher of older code are of older code too."""
    if item.state == "stale":
        return item.reason
    old = [state[key].reason for key in item.job.teachers if state[key].state == "stale"]
    return f"its teacher: {old[0]}" if old else ""


def further(jobs: JobSet, records: Mapping[str, Record], experiments: Experiments) -> JobSet:
    """Students of seeds that the suite does not plan, with their teachers, where a result of such a seed lies in the folder."""
    wanted: dict[Cell, set[int]] = {}
    for record in records.values():
        cell, seed = cell_of(record), record.labels.get("seed")
        if record.kind == "student" and record.key not in jobs.jobs and cell in jobs.cells and isinstance(seed, int):
            wanted.setdefault(cell, set()).add(seed)
    return experiments.graph_at(wanted)


def _current(
    jobs: JobSet, made: JobSet, records: Mapping[str, Record], digest: Callable[[Job], Mapping[str, str]]
) -> dict[Cell, list[Job]]:
    """Those that have a result of the present code, and no teacher of older code."""

    def old(key: str) -> bool:
        return key in records and bool(outdated(records[key], digest(made.jobs[key])))

    found: dict[Cell, list[Job]] = {}
    for cell, keys in made.cells.items():
        for job in (made.jobs[key] for key in keys if key in records and key not in jobs.jobs):
            if not any(old(key) for key in (job.key, *job.teachers)):
                found.setdefault(cell, []).append(job)
    return found
