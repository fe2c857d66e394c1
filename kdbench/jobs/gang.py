"""Which jobs can train in lockstep: those that are shown the same batches and ask teachers about them."""

from __future__ import annotations

from kdbench.jobs.identity import key_of
from kdbench.jobs.job import Job


def gang_of(job: Job) -> str:
    """Equal for jobs with one stream of batches; empty where nothing would be saved. No part of a job's identity: a member's
    result is what it would be alone."""
    if not job.teachers or job.spec.get("source") is None:
        return ""
    shown = {name: job.spec[name] for name in ("task", "view", "seed", "role")}
    return key_of({**shown, "batch": job.spec["recipe"]["batch"]})
