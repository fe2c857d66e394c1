"""Training in rounds: which earlier students a round asks and starts as, and the seed that it has.

Every round is a job like any other, known by what it computes. So a longer chain goes on from a shorter one, and two arms whose
first rounds are equal share them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    part = {"part": init["part"]} if "part" in init else {}
    if EARLIER in init:
        job = chain[-init[EARLIER]]
        return Start({"job": job.key, **part}, job)
    file = (root / init["file"]).resolve()
    return Start({"weights": content_of(file), **part}, file=file)


def students_asked(arm: Arm, chain: Sequence[Job], start: Start) -> list[Job]:
    """The students that answer beside the teachers of the pool."""
    asked = []
    for name in arm.source.get("also", ()) if arm.source else ():
        job = chain[-1] if name == EARLIER else start.job
        assert job is not None, "the suite refuses a round that asks a student which is not there"
        asked.append(job)
    return asked


def seed_of(seed: int, rounds_before: int) -> int:
    """The seed of a round. The first has the arm's own, as the control has; later ones begin anew, from other weights."""
    if rounds_before == 0:
        return seed
    digest = hashlib.sha256(f"round {rounds_before} of seed {seed}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def round_label(cell: str, number: int) -> str:
    """`gt_self{round=2}`: a round whose student is not the arm's own result."""
    return marked(cell, f"round={number}")


def trial_label(cell: str) -> str:
    """`kd[weight=0.3]{tuning=val}`: trained to choose a setting on the validation split, and never reported."""
    return marked(cell, "tuning=val")


def marked(cell: str, what: str) -> str:
    return f"{cell[:-1]},{what}}}" if cell.endswith("}") else f"{cell}{{{what}}}"
