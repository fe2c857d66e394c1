"""Old results under today's metrics: what a record measures, computed anew from the stored outputs, without training."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.metrics import card
from kdbench.results import outputs
from kdbench.results.outputs import OutputStore
from kdbench.results.provenance import git_state, now
from kdbench.results.record import Record
from kdbench.results.units import Units, pack

Metrics = Mapping[str, float]
SPLITS = {"truth": "test", "val": "val"}
TAUGHT = "taught"  # a teacher's answers on the student's distillation set: taught<number>/<array>
ROUNDING = 1e-12
UNTAUGHT = "the teachers' answers on the distillation set are not stored"


@dataclass(frozen=True)
class Change:
    """A metric that reads otherwise now; `old` is None where there was none, `new` where there is none any more."""

    group: str
    metric: str
    old: float | None
    new: float | None

    @property
    def size(self) -> float:
        return math.inf if self.old is None or self.new is None else abs(self.new - self.old)


@dataclass
class Rescored:
    """A record as it reads now, what changed in it, and the groups that had to stay, with the reason."""

    before: Record
    record: Record
    changes: list[Change] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def new_units(self) -> bool:
        return self.record.blocks != self.before.blocks

    @property
    def changed(self) -> bool:
        return bool(self.changes) or self.new_units


def rescore(
    record: Record, family: str, records: Mapping[str, Record], store: OutputStore, only: Collection[str] = ()
) -> Rescored:
    """One record. `only` limits the metrics that may change; identity, outputs, cost and timing never do."""
    made = Rescored(record, record)
    if record.status != "done":
        return made
    metrics = {group: dict(values) for group, values in record.metrics.items()}
    for group, compute in _computations(record, family, records, store).items():
        if group not in record.metrics and not (group == "truth" and record.outputs):
            continue
        try:
            found = compute()
        except (DataError, ValueError) as error:
            made.kept[group] = str(error)
            continue
        before = metrics.get(group, {})
        merged = {name: settled(before.get(name), value) for name, value in found.items() if not only or name in only}
        merged = {**before, **merged} if only else merged
        made.changes += _changes(group, before, merged)
        metrics[group] = dict(merged)
    blocks: Mapping[str, Any] = record.blocks
    if "truth" not in made.kept and "fidelity" not in made.kept:
        blocks = _units_of(record, family, records, store)
    made.record = replace(record, metrics=metrics, blocks=dict(blocks))
    if made.changed:
        mark = {"finished": now(), "code": git_state(Path(__file__).parent)}
        made.record = replace(made.record, provenance={**record.provenance, "rescored": mark})
    return made


def _computations(
    record: Record, family: str, records: Mapping[str, Record], store: OutputStore
) -> dict[str, Callable[[], Metrics]]:
    """How each group of a record's metrics is computed from what is stored."""
    return {
        **{group: partial(_truth, record, family, split, store) for group, split in SPLITS.items()},
        "fidelity": partial(_fidelity, record, family, records, store),
        "distil": partial(_distil, record, family, store),
    }


def _truth(record: Record, family: str, split: str, store: OutputStore) -> Metrics:
    return card.truth(family, _arrays(record, split, store))


def _changes(group: str, before: Metrics, after: Metrics) -> list[Change]:
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if new is not old and (old is None or new is None or old != settled(old, new)):
            found.append(Change(group, name, old, new))
    return found


def settled(old: float | None, new: float) -> float:
    """The old value where the new one is it but for rounding, so that a record is not rewritten for a sum in another order."""
    if old is None:
        return new
    both_undefined = math.isnan(old) and math.isnan(new)
    return old if both_undefined or math.isclose(old, new, rel_tol=ROUNDING, abs_tol=ROUNDING) else new


def _fidelity(record: Record, family: str, records: Mapping[str, Record], store: OutputStore) -> Metrics:
    return card.fidelity(family, _arrays(record, "test", store), _taught_by(record, records, store))


def _taught_by(record: Record, records: Mapping[str, Record], store: OutputStore) -> list[dict[str, Any]]:
    missing = [key for key in record.teachers if key not in records]
    if missing:
        raise DataError(f"there is no record of its teacher {missing[0]}")
    return [_arrays(records[key], "test", store) for key in record.teachers]


def _distil(record: Record, family: str, store: OutputStore) -> Metrics:
    teachers = []
    for number in range(len(record.teachers)):
        if not any(name.startswith(f"{TAUGHT}{number}/") for name in record.outputs):
            raise DataError(UNTAUGHT)
        teachers.append(_arrays(record, f"{TAUGHT}{number}", store))
    return card.fidelity(family, _arrays(record, "distil", store), teachers)


def _units_of(record: Record, family: str, records: Mapping[str, Record], store: OutputStore) -> dict[str, Any]:
    """The record's `blocks`."""
    ours = _arrays(record, "test", store)
    return pack(Units.read(card.blocks(family, ours, _taught_by(record, records, store)), ours.get("blocks")))


def _arrays(record: Record, split: str, store: OutputStore) -> dict[str, Any]:
    """The stored outputs of a split, each compared with its digest: what replaces a number must stand on the right ones."""
    return outputs.arrays(record, split, store, verify=True)
