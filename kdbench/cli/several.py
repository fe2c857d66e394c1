"""Whether each job of a suite can have several devices here (`resources: {gpus: n}`), found out before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kdbench.contract.errors import KdbenchError

if TYPE_CHECKING:
    from kdbench.execute.slots import Slots
    from kdbench.jobs.job import Job


def several(gpus: int, jobs: Iterable[Job], slots: Slots, inline: bool) -> None:
    """Refuse what a job on so many devices cannot be."""
    from kdbench.execute.devices import DeviceError

    if gpus == 1:
        return
    asked = f"resources: gpus: {gpus}"
    if inline:
        raise KdbenchError(f"{asked} is a process for each device, and --executor inline runs a job in one")
    try:
        slots.require(gpus)
    except DeviceError as error:
        raise KdbenchError(f"{asked}: {error}") from error
    for job in jobs:
        if job.spec["recipe"]["compile"] != "no":
            raise KdbenchError(f"{asked}: a compiled network cannot be shared out; {job.title} asks for one (recipe: compile)")
