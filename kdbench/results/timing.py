"""Whether the seconds of a record are those of its job alone.

A job that shared its device, was trained in a gang or on several devices, or went on from a checkpoint has a `train_seconds` that
is not the cost of training it: such timings bear a mark, and are never shown, averaged or ranked as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from kdbench.contract.numbers import is_number
from kdbench.results.record import Record

# A mark in `timing` -> what befell jobs that bear it. `packed` and `gang` say with how many in all, `ranks` on how many devices,
# `resumed` is true or false.
MARKS = {
    "packed": "shared a device with other jobs",
    "gang": "trained in a gang",
    "ranks": "ran on several devices",
    "resumed": "went on from a checkpoint",
}


def marks(timing: Mapping[str, Any]) -> list[str]:
    """The marks that a timing bears. A gang of one, or a device shared with nobody, is none."""
    return [name for name in MARKS if timing.get(name) is True or number(timing, name) > 1]


def own_seconds(record: Record) -> float:
    """Seconds of training as they passed for this job alone; NaN where nobody knows them."""
    return number(record.timing, "train_seconds") if not marks(record.timing) else math.nan


def side_by_side(records: Iterable[Record]) -> bool:
    """Whether two of the jobs ran at the same time, so that their seconds measure each other too."""
    spans = []
    for record in records:
        try:
            spans.append(tuple(datetime.fromisoformat(record.provenance[end]).timestamp() for end in ("started", "finished")))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    spans.sort()
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def number(values: Mapping[str, Any], name: str) -> float:
    """A finite number that is not negative; NaN for whatever else stands there, as files may come from anywhere."""
    value = values.get(name)
    return float(value) if is_number(value) and value >= 0 else math.nan


def left_out(records: Iterable[Record]) -> str:
    """One sentence on the results whose seconds are not shown; empty where there are none."""
    all_marks = [marks(record.timing) for record in records]
    counts = Counter(name for found in all_marks for name in found)
    if not counts:
        return ""
    what = ", ".join(f"{counts[name]} {words}" for name, words in MARKS.items() if counts[name])
    return f"Of {len(all_marks)} results {what}: their seconds are not the cost of one job, and are left out."
