"""What every dense task shares: how maps are read as decisions, the loss, the raw outputs of evaluation.

With labels, maps are stretched to the labels' size: a label cannot be shrunk without losing what is thin. Without labels
decisions lie on a grid of `stride`: nothing is won by stretching student and teacher alike, and it costs that much less.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import seed_for
from kdbench.contract.errors import DataError
from kdbench.contract.task import Forward, Samples, Task, batches

IGNORE = 255
SAMPLED = 32  # images of a large set whose logits are kept
MOST_PIXELS = 1 << 32  # one byte of each is in memory


class Segmentation(Task):
    """One class for each pixel; IGNORE is none."""

    family = "segmentation"
    axis = "class"
    grid = True
    large: ClassVar[int] = 10**9  # pixels × classes of a held-out set from which on its logits are not all kept

    @property
    def stride(self) -> int:
        """Decisions without labels lie on a grid of every so many pixels."""
        return 2

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        label = batch.get("label")
        height, width = batch["image"].shape[-2:]
        h, w = label.shape[-2:] if label is not None else (height // self.stride, width // self.stride)
        if values.shape[-2:] != (h, w):
            values = F.interpolate(values, (h, w), mode="bilinear", align_corners=False)
        rows = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])
        grid = (len(values), h, w)
        if label is None:
            return Decisions(rows, "class", grid=grid)
        label = label.flatten().long()
        valid = label != IGNORE
        return Decisions(rows, "class", label.where(valid, torch.zeros_like(label)), valid, grid=grid)

    def loss(self, decisions: Decisions) -> Tensor:
        if decisions.labels is None:
            raise ValueError("the supervised loss needs labels, this stream has none")
        # As one long picture [1,K,N]: a softmax over 8 adjacent numbers costs a CPU ten times as much as one across rows.
        picture = decisions.logits().t()[None]
        return decisions.mean(F.cross_entropy(picture, decisions.labels[None], reduction="none")[0])

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        """Logits at the net's stride; of a large set the decisions at the labels' size, and the logits of a sample."""
        samples = self.data(split)
        if len(samples) == 0:
            return {}
        if samples.fields["label"].numel() * self.facts.outputs > self.large:
            return _of_large(forward, samples, split)
        logits = torch.cat([forward(batch).values for batch in batches(samples, 64)])
        return {"logits": logits.float().cpu().numpy(), "labels": samples.fields["label"].cpu().numpy()}


def _of_large(forward: Forward, samples: Samples, split: str) -> dict[str, np.ndarray]:
    """Decisions of all images, the logits of SAMPLED of them, and which these are (see metrics/sampled.py)."""
    label = samples.fields["label"]
    if label.numel() > MOST_PIXELS:
        count = " × ".join(f"{length:,}" for length in label.shape)
        raise DataError(f"{split}: {count} labelled pixels are more than the {MOST_PIXELS:,} that an evaluation can hold")
    generator = torch.Generator().manual_seed(seed_for("logits kept", len(samples)))
    rows = torch.randperm(len(samples), generator=generator)[:SAMPLED].sort().values
    kept = set(rows.tolist())
    decisions = np.empty(label.shape, np.uint8)
    logits: list[Tensor] = []
    for start in range(0, len(samples), 4):
        index = torch.arange(start, min(start + 4, len(samples)))
        values = forward(Batch(samples.rows(index), index, torch.zeros_like(index))).values.float()
        for row, one in zip(index.tolist(), values):
            full = F.interpolate(one[None], label.shape[1:], mode="bilinear", align_corners=False)
            decisions[row] = full[0].argmax(0).byte().cpu().numpy()
            if row in kept:
                logits.append(one.cpu())
    found = {"logits": torch.stack(logits).numpy(), "rows": rows.numpy()}
    return {"decisions": decisions, "labels": label.cpu().numpy(), **found}
