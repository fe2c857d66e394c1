"""What is to be done: every job with a state and the reason for it. A plan is a function of the suite and the folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kdbench.jobs.job import Job, JobSet

State = Literal["run", "cached", "stale"]
StalePolicy = Literal["keep", "rerun", "fail"]


@dataclass(frozen=True)
class Planned:
    """A job, what will happen to it, and why."""

    job: Job
    state: State
    reason: str


@dataclass(frozen=True)
class Plan:
    jobs: tuple[Planned, ...]

    def in_state(self, state: State) -> list[Planned]:
        return [p for p in self.jobs if p.state == state]


def plan(
    jobs: JobSet,
    records: Mapping[str, Any],
    digest: Callable[[Job], Mapping[str, str]],
    weights: Path,
    failures: Mapping[str, str],
    stale: StalePolicy = "keep",
) -> Plan:
    """Decide for each job. A teacher whose result exists runs again where a student needs weights that are gone.

    `digest` gives the present source digests of a job, `failures` what ended it last time (key → words).
    """
    states: dict[str, tuple[State, str]] = {}
    for key, job in jobs.jobs.items():
        record = records.get(key)
        if record is None:
            states[key] = ("run", f"failed before: {failures[key]}" if key in failures else "no result yet")
            continue
        changed = sorted(name for name, sha in digest(job).items() if record.provenance.get("sources", {}).get(name, sha) != sha)
        if not changed:
            states[key] = ("cached", "diverged" if record.status == "diverged" else "done")
        elif stale == "rerun":
            states[key] = ("run", f"made by older code of {', '.join(changed)}")
        else:
            states[key] = ("stale", f"made by older code of {', '.join(changed)}")
    needed = {t for key, job in jobs.jobs.items() if states[key][0] == "run" for t in job.teachers}
    for key in needed:
        if states[key][0] != "run" and not (weights / f"{key}.safetensors").exists():
            states[key] = ("run", "its weights are needed and no longer here")
    return Plan(tuple(Planned(job, *states[key]) for key, job in jobs.jobs.items()))


def modules_of(job: Job) -> list[Any]:
    """The source files whose code decides a job's result: its plugins and the training loop."""
    where = sorted({target.rpartition(":")[0] for target in job.targets.values()})
    return [Path(w) if w.endswith(".py") else w for w in where] + ["kdbench.train.loop"]


def payload(job: Job, jobs: JobSet, home: Path, results: Path, checkpoint_seconds: float) -> dict[str, Any]:
    """What the training side gets: plain data and paths, no suite."""
    teachers = [
        {
            "key": key,
            "model": jobs.jobs[key].spec["student"]["model"],
            "params": jobs.jobs[key].spec["student"]["params"],
            "weights": str(home / "weights" / f"{key}.safetensors"),
        }
        for key in job.teachers
    ]
    return {
        "key": job.key,
        "kind": job.kind,
        "identity": job.spec,
        "digest": job.identity,
        "labels": job.labels,
        "targets": job.targets,
        "sources": [str(m) for m in modules_of(job)],
        "teachers": teachers,
        "init_weights": job.weights,
        "home": str(home),
        "results": str(results),
        "checkpoint_seconds": checkpoint_seconds,
    }
