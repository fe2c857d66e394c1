"""Graded relevance: judgements of (query, document), gain and its discount, nDCG, reciprocal rank, coverage."""

from dataclasses import dataclass

import numpy as np

from kdbench.metrics.arrays import Array


@dataclass(frozen=True)
class Judgements:
    """Grades of judged (query, document) pairs: one row a pair, sorted; negative grades are worth nothing."""

    keys: Array
    query: Array
    grade: Array
    queries: int
    stride: int

    @classmethod
    def read(cls, query: Array, doc: Array, grade: Array, queries: int) -> "Judgements":
        """From parallel arrays [J]. Of a pair judged twice the higher grade holds; documents that the corpus lacks
        stay, since the ideal ranking would have them."""
        if not len(query) == len(doc) == len(grade):
            raise ValueError(f"qrels: arrays of {len(query)}, {len(doc)} and {len(grade)} rows")
        query, doc = query.astype(np.int64), doc.astype(np.int64)
        if query.min() < 0 or query.max() >= queries or doc.min() < 0:
            raise ValueError(f"qrels: query or document numbers out of range (there are {queries} queries)")
        stride = int(doc.max()) + 1
        keys = query * stride + doc
        order = np.lexsort((grade, keys))
        last = np.append(keys[order][1:] != keys[order][:-1], True)
        kept = order[last]
        return cls(keys[kept], query[kept], np.maximum(grade[kept], 0).astype(np.float64), queries, stride)

    def grades_of(self, run: Array) -> Array:
        """Grades [Q, R] of documents [Q, R]; 0 where unjudged or where there is no document (-1)."""
        run = run.astype(np.int64)
        wanted = np.arange(self.queries)[:, None] * self.stride + run
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        known = (self.keys[place] == wanted) & (run >= 0) & (run < self.stride)
        return np.where(known, self.grade[place], 0.0)

    def best(self, depth: int) -> Array:
        """The highest grades of each query in descending order [Q, depth], 0 where there are fewer."""
        order = np.lexsort((-self.grade, self.query))
        query = self.query[order]
        place = np.arange(len(query)) - np.searchsorted(query, query)
        table = np.zeros((self.queries, depth))
        inside = place < depth
        table[query[inside], place[inside]] = self.grade[order][inside]
        return table

    def count(self, floor: float) -> Array:
        """How many documents of each query have at least grade `floor`."""
        return np.bincount(self.query[self.grade >= floor], minlength=self.queries)


def ndcg(gains: Array, ideal: Array, depth: int) -> Array:
    """sum gain / log2(1 + place) of the top `depth`, over the same of the ideal order; NaN where the ideal is 0."""
    best = _dcg(ideal, depth)
    return np.divide(_dcg(gains, depth), best, out=np.full(len(best), np.nan), where=best > 0)


def _dcg(gains: Array, depth: int) -> Array:
    top = gains[:, :depth]
    return (top / np.log2(np.arange(2, top.shape[1] + 2))).sum(axis=1)


def reciprocal_rank(relevant: Array, depth: int) -> Array:
    """1 / place of the first relevant document among the top `depth`; 0 where there is none."""
    top = relevant[:, :depth]
    return np.where(top.any(axis=1), 1.0 / (1.0 + top.argmax(axis=1)), 0.0)


def coverage(wanted: Array, held: Array) -> Array:
    """Share of the documents of each row of `wanted` that are in the same row of `held` (-1 is no document)."""
    stride = int(max(wanted.max(), held.max())) + 1
    row = np.arange(len(wanted))[:, None] * stride
    found = np.isin((wanted + row).ravel(), (held + row)[held >= 0]).reshape(wanted.shape) & (wanted >= 0)
    size = (wanted >= 0).sum(axis=1)
    return np.divide(found.sum(axis=1), size, out=np.full(len(size), np.nan), where=size > 0)


def refuse_repeats(documents: Array, title: str) -> None:
    """A document that stands twice in a list would be paid twice."""
    ordered = np.sort(documents, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    if twice.any():
        raise ValueError(f"{title}: query {int(twice.argmax())} lists a document twice ({int(twice.sum())} queries do)")
