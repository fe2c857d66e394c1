"""A small set of photographs, a stream of it, and teachers whose answers betray how they were asked."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.model import Net
from kdbench.models.cifar_resnet import resnet8
from kdbench.tasks.data.photos.split import Split
from kdbench.tasks.photographs import Photographs, Photos
from kdbench.train.signals.form import Exact, Form
from kdbench.train.signals.recall import Recall
from kdbench.train.stream import Stream, ViewSpec

CPU = torch.device("cpu")
SAMPLES = 70


class Small(Photographs):
    """Noise in three classes."""

    name = "small"
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def photos(self) -> Photos:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (SAMPLES, 3, 8, 8), dtype=np.uint8)
        part = Split(pixels, np.arange(SAMPLES) % 3)
        return Photos(("a", "b", "c"), part, part, "nowhere")


class Tell(Net):
    """Says what it sees, and in the last bits at which place of how large a batch: as kernels may, whatever the machine."""

    def __init__(self, classes: int = 5, slow: float = 0.0):
        super().__init__(torch.nn.Linear(192, classes, bias=False), ("image",), lambda image: image.float())
        torch.nn.init.normal_(self.backbone.weight, generator=torch.Generator().manual_seed(3))
        self.slow, self.asked = slow, 0

    def forward(self, batch: Batch) -> Outputs:
        time.sleep(self.slow)
        self.asked += len(batch)
        image = batch["image"].float().flatten(1)
        values = torch.stack([image @ row for row in self.backbone.weight], 1)
        return Outputs(values.round(decimals=2) + 1e-4 * torch.arange(len(image))[:, None] + len(image))


def resnet() -> Net:
    torch.manual_seed(1)
    plugin = resnet8
    task = Small()
    net = task.net(plugin, plugin.build(task.facts, plugin.Config())).eval()
    return net.requires_grad_(False)


def stream(policy: str = "crop_flip", seed: int = 1, bank: int | None = None, batch: int = 8, order: int = 1, **more) -> Stream:
    return Stream(Small(), "train", batch, order, ViewSpec(policy, bank, seed), CPU, **more)


def recall(folder: Path, net: Net | None = None, key: str = "teacher", augment: str | None = None, form: Form | None = None,
           shown: Stream | None = None, **how) -> Recall:  # fmt: skip
    shown = shown if shown is not None else stream(**how)
    return Recall(shown.task, net if net is not None else Tell(), key, shown, augment, form or Exact(), folder)


if __name__ == "__main__":  # a process of its own that goes through some epochs: folder, order, steps
    folder, order, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    shown = stream("flip", order=order, batch=7)
    made = recall(folder, Tell(slow=0.003), shown=shown)
    while not (folder / "go").exists():
        time.sleep(0.001)
    for step in range(steps):
        batch = shown.batch(step)
        made(batch.index, batch.view)
    print(made.counts["asked"])
