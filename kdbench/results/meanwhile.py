"""Results that another run makes while this one works: a job that was planned, and has its record by now, is done.

A plan notes of each job when the record that it found was written; a job that begins and finds another one trains nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from kdbench.results.record import RecordError
from kdbench.results.store import ResultStore, record_path


def written(job: Mapping[str, Any]) -> int | None:
    """When the record of a job was written, in nanoseconds; None where there is none."""
    with contextlib.suppress(OSError):
        return record_path(job).stat().st_mtime_ns
    return None


def made(job: Mapping[str, Any]) -> str | None:
    """The status of a job that was done since it was planned, or None where it is still to be done."""
    if "written" not in job or written(job) in (None, job["written"]):
        return None
    with contextlib.suppress(RecordError):
        return ResultStore(job["results"]).read(job["key"]).status
    return None
