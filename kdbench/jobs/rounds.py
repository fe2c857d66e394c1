"""Training in rounds: which earlier students a round asks, the seed that it has, and what it is called.

Every round is a job like any other, known by what it computes. So a longer chain goes on from a shorter one, and two arms whose
first rounds are equal share them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from kdbench.jobs.job import Job
from kdbench.jobs.start import Start
from kdbench.suite.arm import Arm
from kdbench.suite.entry import EARLIER


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


def is_trial(cell: object) -> bool:
    return isinstance(cell, str) and cell.endswith("tuning=val}")


def marked(cell: str, what: str) -> str:
    return f"{cell[:-1]},{what}}}" if cell.endswith("}") else f"{cell}{{{what}}}"
