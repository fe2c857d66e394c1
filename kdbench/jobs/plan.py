"""What is to be done: every job with a state and the reason for it. A plan is a function of the suite and the folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.sources import is_ours, outdated, reason

State = Literal["run", "cached", "stale", "blocked"]
StalePolicy = Literal["auto", "keep", "rerun", "fail"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A job, what will happen to it, and why; whether it has a result, which may be about to be made anew."""

    job: Job
    state: State
    reason: str
    has_result: bool


@dataclass(frozen=True)
class Plan:
    """The jobs of a suite in their order, teachers before the students that need them."""

    jobs: tuple[Planned, ...]

    def in_state(self, *states: State) -> list[Planned]:
        return [p for p in self.jobs if p.state in states]


def plan(
    jobs: JobSet,
    records: Mapping[str, Any],
    digest: Callable[[Job], Mapping[str, str]],
    kept: Callable[[str], bool],
    attempts: Mapping[str, str],
    stale: StalePolicy = "keep",
) -> Plan:
    """Decide for each job. `digest` gives its present source digests, `kept` whether its weights and outputs are still here,
    `attempts` what became of its last attempt (key → words).

    A student whose teacher diverged is blocked, and so are those that need the student: there is nothing to learn from. A teacher
    that has a result runs again where a student needs its weights and outputs, and they are gone. Where older results are made
    anew, so are the students of teachers made anew.

    `stale` says what becomes of results that older code made. auto: one's own code is what is being worked on, so what it made is
    made anew, and so is what diverged; what an older kdbench made is kept.
    """
    states: dict[str, tuple[State, str]] = {}
    anew: set[str] = set()
    hopeless: dict[str, str] = {}  # jobs whose networks there will never be, and why
    for key, job in jobs.jobs.items():  # a job's teachers come before it
        record = records.get(key)
        lost = next((hopeless[t] for t in job.after if t in hopeless), "")
        if record is None and lost:
            states[key] = ("blocked", lost)
        elif record is None:
            states[key] = ("run", attempts.get(key, "no result yet"))
        elif changed := outdated(record, digest(job)):
            anyway = stale == "auto" and (record.status == "diverged" or not all(map(is_ours, changed)))
            states[key] = ("run" if (stale == "rerun" or anyway) and not lost else "stale", reason(changed))
        elif anew.intersection(job.after) and not lost:
            states[key] = ("run", "its teacher is made anew")
        else:
            states[key] = ("cached", record.status)
        if record is not None and states[key][0] == "run":
            anew.add(key)
        if states[key] == ("cached", "diverged"):
            hopeless[key] = f"its teacher diverged: {job.title}"
        elif lost and (record is None or not kept(key)):
            hopeless[key] = lost
    needed = [t for key, job in jobs.jobs.items() if states[key][0] == "run" for t in job.after]
    seen: set[str] = set()
    while needed:
        key = needed.pop()
        if key not in seen and states[key][0] != "run" and not kept(key):
            states[key] = ("run", "has a result, but a student needs its weights or outputs and they are gone")
            needed += jobs.jobs[key].after  # it learns again, too
        seen.add(key)
    return Plan(tuple(Planned(job, *states[key], key in records) for key, job in jobs.jobs.items()))
