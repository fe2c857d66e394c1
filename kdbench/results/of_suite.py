"""The jobs of a suite by its name or path, for those who read results in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kdbench.contract.errors import KdbenchError
from kdbench.jobs.job import Job
from kdbench.jobs.of_suite import jobs_of
from kdbench.registry import Registry
from kdbench.results.record import Record
from kdbench.suite import shipped
from kdbench.suite.read import named_plugins, read_suite


def jobs_in(suite: str | Path, profile: str | None, records: Mapping[str, Record]) -> dict[str, Job]:
    """What the suite plans now, its tuned settings being those that these records choose. Its plugins are run."""
    path = Path(suite)
    if not path.is_file():
        known = shipped.names()
        if str(suite) not in known:
            raise KdbenchError(f"no suite '{suite}': give the path of its file")
        path = known[str(suite)]
    registry = Registry(named_plugins(path))
    return jobs_of(read_suite(path, registry), registry, path.parent, profile, None, lambda: records)[1].jobs
