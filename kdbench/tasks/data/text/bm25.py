"""BM25 (Lucene's form) over rows of word ids: the lexical baseline and the miner of hard candidates."""

from __future__ import annotations

import numpy as np


def scores(queries: np.ndarray, documents: np.ndarray, k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """float32 [Q, D]; word id 0 pads."""
    import bm25s

    words = int(max(queries.max(), documents.max())) + 1
    # bm25s reads ids and a vocabulary; every id is listed so that a query may hold a word that no document has
    corpus = bm25s.tokenization.Tokenized([row[row > 0].tolist() for row in documents], {str(i): i for i in range(words)})
    index = bm25s.BM25(method="lucene", k1=k1, b=b)
    index.index(corpus, show_progress=False, create_empty_token=False)
    return np.stack([index.get_scores([int(t) for t in row if t]) for row in queries])


def _document_frequency(documents: np.ndarray, words: int) -> np.ndarray:
    """In how many documents each word id occurs, int64 [words]; 0 for the padding."""
    present = np.zeros((len(documents), words), bool)
    present[np.arange(len(documents))[:, None], documents] = True
    present[:, 0] = False
    return present.sum(0)


def idf(frequency: np.ndarray, documents: int) -> np.ndarray:
    """BM25's inverse document frequency of words that stand in so many of the documents, float64."""
    return np.log(1.0 + (documents - frequency + 0.5) / (frequency + 0.5))


def padded_idf(documents: np.ndarray, words: int) -> np.ndarray:
    """The same of rows of word ids; 0 for the padding."""
    values = idf(_document_frequency(documents, words), len(documents))
    values[0] = 0.0
    return values
