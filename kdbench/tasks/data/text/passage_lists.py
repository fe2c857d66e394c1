"""Frozen lists of candidates for a collection of passages, so that every method and seed ranks the same documents.

A query's draws come from a stream of its own, named by its id: no other query's list depends on it. Only `labelled` and
`evaluation` read judgements; `pool` reads none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.random_numbers import Stream
from kdbench.tasks.data.text.passage_search import Search, top
from kdbench.tasks.data.text.passage_set import PassageSet

SEED = 20_261_121
LENGTH = 32
DEPTH = 100  # hard candidates are drawn from so many of the miner's best
EVALUATED = 100  # documents of an evaluation list: judged ones (at most half), then the miner's best, then random ones
HALF = EVALUATED // 2
FEWEST = 2 * EVALUATED  # documents of a collection


@dataclass(frozen=True, eq=False)
class Lists:
    """Row by row a query, its documents and, where a teacher's scores were given with them, these; all lists of one length."""

    query: np.ndarray  # int32 [n]
    documents: np.ndarray  # int32 [n,K]
    scores: np.ndarray | None = None  # float32 [n,K]

    def rows(self, some: np.ndarray) -> Lists:
        return Lists(self.query[some], self.documents[some], None if self.scores is None else self.scores[some])

    def first(self) -> Lists:
        """Of each list its first document alone."""
        return Lists(self.query, self.documents[:, :1])

    def joined(self, other: Lists) -> Lists:
        """One after the other. Scores are kept where both have some."""
        if not len(other.query):
            return self
        if self.documents.shape[1] != other.documents.shape[1]:
            raise DataError(f"lists of {self.documents.shape[1]} and of {other.documents.shape[1]} candidates make no set")
        both = None if self.scores is None or other.scores is None else np.concatenate([self.scores, other.scores])
        return Lists(np.concatenate([self.query, other.query]), np.concatenate([self.documents, other.documents]), both)


def too_few(found: PassageSet) -> str:
    """Why no list can be mined of a collection, and what helps; empty where one can."""
    if len(found.store) >= FEWEST:
        return ""
    return (
        f"{len(found.store)} documents; lists are drawn from at least {FEWEST}: add documents (none needs a judgement), or give "
        "lists (`kdbench data convert`, params: {lists: name@…, test_lists: name@…})"
    )


class Miner:
    """Lists of one collection. `minus` are the documents that are no part of a query's ranking."""

    def __init__(self, found: PassageSet, minus: dict[int, np.ndarray]):
        if told := too_few(found):
            raise DataError(f"{found.folder}: {told}")
        self.found, self.minus = found, minus
        self.search = Search(found.store)

    def _hard(self, words: np.ndarray, without: Collection[int]) -> list[int]:
        """The miner's best hundred, best first. A query of which it knows no word has none."""
        scores = self.search.scores(words)
        best = top(scores, DEPTH + len(without))
        return [int(d) for d in best if scores[d] > 0 and int(d) not in without][:DEPTH]

    def _filled(self, start: Sequence[int], length: int, without: Collection[int], stream: Stream) -> list[int]:
        """`start` and random documents up to the length, none twice."""
        chosen = dict.fromkeys(start)
        while len(chosen) < length:
            document = stream.below(len(self.found.store))
            if document not in without:
                chosen.setdefault(document)
        return list(chosen)

    def _drawn(self, start: list[int], hard: list[int], without: Collection[int], stream: Stream) -> list[int]:
        """`start`, half the list out of the hard ones, the rest random."""
        rest = [d for d in hard if d not in start]
        some = [rest[place] for place in stream.order(len(rest))[: LENGTH // 2 - 1]]
        return self._filled([*start, *some], LENGTH, without, stream)

    def labelled(self, queries: Sequence[int], judged: Sequence[tuple[np.ndarray, np.ndarray]], floor: int) -> Lists:
        """One list for each relevant document that the collection has: it first, 15 of BM25's first hundred, 16 random ones.

        What the query's judgements call relevant besides stands in none of its lists, so that no known answer counts as wrong.
        """
        rows, owners = [], []
        for query, (documents, grades) in zip(queries, judged):
            relevant = [int(d) for d in documents[grades >= floor] if d < len(self.found.store)]
            without = {*relevant, *self.minus.get(query, ())}
            hard = self._hard(self.found.words(query), without) if relevant else []
            for positive in relevant:
                stream = Stream(SEED, f"candidates of {self.found.names[query]} with {positive}")
                rows.append(self._drawn([positive], hard, without, stream))
                owners.append(query)
        return Lists(np.array(owners, np.int32), np.array(rows, np.int32).reshape(-1, LENGTH))

    def pool(self, queries: Sequence[tuple[str, np.ndarray, frozenset[int]]]) -> np.ndarray:
        """[Q, 32] for queries by name and words: BM25's best, 15 more of its first hundred, random ones; none of `without`."""
        rows = []
        for name, words, without in queries:
            hard = self._hard(words, without)
            rows.append(self._drawn(hard[:1], hard, without, Stream(SEED, f"candidates of {name}")))
        return np.array(rows, np.int32).reshape(-1, LENGTH)

    def evaluation(self, queries: Sequence[int], judged: Sequence[tuple[np.ndarray, np.ndarray]]) -> Lists:
        """One list a query, by number: up to 50 relevant documents, best grades first, BM25's best up to 100 less what random
        ones fill where BM25 finds too few."""
        rows = []
        for query, (documents, grades) in zip(queries, judged):
            without = frozenset(int(d) for d in self.minus.get(query, ()))
            here = documents < len(self.found.store)
            by_grade = np.lexsort((documents[here], -grades[here]))
            relevant = [int(documents[here][row]) for row in by_grade if grades[here][row] > 0][:HALF]
            start = list(dict.fromkeys([*relevant, *self._hard(self.found.words(query), without)]))[:EVALUATED]
            stream = Stream(SEED, f"evaluation candidates of {self.found.names[query]}")
            rows.append(sorted(self._filled(start, EVALUATED, without, stream)))
        return Lists(np.array(queries, np.int32), np.array(rows, np.int32).reshape(-1, EVALUATED))
