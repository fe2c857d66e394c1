"""Records as a tidy table: one row a job and metric, for pandas users and for everything that plots or tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbench.contract.numbers import is_whole
from kdbench.results.record import Record
from kdbench.results.store import Archived, ResultStore

if TYPE_CHECKING:
    import pandas as pd

_LABELS = ("task", "pair", "kind", "method", "cell", "alias", "source", "view", "seed", "teacher_seed")
_STATE = ("status", "archive", "key")
_JOB_COLUMNS = (*_LABELS, *_STATE)
COLUMNS = (*_LABELS, "group", "metric", "value", *_STATE)
GROUPS = ("truth", "fidelity", "distil", "cost")
_WHOLE = ("seed", "teacher_seed")


def load_results(results: str | Path = "results", archive: bool = False, imported: bool = False) -> pd.DataFrame:
    """All records under a results folder, tidy.

    Columns: task, pair, kind, method, cell, alias, source, view, seed, teacher_seed, group (truth | fidelity | distil
    | cost), metric, value, status, archive, key.

    A label that a record lacks is None (seeds: `<NA>`). `archive=True` adds the rows of `results/archive/`, whose
    `archive` column names their folder; it is None for live results. `imported=True` adds runs made elsewhere, whose
    kind is "imported". Files that could not be read are named in a warning and listed in `frame.attrs["broken"]`.
    """
    store = ResultStore(results)
    scan = store.scan(archive=archive)
    if imported:
        elsewhere = store.imported()
        scan.records |= elsewhere.records
        scan.broken += elsewhere.broken
    if scan.broken:
        first = scan.broken[0]
        more = f" (and {len(scan.broken) - 1} more)" if len(scan.broken) > 1 else ""
        warnings.warn(f"left out: {first.path}: {first.why}{more}", stacklevel=2)
    frame = to_frame(scan.records.values(), scan.archived)
    frame.attrs["broken"] = [(str(path), why) for path, why in scan.broken]
    return frame


def to_frame(records: Iterable[Record], archived: Iterable[Archived] = ()) -> pd.DataFrame:
    """The tidy table of records, sorted by what a reader looks for first; no record gives an empty table with all columns."""
    import pandas as pd

    rows = [row for record in records for row in _rows(record, None)]
    rows += [row for name, record in archived for row in _rows(record, name or "archive")]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    types = dict.fromkeys(_WHOLE, "Int64") | {"value": "float64"}
    types |= {name: "object" for name in COLUMNS if name not in types}
    order = ["task", "kind", "pair", "method", "cell", "seed", "archive", "key"]
    return frame.astype(types).sort_values(order, kind="stable", ignore_index=True)


def _rows(record: Record, archive: str | None) -> list[tuple[Any, ...]]:
    labels: dict[str, Any] = {name: record.labels.get(name) for name in _JOB_COLUMNS}
    labels |= {"kind": record.kind, "method": record.method, "status": record.status, "archive": archive, "key": record.key}
    labels |= {name: labels[name] if isinstance(labels[name], int) else None for name in _WHOLE}
    head = [labels[name] for name in _LABELS]
    tail = [labels[name] for name in _STATE]
    metrics: dict[str, Mapping[str, Any]] = {group: record.metrics.get(group, {}) for group in GROUPS[:-1]}
    metrics["cost"] = {name: math.nan if value is None else value for name, value in record.cost.items()}
    return [
        (*head, group, name, float(value), *tail)
        for group, values in metrics.items()
        for name, value in sorted(values.items())
        if isinstance(value, float) or is_whole(value)
    ]
