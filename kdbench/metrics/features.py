"""Likeness of inner representations: linear CKA, k-nearest neighbours, and the loss barrier between two nets."""

import numpy as np

Array = np.ndarray


def pooled(features: Array) -> Array:
    """Features as [N, C]: maps [N, C, H, W] by their mean over H and W, and over nothing else.

    Samples are the rows. Averaging any other axis makes image columns the samples, and two unrelated nets alike.
    """
    if features.ndim == 2:
        return features.astype(np.float64)
    if features.ndim != 4:
        raise ValueError(f"features: expected [N, C] or [N, C, H, W], got shape {features.shape}")
    return features.mean(axis=(2, 3), dtype=np.float64)


def linear_cka(first: Array, second: Array) -> float:
    """Linear CKA (0 to 1) of features [N, C]; biased up where N is not much larger than C."""
    x, y = (part - part.mean(axis=0) for part in (pooled(first), pooled(second)))
    return _quotient(_squared(x.T @ y), _squared(x.T @ x), _squared(y.T @ y))


def debiased_linear_cka(first: Array, second: Array) -> float:
    """Linear CKA from the unbiased estimate of HSIC: near 0 for unrelated features of any width; may be below 0.

    Computed from feature products, so it costs N C^2 rather than N^2 C.
    """
    x, y = (part - part.mean(axis=0) for part in (pooled(first), pooled(second)))
    if len(x) < 4:
        raise ValueError(f"debiased CKA needs at least 4 items, got {len(x)}")
    x_norms, y_norms = np.einsum("nc,nc->n", x, x), np.einsum("nc,nc->n", y, y)
    return _quotient(
        _debiased(_squared(x.T @ y), x_norms, y_norms),
        _debiased(_squared(x.T @ x), x_norms, x_norms),
        _debiased(_squared(y.T @ y), y_norms, y_norms),
    )


def _debiased(product: float, x_norms: Array, y_norms: Array) -> float:
    """Unbiased HSIC (times n(n-3)) of centred features, from <K, L> and the diagonals of K and L."""
    n = len(x_norms)
    return product - n / (n - 2) * float(x_norms @ y_norms) + float(x_norms.sum() * y_norms.sum()) / ((n - 1) * (n - 2))


def _squared(matrix: Array) -> float:
    return float(np.einsum("ij,ij->", matrix, matrix))


def _quotient(cross: float, x: float, y: float) -> float:
    return float(cross / np.sqrt(x * y)) if x > 0 and y > 0 else float("nan")


def neighbourhood_overlap(first: Array, second: Array, k: int = 10) -> float:
    """Mean Jaccard index of the k nearest neighbours (cosine, exact search, not itself) in two embedding spaces."""
    n = len(first)
    k = min(k, n - 1)
    if k < 1:
        return float("nan")
    shared = 0.0
    units = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-300) for part in (pooled(first), pooled(second))]
    for start in range(0, n, 1024):
        rows = np.arange(start, min(start + 1024, n))
        members = np.zeros((2, len(rows), n), dtype=bool)
        for side, unit in enumerate(units):
            likeness = unit[rows] @ unit.T
            likeness[np.arange(len(rows)), rows] = -np.inf
            nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
            np.put_along_axis(members[side], nearest, True, axis=1)
        both = (members[0] & members[1]).sum(axis=1)
        shared += float((both / (2 * k - both)).sum())
    return shared / n


def loss_barrier(losses: Array) -> float:
    """Largest excess of the losses along a straight path between two nets over the chord of its ends; >= 0.

    `losses` are those of equally spaced points, both ends included, with batch norm statistics recomputed.
    """
    chord = np.linspace(losses[0], losses[-1], len(losses))
    return float((np.asarray(losses, float) - chord).max())
