"""Students read against teachers that they never had: the controls' side of fidelity, kept beside the results.

What a control's answers share with a teacher is no property of either's job, so no record holds it; and it needs raw outputs,
which are not committed. Each task's folder therefore has one file more, `results/<task>/against.json`, a line for each student
and the teachers that it was read against. It is derived: a line counts only while both have the outputs that it was computed
from, and a lost one is computed again where these lie.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json  # three times as fast as the standard library, and these files grow with the results

from kdbench.contract.errors import DataError
from kdbench.contract.numbers import is_number
from kdbench.metrics import card
from kdbench.results.files import StorageError, put_aside, write_atomically
from kdbench.results.outputs import OutputStore, arrays
from kdbench.results.record import AGAINST_FILE, Record, folder_name
from kdbench.results.units import Units, pack, unpack

VERSION = 1  # raise when a fidelity metric's definition changes
TEST = "test/"


@dataclass(frozen=True)
class Against:
    """The lines of a results folder, and the raw outputs from which new ones are made."""

    folder: Path
    store: OutputStore
    _lines: dict[str, dict[str, Any]] = field(default_factory=dict)  # task -> name -> line
    _new: set[str] = field(default_factory=set)  # tasks with lines that no file has yet

    def fidelity(self, family: str, student: Record, teachers: Sequence[Record]) -> dict[str, float]:
        """The fidelity card; empty where the outputs are not on this machine and no line was kept."""
        line = self._line(family, student, teachers)
        return {name: math.nan if value is None else float(value) for name, value in line.get("fidelity", {}).items()}

    def units(self, family: str, student: Record, teachers: Sequence[Record]) -> Units | None:
        """What each unit of the test set adds to the fidelity metrics; None where it cannot be known."""
        line = self._line(family, student, teachers, with_blocks=True)
        with suppress(DataError, KeyError):
            return unpack(line["blocks"])
        return None

    def save(self) -> None:
        """Write what is new, beside what others wrote meanwhile. A folder that cannot be written costs time, nothing else."""
        for task in sorted(self._new):
            self._set_unreadable_aside(self._path(task))
            merged = {**_load(self._path(task)), **self._lines[task]}
            text = ",\n".join(f"{json.dumps(name)}: {json.dumps(merged[name], sort_keys=True)}" for name in sorted(merged))
            with suppress(StorageError):
                write_atomically(self._path(task), f"{{\n{text}\n}}\n".encode())
        self._new.clear()

    def _set_unreadable_aside(self, path: Path) -> None:
        """What cannot be read holds lines that only another machine could compute again: it is not written over."""
        if path.exists() and not _load(path) and path.stat().st_size > 2:
            with suppress(StorageError):
                aside = put_aside(path, self.store.home.broken)
                print(f"kdbench: {path}: cannot be read; set aside as {aside}, and made anew", file=sys.stderr)

    def renew(self, families: Mapping[str, str], records: Mapping[str, Record]) -> None:
        """Compute the lines of these records anew, since metrics may have changed; what cannot be computed any more stays."""
        for task, family in families.items():
            for name, line in self._lines_of(task).items():
                known = [records[key] for key in name.split() if key in records]
                if len(known) < len(name.split()):
                    continue
                made = self._compute(family, known[0], known[1:], "blocks" in line)
                fresh = {"outputs": digest(known[0], known[1:]), **made}
                if made and fresh != line:
                    self._lines[task][name] = fresh
                    self._new.add(task)
        self.save()

    def _lines_of(self, task: str) -> dict[str, Any]:
        if task not in self._lines:
            self._lines[task] = _load(self._path(task))
        return self._lines[task]

    def _line(self, family: str, student: Record, teachers: Sequence[Record], with_blocks: bool = False) -> dict[str, Any]:
        task, name, stands_on = student.task, f"{student.key} {' '.join(t.key for t in teachers)}", digest(student, teachers)
        known = self._lines_of(task).get(name, {})
        if known.get("outputs") != stands_on:
            known = {}
        if known and ("blocks" in known or not with_blocks):
            return known
        made = self._compute(family, student, teachers, with_blocks)
        if not made:
            return known
        self._lines[task][name] = {"outputs": stands_on, **made}
        self._new.add(task)
        return self._lines[task][name]

    def _compute(self, family: str, student: Record, teachers: Sequence[Record], with_blocks: bool) -> dict[str, Any]:
        try:
            ours, theirs = arrays(student, "test", self.store), [arrays(teacher, "test", self.store) for teacher in teachers]
            values = card.fidelity(family, ours, theirs)
            made: dict[str, Any] = {"fidelity": {k: None if math.isnan(value) else value for k, value in values.items()}}
            if with_blocks:
                units = Units.read(card.blocks(family, ours, theirs), ours.get("blocks"))
                own = Units(units.of, {metric: block for metric, block in units.blocks.items() if metric in values})
                made["blocks"] = pack(own)
            return made
        except (DataError, ValueError, KeyError):  # gone, or made by older code of the task, on other items
            return {}

    def _path(self, task: str) -> Path:
        return self.folder / folder_name(task, "task") / AGAINST_FILE


def digest(student: Record, teachers: Sequence[Record]) -> str:
    """What a line stands on: the contents of the outputs and the version of the metrics."""
    contents = [sorted((n, sha) for n, sha in record.outputs.items() if n.startswith(TEST)) for record in (student, *teachers)]
    return hashlib.sha256(json.dumps([VERSION, contents]).encode()).hexdigest()[:24]


def _load(path: Path) -> dict[str, Any]:
    try:
        found = from_json(path.read_bytes(), allow_inf_nan=False) if path.is_file() else {}
    except (OSError, ValueError):
        return {}
    return {name: line for name, line in found.items() if _is_line(name, line)} if isinstance(found, dict) else {}


def _is_line(name: str, line: Any) -> bool:
    """A damaged line is one that was lost: it is computed again where that can be."""
    values = line.get("fidelity") if isinstance(line, dict) else None
    return len(name.split()) > 1 and isinstance(values, dict) and all(v is None or is_number(v) for v in values.values())
