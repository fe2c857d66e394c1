"""The outputs of a large set: `decisions` [N, H, W] of all images, and `logits` [n, K, h, w] of the images `rows` alone.

Whatever decisions tell is of the whole set; whatever takes probabilities (NLL, Brier, ECE, KL and its kin) is of the sample.
Decisions have no mean, so that against several teachers the sample speaks alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kdbench.metrics.arrays import Array, Outputs


def sampled(outputs: Outputs) -> bool:
    return "decisions" in outputs and "rows" in outputs


def whole(outputs: Outputs) -> Outputs:
    """What is known of all images. How many classes there are, decisions alone do not say."""
    kept = {name: outputs[name] for name in ("decisions", "labels", "ids") if name in outputs}
    return kept | {"classes": outputs["logits"].shape[1]}


def sample(outputs: Outputs) -> Outputs:
    """The images of which logits are known."""
    rows = np.asarray(outputs["rows"])
    kept = {name: outputs[name][rows] for name in ("labels", "ids") if name in outputs}
    return kept | {"logits": outputs["logits"]}


def as_whole_set(blocks: Mapping[str, Array], rows: Array, images: int) -> dict[str, Array]:
    """Blocks of the sample as blocks of the set: an image that is not in it adds nothing to any sum."""
    found = {}
    for name, block in blocks.items():
        found[name] = np.zeros((images, *block.shape[1:]), block.dtype)
        found[name][np.asarray(rows)] = block
    return found
