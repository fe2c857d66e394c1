"""Segmentation tasks: one class per pixel, learned in one domain and wanted in another."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.contract.task import Forward, Samples, Task, batches
from kdbench.tasks.data import streets

IGNORE = 255
ClassName = Literal["road", "sidewalk", "building", "vegetation", "sky", "pole", "person", "car"]


class Segmentation(Task):
    """What every dense task shares: how maps are read, the loss, the raw outputs.

    With labels, maps are stretched to the labels' size: a label cannot be shrunk without losing what is thin. Without labels
    decisions lie on a grid of `stride`: nothing is won by stretching student and teacher alike, and it costs four times less.
    """

    family = "segmentation"
    axis = "class"
    grid = True
    stride: ClassVar[int] = 2

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        label = batch.get("label")
        height, width = self.facts.size
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
        samples = self.data(split)
        logits = torch.cat([forward(batch).values for batch in batches(samples, 64)])
        return {"logits": logits.float().cpu().numpy(), "labels": samples.fields["label"].cpu().numpy()}


class StreetsConfig(Config):
    size: Literal["full", "small"] = Field("full", description="256 + 256 training images, or 128 + 128 for a quick look")
    gap: float = Field(0.6, ge=0, le=1, description="how far the target's look is from the source's; past .8 pixels drown in fog")
    lay: float = Field(1.0, ge=0, le=1, description="how far the target's layout is from the source's")
    missing: tuple[ClassName, ...] = Field((), description="classes that the source's labels lack (ignored there)")


SIZES: dict[str, dict[str, int]] = {
    "full": {"source": 256, "target": 256, "source_val": 100, "val": 100, "test": 200},
    "small": {"source": 128, "target": 128, "source_val": 50, "val": 50, "test": 100},
}
RECIPE = {"steps": 192, "optimiser": "adamw", "weight_decay": 1e-4, "schedule": "onecycle", "warmup": 0.15}


@functools.cache
def _drawn(split: str, count: int, gap: float, lay: float) -> tuple[Tensor, Tensor]:
    """Images float [N,3,H,W] in 0..1 and labels uint8 [N,H,W]; drawn once a process."""
    images, labels = streets.draw(split, count, gap=gap, lay=lay)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous(), torch.from_numpy(labels)


class Streets(Segmentation):
    """Generated street scenes: labels in a game-like source domain, unlabelled images in the target domain of val and test."""

    name = "streets"
    Config = StreetsConfig
    sets = {
        "source": "the source domain, with labels",
        "target": "the target domain, without labels",
        "target_labelled": "the target domain, with labels: for the oracle",
        "source_val": "further images of the source domain, with labels",
    }
    roles = {"labelled": "source", "transfer": "target", "teacher": "source"}
    augments = {
        "flip": "mirrored, or not",
        "moment": "flip; each channel's mean and deviation become those of a random target image",
        "jitter": "flip; strong random gain, cast, contrast and noise",
        "grey": "flip and jitter of the grey image",
        "none": "the image as it is",
    }
    bank = 32
    pair: ClassVar[dict[str, Any]] = {
        "teacher": {
            "model": "street_teacher",
            "recipe": {**RECIPE, "batch": 16, "lr": 1.5e-2},
            "view": "moment",
        },
        "student": {
            "model": "street_student",
            "recipe": {**RECIPE, "batch": {"labelled": 8, "transfer": 16}, "lr": 2e-2, "joint": True},
        },
    }
    aliases = {"source_only": "none"}
    licence = "generated by kdbench, CC0"

    def __init__(self, config: StreetsConfig | None = None):
        super().__init__(config)
        self.moments = functools.cache(self.moments)  # type: ignore[method-assign]

    @property
    def facts(self) -> Facts:
        return Facts(outputs=len(streets.CLASSES), channels=3, size=(streets.HEIGHT, streets.WIDTH))

    @classmethod
    def fingerprint(cls, config: Any) -> str:
        return f"{super().fingerprint(config)}:scenes@{streets.VERSION}"

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor]:
        return lambda image: (image - 0.45) / 0.25

    def data(self, name: str) -> Samples:
        c: Any = self.config
        split = "target" if name == "target_labelled" else name
        in_source = split.startswith("source")
        image, label = _drawn(split, SIZES[c.size][split], 0.0 if in_source else c.gap, 0.0 if in_source else c.lay)
        if name == "target":
            return Samples({"image": image})
        if in_source and c.missing:
            gone = torch.tensor([streets.CLASSES.index(each) for each in c.missing])
            label = label.masked_fill(torch.isin(label, gone), IGNORE)
        return Samples({"image": image, "label": label})

    def moments(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel of each target training image, [N,3,1,1] each: it takes no label to know them."""
        image = self.data("target").fields["image"].to(device)
        return image.mean((2, 3), keepdim=True), image.std((2, 3), keepdim=True)

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        if policy == "none":
            return batch
        view, index = batch.view, batch.index
        mirrored = draw.uniform("flip", view, index) < 0.5
        fields = {"image": torch.where(mirrored[:, None, None, None], batch["image"].flip(-1), batch["image"])}
        label = batch.get("label")
        if label is not None:
            fields["label"] = torch.where(mirrored[:, None, None], label.flip(-1), label)
        if policy == "moment":
            fields["image"] = self._moment(fields["image"], draw.uniform("moment", view, index))
        elif policy in ("jitter", "grey"):
            if policy == "grey":
                fields["image"] = fields["image"].mean(1, keepdim=True).expand(-1, 3, -1, -1)
            noise = draw.normal("noise", view, index, fields["image"][0].numel()).view_as(fields["image"])
            fields["image"] = self._jitter(fields["image"], draw.uniform("jitter", view, index, 6), noise)
        return batch.with_(**fields)

    def _moment(self, image: Tensor, u: Tensor) -> Tensor:
        mean, deviation = self.moments(image.device)
        like = (u * len(mean)).long()
        centred = image - image.mean((2, 3), keepdim=True)
        return centred / image.std((2, 3), keepdim=True).clamp(min=1e-3) * deviation[like] + mean[like]

    @staticmethod
    def _jitter(image: Tensor, u: Tensor, noise: Tensor) -> Tensor:
        """Gain .5–1.3, cast ±20 % a channel, contrast .3–1.2 about the mean, noise of deviation up to .08."""
        gain = (0.5 + 0.8 * u[:, :1]) * (0.8 + 0.4 * u[:, 1:4])
        contrast = (0.3 + 0.9 * u[:, 4])[:, None, None, None]
        mean = image.mean((1, 2, 3), keepdim=True)
        shown = (mean + (image - mean) * contrast) * gain[:, :, None, None]
        return shown + 0.08 * u[:, 5][:, None, None, None] * noise

    def describe(self) -> dict[str, Any]:
        def shares(name: str) -> dict[str, float]:
            label = self.data(name).fields["label"].flatten().long()
            counts = torch.bincount(label[label != IGNORE], minlength=len(streets.CLASSES)).double()
            return dict(zip(streets.CLASSES, (counts / counts.sum()).mul(1e4).round().div(1e4).tolist()))

        return {
            "what": "48×64 RGB street scenes, drawn by rule in two domains; labels of the source only, tested on the target",
            "sizes": {name: len(self.data(name)) for name in (*self.sets, "val", "test")},
            "classes": len(streets.CLASSES),
            "pixel_shares": {"source": shares("source"), "target": shares("target_labelled")},
            "note": "val and test are target images; the last two rows of every label are 255 and never count",
            "licence": self.licence,
            "fingerprint": self.fingerprint(self.config),
        }

    def sample(self, path: Path) -> None:
        """A contact sheet: source images, their labels, target images, their labels."""
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch

        palette = np.zeros((256, 3), np.uint8)
        palette[: len(streets.CLASSES)] = streets.PALETTE
        border = ((1, 1), (1, 1), (0, 0))
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        for axis, name in zip(figure.subplots(2, 1), ("source", "target_labelled"), strict=True):
            fields = self.data(name).rows(torch.arange(8))
            images = fields["image"].mul(255).round().byte().permute(0, 2, 3, 1).numpy()
            rows = [np.hstack([np.pad(each, border, constant_values=255) for each in part])
                    for part in (images, palette[fields["label"].numpy()])]  # fmt: skip
            axis.imshow(np.vstack(rows), interpolation="nearest")
            axis.set_title(name.removesuffix("_labelled"), loc="left", fontsize=9)
            axis.set_axis_off()
        keys = [Patch(color=colour / 255, label=each) for each, colour in zip(streets.CLASSES, streets.PALETTE, strict=True)]
        keys.append(Patch(color="black", label="ignored"))
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=7, frameon=False)
        figure.savefig(path, dpi=150)


assert get_args(ClassName) == streets.CLASSES
