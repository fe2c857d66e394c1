"""A results folder of a real plan: outputs made up with a known skill a cell, measured and recorded as a job does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kdbench.jobs.graph import graph
from kdbench.jobs.identity import canonical
from kdbench.jobs.job import Job
from kdbench.metrics import card
from kdbench.registry import Registry
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.results.units import Units, pack
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
ITEMS, VIEWS = 240, 2
SUITE = """\
version: 1
name: made-up
seeds: 5
tasks: [{task: digits, teachers: {pool: 5}}]
methods:
  - kd
  - {method: kd, name: hot, params: {T: 8.0}}
  - dkd
"""
SKILL = {"teacher": 2.6, "none": 1.2, "kd": 2.2, "kd[T=8]": 2.2, "dkd": 2.3}

# (cell, seed) -> changes of the record's fields, or None where the job has no record
Change = Callable[[str, int], Mapping[str, Any] | None]


def unchanged(cell: str, seed: int) -> Mapping[str, Any]:
    return {}


def make(
    folder: Path, suite: str = SUITE, skill: Mapping[str, float] = SKILL, blocks: bool = True, change: Change = unchanged
) -> ResultStore:
    """Results of every job of a suite under `folder`, beside the suite itself."""
    if change is unchanged:  # most tests want the same few folders
        return _copied(folder, suite, dict(skill), blocks)
    return _made(folder, suite, skill, blocks, change)


def _copied(folder: Path, suite: str, skill: dict[str, float], blocks: bool) -> ResultStore:
    name = canonical([suite, skill, blocks])
    if name not in _KEPT:
        _KEPT[name] = tempfile.TemporaryDirectory()
        _made(Path(_KEPT[name].name), suite, skill, blocks, unchanged)
    for part in ("results", ".kdbench"):
        shutil.rmtree(folder / part, ignore_errors=True)
    shutil.copytree(_KEPT[name].name, folder, dirs_exist_ok=True)
    return ResultStore(folder / "results")


_KEPT: dict[str, tempfile.TemporaryDirectory[str]] = {}


def _made(folder: Path, suite: str, skill: Mapping[str, float], blocks: bool, change: Change) -> ResultStore:
    (folder / "made-up.yaml").write_text(suite)
    parsed = parse_suite(loads(suite, "made-up.yaml"), REGISTRY)
    jobs = graph(expand(parsed, REGISTRY).arms, REGISTRY)
    store = ResultStore(folder / "results")
    outputs = OutputStore(store.home)
    made: dict[str, Record] = {}
    for key, job in jobs.jobs.items():
        changed = change(job.labels["cell"], job.labels["seed"])
        if changed is None:
            continue
        teachers = [made[teacher] for teacher in job.teachers if teacher in made]
        made[key] = replace(record_of(job, outputs, teachers, skill, blocks), **changed)
        store.write(made[key])
    return store


def record_of(job: Job, outputs: OutputStore, teachers: list[Record], skill: Mapping[str, float], blocks: bool) -> Record:
    arrays = {f"{split}/{name}": array for split in ("test", "val") for name, array in answers(job, split, skill).items()}
    shas = {name: outputs.put(array) for name, array in arrays.items()}
    ours = {split: part(arrays, split) for split in ("test", "val")}
    theirs = [part({name: outputs.get(sha) for name, sha in teacher.outputs.items()}, "test") for teacher in teachers]
    metrics = {"truth": card.truth("classification", ours["test"]), "val": card.truth("classification", ours["val"])}
    if theirs:
        metrics["fidelity"] = card.fidelity("classification", ours["test"], theirs)
        metrics["distil"] = dict.fromkeys(metrics["fidelity"], 0.5)  # nobody stored what it stands on
    units = pack(Units.read(card.blocks("classification", ours["test"], theirs), ours["test"]["blocks"])) if blocks else {}
    return Record(
        job.key, job.kind, "done", job.identity, {**job.labels}, metrics, [t.key for t in teachers], shas,
        cost={"parameters": 2906, "macs": 25504, "steps": 400}, blocks=units, timing={"train_seconds": 12.5},
    )  # fmt: skip


def answers(job: Job, split: str, skill: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Logits that know the label by the cell's skill and err as others of the seed do, on images each shown twice."""
    cell, seed = job.labels["cell"], job.labels["seed"]
    labels = np.random.default_rng(len(split)).integers(0, 10, ITEMS // VIEWS).repeat(VIEWS)
    hard = np.random.default_rng([7, len(split)]).normal(0, 1.2, (ITEMS // VIEWS, 10)).repeat(VIEWS, axis=0)
    taught = np.random.default_rng([11, seed, len(split)]).normal(0, 0.7, (ITEMS, 10))
    own = np.random.default_rng([13, seed, len(split), *cell.encode()]).normal(0, 0.5, (ITEMS, 10))
    shared = 0.0 if cell == "none" else 1.0
    logits = skill[cell] * (np.arange(10) == labels[:, None]) + hard + shared * taught + own
    return {"logits": logits.astype(np.float32), "labels": labels, "blocks": np.arange(ITEMS // VIEWS).repeat(VIEWS)}


def part(arrays: Mapping[str, np.ndarray], split: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(f"{split}/"): array for name, array in arrays.items() if name.startswith(f"{split}/")}
