"""Samples whose words are looked up when they are shown: memory holds lists of numbers, the collection stays on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kdbench.contract.task import Samples
from kdbench.tasks.data.text import bm25
from kdbench.tasks.data.text.passage_lists import Lists
from kdbench.tasks.data.text.passage_set import PassageSet

PADDING, UNKNOWN, KNOWN = 0, 1, 2  # the first numbers of a net's vocabulary; words begin at KNOWN


class Words:
    """A collection in a net's own numbers: the most frequent words, one number for all others, texts cut to a length.

    A text without any word is one unknown word, since a net needs something to read.
    """

    def __init__(self, found: PassageSet, vocabulary: int, document_words: int, query_words: int):
        self.found, self.vocabulary = found, vocabulary
        self.document_words, self.query_words = document_words, query_words
        self._end = len(found.store.tokens)

    def __len__(self) -> int:
        return len(self.found.store)

    def numbers(self, part: slice | np.ndarray) -> np.ndarray:
        """int64 numbers of stored words at these places."""
        given = np.asarray(self.found.store.tokens[part]).astype(np.int64) + KNOWN
        return np.where(given < self.vocabulary, given, UNKNOWN)

    def documents(self, wanted: np.ndarray) -> np.ndarray:
        """int64 [...,document_words] of documents [...]."""
        offsets = self.found.store.offsets
        start, stop = offsets[wanted], offsets[wanted + 1]
        place = start[..., None] + np.arange(self.document_words)
        words = np.where(place < stop[..., None], self.numbers(np.minimum(place, self._end - 1)), PADDING)
        words[start == stop, 0] = UNKNOWN
        return words

    def cut(self, texts: Sequence[np.ndarray], length: int) -> np.ndarray:
        """int64 [N,length] of texts given as stored words."""
        out = np.zeros((len(texts), length), np.int64)
        for row, text in enumerate(texts):
            given = np.asarray(text[:length]) + KNOWN
            out[row, : len(given)] = np.where(given < self.vocabulary, given, UNKNOWN)
        out[:, 0] = np.where(out[:, 0] == PADDING, UNKNOWN, out[:, 0])
        return out

    def queries(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Words of the queries that are wanted, each once [U,query_words], and which of them each row is [N]."""
        each, which = np.unique(wanted, return_inverse=True)
        return self.cut([self.found.words(int(query)) for query in each], self.query_words), which

    def idf(self) -> np.ndarray:
        """float64 [vocabulary]; 0 for the padding and for what is unknown."""
        return np.concatenate([np.zeros(KNOWN), bm25.idf(self.found.store.frequency[: self.vocabulary - KNOWN], len(self))])


class LookedUp(Mapping[str, Tensor]):
    """Fields of which some are kept; the words of queries and documents are looked up when they are asked for."""

    NAMES = ("query", "docs")

    def __init__(self, kept: Mapping[str, Tensor], which: Tensor, table: Tensor, words: Words):
        self._kept, self._words = kept, words
        self._table, self._which = table, which  # the words of queries, and the row of them that is a sample's

    def __getitem__(self, name: str) -> Tensor:
        if name == "query":
            return self._table[self._which]
        if name == "docs":
            candidates = self._kept["candidates"]
            return torch.from_numpy(self._words.documents(candidates.cpu().numpy())).to(candidates.device)
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._kept, *self.NAMES))

    def __len__(self) -> int:
        return len(self._kept) + len(self.NAMES)

    def rows(self, index: Tensor) -> LookedUp:
        kept = {name: values[index] for name, values in self._kept.items()}
        return LookedUp(kept, self._which[index], self._table, self._words)

    def to(self, device: torch.device) -> LookedUp:
        kept = {name: values.to(device) for name, values in self._kept.items()}
        return LookedUp(kept, self._which.to(device), self._table.to(device), self._words)


@dataclass(frozen=True, eq=False)
class PassageSamples(Samples):
    """Lists of candidates of which only numbers are resident: words are looked up for the rows that are shown."""

    fields: LookedUp

    @classmethod
    def of(cls, words: Words, lists: Lists, table: np.ndarray, which: np.ndarray, label: np.ndarray | None = None) -> Samples:
        """Lists with their queries; with labels where there are some, and with given scores where there are some."""
        kept = {"candidates": torch.from_numpy(np.ascontiguousarray(lists.documents)).long()}
        if label is not None:
            kept["label"] = torch.from_numpy(label)
        if lists.scores is not None:
            kept["given"] = torch.from_numpy(np.ascontiguousarray(lists.scores, np.float32))
        return cls(LookedUp(kept, torch.from_numpy(which), torch.from_numpy(table), words))

    def rows(self, index: Tensor) -> dict[str, Tensor]:
        return dict(self.fields.rows(index))

    def to(self, device: torch.device) -> Samples:
        return replace(self, fields=self.fields.to(device))
