"""How jobs stand that have no result yet: at work in a process now, or stopped with a checkpoint, and how far they have come."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors

from kdbench.contract.numbers import is_number, is_whole
from kdbench.execute.claims import holder
from kdbench.execute.events import EventTail
from kdbench.execute.progress import duration
from kdbench.results.home import Home


@dataclass(frozen=True)
class Standing:
    """`step` is how far a job has come; `pid` and `seconds` are of the process that is at it, None where nobody is."""

    step: int
    steps: int
    pid: int | None = None
    seconds: float | None = None

    @property
    def share(self) -> float:
        """How much of it is done."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    @property
    def far(self) -> str:
        if self.pid is not None and self.steps and self.step >= self.steps:
            return "trained, being evaluated"
        return f"{self.step:,} of {self.steps:,} steps" if self.steps else "being set up"

    @property
    def brief(self) -> str:
        passed = "" if self.seconds is None else f", {duration(self.seconds)}"
        return self.far if self.pid is None else f"{self.far}{passed} (process {self.pid})"

    @property
    def words(self) -> str:
        return f"begun; goes on from its checkpoint, {self.brief}" if self.pid is None else f"at work now, {self.brief}"


def standing(home: Home, key: str, steps: int) -> Standing | None:
    """None for a job that nobody is at and that has left no checkpoint."""
    folder = home.jobs / key
    if (pid := holder(folder)) is not None:
        return at_work(folder, pid, steps)
    at = [found for path in sorted((home.checkpoints / key).glob("*.safetensors")) if (found := saved_at(path)) is not None]
    return Standing(max(at), steps) if at else None


def at_work(folder: Path, pid: int, steps: int) -> Standing:
    """By what the process that has the job's lock has told of it."""
    began, step = None, 0
    for event in EventTail(folder).read():
        if event.get("event") == "start" and "pid" in event:
            began, step = event.get("t"), 0
        elif is_whole(event.get("step")):
            step = event["step"]
    passed = max(0.0, time.time() - began) if is_number(began) else None
    return Standing(step, steps, pid, passed)


def saved_at(path: Path) -> int | None:
    """The step at which a checkpoint was written; 0 where it does not say, since that one begins anew."""
    with suppress(OSError, ValueError, safetensors.SafetensorError), safetensors.safe_open(path, framework="numpy") as file:
        return int(file.get_tensor("at")) if "at" in file.keys() else 0  # noqa: SIM118
    return 0 if path.exists() else None


def standings(home: Home, steps: Iterable[tuple[str, int]]) -> dict[str, Standing]:
    """Of many jobs, each with its steps; those that have not begun are left out."""
    found = {key: standing(home, key, count) for key, count in steps}
    return {key: each for key, each in found.items() if each is not None}
