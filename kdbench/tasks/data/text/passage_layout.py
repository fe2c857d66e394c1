"""What a layout of passages on disk must say, whatever its files are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kdbench.tasks.data.text.trec import Judgement


class Document(NamedTuple):
    """A document as its file has it, and the line where it stands."""

    id: str
    title: str
    text: str
    line: int

    def whole(self) -> str:
        """Title and text. Some collections repeat the title at the head of the text (Cranfield does): there it is said once."""
        return f"{self.title} {self.text}" if self.title and not self.text.startswith(self.title) else self.text


class Query(NamedTuple):
    id: str
    text: str
    where: str  # file and line


@dataclass(frozen=True)
class Layout:
    """A way to lay a collection out: what is there is yielded line by line, never held."""

    name: str
    fits: Callable[[Path], bool]
    corpus: Callable[[Path], Path]
    documents: Callable[[Path], Iterator[Document]]
    queries: Callable[[Path], Iterator[Query]]
    judgements: Callable[[Path], Mapping[str, Path]]  # the file of each split: train, dev, test
    read: Callable[[Path], Iterator[Judgement]]  # such a file
