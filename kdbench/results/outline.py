"""What a plan asks of a result, read without the rest of its record: a record is long, and a suite may have ten thousand.

In the canonical form every field of a record begins a line, in the order of their names, so that the few that are wanted can be
cut out. A file that is not quite in that form has no outline, and is to be read whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from kdbench.results.record import KINDS, SCHEMA, STATUSES, Record

NAME = (b'\n "key": ', b'\n "metrics": ')  # from one field to another: key, kind, labels
STATE = (b'\n "provenance": ', b'\n "teachers": ')  # provenance, schema, status
END = b"\n}\n"
CONFLICT = b"<<<<<<< "  # as git marks it: two runs of a job always differ in what is read here


@dataclass(frozen=True, slots=True)
class Outline:
    """How a job ended and which code did it; of provenance, the sources alone."""

    status: str
    provenance: Mapping[str, Any]


@dataclass
class Outliner:
    """Outlines of many records; those that the same code made share what says so."""

    _made_by: dict[tuple[tuple[str, str], ...], Mapping[str, Any]] = field(default_factory=dict)

    def read(self, text: bytes) -> tuple[tuple[str, str, str], Outline] | None:
        """Task, method and key of a record, and its outline; None where the text has to be read whole."""
        start = text.rfind(NAME[0])  # from behind, since what is long comes first
        if start < 0 or not text.endswith(END) or text.find(CONFLICT, start) >= 0:
            return None
        name, state = _cut(text, *NAME, start), _cut(text, *STATE, start)
        try:
            if state["schema"] != SCHEMA or state["status"] not in STATUSES or name["kind"] not in KINDS:
                return None
            method = "teacher" if name["kind"] == "teacher" else name["labels"]["method"]
            return (name["labels"]["task"], method, name["key"]), self._outline(state["status"], state["provenance"])
        except (KeyError, TypeError, AttributeError):
            return None

    def of(self, record: Record) -> Outline:
        return self._outline(record.status, record.provenance)

    def _outline(self, status: str, provenance: Mapping[str, Any]) -> Outline:
        sources = provenance.get("sources", {})
        return Outline(status, self._made_by.setdefault(tuple(sources.items()), {"sources": sources}))


def _cut(text: bytes, first: bytes, after: bytes, start: int) -> dict[str, Any]:
    """The fields from `first` to before `after`; nothing where they are not there, or not whole."""
    begin = text.find(first, start)
    end = text.find(after, begin)
    if min(begin, end) < 0:
        return {}
    try:
        return from_json(b"{%b}" % text[begin:end].removesuffix(b","))
    except ValueError:
        return {}
