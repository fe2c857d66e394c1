"""What jobs will take, told before they run: hours of work, and how long that is with the workers that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kdbench.cli.session import Session
from kdbench.cli.text import count

if TYPE_CHECKING:
    from kdbench.execute.base import JobSpec
    from kdbench.execute.slots import Slots
    from kdbench.jobs.plan import Plan


@dataclass(frozen=True)
class Times:
    """`work` is the sum of seconds, each job alone on its device; `wall` is when the last one is done. Both are of the jobs that
    earlier results tell of; of `unknown` they tell nothing."""

    jobs: int
    unknown: int
    work: float
    wall: float
    workers: int
    gpus: int

    @property
    def hours(self) -> str:
        """The work in hours of the device that does it: `1.4 GPU-hours`."""
        hours = self.work / 3600
        return f"{hours:,.0f} {self.device}-hours" if hours >= 10 else f"{hours:.2g} {self.device}-hours"

    @property
    def device(self) -> str:
        return "GPU" if self.gpus else "CPU"

    @property
    def known(self) -> int:
        return self.jobs - self.unknown


def times(specs: Sequence[JobSpec], slots: Slots) -> Times:
    from kdbench.execute.forecast import wall

    seconds = {spec.key: spec.expected or 0.0 for spec in specs}
    unknown = sum(spec.expected is None for spec in specs)
    ends = wall(specs, seconds, slots) if unknown < len(specs) else 0.0
    return Times(len(specs), unknown, sum(seconds.values()), ends, slots.workers, len(slots.gpus))


def told(found: Times) -> str:
    """`about 1:23:20 of work (1.4 CPU-hours), 41:40 with 2 workers`; of how many jobs nothing is known."""
    from kdbench.execute.progress import duration

    if not found.known:
        few = "`try: {seeds: 1, recipe: {steps: 30}}` under `profiles:`, run once, tells"
        return f"time: not known, nothing like these {count(found.jobs, 'job')} has run on this device; {few}"
    who = count(found.workers, "worker") + (f" on {count(found.gpus, 'GPU')}" if found.gpus else "")
    text = f"time: about {duration(found.work)} of work ({found.hours}), {duration(found.wall)} with {who}"
    unlike = f", beside {count(found.unknown, 'job')} of which none alike has run on this device"
    return text + (unlike if found.unknown else "")


def packed(specs: Sequence[JobSpec]) -> str:
    """Of how many jobs the memory is known, by which they share a GPU."""
    known = sum(spec.resources.memory is not None for spec in specs)
    text = f"pack: earlier results tell the memory of {known:,} of {count(len(specs), 'job')}"
    return text + ("" if known == len(specs) else "; each other one has a GPU to itself")


@dataclass(frozen=True)
class Forecast:
    """Times of a plan in words and as data, and the seconds of each job that earlier results tell of."""

    said: str = ""
    data: dict[str, Any] | None = None
    seconds: Mapping[str, float | None] = field(default_factory=dict)


def forecast_of(session: Session, planned: Plan) -> Forecast:
    """Of what is to run, as the suite's own resources would have it run."""
    from kdbench.execute.base import JobSpec, Resources
    from kdbench.execute.devices import DeviceError, default_workers, resolve
    from kdbench.execute.slots import Slots

    jobs = [item.job for item in planned.in_state("run")]
    if not jobs:
        return Forecast()
    asked = session.suite.resources
    try:
        slots = Slots(asked.workers or default_workers(), resolve(asked.device))
        slots.require(asked.gpus)
    except DeviceError as error:
        return Forecast(f"time: not known on this machine: {error}")
    past = session.past(slots.gpus)
    resources = Resources(gpu=asked.gpu, gpus=asked.gpus)
    specs = [
        JobSpec(job.key, job.title, {}, job.after, job.kind, job.spec["recipe"]["steps"], resources, expected=past.seconds(job))
        for job in jobs
    ]
    found = times(specs, slots)
    return Forecast(told(found), asdict(found), {spec.key: spec.expected for spec in specs})
