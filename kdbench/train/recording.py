"""From a trained network to its record: raw outputs, metrics, costs, timing, provenance."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.metrics import card
from kdbench.metrics.flips import flips
from kdbench.models import weights
from kdbench.results.files import explained
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore, arrays
from kdbench.results.provenance import collect
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.results.units import Units, pack
from kdbench.train import build
from kdbench.train.common import Common
from kdbench.train.evaluate import on_distillation_set, on_splits
from kdbench.train.stream import Stream

if TYPE_CHECKING:
    from kdbench.train.run import Run


def write(run: Run) -> None:
    """Evaluate what was learned, and leave record, outputs and weights."""
    began = time.perf_counter()
    job, common, task, learner, home = run.job, run.common, run.task, run.learner, run.home
    stream, where = run.streams["transfer"], common.device
    final = learner.exported()
    refer = [teacher["key"] for teacher in job["teachers"] if teacher.get("reference", True)]
    scored = {teacher["key"]: net for net, teacher in zip(run.teachers, job["teachers"]) if teacher["key"] in refer}
    foreign = job["spec"]["student"].get("outputs")  # other answers than the task's cannot be scored
    outputs = evaluate(task, final, scored, stream, common) if run.status == "done" and not foreign else {}
    theirs = outputs_of(refer, job, home)
    metrics = measure(task, outputs, theirs, outputs_of([job["init_job"]], job, home) if job.get("init_job") else [])
    companion = learner.reference()
    if outputs and companion is not None:
        metrics["companion"] = beside(task, outputs, split_of(on_splits(task, companion, where, ("test",)), "test"))
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
            **collect(run.started, modules(job["sources"])),
            "device": device_name(where),
            **origin(job),
            **leaked(task),
        },
    }
    if run.status == "done":
        path = home.weights / f"{job['key']}.safetensors"
        with explained(path):
            record["weights"] = weights.save(final.backbone.state_dict(), path)
    ResultStore(job["results"], home).write(Record.read(record))


def evaluate(task: Task, net: Net, teachers: Mapping[str, Net], stream: Stream, common: Common) -> dict[str, np.ndarray]:
    """The net on the held-out splits and on the distillation set, and what its teachers say to the latter (equal for all
    students of a teacher and view, and so asked once in a process and stored once)."""
    found = {**on_splits(task, net, common.device), **on_distillation_set(task, net, stream)}
    for number, (key, teacher) in enumerate(teachers.items()):
        taught = common.once(partial(on_distillation_set, task, teacher, stream), "taught", id(stream), key)
        found |= {f"taught{number}/{name.removeprefix('distil/')}": array for name, array in taught.items()}
    return found


def split_of(outputs: Mapping[str, np.ndarray], split: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(f"{split}/"): array for name, array in outputs.items() if name.startswith(f"{split}/")}


def outputs_of(keys: Sequence[str], job: Mapping[str, Any], home: Home) -> list[dict[str, np.ndarray]]:
    """What other jobs' networks said on the test set."""
    store, results = OutputStore(home), ResultStore(job["results"], home)
    return [arrays(results.read(key), "test", store) for key in keys]


def measure(
    task: Task,
    outputs: Mapping[str, np.ndarray],
    theirs: Sequence[Mapping[str, np.ndarray]],
    initial: Sequence[Mapping[str, np.ndarray]] = (),
) -> dict[str, dict[str, float]]:
    """Truth on val and test; fidelity to the job's own teachers on test and on the distillation set; where it started as an
    earlier student, what it gained and lost of that one's answers."""
    if not outputs:
        return {}
    held_out = {group: split_of(outputs, split) for group, split in (("truth", "test"), ("val", "val"))}
    found = {group: card.truth(task.family, arrays) for group, arrays in held_out.items() if arrays}
    if theirs:
        found["fidelity"] = card.fidelity(task.family, split_of(outputs, "test"), theirs)
        taught = [split_of(outputs, f"taught{number}") for number in range(len(theirs))]
        found["distil"] = card.fidelity(task.family, split_of(outputs, "distil"), taught)
    if initial and task.family == "classification":
        found["flips"] = flips(split_of(outputs, "test"), initial[0], theirs)
    return found


def beside(task: Task, outputs: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The net that taught and learned beside the student (its average, a peer, a teacher that learns): how good it is in the end
    (own_…), and the student's fidelity to it, which no pool teacher's fidelity says."""
    own = {f"own_{name}": value for name, value in card.truth(task.family, theirs).items()}
    return {**card.fidelity(task.family, split_of(outputs, "test"), [theirs]), **own}


def units(task: Task, outputs: Mapping[str, np.ndarray], theirs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """What each test example adds to the primary metrics, so that a committed record redraws its report's intervals."""
    test = split_of(outputs, "test")
    return pack(Units.read(card.blocks(task.family, test, theirs), test.get("blocks"))) if test else {}


def origin(job: Mapping[str, Any]) -> dict[str, Any]:
    """Where a teacher comes from that was not made here."""
    return {"teacher": job["origin"]} if job.get("origin") else {}


def leaked(task: Task) -> dict[str, list[str]]:
    """What readers of this result must know of its test data."""
    found = task.leaks()
    return {"leaks": found} if found else {}


def modules(names: Sequence[str]) -> list[str | Path]:
    return [Path(name) if name.endswith(".py") else name for name in names]


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
