"""What earlier results tell of a job before it runs: how long it will take, and how much memory.

Seconds are the median of the most alike: `setup + evaluate + steps * (train / steps)`. Alike are, in this order,

1. runs of the same cell: the same identity but for the seed, its teachers being networks of the same kind;
2. runs of the same task, student network and method, whatever their params, source, views and recipe;
3. runs of the same task,

and the first of them of which something is known decides. Only where no such run has seconds of its own, those of jobs that
shared a device or were trained in a gang are taken, in the same order; of a job that went on from a checkpoint nobody knows what
its seconds cover, so it counts nowhere. Nor do results of another device or processor, or archived ones, which older code made.

Memory is the most that runs of the same cell have held, else runs of the same task, networks, batch and precision.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from kdbench.jobs.identity import canonical, unseeded
from kdbench.jobs.job import Job
from kdbench.results.record import Record
from kdbench.results.timing import marks, number

Level = Callable[[Mapping[str, Any], Mapping[str, str]], str]


@dataclass(frozen=True)
class Here:
    """The machine that a forecast is for: names of devices as provenance has them, and the processor that feeds them."""

    devices: frozenset[str]
    cpu: str

    def made(self, record: Record) -> bool:
        facts = record.provenance.get("machine")
        cpu = facts.get("cpu") if isinstance(facts, Mapping) else None
        return record.provenance.get("device") in self.devices and cpu == self.cpu


class Run(NamedTuple):
    """What one record says of time: seconds before and after training, and of a step; NaN for a network that took none."""

    around: float
    step: float

    @staticmethod
    def of(record: Record) -> Run | None:
        """None where its seconds say nothing of a whole run."""
        setup, train, evaluate = (number(record.timing, f"{part}_seconds") for part in ("setup", "train", "evaluate"))
        steps = number(record.cost, "steps")
        if record.status != "done" or "resumed" in marks(record.timing) or math.isnan(setup + train + evaluate + steps):
            return None
        return Run(setup + evaluate, train / steps if steps else math.nan)


class Past:
    """An index of the records that were made on a machine like this one. It answers; nothing changes it."""

    def __init__(self, records: Iterable[Record], here: Here, jobs: Iterable[Job] = ()) -> None:
        """`jobs` are those that will be asked about, with their teachers, so that it is known what networks teach."""
        every = list(records)
        self._networks = {record.key: canonical(record.identity.get("student")) for record in every}
        self._networks |= {job.key: canonical(job.identity["student"]) for job in jobs}
        self._own: dict[str, list[Run]] = defaultdict(list)
        self._marked: dict[str, list[Run]] = defaultdict(list)
        self._memory: dict[str, int] = {}
        for record in filter(here.made, every):
            if (run := Run.of(record)) is not None:
                for level in TIMED:
                    (self._marked if marks(record.timing) else self._own)[level(record.identity, self._networks)].append(run)
            if (peak := number(record.timing, "peak_bytes")) >= 1:
                for level in HELD:
                    place = level(record.identity, self._networks)
                    self._memory[place] = max(self._memory.get(place, 0), int(peak))

    def seconds(self, job: Job) -> float | None:
        """How long a job will take alone on its device, from the start of its process to its record; None where nobody knows."""
        steps = job.spec["recipe"]["steps"]
        asked = ((runs, level) for runs in (self._own, self._marked) if runs for level in TIMED)
        found = (estimate(runs.get(level(job.identity, self._networks), ()), steps) for runs, level in asked)
        return next((seconds for seconds in found if seconds is not None), None)

    def memory(self, job: Job) -> int | None:
        """The most bytes that a run like it held of its device; None where nobody knows."""
        places = (level(job.identity, self._networks) for level in HELD)
        return next((self._memory[place] for place in places if place in self._memory), None)


def estimate(runs: Sequence[Run], steps: int) -> float | None:
    """Seconds of a run of so many steps; None where these runs do not tell."""
    paces = [run.step for run in runs if not math.isnan(run.step)]
    if not runs or (steps and not paces):
        return None
    return median(run.around for run in runs) + (steps * median(paces) if steps else 0.0)


def cell(identity: Mapping[str, Any], networks: Mapping[str, str]) -> str:
    return canonical([unseeded(identity), taught_by(identity, networks)])


def student(identity: Mapping[str, Any], networks: Mapping[str, str]) -> str:
    method = identity.get("method")
    name = method.get("name") if isinstance(method, Mapping) else method
    return canonical([identity.get("task"), identity.get("student"), name])


def task(identity: Mapping[str, Any], networks: Mapping[str, str]) -> str:
    return canonical(identity.get("task"))


def load(identity: Mapping[str, Any], networks: Mapping[str, str]) -> str:
    """What decides how much a step holds, beside the method."""
    recipe = identity.get("recipe", {})
    held = [recipe.get("batch"), recipe.get("precision")] if isinstance(recipe, Mapping) else recipe
    return canonical([identity.get("task"), identity.get("student"), taught_by(identity, networks), held])


def taught_by(identity: Mapping[str, Any], networks: Mapping[str, str]) -> list[str]:
    """The networks of its teachers; a teacher of whom nothing is known stands for itself."""
    return sorted(networks.get(key, key) for key in identity.get("teachers") or ())


TIMED: tuple[Level, ...] = (cell, student, task)
HELD: tuple[Level, ...] = (cell, load)
