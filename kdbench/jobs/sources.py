"""The source files whose code decides a job's result, and which of them are others than when a record was made."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdbench.jobs.job import Job

LOOP = ("kdbench.train.loop", "kdbench.train.step")


def modules_of(job: Job) -> tuple[str | Path, ...]:
    """The source files whose code decides a job's result: its plugins and the training loop."""
    return _modules(frozenset(job.targets.values()))


@functools.cache
def _modules(targets: frozenset[str]) -> tuple[str | Path, ...]:
    """One tuple for all jobs of the same plugins."""
    where = sorted({target.rpartition(":")[0] for target in targets})
    return (*(Path(w) if is_file(w) else w for w in where), *LOOP)


def outdated(record: Any, present: Mapping[str, str]) -> list[str]:
    """The sources that changed since a record was made.

    A module that the record does not name is no evidence. A file is known by what is in it, not by its name: the same code under
    another name is no change, and another file is one.
    """
    recorded = record.provenance.get("sources", {})

    def changed(name: str, sha: str) -> bool:
        return sha not in recorded.values() if is_file(name) and recorded else recorded.get(name, sha) != sha

    return sorted(name for name, sha in present.items() if changed(name, sha))


def reason(changed: Sequence[str]) -> str:
    """What a plan and whoever shows such a result say of it."""
    return f"older code of {', '.join(name.removeprefix('kdbench.') for name in changed)}"


def is_file(name: str) -> bool:
    """Whether a source is a file, told by its path; the others are modules of kdbench or of an installed package."""
    return name.endswith(".py")


def is_ours(name: str) -> bool:
    return name.startswith("kdbench.")
