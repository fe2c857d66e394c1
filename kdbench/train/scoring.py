"""From raw outputs, and those of teachers, to what a record says of them: metrics, and what intervals are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdbench.contract.task import Task
from kdbench.metrics import card
from kdbench.metrics.flips import flips
from kdbench.results.units import Units, pack

Arrays = Mapping[str, np.ndarray]  # raw outputs, by split/name; or of one split, by name


def split_of(outputs: Arrays, split: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(f"{split}/"): array for name, array in outputs.items() if name.startswith(f"{split}/")}


def measure(task: Task, outputs: Arrays, theirs: Sequence[Arrays], initial: Sequence[Arrays] = ()) -> dict[str, dict[str, float]]:
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


def beside(task: Task, outputs: Arrays, theirs: Arrays) -> dict[str, float]:
    """The net that taught and learned beside the student (its average, a peer, a teacher that learns): how good it is in the end
    (own_…), and the student's fidelity to it, which no pool teacher's fidelity says."""
    own = {f"own_{name}": value for name, value in card.truth(task.family, theirs).items()}
    return {**card.fidelity(task.family, split_of(outputs, "test"), [theirs]), **own}


def units(task: Task, outputs: Arrays, theirs: Sequence[Arrays]) -> dict[str, Any]:
    """What each test example adds to the primary metrics, so that a committed record redraws its report's intervals."""
    test = split_of(outputs, "test")
    return pack(Units.read(card.blocks(task.family, test, theirs), test.get("blocks"))) if test else {}
