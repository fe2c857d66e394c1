"""What a job takes from jobs before it, looked at before its first step: their weights and outputs, as their records name them.

A damaged file is put aside. The job fails with its name, and since the file is gone then, the next run makes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.results.files import put_aside
from kdbench.results.home import Home
from kdbench.results.outputs import OutputDamaged, OutputMissing, OutputStore, arrays, sha256_of
from kdbench.results.record import Record
from kdbench.results.store import RecordMissing, ResultStore
from kdbench.train.common import Common


class Damaged(DataError):
    """A file of an earlier job is not what its record says."""


def check(job: Mapping[str, Any], common: Common) -> None:
    """A job's teachers and the student that it starts as; once in a process."""
    home = Home(Path(job["home"]))
    store = ResultStore(job["results"], home)
    teachers = {teacher["key"]: teacher.get("reference", True) for teacher in job["teachers"]}
    for key, scored in {**teachers, **({job["init_job"]: True} if job.get("init_job") else {})}.items():
        common.once(partial(_check, store, key, scored), "elder", key, scored)


def _check(store: ResultStore, key: str, scored: bool) -> None:
    try:
        record = store.read(key)
    except RecordMissing:  # told where it is wanted
        return
    weights = store.home.weights / f"{key}.safetensors"
    if record.weights is not None and weights.exists() and sha256_of(weights) != record.weights:
        raise _aside(weights, "weights that are not those of its record", record, store.home)
    if scored:
        try:
            arrays(record, "test", OutputStore(store.home))
        except OutputDamaged as error:
            raise _aside(error.path, "an output that is cut short or damaged", record, store.home) from error
        except OutputMissing:
            raise
        except DataError:  # it has none of this kind, and nothing is scored against it
            pass


def _aside(path: Path, what: str, record: Record, home: Home) -> Damaged:
    moved = put_aside(path, home.broken)
    whose = " ".join(str(record.labels[name]) for name in ("task", "cell", "seed") if name in record.labels)
    return Damaged(f"{path.name} held {what} ({whose}); put aside as {moved}: run again, and it is made anew")
