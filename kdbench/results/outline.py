"""What a plan asks of a result, read without the rest of its record: a record is long, and a suite may have ten thousand.

In the canonical form every field of a record begins a line, in the order of their names, so that the few that are wanted can be
cut out. A file that is not quite in that form has no outline, and is to be read whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from kdbench.results.record import KINDS, SCHEMA, STATUSES, TEACHER_FOLDER, Record

NAME = (b'\n "key": ', b'\n "metrics": ')  # from one field to another: key, kind, labels
STATE = (b'\n "provenance": ', b'\n "teachers": ')  # provenance, schema, status
END = b"\n}\n"
CONFLICT = b"<<<<<<< "  # as git marks it: two runs of a job always differ in what is read here
TAIL = 1 << 13  # bytes at the end of a file, where all of this is, nearly always: what is longest in a record comes first


@dataclass(frozen=True, slots=True)
class Outline:
    """How a job ended and which code did it; of provenance, the sources alone."""

    status: str
    provenance: Mapping[str, Any]


@dataclass
class Outliner:
    """Outlines of many records; those that the same code made share what says so."""

    _made_by: dict[tuple[tuple[str, str], ...], Mapping[str, Any]] = field(default_factory=dict)

    def read(self, tail: bytes) -> tuple[tuple[str, str, str], Outline] | None:
        """Task, method and key of a record, and its outline, from the end of its text; None where that does not tell."""
        name, state = tail.rfind(NAME[0]), tail.rfind(STATE[0])
        names_end, state_end = tail.find(NAME[1], name), tail.find(STATE[1], state)
        whole = 0 <= name < names_end < state < state_end and tail.endswith(END) and tail.find(CONFLICT, name) < 0
        if not whole:
            return None
        try:
            found = from_json(b"{%b%b}" % (tail[name:names_end], tail[state : state_end - 1]))  # less the last comma
            if found["schema"] != SCHEMA or found["status"] not in STATUSES or found["kind"] not in KINDS:
                return None
            method = TEACHER_FOLDER if found["kind"] == "teacher" else found["labels"]["method"]
            return (found["labels"]["task"], method, found["key"]), self._outline(found["status"], found["provenance"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def of(self, record: Record) -> Outline:
        return self._outline(record.status, record.provenance)

    def _outline(self, status: str, provenance: Mapping[str, Any]) -> Outline:
        sources = provenance.get("sources", {})
        return Outline(status, self._made_by.setdefault(tuple(sources.items()), {"sources": sources}))
