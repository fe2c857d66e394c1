"""The record of a trained network, put together from its outputs, metrics, costs, timing and provenance, and written."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kdbench.contract.task import Task
from kdbench.models import weights
from kdbench.results.files import explained
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore, arrays
from kdbench.results.provenance import collect
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.train import build
from kdbench.train.evaluate import evaluate, on_splits
from kdbench.train.scoring import beside, measure, split_of, units

if TYPE_CHECKING:
    from kdbench.train.run import Run


def write(run: Run) -> None:
    """Evaluate what was learned, and leave record, outputs and weights."""
    began = time.perf_counter()
    job, common, task, learner, home = run.job, run.common, run.task, run.learner, run.home
    stream, device = run.streams["transfer"], common.device
    final = learner.exported()
    refer = [teacher["key"] for teacher in job["teachers"] if teacher.get("reference", True)]
    scored = {teacher["key"]: net for net, teacher in zip(run.teachers, job["teachers"]) if teacher["key"] in refer}
    foreign = job["spec"]["student"].get("outputs")  # other answers than the task's cannot be scored
    outputs = evaluate(task, final, scored, stream, common) if run.status == "done" and not foreign else {}
    theirs = outputs_of(refer, job, home)
    metrics = measure(task, outputs, theirs, outputs_of([job["init_job"]], job, home) if job.get("init_job") else [])
    companion = learner.reference()
    if outputs and companion is not None:
        metrics["companion"] = beside(task, outputs, split_of(on_splits(task, companion, device, ("test",)), "test"))
    record = {
        "schema": 1,
        "key": job["key"],
        "kind": job["kind"],
        "status": run.status,
        "identity": job["identity"],
        "labels": job["labels"],
        "teachers": refer,
        "metrics": metrics,
        "blocks": units(task, outputs, theirs),
        "outputs": {name: OutputStore(home).put(array) for name, array in outputs.items()},
        "cost": {**build.cost_of(final, stream), "dropped": learner.dropped(), "steps": learner.at},
        "timing": {**run.timing(), "evaluate_seconds": round(time.perf_counter() - began, 3)},
        "provenance": {
            **collect(run.started, run.code),
            "device": device_name(device),
            **origin(job),
            **leaked(task),
        },
    }
    if run.status == "done":
        path = home.weights / f"{job['key']}.safetensors"
        with explained(path):
            record["weights"] = weights.save(final.backbone.state_dict(), path)
    ResultStore(job["results"], home).write(Record.read(record))


def outputs_of(keys: Sequence[str], job: Mapping[str, Any], home: Home) -> list[dict[str, np.ndarray]]:
    """What other jobs' networks said on the test set."""
    store, results = OutputStore(home), ResultStore(job["results"], home)
    return [arrays(results.read(key), "test", store) for key in keys]


def origin(job: Mapping[str, Any]) -> dict[str, Any]:
    """Where a teacher comes from that was not made here."""
    return {"teacher": job["origin"]} if job.get("origin") else {}


def leaked(task: Task) -> dict[str, list[str]]:
    """What readers of this result must know of its test data."""
    found = task.leaks()
    return {"leaks": found} if found else {}


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
