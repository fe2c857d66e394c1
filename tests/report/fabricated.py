"""Readings made up for a real suite: real plans and keys, numbers from a fixed stream, and what the tests want to break."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdbench.jobs.graph import graph
from kdbench.jobs.job import Cell, JobSet
from kdbench.metrics.catalogue import metrics
from kdbench.registry import Registry
from kdbench.report.assemble import assemble
from kdbench.report.build import Built, build
from kdbench.report.model import Page, Part
from kdbench.results.readings import Reading, Readings
from kdbench.results.record import Record
from kdbench.suite import expand, parse_suite
from kdbench.suite.arm import Expansion
from kdbench.suite.schema import Suite
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
PROVENANCE = {
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "branch": "main", "dirty": False, "remote": None},
    "machine": {"platform": "Linux x86_64", "cpu": "Fabricated", "cores": 2, "gpus": []},
    "versions": {"python": "3.11.7", "torch": "2.15.0", "kdbench": "0.1.0"},
    "device": "cpu",
}

WHOLE = Part()


@dataclass
class Made:
    """Everything that `build` takes."""

    suite: Suite
    expansion: Expansion
    jobs: JobSet
    readings: Readings
    records: dict[str, Record] = field(default_factory=dict)

    def page(self, part: Part = WHOLE) -> Page:
        return assemble(self.suite, part, self.expansion, self.jobs, self.readings, self.records)

    def build(self, reports: Path, part: Part = WHOLE) -> Built:
        return build(self.suite, part, self.expansion, self.jobs, self.readings, self.records, reports)

    def cell(self, label: str, task: str = "digits", pair: str = "default") -> Cell:
        return Cell(task, pair, label)


# (task, cell or "teacher", seed) -> groups of metrics; None: the job has not run; "diverged"
Maker = Callable[[str, str, int], Mapping[str, Mapping[str, float]] | str | None]


def make(text: str, maker: Maker, provenance: Mapping[str, Any] = PROVENANCE) -> Made:
    """Plan a suite for real and give each of its jobs the numbers of `maker`."""
    suite = parse_suite(loads(text, "made-up.yaml"), REGISTRY)
    expansion = expand(suite, REGISTRY)
    jobs = graph(expansion.arms, REGISTRY)
    families = {arm.task["name"]: REGISTRY.task(arm.task["plugin"]).facts["family"] for arm in expansion.arms}
    made = Made(suite, expansion, jobs, Readings(families=families))
    for (task, pair), keys in jobs.teachers.items():
        found = [reading(made, key, maker(task, "teacher", jobs.jobs[key].labels["seed"]), provenance) for key in keys]
        made.readings.teachers[task, pair] = [r for r in found if r is not None]
    for cell, keys in jobs.cells.items():
        found = [reading(made, key, maker(cell.task, cell.cell, jobs.jobs[key].labels["seed"]), provenance) for key in keys]
        made.readings.cells[cell] = [r for r in found if r is not None]
        if any(r is None for r in found):
            made.readings.missing[cell] = found.count(None)
    return made


def reading(made: Made, key: str, groups: Any, provenance: Mapping[str, Any]) -> Reading | None:
    if groups is None:
        return None
    job = made.jobs.jobs[key]
    status = "diverged" if groups == "diverged" else "done"
    if status == "diverged":  # what a run leaves that broke off is no measurement, however good it looks
        groups = {"truth": dict.fromkeys(("accuracy", "miou", "ndcg@10", "map"), 0.999)}
    cost = {"parameters": 2906 if job.kind == "student" else 59000, "macs": 25504, "steps": 400}
    labels = {"method": "teacher", **job.labels}
    refer = made.jobs.reference.get((job.labels["task"], job.labels["pair"], key), ())
    made.records[key] = Record(
        key, job.kind, status, job.identity, labels, {g: dict(v) for g, v in groups.items() if g != "independent"},
        list(job.teachers), cost=cost, timing={"train_seconds": 12.5}, provenance=dict(provenance),
    )  # fmt: skip
    return Reading(key, job.labels["seed"], status, refer, groups, cost, 12.5)


def plain(task: str, cell: str, seed: int) -> dict[str, dict[str, float]]:
    """Numbers for any family: teachers above, methods a little better than the control, each cell by its own measure."""
    family = {"digits": "classification", "streets": "segmentation", "topics": "retrieval", "sounds": "tagging"}[task]
    stream = np.random.default_rng([*task.encode(), *cell.encode(), seed])
    shared = np.random.default_rng([*task.encode(), seed])  # what seeds have in common makes the pairs
    base = 0.86 if cell == "teacher" else 0.78 if cell.startswith("none") else 0.79 + (sum(cell.encode()) % 70) / 1000
    level = base + 0.006 * shared.standard_normal() + 0.004 * stream.standard_normal()
    truth = {m.name: level for m in metrics(family) if m.kind == "truth"} | {
        "ece": 0.05 + 0.01 * stream.random(),
        "pixel_accuracy": level,
    }
    if cell == "teacher":
        return {"truth": truth}
    agreement = 0.70 + 1.6 * (level - 0.78) + 0.01 * stream.standard_normal()
    kl = 0.5 - 2 * (level - 0.78) + 0.02 * stream.standard_normal()
    fidelity = {"agreement": agreement, "miou_st": agreement, "tau_ap": agreement, "positive_agreement": agreement}
    fidelity |= {"kl": kl, "log_kl": math.log(kl), "teacher_accuracy": 0.86, "teacher_pixel_accuracy": 0.86}
    other = {name: value - 0.05 for name, value in fidelity.items() if "accuracy" not in name}
    distil = {name: min(1.0, value + 0.12) for name, value in fidelity.items()}
    return {"truth": truth, "fidelity": fidelity, "independent": other, "distil": distil}


LARGE = """
version: 1
name: large
description: |
  Eight cells on four tasks, five seeds each: fabricated numbers, to look at the page and to time it.
seeds: 5
tasks:
  - {task: digits, teachers: {pool: 5}, methods: [dkd, {method: dkd, params: {beta: 2.0}}]}
  - {task: streets, teachers: {pool: 5}, methods: [{method: kd, params: {T: 3.0}}, {method: kd, params: {T: 5.0}}]}
  - {task: topics, teachers: {pool: 5}, methods: [margin_mse, {method: kd, params: {T: 3.0}}]}
  - {task: sounds, teachers: {pool: 5}, methods: [{method: kd, params: {T: 3.0}}, {method: kd, params: {T: 5.0}}]}
methods:
  - kd
  - {method: kd, params: {T: [1.0, 2.0, 8.0]}}
  - fitnets
exclude: [{task: topics, method: fitnets, reason: text nets have other taps}]
claims:
  - {id: kd-helps, task: digits, arm: "kd", over: none, metric: accuracy, at_least: 0.0, source: "Hinton et al. 2015, table 1"}
  - {id: kd-small, task: sounds, arm: "kd[T=3]", over: none, metric: map, at_least: 0.2, source: made up, expect: a large gain}
  - {id: kd-kl, task: topics, arm: "kd[T=1]", over: margin_mse, metric: log_kl, at_most: 0.0, source: made up}
"""

SMALL = """
version: 1
name: small
seeds: 3
tasks: [{task: digits, teachers: {pool: 3}}]
methods: [kd, dkd]
"""
