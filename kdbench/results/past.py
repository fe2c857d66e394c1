"""What earlier results tell of a job before it runs: how long it will take, and how much memory.

Seconds are the median of the most alike: `setup + evaluate + steps * (train / steps)`. Alike are, in this order,

1. runs of the same cell: the same identity but for the seed, its teachers being networks of the same kind;
2. runs of the same task, student network and method, whatever their params, source, views and recipe;
3. runs of the same task,

and the first of them of which something is known decides. Only where no such run has seconds of its own, those of jobs that
shared a device or were trained in a gang are taken, in the same order; of a job that went on from a checkpoint nobody knows what
its seconds cover, so it counts nowhere. Nor do results of another device or processor, or archived ones, which older code made.

Memory is the most that runs of the same cell have held, else runs of the same task, networks, batch and precision. Of a run on
several devices it is that of one of them, for its share of the batch, and tells nothing of a run on one.
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


@dataclass(frozen=True)
class Level:
    """What runs have in common that are alike; where `taught`, the networks of their teachers too."""

    common: Callable[[Mapping[str, Any]], Any]
    taught: bool = False


class Likeness(NamedTuple):
    """What a run has in common with others of a level, and its teachers' keys where they count."""

    common: str
    teachers: tuple[str, ...] | None


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
    """An index of the records that were made on a machine like this one. It answers, and what it answers stays."""

    def __init__(self, records: Iterable[Record], here: Here, jobs: Iterable[Job] = ()) -> None:
        """`jobs` are those that will be asked about, with their teachers, so that it is known what networks teach. Of the
        records, which may be ten thousand and are long, nothing is held but what is asked of them."""
        self._texts: dict[str, str] = {}
        self._networks = {job.key: self._text(job.identity["student"]) for job in jobs}
        self._own: dict[str, list[Run]] = defaultdict(list)
        self._marked: dict[str, list[Run]] = defaultdict(list)
        self._memory: dict[str, int] = {}
        self._estimates: dict[tuple[bool, str, int], float | None] = {}
        seen: list[tuple[list[Likeness], Run | None, bool, float]] = []
        for record in records:  # all of them, before it is known what taught the first
            self._networks[record.key] = self._text(record.identity.get("student"))
            if here.made(record):
                alike = [self._likeness(level, record.identity) for level in (*TIMED, *HELD)]
                befell = marks(record.timing)
                held = math.nan if "ranks" in befell else number(record.timing, "peak_bytes")
                seen.append((alike, Run.of(record), bool(befell), held))
        for alike, run, marked, peak in seen:
            places = [self._place(likeness) for likeness in alike]
            if run is not None:
                for place in places[: len(TIMED)]:
                    (self._marked if marked else self._own)[place].append(run)
            for place in places[len(TIMED) :] if peak >= 1 else ():
                self._memory[place] = max(self._memory.get(place, 0), int(peak))

    def seconds(self, job: Job) -> float | None:
        """How long a job will take alone on its device, from the start of its process to its record; None where nobody knows."""
        steps = job.spec["recipe"]["steps"]
        asked = ((runs, level) for runs in (self._own, self._marked) if runs for level in TIMED)
        found = (self._estimate(runs, self._place(self._likeness(level, job.identity)), steps) for runs, level in asked)
        return next((seconds for seconds in found if seconds is not None), None)

    def memory(self, job: Job) -> int | None:
        """The most bytes that a run like it held of its device; None where nobody knows."""
        places = (self._place(self._likeness(level, job.identity)) for level in HELD if self._memory)
        return next((self._memory[place] for place in places if place in self._memory), None)

    def _estimate(self, runs: Mapping[str, list[Run]], place: str, steps: int) -> float | None:
        """Once for all jobs that are alike: a task may have thousands of runs."""
        asked = (runs is self._own, place, steps)
        if asked not in self._estimates:
            self._estimates[asked] = estimate(runs.get(place, ()), steps)
        return self._estimates[asked]

    def _likeness(self, level: Level, identity: Mapping[str, Any]) -> Likeness:
        return Likeness(self._text(level.common(identity)), tuple(identity.get("teachers") or ()) if level.taught else None)

    def _place(self, likeness: Likeness) -> str:
        """A teacher of whom nothing is known stands for itself."""
        if likeness.teachers is None:
            return likeness.common
        taught_by = sorted(self._networks.get(key, key) for key in likeness.teachers)
        return self._texts.setdefault(text := f"{likeness.common} {' '.join(taught_by)}", text)

    def _text(self, value: Any) -> str:
        """What is alike is one text, and held once."""
        return self._texts.setdefault(text := canonical(value), text)


def estimate(runs: Sequence[Run], steps: int) -> float | None:
    """Seconds of a run of so many steps; None where these runs do not tell."""
    paces = [run.step for run in runs if not math.isnan(run.step)]
    if not runs or (steps and not paces):
        return None
    return median(run.around for run in runs) + (steps * median(paces) if steps else 0.0)


def method_name(identity: Mapping[str, Any]) -> Any:
    method = identity.get("method")
    return method.get("name") if isinstance(method, Mapping) else method


def load(identity: Mapping[str, Any]) -> Any:
    """What decides how much a step holds, beside method and teachers."""
    recipe = identity.get("recipe", {})
    held = [recipe.get("batch"), recipe.get("precision")] if isinstance(recipe, Mapping) else recipe
    return [identity.get("task"), identity.get("student"), held]


CELL = Level(unseeded, taught=True)
STUDENT = Level(lambda identity: [identity.get("task"), identity.get("student"), method_name(identity)])
TASK = Level(lambda identity: identity.get("task"))
TIMED = (CELL, STUDENT, TASK)
HELD = (CELL, Level(load, taught=True))
