"""Teachers that are given as weights: by a file, or by a card that says which file it is and how good it was found to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.models.weight_files import WeightsError, content_of


@dataclass(frozen=True)
class Given:
    """A file of weights, what it adds to the identity of its job, and where it comes from if a card says so."""

    file: Path
    identity: dict[str, Any]
    network: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] | None = None


def given_teacher(teacher: Mapping[str, Any], number: int, root: Path) -> Given | None:
    """Teacher `number` of this kind, where it is given; its job is to be evaluated, which has no seed."""
    bare = {"view": {}, "recipe": {"steps": 0}, "seed": 0}
    if teacher.get("weights"):
        path = (root / teacher["weights"]).resolve()
        foreign = {"outputs": teacher["outputs"]} if teacher.get("outputs") else {}
        return Given(path, {**bare, "init": {"weights": content_of(path)}}, foreign)
    if not teacher.get("cards"):
        return None
    card = teacher["cards"][number]
    path = Path(card["weights"])
    found = content_of(path)
    if found != card["sha256"]:
        raise WeightsError(
            f"teacher '{card['name']}': {path} has sha256 {found[:12]}…, its card says {card['sha256'][:12]}…: these are not the "
            f"weights that were admitted. Put the right file there, or add the teacher anew with `kdbench teacher add`"
        )
    network = {"normalisation": card["normalisation"]} if card["normalisation"] else {}
    return Given(path, {**bare, "init": {"weights": found}}, network, card["origin"])
