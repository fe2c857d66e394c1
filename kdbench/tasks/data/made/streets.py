"""Street scenes drawn by rule, with exact labels: two domains of one world (the data of the built-in set `streets`).

Whole blocks of images are drawn at once, in two steps: street_layout stands a camera in a street, street_look takes the
photograph. The first domain is crisp and bright like a game; `gap` moves the look, `lay` the layout, towards a dull camera in a
narrow, busy street. With both at 0 the two domains are one distribution: the null control.

The same bytes everywhere: only uniform draws and exactly rounded operations (+ - * / floor), no sums, no sin, exp or normal.
Each split has a stream of its own and an image one row of its numbers, so a shorter split is the beginning of a longer one.
"""

from __future__ import annotations

import hashlib

import numpy as np

from kdbench.tasks.data.made.street_layout import layout
from kdbench.tasks.data.made.street_look import photograph
from kdbench.tasks.data.made.street_world import BONNET, CLASSES, HEIGHT, IGNORE, WIDTH, Draws

VERSION = 1
SEED = 7_340_219
SPLITS = {"source": 0, "target": 1, "source_val": 2, "val": 3, "test": 4}
PALETTE = np.array(
    [[128, 64, 128], [244, 35, 232], [70, 70, 70], [107, 142, 35], [70, 130, 180], [220, 220, 0], [220, 20, 60], [0, 0, 142]],
    np.uint8,
)  # Cityscapes' colours; poles are yellow, which grey on grey would not show
__all__ = ["BONNET", "CLASSES", "HEIGHT", "IGNORE", "PALETTE", "SPLITS", "VERSION", "WIDTH", "digest", "draw"]

_BLOCK = 64  # images drawn together: small enough to stay in the cache


def draw(split: str, count: int, *, gap: float = 0.0, lay: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` scenes of a split: images uint8 [N,H,W,3] and labels uint8 [N,H,W] (255: the car's own bonnet)."""
    rng = np.random.default_rng([SEED, VERSION, SPLITS[split]])
    images = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.empty((count, HEIGHT, WIDTH), np.uint8)
    for start in range(0, count, _BLOCK):
        here = slice(start, min(start + _BLOCK, count))
        draws = Draws(rng, here.stop - start)
        scene = layout(draws, lay)
        images[here] = photograph(scene, draws, gap)
        labels[here] = scene.label
        labels[here, HEIGHT - BONNET :] = IGNORE
    return images, labels


def digest(*arrays: np.ndarray) -> str:
    """A short hash of shapes and bytes: two draws are equal if theirs are."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(repr((array.dtype.str, array.shape)).encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]
