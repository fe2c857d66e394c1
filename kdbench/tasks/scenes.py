"""Scenes from files: a source with labels and a target without, each in the layout of its download, or one set alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.model import Facts, ModelPlugin, normaliser
from kdbench.contract.task import Samples
from kdbench.contract.views import FiniteViews
from kdbench.tasks.data import canonical
from kdbench.tasks.data.scenes import scene_cache
from kdbench.tasks.data.scenes import scene_looks as looks
from kdbench.tasks.data.scenes.scene_check import neighbours
from kdbench.tasks.data.scenes.scene_set import Part, SceneSet
from kdbench.tasks.data.scenes.scene_sheet import contact_sheet
from kdbench.tasks.from_folder import FromFolder
from kdbench.tasks.maps import Segmentation
from kdbench.tasks.scene_files import SceneFiles, space
from kdbench.tasks.scene_params import ScenesConfig, Size
from kdbench.tasks.segmentation import RECIPE

AHEAD = 2  # batches cut out of the files while the device works on another: no set of scenes fits into its memory
ADAMW = {**RECIPE, "steps": 2000, "lr": 1e-3}


class Scenes(FromFolder, Segmentation):
    """Street scenes or any images with label maps, from your folders: labels in a source, none in the target of val and test.

    Cityscapes, GTA5, SYNTHIA, CamVid, IDD-Lite and any folders of images and labels. One set alone is its own target: what
    is then distilled is the set `source` (view: {transfer: source}).
    """

    name = "scenes"
    reader = "kdbench.tasks.data.scenes.scene_layouts:meant_by"
    tested = "the target (a set alone is its own)"
    Config = ScenesConfig
    sets = {
        "source": "the source's training images, with labels",
        "target": "the target's training images, without labels",
        "target_labelled": "the target's training images, with labels: for the oracle",
    }
    roles = {"labelled": "source", "transfer": "target", "teacher": "source"}
    augments = {
        "crop_flip": "a random part of params.crop, mirrored or not",
        "jitter": "crop_flip; random gain, cast, contrast and noise",
        "moment": "crop_flip; each channel's mean and deviation become those of a random target image",
        "none": "the image as it is",
    }
    pair: ClassVar[dict[str, Any]] = {
        "teacher": {"model": "street_teacher", "recipe": {**ADAMW, "batch": 8}},
        "student": {"model": "street_student", "recipe": {**ADAMW, "batch": {"labelled": 4, "transfer": 8}, "joint": True}},
    }
    licence = "that of the sets; most are for research only"
    config: ScenesConfig

    def __init__(self, config: ScenesConfig | None = None):
        super().__init__(config)
        self.moments = functools.cache(self.moments)  # type: ignore[method-assign]

    @classmethod
    def fingerprint(cls, config: Any) -> str:
        named = (config.source_content, config.target_content) if config.target else (config.source_content,)
        return "sha256:" + "+".join(each or "of params" for each in named)

    @functools.cached_property
    def files(self) -> SceneFiles:
        return SceneFiles(self.config)

    @property
    def facts(self) -> Facts:
        return Facts(outputs=len(space(self.config).names), channels=3, size=self.config.sizes[2])

    @property
    def stride(self) -> int:
        return self.config.stride

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor]:
        return normaliser(self.config.mean, self.config.std)

    def usage(self) -> dict[str, Any]:
        c = self.config
        told = f"RGB image, bytes from 0 to 255: Pillow resizes it (BILINEAR) to {'×'.join(map(str, c.sizes[1]))}, height×width"
        return {"input": told, "mean": list(c.mean), "std": list(c.std), "answers": list(space(c).names)}

    def data(self, name: str) -> Samples:
        found, part = self.files.part(name)
        source, target, _ = self.config.sizes
        size = source if name == "source" else target
        if not part.stems:
            return Samples({"image": torch.empty(0, 3, *size), "label": torch.empty(0, *size)})
        fields = {"image": torch.from_numpy(scene_cache.images(part.images, found.folder, size))}
        if name != "target":
            fields["label"] = torch.from_numpy(self._labels(name, found, part, size))
        return Samples(fields, ahead=AHEAD)

    def _labels(self, name: str, found: SceneSet, part: Part, size: Size) -> np.ndarray:
        if not part.labels:
            raise DataError(f"{found.folder}: its training images have no labels, which set '{name}' needs")
        shown = (self.config.test_size or size) if name in ("val", "test") else size
        return scene_cache.labels(part.labels, part.images, found.folder, shown, *self.files.table(found))

    def moments(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel of each target training image, [N,3,1,1] each: it takes no label to know them."""
        images = self.data("target").fields["image"]
        found = [looks.moments(part.float() / 255) for part in images.split(16)]
        mean, deviation = (torch.cat(each).to(device) for each in zip(*found))
        return mean, deviation

    def finite(self, policy: str) -> FiniteViews | None:
        return looks.MIRRORED if policy == "crop_flip" and self.config.crop is None else super().finite(policy)

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        view, index, crop = batch.view, batch.index, self.config.crop
        image = batch["image"]
        fields = {"image": image.float() / 255 if image.dtype == torch.uint8 else image}
        if (label := batch.get("label")) is not None:
            fields["label"] = label
        if policy == "none":
            return batch.with_(**fields)
        if crop is not None:
            top, left = looks.corners(draw.uniform("crop", view, index, 2), image.shape[-2:], crop)  # type: ignore[arg-type]
            fields = {name: looks.cut(maps, top, left, crop) for name, maps in fields.items()}
        mirrored = looks.mirrored(view, index, draw)
        fields = {name: looks.mirror(maps, mirrored) for name, maps in fields.items()}
        fields["image"] = looks.recoloured(policy, fields["image"], batch, draw, self.moments)
        return batch.with_(**fields)

    def leaks(self) -> list[str]:
        found, _ = self.files.part("test")
        return canonical.leaks(found.marks) + neighbours({split: part.stems for split, part in found.parts.items()})

    def details(self) -> dict[str, Any]:
        return {
            "sizes": {name: len(self.files.part(name)[1].stems) for name in (*self.sets, "val", "test")},
            "classes": ", ".join(space(self.config).names),
            "read from": str(self.files.loaded("target").folder),
        }

    def sample(self, path: Path) -> None:
        """A contact sheet: source images over their labels, test images over theirs."""
        size, shown = self.config.size, []
        for name in ("source", "test"):
            found, part = self.files.part(name)
            few = part.rows(slice(6))
            images = [scene_cache.image(file, size).transpose(1, 2, 0) for file in few.images]
            pairs = zip(few.labels, few.images, strict=True)
            labels = [scene_cache.label(file, of, *self.files.table(found), size) for file, of in pairs]
            shown.append((name, np.stack(images), np.stack(labels)))
        contact_sheet(path, shown, space(self.config).names, space(self.config).palette())
