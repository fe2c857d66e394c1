"""What the training side gets of a job: plain data and paths, no suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.sources import modules_of


def payload(job: Job, jobs: JobSet, home: Path, results: Path, checkpoint_seconds: float) -> dict[str, Any]:
    """A job with its teachers, and the folders that it reads and writes. Teachers that are no reference are asked, and not scored
    against: a student is not to be like what it was."""
    place = (job.labels["task"], job.labels.get("pair", "default"))
    refer = jobs.reference.get((*place, job.key), job.teachers)

    def weights(key: str) -> str:
        return str(home / "weights" / f"{key}.safetensors")

    teachers = [
        {
            "key": key,
            "model": network["model"],
            "params": network["params"],
            "normalisation": network.get("normalisation"),
            "outputs": network.get("outputs"),
            "weights": weights(key),
            "reference": key in refer,
        }
        for key in job.teachers
        for network in [jobs.jobs[key].spec["student"]]
    ]
    return {
        "key": job.key,
        "kind": job.kind,
        "spec": job.spec,
        "identity": job.identity,
        "labels": job.labels,
        "targets": job.targets,
        "sources": [str(m) for m in modules_of(job)],
        "teachers": teachers,
        "init_weights": weights(job.start) if job.start else job.weights,
        "init_job": job.start,
        "origin": job.origin,
        "home": str(home),
        "results": str(results),
        "checkpoint_seconds": checkpoint_seconds,
    }
