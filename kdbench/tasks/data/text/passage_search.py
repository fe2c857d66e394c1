"""BM25 over a stored collection of any vocabulary: the lexical baseline and the miner of hard candidates.

The form of bm25.py (Lucene's), with idf over all words: Σ_w idf(w) · tf / (tf + k1 (1 − b + b · length / mean length)).
"""

from __future__ import annotations

import functools

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.text import bm25
from kdbench.tasks.data.text.passage_store import Store

K1, B = 1.2, 0.75
LARGEST = 400_000_000  # words of a collection whose postings are built in memory


class Search:
    """Postings of every word, and scores of every document for a query."""

    def __init__(self, store: Store, k1: float = K1, b: float = B):
        from scipy import sparse

        if len(store.tokens) > LARGEST:
            raise DataError(
                f"BM25 over {len(store.tokens):,} words: more than {LARGEST:,} are not mined here. Give lists made elsewhere "
                "(`kdbench data convert`, params: {lists: name@…})"
            )
        self.store = store
        counts = sparse.csr_matrix(
            (np.ones(len(store.tokens), np.float32), np.asarray(store.tokens), np.asarray(store.offsets)),
            shape=(len(store), len(store.frequency)),
            copy=True,  # the store is mapped read-only
        )
        counts.sum_duplicates()
        length = np.diff(store.offsets).astype(np.float64)
        norm = k1 * (1 - b + b * length / length.mean())
        tf = counts.data.astype(np.float64)
        counts.data = tf / (tf + np.repeat(norm, np.diff(counts.indptr)))
        self.postings = counts.tocsc()

    @functools.cached_property
    def idf(self) -> np.ndarray:
        return bm25.idf(np.asarray(self.store.frequency), len(self.store))

    def scores(self, words: np.ndarray) -> np.ndarray:
        """float64 [D] of one query's word numbers; a repeated word counts again. Rounded: the last bit chooses nothing."""
        total = np.zeros(len(self.store))
        for word in words:
            part = slice(self.postings.indptr[word], self.postings.indptr[word + 1])
            total[self.postings.indices[part]] += self.idf[word] * self.postings.data[part]
        return np.round(total, 4)


def top(scores: np.ndarray, depth: int) -> np.ndarray:
    """The best documents of one query, ties by falling number (see topic_lists.ranked), without sorting all of them."""
    depth = min(depth, len(scores))
    least = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    found = np.flatnonzero(scores >= least)
    return found[np.lexsort((found, scores[found]))][::-1][:depth]
