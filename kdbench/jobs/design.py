"""What the seeds of a cell have in common, made once and shared by their jobs: in a large suite cells are many and jobs more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdbench.jobs.identity import key_of
from kdbench.jobs.job import Job
from kdbench.jobs.rounds import Start


@dataclass(frozen=True)
class Design:
    """A student's identity, spec and labels without its seed, teachers and start. Jobs share what is in them and change none."""

    identity: dict[str, Any]
    spec: dict[str, Any]
    labels: dict[str, Any]
    targets: dict[str, str]

    def job(self, seed: int, told: int, teachers: Sequence[Job], start: Start) -> Job:
        """The job of one seed, the one that is computed with; `told` is the one by which the arm is known."""
        own = {"teachers": [teacher.key for teacher in teachers], "init": start.identity, "seed": seed}
        identity = {**self.identity, **own}
        return Job(
            key=key_of(identity),
            kind="student",
            identity=identity,
            spec={**self.spec, **own},
            labels={**self.labels, "seed": told},
            targets=self.targets,
            teachers=tuple(own["teachers"]),
            weights=str(start.file) if start.file else None,
            start=start.job.key if start.job else None,
        )
