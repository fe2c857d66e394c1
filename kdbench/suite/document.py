"""A parsed YAML file: plain data with the place of every key and value, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kdbench.suite.errors import Problem

Loc = tuple[str | int, ...]  # the keys and numbers that lead to a value
Position = tuple[int, int]  # line and column, from 1


@dataclass
class Document:
    """A parsed file. `data` is plain (dict, list, str, int, float, bool, None); what was wrong is in `problems`."""

    name: str
    text: str
    data: Any = None
    values: dict[Loc, Position] = field(default_factory=dict)
    keys: dict[Loc, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, loc: Loc, key: bool = False) -> Position:
        """Where a value stands (or its key); for a loc that is not in the file, where its nearest parent stands."""
        if key and loc in self.keys:
            return self.keys[loc]
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self.values.get(loc, (1, 1))

    def problem(
        self, loc: Loc, message: str, expected: str | None = None, suggestion: str | None = None, key: bool = False
    ) -> Problem:
        line, column = self.place(loc, key)
        return Problem(self.name, line, column, self.at(loc), message, expected, suggestion)

    def at(self, loc: Loc) -> Any:
        data = self.data
        for step in loc:
            try:
                data = data[step]
            except (KeyError, IndexError, TypeError):
                return None
        return data


@dataclass(frozen=True)
class Cursor:
    """A place in a document that may hold anything: wrong shapes read as empty, since the schema reports them elsewhere."""

    document: Document
    loc: Loc = ()

    @property
    def value(self) -> Any:
        return self.document.at(self.loc)

    @property
    def text(self) -> str | None:
        return self.value if isinstance(self.value, str) else None

    def __getitem__(self, key: str) -> Cursor:
        return Cursor(self.document, (*self.loc, key))

    def items(self) -> list[Cursor]:
        """The entries of a list; a single value counts as a list of one."""
        if isinstance(self.value, list):
            return [Cursor(self.document, (*self.loc, i)) for i in range(len(self.value))]
        return [] if self.value is None else [self]

    def entries(self) -> Iterator[tuple[str, Cursor]]:
        for key in self.value if isinstance(self.value, dict) else ():
            yield key, self[key]

    def named(self, key: str) -> Cursor:
        """The plugin name of an entry, written as a bare string or under `key`."""
        return self if isinstance(self.value, str) else self[key]

    def problem(self, message: str, expected: str | None = None, suggestion: str | None = None, key: bool = False) -> Problem:
        return self.document.problem(self.loc, message, expected, suggestion, key)
