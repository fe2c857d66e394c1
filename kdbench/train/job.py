"""What one job does: train (or load) a network, evaluate it, leave its record, outputs and weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdbench.contract.errors import Diverged
from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.metrics import card
from kdbench.metrics.flips import flips
from kdbench.models import weights
from kdbench.results.files import explained
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore, arrays
from kdbench.results.provenance import collect, now
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.results.units import Units, pack
from kdbench.train import build, checkpoint
from kdbench.train.evaluate import on_distillation_set, on_splits
from kdbench.train.learner import make_learner
from kdbench.train.loop import Learner, frozen
from kdbench.train.seeding import reseed
from kdbench.train.start import take
from kdbench.train.stream import Stream, Tick

REPORTS = 20  # points of a training curve
Emit = Callable[[dict[str, Any]], None]


_prepared: set[str] = set()


def prepare(job: Mapping[str, Any]) -> bool:
    """Make the task's data in the process that jobs fork from; True where something was made.

    Only built-in tasks: one from a plugin may hang or crash, and has to do so in a process of its own.
    """
    target, view = job["targets"]["task"], job["identity"]["view"]
    names = {name for name in (view["labelled"], view["transfer"], "val", "test") if name}
    made = False
    if target.startswith("kdbench."):
        task = build.make_task(job["identity"], job["targets"])
        for name in sorted(names):
            mark = f"{id(task)} {name}"
            made = made or mark not in _prepared
            _prepared.add(mark)
            task.data(name)
        _ = task.facts
    return made


def run(job: Mapping[str, Any], job_dir: Path, device: str, emit: Emit, stop: Callable[[], bool]) -> dict[str, Any]:
    """The entry point that executors call. A job that is stopped leaves a checkpoint and goes on from there next time."""
    started, clock = now(), time.perf_counter()
    identity, where = job["identity"], torch.device(device)
    home = Home(Path(job["home"]))
    task = build.make_task(identity, job["targets"])
    streams = build.make_streams(task, identity, job["targets"], where)
    role, seed = identity["role"], identity["seed"]

    reseed(where, role, seed, "init")
    net = build.make_net(task, identity["student"], job["targets"], where)
    if job.get("init_weights"):
        take(net.backbone, Path(job["init_weights"]), identity["init"].get("part", ()))
    teachers = [build.load_teacher(task, t, job["targets"], where) for t in job["teachers"]]
    build.start(net, identity["init"], teachers)
    learner = make_learner(task, job, net, teachers, streams, home.signals)
    saved = home.checkpoints / job["key"] / "state.safetensors"
    state = checkpoint.load(saved, where)
    if state is not None:
        learner.resume(state)
    emit({"event": "start", "step": learner.at, "steps": learner.recipe["steps"]})
    ready = time.perf_counter()
    status = "done"
    try:
        with frozen(tuple(teachers)):
            if not train(learner, streams, saved, job.get("checkpoint_seconds", 60.0), emit, stop):
                return {"status": "interrupted"}
    except Diverged as error:
        status, message = "diverged", str(error)
        emit({"event": "diverged", "step": learner.at, "message": message})
    finally:
        for stream in streams.values():
            stream.rest()
    trained = time.perf_counter()

    final = learner.exported()
    refer = [teacher["key"] for teacher in job["teachers"] if teacher.get("reference", True)]
    scored = [net for net, teacher in zip(teachers, job["teachers"]) if teacher["key"] in refer]
    scorable = status == "done" and not identity["student"].get("outputs")  # other answers than the task's cannot be scored
    outputs = evaluate(task, final, scored, streams["transfer"], where) if scorable else {}
    theirs = outputs_of(refer, job, home)
    metrics = measure(task, outputs, theirs, outputs_of([job["init_job"]], job, home) if job.get("init_job") else [])
    companion = learner.reference()
    if outputs and companion is not None:
        metrics["companion"] = beside(task, outputs, split_of(on_splits(task, companion, where, ("test",)), "test"))
    record = {
        "schema": 1,
        "key": job["key"],
        "kind": job["kind"],
        "status": status,
        "identity": job["digest"],
        "labels": job["labels"],
        "teachers": refer,
        "metrics": metrics,
        "blocks": units(task, outputs, theirs),
        "outputs": {name: OutputStore(home).put(array) for name, array in outputs.items()},
        "cost": {**build.cost_of(final, streams["transfer"]), "dropped": learner.dropped(), "steps": learner.at},
        "timing": {
            "setup_seconds": round(ready - clock, 3),
            "train_seconds": round(trained - ready, 3),
            "evaluate_seconds": round(time.perf_counter() - trained, 3),
            "resumed": state is not None,
            **asked(learner.asking, trained - ready, where),
            **waited(streams, trained - ready),
            **(learner.source.timing() if learner.source is not None else {}),
        },
        "provenance": {**collect(started, modules(job["sources"])), "device": device_name(where), **origin(job), **leaked(task)},
    }
    if status == "done":
        path = home.weights / f"{job['key']}.safetensors"
        with explained(path):
            record["weights"] = weights.save(final.backbone.state_dict(), path)
    ResultStore(job["results"], home).write(Record.read(record))
    saved.unlink(missing_ok=True)
    return {"status": status}


def leaked(task: Task) -> dict[str, list[str]]:
    """What readers of this result must know of its test data."""
    found = task.leaks()
    return {"leaks": found} if found else {}


def train(
    learner: Learner, streams: Mapping[str, Stream], saved: Path, every: float, emit: Emit, stop: Callable[[], bool]
) -> bool:
    """Run the learner to its end; False where it was stopped, with its state saved."""
    steps = learner.recipe["steps"]
    pace = max(1, steps // REPORTS)
    last = time.monotonic()
    while not learner.done:
        if stop() or time.monotonic() - last > every:
            with explained(saved):
                checkpoint.save(saved, learner.state())
            last = time.monotonic()
            if stop():
                return False
        learner.update(Tick(learner.at, streams))
        if learner.at % pace == 0 or learner.done:
            means = {f"loss/{name}": value for name, value in learner.report().items()}
            emit({"event": "metric", "step": learner.at, "steps": steps, **means})
            emit({"event": "shares", "step": learner.at, **learner.tally.shares()})  # of each term in the loss and the gradient
    return True


def evaluate(task: Task, net: Net, teachers: Sequence[Net], stream: Stream, device: torch.device) -> dict[str, np.ndarray]:
    """The net on the held-out splits and on the distillation set, and what its teachers say to the latter (equal for all
    students of a teacher and view, and so stored once)."""
    found = {**on_splits(task, net, device), **on_distillation_set(task, net, stream)}
    for number, teacher in enumerate(teachers):
        taught = on_distillation_set(task, teacher, stream)
        found |= {f"taught{number}/{name.removeprefix('distil/')}": array for name, array in taught.items()}
    return found


def split_of(outputs: Mapping[str, np.ndarray], split: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(f"{split}/"): array for name, array in outputs.items() if name.startswith(f"{split}/")}


def asked(seconds: float, trained: float, device: torch.device) -> dict[str, float]:
    """The share of training in which a teacher was asked. Not on CUDA, where it would take a wait for the device to know."""
    return {"teacher_share": round(seconds / trained, 4)} if device.type == "cpu" and trained > 0 and seconds > 0 else {}


def waited(streams: Mapping[str, Stream], trained: float) -> dict[str, float]:
    """The share of training in which a batch was not there yet. Not of batches that a device makes: it does so on the side."""
    known = {id(stream): stream.waited for stream in streams.values() if stream.home.type == "cpu"}
    return {"data_share": round(sum(known.values()) / trained, 4)} if known and trained > 0 else {}


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


def modules(names: Sequence[str]) -> list[str | Path]:
    return [Path(name) if name.endswith(".py") else name for name in names]


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
