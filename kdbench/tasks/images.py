"""Your own images: folders or a list, at one size, with the tasks' usual sets and policies."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.model import Facts
from kdbench.contract.task import Samples
from kdbench.tasks.data.photos import full_images, image_files, images
from kdbench.tasks.data.photos.image_looks import LOOKS, show
from kdbench.tasks.data.photos.split import Split
from kdbench.tasks.data.threads import stacked
from kdbench.tasks.from_folder import content_param
from kdbench.tasks.photographs import PhotoConfig, Photographs, Photos

AHEAD = 3  # batches that are decoded beside the training


class ImagesConfig(PhotoConfig):
    content: str = content_param("fingerprint of the images that are meant, as `kdbench data check images` prints it")
    size: int = Field(32, ge=8, le=512, description="pixels of a side: the shorter one is resized, the centre taken, once")
    test_size: int | None = Field(None, ge=8, le=1024, description="pixels of a side of held-out images; default: size")
    resize: int | None = Field(
        None, ge=8, le=2048, description="to what the shorter side of a held-out image is resized before; default: its size"
    )
    views_from: Literal["squares", "files"] = Field(
        "squares",
        description="what training views are made of: squares that are decoded once, or the whole image, decoded for each view, "
        "for sets too large for a cache and for resized_crop as ImageNet has it",
    )
    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="of the pixels / 255; by default ImageNet's")
    std: tuple[float, float, float] = Field((0.229, 0.224, 0.225), description="of the pixels / 255; by default ImageNet's")

    @property
    def side(self) -> int:
        """Pixels of a side of held-out images."""
        return self.test_size or self.size

    @model_validator(mode="after")
    def _large_enough(self) -> ImagesConfig:
        if self.resize is not None and self.resize < self.side:
            raise ValueError(f"resize ({self.resize}) is smaller than the part that is taken of it ({self.side})")
        return self


class Images(Photographs):
    """A set of images in folders, one a class, or by a list; ImageNet and Tiny-ImageNet too.

    Training views are made of squares that were decoded once; with `views_from: files` of the whole image, which stays on disk.
    Then `resized_crop` takes its random part of all of it, and every other policy starts from the centre.
    """

    name = "images"
    reader = "kdbench.tasks.data.photos.images:meant_by"
    Config = ImagesConfig
    pair: ClassVar[dict[str, Any]] = {
        "teacher": {"model": "resnet56", "recipe": {"steps": 20_000, "optimiser": "sgd", "lr": 0.05, "weight_decay": 5e-4}},
        "student": {"model": "resnet20", "recipe": {"steps": 20_000, "optimiser": "sgd", "lr": 0.05, "weight_decay": 5e-4}},
    }
    licence = "yours to know"
    config: ImagesConfig

    @property
    def facts(self) -> Facts:
        c = self.config
        return Facts(outputs=len(self._found.classes), channels=3, size=(c.size, c.size))

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.config.mean, self.config.std

    def usage(self) -> dict[str, Any]:
        c = self.config
        told = (
            f"RGB image, bytes from 0 to 255: Pillow resizes (BILINEAR) its shorter side to {c.resize or c.side} pixels, the "
            f"other by the same factor, rounded; then the centre is taken, {c.side}×{c.side}, its left and top edge rounded down"
        )
        cut = {"resize": c.resize or c.side, "crop": c.side}
        return {**super().usage(), "answers": list(self._found.classes), "input": told, **cut}

    @functools.cached_property
    def _found(self) -> images.ImageSet:
        return images.load(self.config.root, self.config.content)

    @functools.cached_property
    def _photos(self) -> Photos:
        """Pixels; of training images that stay in their files, the files' numbers."""
        c = self.config
        found = self._found
        shown = {split: images.pixels(found, split, c.side, c.resize) for split in found.files if split != "train"}
        files = np.arange(len(found.files["train"]))
        shown["train"] = files if c.views_from == "files" else images.pixels(found, "train", c.size)
        parts = {split: Split(pixels, found.labels[split]) for split, pixels in shown.items()}
        origin = f"{found.folder} ({found.layout})"
        return Photos(found.classes, parts["train"], parts["test"], origin, parts.get("val"), found.marks)

    def photos(self) -> Photos:
        return self._photos

    def part(self, name: str) -> Split:
        """What is held out is pixels always, and shown as the test is."""
        c = self.config
        part, found = super().part(name), self._found
        if name != "val" or "val" in found.files:
            return part
        files = found.files["train"][len(found.files["train"]) - len(part.labels) :]
        return Split(image_files.pixels(files, found.folder, c.side, resize=c.resize), part.labels)

    def data(self, name: str) -> Samples:
        samples = super().data(name)
        if samples.fields["image"].dim() > 1:
            return samples
        fields = {"file" if field == "image" else field: values for field, values in samples.fields.items()}
        return replace(samples, fields=fields, ahead=AHEAD)

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        if "file" not in batch.fields:
            return super().augment(policy, batch, draw)
        c = self.config
        files = [self._found.files["train"][number] for number in batch["file"].tolist()]
        look = LOOKS[policy]
        if look.resized:
            u = draw.uniform("part", batch.view, batch.index, full_images.DRAWS).cpu().numpy()
            pixels = stacked(lambda row: full_images.view(files[row], c.size, look.resized, u[row]), len(files))
        else:
            resize = c.resize if c.side == c.size else None
            pixels = stacked(lambda row: image_files.decode(files[row], c.size, resize=resize), len(files))
        image = show(replace(look, resized=0.0), torch.from_numpy(pixels).to(batch.index.device), batch.view, batch.index, draw)
        kept = {field: values for field, values in batch.fields.items() if field != "file"}
        return batch.but(fields={**kept, "image": image})
