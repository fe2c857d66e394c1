"""Classification tasks: one class per image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

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
from kdbench.tasks.data.made import digits
from kdbench.tasks.data.made.digit_looks import LOOKS, show


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
    test: Literal["views", "clean"] = Field("views", description="held-out images in frozen views of the warp, or as they are")


# Places among the training images, whose classes take turns: every one of these parts is balanced.
UNLABELLED = {
    "pool": (0, 900),
    "pool_50": (0, 50),
    "pool_200": (0, 200),
    "half_a": (0, 450),
    "half_b": (450, 900),
    "scrambled": (0, 900),
    "noise": (0, 900),
}

FOREIGN = {"scrambled": digits.scrambled, "noise": digits.noise}


class Digits(Classification):
    """scikit-learn's digits under a strong view: 100 labelled and 900 unlabelled images, 1,800 frozen test views."""

    name = "digits"
    Config = DigitsConfig
    sets = {
        "labelled": "the labelled images, params.labelled of them",
        "pool": "all 900 training images, without labels",
        "train": "all 900 training images, with labels",
        "pool_50": "the first 50 training images, without labels",
        "pool_200": "the first 200 training images, without labels",
        "half_a": "the first 450 training images, without labels",
        "half_b": "the other 450 training images, without labels",
        "scrambled": "out of domain: all 900 training images, their pixels in one wrong order",
        "noise": "out of domain: 900 images of uniform noise",
    }
    roles = {"labelled": "labelled", "transfer": "pool", "teacher": "train"}
    augments = {
        "warp": "rotation ±15°, shift ±1 px, scale ±10 %, Gaussian noise of sd .15",
        "none": "the image as it is",
        "gentle": "rotation ±10°, shift ±.75 px, no noise; the first view is the image as it is",
        "strong_rotation": "warp with rotation ±45°",
        "vertical_flip": "warp, and one view in two upside down",
        "noise_only": "Gaussian noise of sd .15, nothing moved",
        "combined": "warp with rotation ±45°, one view in two upside down, noise of sd .3",
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
    config: DigitsConfig

    @property
    def test_views(self) -> int:
        """How often each held-out image is shown."""
        return 3 if self.config.test == "views" else 1

    @property
    def facts(self) -> Facts:
        return Facts(outputs=10, channels=1, size=(8, 8))

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor]:
        mean, std = self.mean, self.std
        return lambda image: (image - mean) / std

    def usage(self) -> dict[str, Any]:
        told = "grey image, 0 (paper) to 1 (ink)"
        return {"input": told, "mean": [self.mean], "std": [self.std], "answers": [str(digit) for digit in range(10)]}

    def data(self, name: str) -> Samples:
        images, labels = digits.load()[name if name in ("val", "test") else "train"]
        if name in FOREIGN:
            images = FOREIGN[name](images)
        image = torch.from_numpy(images).float().div(16)[:, None]
        label = torch.from_numpy(labels)
        index = torch.arange(len(label))
        if name in ("val", "test"):
            return self._held_out(name, image, label, index)
        if name == "train":
            return Samples({"image": image, "label": label}, index)
        if name == "labelled":
            few = slice(0, self.config.labelled)
            return Samples({"image": image[few], "label": label[few]}, index[few])
        part = slice(*UNLABELLED[name])
        return Samples({"image": image[part]}, index[part])

    def _held_out(self, name: str, image: Tensor, label: Tensor, index: Tensor) -> Samples:
        """A split as it is, or as `test_views` frozen views an image: the same for every job, resampled by image."""
        if self.test_views == 1:
            return Samples({"image": image, "label": label}, index)
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
        return batch.with_(image=show(LOOKS[policy], batch["image"], batch.view, batch.index, draw))

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(self.data(name)) for name in (*self.sets, "val", "test")}
        return {
            "what": "8×8 grey images of handwritten digits, real; writers are shared between train and test",
            "sizes": sizes,
            "classes": 10,
            "note": "val and test show "
            + (f"{self.test_views} frozen views of each image and resample by image" if self.test_views > 1 else "clean images"),
        }

    def sample(self, path: Path) -> None:
        """A sheet of test digits: one row a frozen view, one column an image."""
        from matplotlib.figure import Figure

        samples = self.data("test")
        per_view = len(samples) // self.test_views
        columns = list(range(0, per_view, per_view // 12))[:12]
        figure = Figure(figsize=(9, 0.8 * self.test_views), layout="constrained")
        axes = figure.subplots(self.test_views, len(columns), squeeze=False)
        for row in range(self.test_views):
            for column, item in enumerate(columns):
                i = row * per_view + item
                axes[row, column].imshow(samples.fields["image"][i, 0], cmap="gray_r", vmin=-0.2, vmax=1.2)
                axes[row, column].set_axis_off()
        figure.savefig(path, dpi=120)
