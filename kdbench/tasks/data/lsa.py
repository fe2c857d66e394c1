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
    squares, vectors = squares[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
    strongest = np.abs(vectors).argmax(0)
    signs = np.sign(vectors[strongest, np.arange(dimensions)])
    scaled = vectors * signs * np.sqrt(squares)
    scaled[0] = 0.0
    return np.round(scaled / np.sqrt((scaled**2).mean()), 5).astype(np.float32)
