"""The params of the task `scenes`: which sets, which classes, at which sizes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from kdbench.contract.model import Config
from kdbench.tasks.data.scenes.label_maps import VOID
from kdbench.tasks.from_folder import content_param, place

LayoutName = Literal["cityscapes", "gta5", "synthia", "camvid", "idd", "pairs"]
SpaceName = Literal["default", "own", "cityscapes19", "synthia16", "synthia13", "idd7", "camvid11"]
Size = tuple[int, int]
Colour = tuple[int, int, int]


class ScenesConfig(Config):
    source: LayoutName = Field("pairs", description="layout of the set with labels")
    target: LayoutName | None = Field(None, description="layout of the set that is wanted; the source itself if left out")
    root: str = place("folder that holds the sets, if not KDBENCH_DATA")
    source_root: str = place("folder of the source, if it lies elsewhere")
    target_root: str = place("folder of the target, if it lies elsewhere")
    source_content: str = content_param("fingerprint of the source's files, as `kdbench data check` prints it")
    target_content: str = content_param("the same of the target's files")
    unpaired: Literal["refuse", "drop"] = Field("refuse", description="images without a label, labels without an image")
    space: SpaceName = Field("default", description="list of classes; by default the target's own (Cityscapes' 19)")
    names: tuple[str, ...] = Field((), description="of your own classes, in the order of their numbers in the labels")
    palette: tuple[Colour, ...] = Field((), description="the colour of each class, where labels are coloured images")
    void: int = Field(
        VOID, ge=0, le=255, description="number in your labels that does not count, as 255 does; classes are numbered without it"
    )
    void_colours: tuple[Colour, ...] = Field((), description="colours that do not count")
    size: Size = Field((512, 1024), description="height and width at which images are decoded; they are stretched to it")
    source_size: Size | None = Field(None, description="the same of the source's images; as `size` if left out")
    test_size: Size | None = Field(None, description="of the labels of val and test; as `size` if left out")
    crop: Size | None = Field(None, description="height and width of the random part that is trained on; all if left out")
    train: int | None = Field(None, ge=2, description="training images to use; all if left out")
    source_train: int | None = Field(None, ge=2, description="the same of the source")
    test: int | None = Field(None, ge=2, description="test images to use; all if left out")
    val: int = Field(0, ge=0, description="training images held out for choices, where the set has no val beside its test")
    stride: Literal[1, 2, 4, 8] = Field(4, description="grid of decisions without labels: every so many pixels")
    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="of the pixels / 255; by default ImageNet's")
    std: tuple[float, float, float] = Field((0.229, 0.224, 0.225), description="of the pixels / 255; by default ImageNet's")

    @property
    def sizes(self) -> tuple[Size, Size, Size]:
        """Of the source's images, of the target's, and of what is trained on."""
        return self.source_size or self.size, self.size, self.crop or self.size

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        source, target, seen = self.sizes
        given = [each for each in (source, target, seen, self.test_size) if each is not None]
        if any(side < 8 for each in given for side in each):
            raise ValueError("sizes are height and width in pixels, at least 8 each")
        if self.crop is None and source != target:
            raise ValueError("source_size differs from size, so say what is cut out of both: crop")
        if any(part > whole for each in (source, target) for part, whole in zip(seen, each)):
            raise ValueError(f"crop {list(seen)} is larger than the images, source {list(source)} and target {list(target)}")
        if any(side % self.stride for side in seen):
            raise ValueError(f"height and width of what is trained on, {list(seen)}, must be multiples of stride {self.stride}")
        if len(set(self.names)) < len(self.names):
            raise ValueError("names: a class is named twice")
        if self.palette and len(self.palette) != len(self.names):
            raise ValueError(f"palette: {len(self.palette)} colours for {len(self.names)} names")
        colours = (*self.palette, *self.void_colours)
        if len(set(colours)) < len(colours) or any(not 0 <= value <= 255 for colour in colours for value in colour):
            raise ValueError("palette and void_colours: three numbers of 0 to 255 each, no colour twice")
        if self.void_colours and not self.palette:
            raise ValueError("void_colours needs palette, the colours that count")
        if len(self.names) >= VOID:
            raise ValueError(f"names: {len(self.names)} classes; a label file of 8 bits holds fewer than {VOID}")
        return self
