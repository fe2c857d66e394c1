"""A suite whose results are those of an MLflow store instead of the results folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from kdbench.cli.session import Session


@contextmanager
def pulled(session: Session, uri: str, experiment: str | None) -> Iterator[Session]:
    """The session over a folder of its own, which holds what was pulled and is gone afterwards. Runs without a usable record
    are named; their cells will be missing it."""
    from kdbench.results.store import ResultStore
    from kdbench.track.mlflow import experiment_of
    from kdbench.track.pull import pull

    found = pull(uri, experiment or experiment_of(session.suite.name, session.profile))
    for name, why in found.broken:
        print(f"kdbench: run '{name}': {why}", file=sys.stderr)
    with TemporaryDirectory(prefix="kdbench-") as folder:
        store = ResultStore(Path(folder), session.home)
        for record in found.records.values():
            store.write(record)
        yield replace(session, store=store).settled(found.records)
