"""Rows of ids become rows of numbers, many at a time, with the line in every complaint."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.text.passage_lists import Lists
from kdbench.tasks.data.text.passage_set import PassageSet

BLOCK = 200_000


class Rows:
    """Lists that grow row by row; ids are looked up block by block, so that tens of millions fit."""

    def __init__(self, found: PassageSet, path: Path, length: int, hint: str = ""):
        self.found, self.path, self.length, self.hint = found, path, length, hint
        self.query_of = {name: number for number, name in enumerate(found.names)}
        self.query, self.documents, self.scores = array("i"), array("i"), array("f")
        self._names: list[str] = []
        self._lines: list[int] = []

    def add(self, query: str, documents: Sequence[str], line: int, scores: Sequence[float] = ()) -> None:
        number = self.query_of.get(query)
        if number is None:
            raise DataError(f"{self.path}, line {line}: query {query[:60]!r} is not in {self.found.folder}{self.hint}")
        self.query.append(number)
        self._names += documents
        self._lines.append(line)
        self.scores.extend(scores)
        if len(self._lines) == BLOCK:
            self._look_up()

    def _look_up(self) -> None:
        numbers = self.found.store.number(self._names)
        if len(numbers) and numbers.min() < 0:
            at = int(np.flatnonzero(numbers < 0)[0])
            line, name = self._lines[at // self.length], self._names[at][:60]
            raise DataError(f"{self.path}, line {line}: document {name!r} is not in {self.found.folder}{self.hint}")
        lists = np.sort(numbers.reshape(-1, self.length), axis=1)
        twice = np.flatnonzero((lists[:, 1:] == lists[:, :-1]).any(axis=1))
        if len(twice):
            raise DataError(f"{self.path}, line {self._lines[int(twice[0])]}: a document stands twice in the list")
        self.documents.frombytes(numbers.astype(np.int32).tobytes())
        self._names, self._lines = [], []

    def lists(self) -> Lists:
        self._look_up()
        if not len(self.query):
            raise DataError(f"{self.path}: no list comes of it")
        documents = np.frombuffer(self.documents, np.int32).reshape(-1, self.length)
        scores = np.frombuffer(self.scores, np.float32).reshape(-1, self.length) if len(self.scores) else None
        return Lists(np.frombuffer(self.query, np.int32), documents, scores)
