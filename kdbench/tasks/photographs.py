"""What tasks on photographs share: parts of a training set, views as functions of the draw, one class per image.

A subclass reads its set; images are uint8 [N,3,H,W] with their classes in turn, so that every prefix is balanced.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.model import Facts, ModelPlugin, normaliser
from kdbench.contract.task import Forward, Samples
from kdbench.contract.views import FiniteViews
from kdbench.tasks.classification import Classification
from kdbench.tasks.data import canonical
from kdbench.tasks.data.photos.image_looks import LOOKS, WORDS, finite, show
from kdbench.tasks.data.photos.image_sheet import sheet
from kdbench.tasks.data.photos.split import Split
from kdbench.tasks.from_folder import FromFolder, FromFolderConfig

PARTS = {"pool": (0.0, 1.0), "pool_eighth": (0.0, 0.125), "pool_quarter": (0.0, 0.25), "half_a": (0.0, 0.5), "half_b": (0.5, 1.0)}


class PhotoConfig(FromFolderConfig):
    train: int | None = Field(None, ge=2, description="training images to use (balanced); all if left out")
    test: int | None = Field(None, ge=2, description="test images to use (balanced); all if left out")
    val: int = Field(0, ge=0, description="training images held out for choices; 0 trains on all of them")
    labelled: int | None = Field(None, ge=1, description="images of the set 'labelled' (balanced); all if left out")


@dataclass(frozen=True, eq=False)
class Photos:
    """A set as read: its parts in canonical order, the class names, and where it came from. `val` only where it has one."""

    classes: tuple[str, ...]
    train: Split
    test: Split
    origin: str
    val: Split | None = None
    marks: Mapping[str, np.ndarray] = field(default_factory=dict)  # split -> digests of its images


class Photographs(FromFolder, Classification):
    """One class per photograph."""

    Config: ClassVar[type[PhotoConfig]] = PhotoConfig
    sets = {
        "train": "the training images, params.train of them, with labels",
        "labelled": "the first params.labelled training images, with labels",
        "pool": "the training images, without labels",
        "pool_eighth": "the first eighth of them, without labels",
        "pool_quarter": "the first quarter of them, without labels",
        "half_a": "the first half of them, without labels",
        "half_b": "the other half, without labels",
    }
    # One stream for labels and teacher, as in the literature: both losses see the same batch.
    roles = {"labelled": "train", "transfer": "train", "teacher": "train"}
    augments = WORDS
    mean: ClassVar[tuple[float, float, float]]
    std: ClassVar[tuple[float, float, float]]
    config: PhotoConfig

    @abstractmethod
    def photos(self) -> Photos:
        """The set, read and found to be the one that is meant."""

    @property
    def facts(self) -> Facts:
        found = self.photos()
        return Facts(outputs=len(found.classes), channels=3, size=found.train.images.shape[2:])  # type: ignore[arg-type]

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.mean, self.std

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor]:
        return normaliser(*self.normalisation())

    def usage(self) -> dict[str, Any]:
        mean, std = map(list, self.normalisation())
        return {"input": "RGB image, bytes from 0 to 255", "mean": mean, "std": std, "answers": list(self.photos().classes)}

    def part(self, name: str) -> Split:
        """train, val or test. What is held out comes from the end of the training images, their parts from its beginning."""
        c = self.config
        found = self.photos()
        if name == "test":
            return found.test.rows(slice(c.test))
        if name == "val" and found.val is not None:
            return found.val
        kept = len(found.train.labels) - (c.val if found.val is None else 0)
        return found.train.rows(slice(kept, None) if name == "val" else slice(min(kept, c.train or kept)))

    def data(self, name: str) -> Samples:
        c = self.config
        images, labels = self.part(name if name in ("val", "test") else "train")
        index = torch.arange(len(labels))
        if name in ("train", "val", "test", "labelled"):
            some = slice(c.labelled if name == "labelled" else None)
            return Samples({"image": torch.from_numpy(images[some]), "label": torch.from_numpy(labels[some])}, index[some])
        some = slice(*(round(share * len(labels)) for share in PARTS[name]))
        return Samples({"image": torch.from_numpy(images[some])}, index[some])

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        return batch.with_(image=show(LOOKS[policy], batch["image"], batch.view, batch.index, draw))

    def finite(self, policy: str) -> FiniteViews | None:
        return finite(LOOKS[policy])

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        """Nothing where nothing is held out."""
        return super().evaluate(forward, split) if len(self.data(split)) else {}

    def leaks(self) -> list[str]:
        return canonical.leaks(self.photos().marks)

    def details(self) -> dict[str, Any]:
        found = self.photos()
        return {
            "sizes": {name: len(self.data(name)) for name in ("train", "val", "test")},
            "classes": len(found.classes),
            "read from": found.origin,
        }

    def sample(self, path: Path) -> None:
        sheet(*self.part("test"), self.photos().classes, path)
