"""Finds the per-unit statistics of a student: in its record, else from the raw outputs, if those are on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic_core import to_json  # these texts are long, and never read

from kdbench.contract.errors import DataError
from kdbench.metrics import card
from kdbench.results.against import TEST, Against
from kdbench.results.home import Home
from kdbench.results.outputs import arrays
from kdbench.results.record import Record
from kdbench.results.units import Units, unpack


@dataclass
class UnitReader:
    """`records` are those by key of one results folder, teachers among them."""

    records: Mapping[str, Record]
    against: Against
    _read: dict[tuple[str, tuple[str, ...]], Units | None] = field(default_factory=dict)
    _stamps: dict[str, str] = field(default_factory=dict)

    def units(self, family: str, key: str, teachers: Sequence[str] = ()) -> Units | None:
        """What each unit adds to the metrics of a student read against its teachers; None where neither way is open.

        The record comes first, so that a report is the same on a machine that has the outputs and on one that has not. What it
        lacks (it knows nothing of a teacher that the student did not learn from) is looked for in the outputs.
        """
        wanted = (key, tuple(teachers))
        if wanted not in self._read:
            self._read[wanted] = self._find(family, key, tuple(teachers))
        return self._read[wanted]

    def _find(self, family: str, key: str, teachers: tuple[str, ...]) -> Units | None:
        record = self.records[key]
        if record.status != "done":
            return None
        kept = None
        if record.blocks:
            try:
                kept = unpack(record.blocks)
            except DataError:  # of another form: as if it had none
                kept = None
        if kept is not None and (tuple(record.teachers) == teachers or not teachers):
            return kept
        if not all(teacher in self.records for teacher in teachers):
            return kept
        if kept is not None:
            made = self.against.units(family, record, [self.records[teacher] for teacher in teachers])
            return kept if made is None or made.of != kept.of else Units(kept.of, {**made.blocks, **kept.blocks})
        return self._from_outputs(family, record, teachers)

    def _from_outputs(self, family: str, record: Record, teachers: tuple[str, ...]) -> Units | None:
        try:
            ours = arrays(record, "test", self.against.store)
            theirs = [arrays(self.records[teacher], "test", self.against.store) for teacher in teachers]
            return Units.read(card.blocks(family, ours, theirs), ours.get("blocks"))
        except (DataError, ValueError, KeyError):  # gone, or made by older code of the task
            return None

    @property
    def home(self) -> Home:
        return self.against.store.home

    def stamp(self, key: str, teachers: Sequence[str] = ()) -> str:
        """What the units stand on, by content: what is computed from them may be kept under this name."""
        return " ".join(self._stamp(name) for name in (key, *teachers) if name in self.records)

    def _stamp(self, key: str) -> str:
        """Of one record, once: a teacher is read with all its students, a control with every arm."""
        if key not in self._stamps:
            record = self.records[key]
            tested = {name: sha for name, sha in record.outputs.items() if name.startswith(TEST)}
            stands = to_json([record.key, record.teachers, record.blocks, tested])
            self._stamps[key] = hashlib.sha256(stands).hexdigest()
        return self._stamps[key]
