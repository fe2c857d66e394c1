"""Classification tasks: one class per image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw, seed_for
from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.contract.task import Forward, Samples, Task, batches
from kdbench.tasks.data import digits


class Classification(Task):
    """What every single-label task shares: how values are read, the loss, the raw outputs."""

    family = "classification"
    axis = "class"

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        return Decisions(values, "class", labels=batch.get("label"))

    def loss(self, decisions: Decisions) -> Tensor:
        if decisions.labels is None:
            raise ValueError("the supervised loss needs labels, this stream has none")
        return decisions.mean(F.nll_loss(decisions.log_probs(), decisions.labels, reduction="none"))

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        samples = self.data(split)
        logits = torch.cat([forward(batch).values for batch in batches(samples, 512)])
        assert samples.blocks is not None
        return {
            "logits": logits.float().cpu().numpy(),
            "labels": samples.fields["label"].cpu().numpy(),
            "blocks": samples.blocks.cpu().numpy(),
        }


class DigitsConfig(Config):
    labelled: int = Field(100, ge=10, le=900, description="labelled training images (balanced over the ten classes)")


class Digits(Classification):
    """scikit-learn's digits under a strong view: 100 labelled and 900 unlabelled images, 1,800 frozen test views."""

    name = "digits"
    Config = DigitsConfig
    sets = {
        "labelled": "the labelled images (params.labelled of them)",
        "pool": "all 900 training images, without labels",
        "train": "all 900 training images, with labels",
    }
    roles = {"labelled": "labelled", "transfer": "pool", "teacher": "train"}
    augments = {
        "warp": "rotation ±15°, shift ±1 px, scale ±10 %, Gaussian noise of sd .15",
        "none": "the image as it is",
    }
    bank = 32
    pair: ClassVar[dict[str, Any]] = {
        "teacher": {
            "model": "digit_net",
            "params": {"widths": [16, 32, 64], "depth": 2},
            "recipe": {"steps": 400, "batch": 64, "optimiser": "adamw", "lr": 3e-3, "weight_decay": 0.01},
        },
        "student": {
            "model": "digit_net",
            "recipe": {"steps": 400, "batch": 64, "optimiser": "adamw", "lr": 3e-2, "weight_decay": 0.01},
        },
    }
    licence = "scikit-learn's copy of the UCI set 'Optical Recognition of Handwritten Digits', CC BY 4.0"
    mean, std = 0.3053, 0.3760
    test_views = 3

    @property
    def facts(self) -> Facts:
        return Facts(outputs=10, channels=1, size=(8, 8))

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor]:
        mean, std = self.mean, self.std
        return lambda image: (image - mean) / std

    def data(self, name: str) -> Samples:
        part = name if name in ("val", "test") else "train"
        images, labels = digits.load()[part]
        image = torch.from_numpy(images).float().div(16)[:, None]
        label = torch.from_numpy(labels)
        index = torch.arange(len(label))
        if name in ("val", "test"):
            return self._frozen(name, image, label, index)
        if name == "pool":
            return Samples({"image": image}, index)
        if name == "labelled":
            image, label, index = (x[: self.config.labelled] for x in (image, label, index))  # type: ignore[attr-defined]
        return Samples({"image": image, "label": label}, index)

    def _frozen(self, name: str, image: Tensor, label: Tensor, index: Tensor) -> Samples:
        """A split as `test_views` frozen views an image: the same for every job, resampled by image."""
        draw = Draw(seed_for("digits", name))
        views = [
            self.augment("warp", Batch({"image": image}, index, torch.full_like(index, v)), draw)["image"]
            for v in range(self.test_views)
        ]
        n = self.test_views
        return Samples({"image": torch.cat(views), "label": label.repeat(n)}, index.repeat(n))

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        if policy == "none":
            return batch
        image, view, index = batch["image"], batch.view, batch.index
        u = draw.uniform("warp", view, index, 4) * 2 - 1
        angle, scale = u[:, 0] * (15 / 180 * torch.pi), 1 + 0.1 * u[:, 1]
        shift = u[:, 2:] * 2 / image.shape[-1]  # one pixel, in the grid's units
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        theta = torch.stack((torch.stack((cos, -sin, shift[:, 0]), 1), torch.stack((sin, cos, shift[:, 1]), 1)), 1)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        image = F.grid_sample(image, grid, align_corners=False)
        noise = draw.normal("noise", view, index, image[0].numel()).view_as(image)
        return batch.with_(image=image + 0.15 * noise)

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(self.data(name)) for name in (*self.sets, "val", "test")}
        return {
            "what": "8×8 grey images of handwritten digits, real; writers are shared between train and test",
            "sizes": sizes,
            "classes": 10,
            "note": f"val and test show {self.test_views} frozen views of each image and resample by image",
        }

    def sample(self, path: Path) -> None:
        """A sheet of test digits: one row a frozen view, one column an image."""
        from matplotlib.figure import Figure

        samples = self.data("test")
        per_view = len(samples) // self.test_views
        columns = list(range(0, per_view, per_view // 12))[:12]
        figure = Figure(figsize=(9, 2.4), layout="constrained")
        axes = figure.subplots(self.test_views, len(columns))
        for row in range(self.test_views):
            for column, item in enumerate(columns):
                i = row * per_view + item
                axes[row, column].imshow(samples.fields["image"][i, 0], cmap="gray_r", vmin=-0.2, vmax=1.2)
                axes[row, column].set_axis_off()
        figure.savefig(path, dpi=120)
