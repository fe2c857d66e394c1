"""Lets a trained network leave: the record, its weights and its task become a file of weights, or a program, each with a card."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from kdbench.contract.errors import DataError, KdbenchError
from kdbench.contract.task import Task
from kdbench.models import weights
from kdbench.models.weight_files import WeightsError
from kdbench.registry import Registry
from kdbench.results.files import write_atomically
from kdbench.results.record import Record
from kdbench.ship import card as cards
from kdbench.ship.student import Student, rebuilt
from kdbench.train import build

EXAMPLES = 2  # inputs that a program is drawn with: any number but one


@dataclass(frozen=True)
class Trained:
    """A student in working order, and what its task shows it."""

    student: Student
    inputs: tuple[Tensor, ...]


def trained(record: Record, path: Path, registry: Registry, places: Mapping[str, Any]) -> Trained:
    """The network of a record as it was evaluated. Its task's data must be here (`places` are params that say where): they say
    how many answers there are."""
    task, student = task_of(record, registry, places), record.identity["student"]
    net = build.make_net(task, student, registry.model_targets(student["model"]), torch.device("cpu"))
    try:
        weights.put(net.backbone, weights.load(path), path)
    except WeightsError as error:
        raise KdbenchError(f"{record.method} rewrites the student, so its weights are not those of {student['model']}") from error
    shown = task.data("test").rows(torch.arange(EXAMPLES))
    example = {name: shown[name] for name in net.reads if name in shown}
    if len(example) < len(net.reads):
        raise KdbenchError(f"{student['model']} reads {', '.join(net.reads)}, and a test example has {', '.join(shown)}")
    card = {**cards.of_record(record), **cards.of_task(task, net, example)}
    card |= student.get("normalisation") or {}  # of a network that was trained elsewhere
    made = Student(net, card).eval().requires_grad_(False)
    inputs = tuple(example.values())
    whole = {**card, "facts": cards.facts_of(replace(task.facts, outputs=student.get("outputs") or task.facts.outputs))}
    lacks = "its task prepares inputs in a way of its own; a program holds that, too"
    made.card = whole if as_told(whole, made, inputs, path) else {**card, "lacks": lacks}
    return Trained(made, inputs)


def task_of(record: Record, registry: Registry, places: Mapping[str, Any]) -> Task:
    told = record.identity["task"]
    params = {**told["params"], **places}
    return build.make_task({"task": {"params": params}}, {"task": registry.task(told["name"]).target})


def as_told(card: dict[str, Any], made: Student, inputs: tuple[Tensor, ...], path: Path) -> bool:
    """Whether the card alone makes the same network: not where a plugin's task prepares inputs in a way that it does not tell."""
    try:
        again = rebuilt(card, weights.load(path), path)
    except (DataError, KdbenchError):
        return False
    with torch.no_grad():
        return torch.allclose(again(*inputs), made(*inputs), rtol=1e-4, atol=1e-5)


def write_weights(to: Path, path: Path, card: dict[str, Any]) -> None:
    """The bare network's weights, with the card in the file's metadata."""
    metadata = {"format": "pt", cards.ENTRY: cards.dumps(card)}
    write_atomically(to, safetensors.torch.save(weights.load(path), metadata))


def write_program(to: Path, found: Trained) -> None:
    """Preparation and network as one program of torch.export, which plain torch loads; any number of inputs at a time."""
    student = found.student
    if student.card["axis"] == "candidate":
        raise KdbenchError(
            f"{student.card['model']} scores lists of candidates and is no function of one input: no program of it"
        )
    with torch.no_grad():
        student(*found.inputs)  # what is made once, is made of real numbers
    some = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shapes = {"inputs": tuple({0: some} for _ in found.inputs)}
            program = torch.export.export(student, found.inputs, dynamic_shapes=shapes, strict=False)
        except Exception as error:  # a network may do what torch.export cannot follow, and it fails in many ways
            why = str(error).strip().splitlines()[0]
            raise KdbenchError(f"torch.export cannot follow {student.card['model']} ({type(error).__name__}: {why})") from error
        held = io.BytesIO()
        torch.export.save(program, held, extra_files={cards.FILE: cards.dumps(student.card)})
    write_atomically(to, held.getvalue())
