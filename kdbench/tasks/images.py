"""Your own images: one folder a class, at one size, with the tasks' usual sets and policies."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from pydantic import Field

from kdbench.tasks.data import images
from kdbench.tasks.photographs import PhotoConfig, Photographs, Photos


class ImagesConfig(PhotoConfig):
    content: str = Field("", description="fingerprint of the images that are meant, as `kdbench data check images` prints it")
    size: int = Field(32, ge=8, le=512, description="pixels of a side: the shorter one is resized, the centre taken, once")
    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="of the pixels / 255; by default ImageNet's")
    std: tuple[float, float, float] = Field((0.229, 0.224, 0.225), description="of the pixels / 255; by default ImageNet's")


class Images(Photographs):
    """A folder of images, one folder a class (Tiny-ImageNet too), decoded once at a fixed size.

    ImageNet's own training view takes its random part of the full image; here it is a part of the square that was decoded.
    """

    name = "images"
    Config = ImagesConfig
    pair: ClassVar[dict[str, Any]] = {
        "teacher": {"model": "resnet56", "recipe": {"steps": 20_000, "optimiser": "sgd", "lr": 0.05, "weight_decay": 5e-4}},
        "student": {"model": "resnet20", "recipe": {"steps": 20_000, "optimiser": "sgd", "lr": 0.05, "weight_decay": 5e-4}},
    }
    licence = "yours to know"

    @classmethod
    def fingerprint(cls, config: Any) -> str:
        return f"sha256:{config.content or 'of params.content'}"

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.config.mean, self.config.std  # type: ignore[attr-defined]

    @functools.cached_property
    def _photos(self) -> Photos:
        c: ImagesConfig = self.config  # type: ignore[assignment]
        found = images.load(c.root, c.content)
        parts = {split: (images.pixels(found, split, c.size), found.labels[split]) for split in found.files}
        origin = f"{found.folder} ({found.layout})"
        return Photos(found.classes, parts["train"], parts["test"], origin, parts.get("val"))

    def photos(self) -> Photos:
        return self._photos
