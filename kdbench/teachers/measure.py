"""Measures the network of a card on its task's held-out split, as a job like any other, in a folder that is thrown away."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import KdbenchError
from kdbench.execute.base import JobSpec, Outcome, Resources
from kdbench.execute.local import LocalExecutor
from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.payload import payload
from kdbench.jobs.pool import teacher_job
from kdbench.registry import Registry
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore, arrays
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.results.units import Units, unpack
from kdbench.stats.bootstrap import RESAMPLES, Run, replicates
from kdbench.suite.arm import Arm
from kdbench.suite.card import Card, Measured, Score
from kdbench.suite.carded import pool_of, taken
from kdbench.suite.params import canonical_params

GROUP = {"test": "truth", "val": "val"}
EVER = 1e9  # seconds between checkpoints: nothing is trained
TIMEOUT = 24 * 3600.0


@dataclass(frozen=True)
class Found:
    """What was measured for a card, and what its network said on the split."""

    measured: Measured
    metrics: Mapping[str, float]
    outputs: Mapping[str, np.ndarray]
    family: str


def measure(card: Card, weights: Path, registry: Registry, root: str = "", device: str = "auto") -> Found:
    """The scores that a card claims something about. `root` is the folder of the task's data, if not under KDBENCH_DATA."""
    job = job_of(card, weights, registry, root)
    with tempfile.TemporaryDirectory(prefix="kdbench-teacher-") as folder:
        home, results = Home(Path(folder) / "home"), Path(folder) / "results"
        home.ensure()
        data = payload(job, JobSet({job.key: job}), home.path, results, EVER)
        spec = JobSpec(job.key, job.title, data, kind="teacher", resources=Resources(timeout=TIMEOUT))
        runner = LocalExecutor(home.path, workers=1, device=device)
        done(runner.run([spec], lambda event: None)[job.key])
        record = ResultStore(results, home).read(job.key)
        said = {name: np.array(array) for name, array in arrays(record, card.split, OutputStore(home)).items()}
    family = registry.task(card.task).facts["family"]
    metrics = record.metrics[GROUP[card.split]]
    units = unpack(record.blocks) if card.split == "test" else Units(len(next(iter(said.values()))))
    scores = {}
    for claim in card.claims:
        if claim.metric not in metrics:
            raise KdbenchError(f"{claim.metric} is not measured on {card.split}; there are {', '.join(sorted(metrics))}")
        scores[claim.metric] = score(metrics[claim.metric], claim.metric, units)
    day = record.provenance["finished"][:10]
    measured = Measured(scores=scores, n=units.of, date=day, code=code(record), of=card.subject)
    return Found(measured, metrics, said, family)


def job_of(card: Card, weights: Path, registry: Registry, root: str) -> Job:
    """The job of a teacher that is given, on the card's own task."""
    task, model = registry.task(card.task), registry.model(card.model)
    params = canonical_params(task, {**card.task_params, **({"root": root} if root else {})})
    network = {"model": model.name, "version": model.version, "params": canonical_params(model, card.params)}
    teacher = pool_of(network, [taken("given", card, weights, None)])
    arm = Arm(
        task={"name": task.name, "plugin": task.name, "version": task.version, "params": params},
        pair="default",
        teachers=(teacher,),
        student=network,
        method={"name": "none", "version": registry.method("none").version, "params": {}, "wrap": []},
        alias=None,
        source=None,
        view={"name": "default"},
        recipe={},
        seed=0,
        cell="teacher",
    )
    return teacher_job(arm, teacher, 0, registry, Path())


def done(outcome: Outcome) -> None:
    if outcome.state == "interrupted":
        raise KeyboardInterrupt
    if outcome.state != "done":
        said = re.sub(r"^kdbench(\.\w+)+: ", "", outcome.message)  # our own error's class says nothing that its message does not
        raise KdbenchError(said or f"the network could not be evaluated ({outcome.state})")


def score(value: float, metric: str, units: Units) -> Score:
    """The value, with the 95 % interval over resampled test examples where these are known: of the primary metrics."""
    if metric not in units.metrics:
        return Score(value=value)
    low, high = np.quantile(replicates(metric, [Run(0, 0, units)], RESAMPLES)[0], (0.025, 0.975))
    low, high = min(float(low), value), max(float(high), value)  # average precision on resamples is biased upwards
    return Score(value=value, interval=(round(low, 6), round(high, 6)))


def code(record: Record) -> str:
    """kdbench's version, and its commit where it is run from a checkout."""
    state = record.provenance.get("code") or record.provenance.get("git") or {}
    version = f"kdbench {record.provenance['versions'].get('kdbench', 'unknown')}"
    return f"{version}, {state['commit'][:12]}{' with changes' if state.get('dirty') else ''}" if state.get("commit") else version
