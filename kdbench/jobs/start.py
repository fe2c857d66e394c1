"""Where a student's weights start, and why a start is not to be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbench.jobs.job import Job
from kdbench.models.weight_files import content_of
from kdbench.suite.arm import Arm
from kdbench.suite.entry import EARLIER, FRESH


@dataclass(frozen=True)
class Start:
    """Where weights start: as identity says it, and the job or the file that they are taken from."""

    identity: Any
    job: Job | None = None
    file: Path | None = None


def start_of(arm: Arm, chain: Sequence[Job], root: Path) -> Start:
    """`chain` are the rounds before, the last one at the end."""
    init = arm.init
    if init == FRESH or "mix" in init:
        return Start(init)
    if EARLIER in init:
        job = chain[-init[EARLIER]]
        return Start({"job": job.key, **_chosen(init)}, job)
    return start_at(init, root)


def start_at(init: Any, root: Path) -> Start:
    """A start that needs no other job: fresh, or at a file, known by its content."""
    if init == FRESH:
        return Start(init)
    file = (root / init["file"]).resolve()
    return Start({"weights": content_of(file), **_chosen(init)}, file=file)


def _chosen(init: Mapping[str, Any]) -> dict[str, Any]:
    """Which of the weights are taken, or left, where not all are."""
    return {name: init[name] for name in ("part", "fresh") if name in init}


def unstartable(arm: Arm, before: Sequence[Arm]) -> list[str]:
    """Why a start is not to be had: the teacher or the earlier student whose weights are taken must be the same network."""
    if arm.init == FRESH or "file" in arm.init:
        return []
    if EARLIER in arm.init:
        earlier = before[-arm.init[EARLIER]].student
        if "part" in arm.init or alike(earlier, arm.student):
            return []
        return [f"init takes all weights of {told(earlier)}, and the student is {told(arm.student)}; give it a `part`"]
    if arm.source is None:
        return [f"init mixes in the teacher's weights, but {arm.method['name']} learns without a teacher"]
    reasons = []
    if arm.source["teachers"] != 1 or len(arm.teachers) != 1:
        asked = max(arm.source["teachers"], len(arm.teachers))
        reasons.append(f"init mixes in the weights of one teacher, source {arm.source['name']} has {asked} to choose from")
    others = [t for t in arm.teachers if not alike(t, arm.student)]
    if others:
        reasons.append(
            f"init mixes weights of equal networks, the teacher is {told(others[0])} and the student {told(arm.student)}"
        )
    return reasons


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same network, which sees images as the task shows them and decides among its answers."""
    shown = [[card["normalisation"] for card in net.get("cards", ()) if card["normalisation"]] for net in (one, other)]
    foreign = one.get("outputs") or other.get("outputs")
    return not any(shown) and not foreign and all(one[key] == other[key] for key in ("model", "version", "params"))


def told(network: Mapping[str, Any]) -> str:
    return f"{network['model']} {network['params'] or ''}".strip()
