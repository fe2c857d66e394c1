"""CIFAR-10 and CIFAR-100: the published sets from a folder of yours, with the recipes and policies of the literature."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from kdbench.contract.model import Facts
from kdbench.contract.task import Samples
from kdbench.tasks.data.photos import cifar, svhn
from kdbench.tasks.data.photos.foreign import noise, scrambled
from kdbench.tasks.data.photos.image_looks import WORDS
from kdbench.tasks.from_folder import content_param
from kdbench.tasks.photographs import PhotoConfig, Photographs, Photos

CRD = {
    "steps": 187_500,  # 240 epochs of 50,000 images
    "batch": 64,
    "optimiser": "sgd",
    "lr": 0.05,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "steps",
    "milestones": [0.625, 0.75, 0.875],
    "warmup": 0,
}


class CifarConfig(PhotoConfig):
    content: str = content_param("'published', or the fingerprint of the images that are meant instead", cifar.PUBLISHED)
    foreign: str = content_param("the same of the other CIFAR, for the sets that draw on it", cifar.PUBLISHED)
    pixels: Literal["standard", "unit"] = Field("standard", description="by the published mean and deviation, or from -1 to 1")


class _Cifar(Photographs):
    """What both sets share. A subclass says its name, the other set, its classes and its normalisation."""

    Config = CifarConfig
    reader = "kdbench.tasks.data.photos.cifar:meant_by"
    other: ClassVar[str]
    sets = Photographs.sets | {
        "extended": "the training images and as many of the other CIFAR, without labels",
        "foreign": "out of domain: the other CIFAR's training images, without labels",
        "svhn": "out of domain: 73,257 house numbers (SVHN), without labels",
        "scrambled": "out of domain: the training images, their pixels in one wrong order",
        "noise": "out of domain: as many images of uniform noise",
    }
    augments = {name: WORDS[name] for name in ("crop_flip", "none", "flip", "rotation", "vertical_flip", "jitter", "combined")}
    pair: ClassVar[dict[str, Any]] = {
        "teacher": {"model": "resnet56", "recipe": CRD},
        "student": {"model": "resnet20", "recipe": CRD},
    }
    licence = "none stated by its author; photographs found on the web, for research"
    config: CifarConfig

    @classmethod
    def fingerprint(cls, config: Any) -> str:
        return f"sha256:{cifar.KNOWN[cls.name].fingerprint if config.content == cifar.PUBLISHED else config.content}"

    @property
    def facts(self) -> Facts:
        return Facts(outputs=cifar.KNOWN[self.name].classes, channels=3, size=(cifar.SIZE, cifar.SIZE))

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return super().normalisation() if self.config.pixels == "standard" else ((0.5,) * 3, (0.5,) * 3)

    def photos(self) -> Photos:
        c = self.config
        found = cifar.load(self.name, c.root, c.content)
        return Photos(found.classes, found.train, found.test, f"{found.folder} ({found.layout})", marks=found.marks)

    def data(self, name: str) -> Samples:
        c = self.config
        if name == "svhn":
            images = svhn.read(svhn.find(c.root))
        elif name in ("foreign", "extended"):
            images = cifar.load(self.other, c.root, c.foreign).train.images
            if name == "extended":
                own = self.part("train").images
                images = np.concatenate((own, images[: len(own)]))
        elif name in ("scrambled", "noise"):
            images = {"scrambled": scrambled, "noise": noise}[name](self.part("train").images)
        else:
            return super().data(name)
        return Samples({"image": torch.from_numpy(images)}, torch.arange(len(images)))


class Cifar10(_Cifar):
    """CIFAR-10: ten classes of animals and vehicles, 50,000 training and 10,000 test images of 32×32."""

    name = "cifar10"
    other = "cifar100"
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Cifar100(_Cifar):
    """CIFAR-100: a hundred classes of things and animals, 50,000 training and 10,000 test images of 32×32."""

    name = "cifar100"
    other = "cifar10"
    mean, std = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)  # .4867 for .4865 is the literature's own slip, kept by all
