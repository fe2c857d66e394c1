"""Latent semantic analysis: start vectors for words from the documents alone, which every text net of a task shares."""

from __future__ import annotations

import numpy as np


def word_vectors(documents: np.ndarray, idf: np.ndarray, dimensions: int) -> np.ndarray:
    """float32 [words, dimensions]: right singular vectors of the tf-idf matrix times singular values; row 0, the padding, is 0.

    By the small Gram matrix of words, signs fixed and values rounded, so that BLAS versions agree on the result.
    """
    tfidf = np.zeros((len(documents), len(idf)))
    np.add.at(tfidf, (np.arange(len(documents))[:, None], documents), 1.0)
    tfidf *= idf
    tfidf /= np.linalg.norm(tfidf, axis=1, keepdims=True)
    squares, vectors = np.linalg.eigh(tfidf.T @ tfidf)
    return _finished(squares[::-1][:dimensions], vectors[:, ::-1][:, :dimensions])


def sparse_word_vectors(tokens: np.ndarray, offsets: np.ndarray, idf: np.ndarray, dimensions: int) -> np.ndarray:
    """The same of documents of any length (tokens[offsets[d]:offsets[d + 1]]), where the Gram matrix of words would be large.

    Where the texts span fewer dimensions than asked, the rest are 0.
    """
    from scipy import sparse
    from scipy.sparse.linalg import svds

    tfidf = sparse.csr_matrix((np.ones(len(tokens)), tokens, offsets), shape=(len(offsets) - 1, len(idf)), copy=True)
    tfidf.sum_duplicates()
    tfidf = tfidf @ sparse.diags(idf)
    norms = np.sqrt(np.asarray(tfidf.power(2).sum(1)).ravel())
    tfidf = sparse.diags(1 / np.where(norms > 0, norms, 1)) @ tfidf
    rank = min(dimensions, min(tfidf.shape) - 1)
    _, values, rows = svds(tfidf, k=rank, v0=np.ones(min(tfidf.shape)), solver="arpack")
    squares, vectors = np.zeros(dimensions), np.zeros((len(idf), dimensions))
    squares[:rank], vectors[:, :rank] = values[::-1] ** 2, rows[::-1].T
    return _finished(squares, vectors)


def _finished(squares: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    strongest = np.abs(vectors).argmax(0)
    signs = np.sign(vectors[strongest, np.arange(vectors.shape[1])])
    scaled = vectors * signs * np.sqrt(squares)
    scaled[0] = 0.0
    return np.round(scaled / np.sqrt((scaled**2).mean()), 5).astype(np.float32)
