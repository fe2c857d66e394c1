"""Images that no task is about, made from a set's own: one wrong order of the pixels, or noise."""

from __future__ import annotations

import numpy as np

SEED = 20261123


def scrambled(images: np.ndarray) -> np.ndarray:
    """The pixels of every image [N,C,H,W] in one and the same wrong order; a pixel keeps its colour."""
    flat = images.reshape(*images.shape[:2], -1)
    order = np.random.default_rng(SEED).permutation(flat.shape[-1])
    return flat[..., order].reshape(images.shape)


def noise(images: np.ndarray) -> np.ndarray:
    """As many images of independent, uniform values."""
    return np.random.default_rng(SEED + 1).integers(0, 256, images.shape, dtype=np.uint8)
