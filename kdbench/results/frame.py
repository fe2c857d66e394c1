"""Records as a tidy table: one row a job and metric, for pandas users and for everything that plots or tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbench.contract.numbers import is_whole
from kdbench.jobs.rounds import is_trial
from kdbench.results.experiment import COLUMNS as EXPERIMENT
from kdbench.results.experiment import Networks, columns, networks_of
from kdbench.results.record import Record
from kdbench.results.store import Archived, ResultStore

if TYPE_CHECKING:
    import pandas as pd

_LABELS = ("task", "pair", "kind", "method", "cell", "alias", "source", "view", "seed", "teacher_seed")
_STATE = ("status", "archive", "key")
COLUMNS = (*_LABELS, *EXPERIMENT, "group", "metric", "value", *_STATE)
GROUPS = ("truth", "fidelity", "distil")
CHOSEN_BY = ("val",)  # of a trial, whose other scores nobody is to look at
_WHOLE = ("seed", "teacher_seed")


def load_results(
    results: str | Path = "results",
    archive: bool = False,
    imported: bool = False,
    suite: str | Path | None = None,
    profile: str | None = None,
    trials: bool = False,
) -> pd.DataFrame:
    """Records under a results folder, tidy: a row for each metric of each run.

    Columns: task, pair, kind, method, cell, alias, source, view, seed, teacher_seed, task_params, student, teacher,
    recipe, experiment, group (truth | fidelity | distil | cost), metric, value, status, archive, key.

    A folder may hold several experiments: runs of one cell with another recipe, data or network. `suite="mine.yaml"`
    (and `profile=`) gives the runs of that suite alone, under the names that it has for them. Without it, group by
    `experiment` too: it is equal for runs that differ in their seeds alone.

    The trials of `tune:` are left out. `trials=True` adds them, kind "trial", with what they were chosen by, the
    scores on validation data (group val), and nothing else.

    A label that a record lacks is None (seeds: `<NA>`). `archive=True` adds the rows of `results/archive/`, whose
    `archive` column names their folder; it is None for live results. `imported=True` adds runs made elsewhere, whose
    kind is "imported". Files that could not be read are named in a warning and listed in `frame.attrs["broken"]`.
    """
    store = ResultStore(results)
    scan = store.scan(archive=archive)
    networks = networks_of(scan.records)
    if suite is not None:
        from kdbench.results.of_suite import jobs_in

        jobs = jobs_in(suite, profile, scan.records)
        scan.records = {key: replace(scan.records[key], labels=jobs[key].labels) for key in jobs if key in scan.records}
    if imported:
        elsewhere = store.imported()
        scan.records |= elsewhere.records
        scan.broken += elsewhere.broken
    if scan.broken:
        first = scan.broken[0]
        more = f" (and {len(scan.broken) - 1} more)" if len(scan.broken) > 1 else ""
        warnings.warn(f"left out: {first.path}: {first.why}{more}", stacklevel=2)
    frame = to_frame(scan.records.values(), scan.archived, trials, networks)
    frame.attrs["broken"] = [(str(path), why) for path, why in scan.broken]
    return frame


def to_frame(
    records: Iterable[Record], archived: Iterable[Archived] = (), trials: bool = False, networks: Networks | None = None
) -> pd.DataFrame:
    """The tidy table of records, sorted by what a reader looks for first; no record gives an empty table with all columns."""
    import pandas as pd

    found = [(record, None) for record in records] + [(record, name or "archive") for name, record in archived]
    rows = [row for record, name in found if trials or not _is_trial(record) for row in _rows(record, name, networks or {})]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    types = dict.fromkeys(_WHOLE, "Int64") | {"value": "float64"}
    types |= {name: "object" for name in COLUMNS if name not in types}
    order = ["task", "kind", "pair", "method", "cell", "seed", "archive", "experiment", "key"]
    return frame.astype(types).sort_values(order, kind="stable", ignore_index=True)


def _is_trial(record: Record) -> bool:
    return is_trial(record.labels.get("cell"))


def _rows(record: Record, archive: str | None, networks: Networks) -> list[tuple[Any, ...]]:
    trial = _is_trial(record)
    labels: dict[str, Any] = {name: record.labels.get(name) for name in (*_LABELS, *_STATE)}
    labels |= {"kind": record.kind, "method": record.method, "status": record.status, "archive": archive, "key": record.key}
    labels |= {"kind": "trial"} if trial else {}
    labels |= {name: labels[name] if isinstance(labels[name], int) else None for name in _WHOLE}
    head = [*(labels[name] for name in _LABELS), *columns(record, networks).values()]
    tail = [labels[name] for name in _STATE]
    metrics: dict[str, Mapping[str, Any]] = {group: record.metrics.get(group, {}) for group in (CHOSEN_BY if trial else GROUPS)}
    if not trial:
        metrics["cost"] = {name: math.nan if value is None else value for name, value in record.cost.items()}
    return [
        (*head, group, name, float(value), *tail)
        for group, values in metrics.items()
        for name, value in sorted(values.items())
        if isinstance(value, float) or is_whole(value)
    ]
