"""A collection's words on disk: the file is streamed once, and from then on numbers are mapped. No text is ever held.

Documents are in the order of their ids' bytes and words in falling order of the documents that hold them, so that numbers are the
same for every layout of the same collection, and a tie by falling number is trec_eval's tie by falling id. The store lies in the
cache (array_cache.py) and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache, cache_budget
from kdbench.tasks.data.text.passage_layout import Document, Layout
from kdbench.tasks.data.text.text_tokens import Language, words_of

VERSION = 1
BLOCK = 20_000  # documents that are worked on at once
ARRAYS = ("ids", "tokens", "offsets", "frequency", "marks", "words")


@dataclass(frozen=True, eq=False)
class Store:
    """`tokens[offsets[d]:offsets[d + 1]]` are the word numbers of document d; `frequency[w]` documents hold word w."""

    ids: np.ndarray  # bytes [D]
    tokens: np.ndarray  # int32 [T]
    offsets: np.ndarray  # int64 [D + 1]
    frequency: np.ndarray  # int64 [W]
    marks: np.ndarray  # uint8 [D,16]: a digest of id, title and text
    words: np.ndarray  # bytes [W]

    def __len__(self) -> int:
        return len(self.ids)

    def number(self, names: list[str]) -> np.ndarray:
        """The documents of these ids, -1 where there is none. An id that occurs twice is its first."""
        wanted = np.array([name.encode() for name in names], dtype=bytes)
        if not len(wanted):
            return np.zeros(0, np.int64)
        place = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[place] == wanted, place, -1)

    def document(self, number: int) -> np.ndarray:
        return self.tokens[self.offsets[number] : self.offsets[number + 1]]


def opened(layout: Layout, folder: Path, language: Language) -> Store:
    """The store of a folder, made where there is none."""
    corpus = layout.corpus(folder)
    place = array_cache.shelf([corpus], folder) / f"passages-{language}-{VERSION}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        cache_budget.hold(place.parent)  # for as long as this process lives
        if not place.is_dir():
            _make(layout, folder, language, place)
        return Store(**{name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS})
    except OSError as error:
        raise DataError(f"cache {place}: {error.strerror}; choose another place with {array_cache.VARIABLE}") from error


def _make(layout: Layout, folder: Path, language: Language, place: Path) -> None:
    """Into a folder beside, which then takes the name: another process sees all of it or nothing."""
    temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    try:
        _build(layout.documents(folder), layout.corpus(folder), language, temporary)
        try:
            os.replace(temporary, place)
        except OSError:
            if not place.is_dir():  # else another process was faster, with the same bytes
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class _Read:
    """A corpus in the order of its file: its words by provisional numbers, a word's being the order of its first occurrence."""

    ids: np.ndarray
    marks: np.ndarray
    starts: np.ndarray  # of each document among the words, and their end
    vocabulary: dict[str, int]


def _streamed(documents: Iterator[Document], corpus: Path, language: Language, out: Path) -> _Read:
    """Every document once; their words go to a file."""
    vocabulary: dict[str, int] = {}
    ids, marks, lengths = bytearray(), bytearray(), array("q")
    with open(out, "wb") as stream:
        for found in documents:
            words = words_of(found.whole(), language)
            stream.write(array("i", [vocabulary.setdefault(word, len(vocabulary)) for word in words]).tobytes())
            lengths.append(len(words))
            ids += found.id.encode() + b"\0"
            marks += hashlib.blake2b("\0".join(found[:3]).encode(), digest_size=16).digest()
    if not lengths:
        raise DataError(f"{corpus}: no document in it")
    if not vocabulary:
        raise DataError(f"{corpus}: no word in any of its {len(lengths):,} documents")
    names = np.array(bytes(ids).split(b"\0")[:-1], dtype=bytes)
    starts = np.concatenate([[0], np.cumsum(np.frombuffer(lengths, np.int64))])
    return _Read(names, np.frombuffer(bytes(marks), np.uint8).reshape(-1, 16), starts, vocabulary)


def _build(documents: Iterator[Document], corpus: Path, language: Language, out: Path) -> None:
    """All arrays of a store, from one pass over the documents."""
    read = _streamed(documents, corpus, language, out / "stream")
    provisional = np.memmap(out / "stream", np.int32, mode="r")
    frequency, word_order, texts = _by_frequency(provisional, read.starts, read.vocabulary)
    renumbered = np.empty(len(read.vocabulary), np.int32)
    renumbered[word_order] = np.arange(len(read.vocabulary), dtype=np.int32)
    order = np.argsort(read.ids, kind="stable")
    counts = np.diff(read.starts)[order]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    tokens = np.lib.format.open_memmap(out / "tokens.npy", mode="w+", dtype=np.int32, shape=(len(provisional),))
    for first in range(0, len(order), BLOCK):
        rows = order[first : first + BLOCK]
        last = first + len(rows)
        within = np.arange(offsets[first], offsets[last]) - np.repeat(offsets[first:last], counts[first:last])
        tokens[offsets[first] : offsets[last]] = renumbered[
            provisional[np.repeat(read.starts[rows], counts[first:last]) + within]
        ]
    tokens.flush()
    np.save(out / "ids.npy", read.ids[order])
    np.save(out / "offsets.npy", offsets.astype(np.int64))
    np.save(out / "marks.npy", read.marks[order])
    np.save(out / "frequency.npy", frequency[word_order])
    np.save(out / "words.npy", np.array([text.encode() for text in texts], dtype=bytes))
    del provisional
    (out / "stream").unlink()


def _by_frequency(tokens: np.ndarray, starts: np.ndarray, vocabulary: dict[str, int]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """In how many documents each word occurs, the words in falling order of that (ties: by the word), and their texts so."""
    size = len(vocabulary)
    frequency = np.zeros(size, np.int64)
    for first in range(0, len(starts) - 1, BLOCK):
        bounds = starts[first : first + BLOCK + 1]
        document = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        pairs = np.unique(document * size + tokens[bounds[0] : bounds[-1]])
        frequency += np.bincount(pairs % size, minlength=size)
    known = list(vocabulary)
    order = sorted(range(size), key=lambda word: (-int(frequency[word]), known[word]))
    return frequency, np.array(order, np.int64), [known[word] for word in order]
