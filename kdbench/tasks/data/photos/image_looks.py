"""How a colour image may be shown: moved, mirrored, turned, its colours changed; every one a function of the draw.

Images come as uint8 [B,3,H,W] and leave as floats in 0..1, so that a set stays small until its batch. What a crop or a turn
uncovers is black, before any normalisation, as in the CIFAR literature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kdbench.contract.constant import constant
from kdbench.contract.draw import Draw
from kdbench.contract.model import channels_last
from kdbench.contract.views import FiniteViews


@dataclass(frozen=True)
class Look:
    """Pixels of padding for a crop, chances of the two mirrors, degrees of rotation to either side, strength of colour changes.

    `resized` crops a random part of at least that share of the area and brings it back to full size.
    """

    crop: int = 0
    flip: float = 0.0
    upside_down: float = 0.0
    rotation: float = 0.0
    colour: float = 0.0
    resized: float = 0.0


# The policies of Stanton et al. (2021) each add one change to crop and flip; their sizes are those of its text and code.
LOOKS = {
    "crop_flip": Look(crop=4, flip=0.5),
    "none": Look(),
    "flip": Look(flip=0.5),
    "rotation": Look(crop=4, flip=0.5, rotation=20),
    "vertical_flip": Look(crop=4, flip=0.5, upside_down=0.5),
    "jitter": Look(crop=4, flip=0.5, colour=0.2),
    "combined": Look(crop=4, flip=0.5, upside_down=0.5, rotation=20, colour=0.2),
    "rotation_flip": Look(flip=0.5, rotation=20),
    "resized_crop": Look(flip=0.5, resized=0.08),
}
WORDS = {
    "crop_flip": "a random crop of the image padded by 4 black pixels, mirrored one time in two",
    "none": "the image as it is",
    "flip": "mirrored one time in two",
    "rotation": "crop_flip, and turned by up to 20° to either side",
    "vertical_flip": "crop_flip, and one time in two upside down",
    "jitter": "crop_flip, and brightness, contrast, saturation and hue changed by up to a fifth",
    "combined": "crop_flip with rotation, vertical_flip and jitter",
    "rotation_flip": "turned by up to 20° and mirrored one time in two, no crop (Tiny-ImageNet in the DKD line)",
    "resized_crop": "8 to 100 % of the area at an aspect of 3:4 to 4:3, at full size again, mirrored one time in two (ImageNet)",
}


def show(look: Look, image: Tensor, view: Tensor, index: Tensor, draw: Draw) -> Tensor:
    """The images [B,3,H,W] in their views."""
    if look.crop:
        image = crop(image, look.crop, draw.uniform("crop", view, index, 2))
    if look.flip:
        image = _where(_mirrored(look, view, index, draw), image.flip(3), image)
    if look.upside_down:
        image = _where(_overturned(look, view, index, draw), image.flip(2), image)
    image = channels_last(image.float()) / 255 if image.dtype == torch.uint8 else image
    if look.resized:
        image = resized(image, look.resized, draw.uniform("resized", view, index, 4))
    if look.rotation:
        image = turned(image, (draw.uniform("rotation", view, index) * 2 - 1) * look.rotation)
    if look.colour:
        image = jittered(image, (draw.uniform("colour", view, index, 4) * 2 - 1) * look.colour)
    return image


def finite(look: Look) -> FiniteViews | None:
    """Crops start at one of (2·padding + 1)² places, and mirrors double what there is: 162 views of crop_flip."""
    if look.resized or look.rotation or look.colour:
        return None
    side = 2 * look.crop + 1
    turns = [of for of, chance in ((_mirrored, look.flip), (_overturned, look.upside_down)) if chance]

    def code(view: Tensor, index: Tensor, draw: Draw) -> Tensor:
        number = torch.zeros_like(index)
        if look.crop:
            row, column = _start(look.crop, draw.uniform("crop", view, index, 2)).unbind(1)
            number = row * side + column
        for turned_over in turns:
            number = 2 * number + turned_over(look, view, index, draw)
        return number

    return FiniteViews(f"crop {look.crop}, {len(turns)} mirrors", side * side * 2 ** len(turns), code)


def _mirrored(look: Look, view: Tensor, index: Tensor, draw: Draw) -> Tensor:
    return draw.uniform("flip", view, index) < look.flip


def _overturned(look: Look, view: Tensor, index: Tensor, draw: Draw) -> Tensor:
    return draw.uniform("upside down", view, index) < look.upside_down


def _start(padding: int, u: Tensor) -> Tensor:
    """Row and column of the padded image at which a crop begins; u [B,2] in [0, 1)."""
    return (u * (2 * padding + 1)).long()


def _where(chosen: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Each image from one of two batches. Whole rows of memory are picked, several times as fast as torch.where on pixels."""
    return torch.cat((other, one)).index_select(0, torch.arange(len(chosen), device=chosen.device) + len(chosen) * chosen)


def crop(image: Tensor, padding: int, u: Tensor) -> Tensor:
    """A window of the image's own size in the padded image; u [B,2] in [0, 1) says where."""
    height, width = image.shape[2:]
    windows = F.pad(image, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)  # a view: [B,3,top,left,H,W]
    top, left = _start(padding, u).unbind(1)
    return windows[torch.arange(len(image), device=image.device), :, top, left]


def _moved(image: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, align_corners=False)


def turned(image: Tensor, degrees: Tensor) -> Tensor:
    """Turned about the centre."""
    angle = degrees / 180 * torch.pi
    cos, sin, none = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    return _moved(image, torch.stack((torch.stack((cos, -sin, none), 1), torch.stack((sin, cos, none), 1)), 1))


def resized(image: Tensor, least: float, u: Tensor) -> Tensor:
    """A part with a share of the area in [least, 1) and a log-uniform aspect, as large as the image again."""
    area = least + (1 - least) * u[:, 0]
    aspect = torch.exp((u[:, 1] * 2 - 1) * torch.log(constant(4 / 3, u.device)))
    wide, high = ((area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1))
    x, y = ((1 - wide) * (u[:, 2] * 2 - 1), (1 - high) * (u[:, 3] * 2 - 1))
    none = torch.zeros_like(x)
    return _moved(image, torch.stack((torch.stack((wide, none, x), 1), torch.stack((none, high, y), 1)), 1))


def grey(image: Tensor) -> Tensor:
    """Luminance [B,1,H,W], weighted as in ITU-R 601."""
    return (image * constant((0.299, 0.587, 0.114), image.device, image.dtype)[:, None, None]).sum(1, keepdim=True)


def jittered(image: Tensor, by: Tensor) -> Tensor:
    """Brightness, contrast and saturation times 1 + by[:, 0..2], hue turned by by[:, 3] of a circle; always in this order."""
    factor = (1 + by)[:, :, None, None, None]
    image = (image * factor[:, 0]).clamp(0, 1)
    image = torch.lerp(grey(image).mean((2, 3), keepdim=True).expand_as(image), image, factor[:, 1]).clamp(0, 1)
    image = torch.lerp(grey(image).expand_as(image), image, factor[:, 2]).clamp(0, 1)
    return hue_turned(image, by[:, 3, None, None])


def hue_turned(image: Tensor, by: Tensor) -> Tensor:
    """The colours turned on the circle of hues; value and saturation stay."""
    red, green, blue = image.unbind(1)
    value, low = image.amax(1), image.amin(1)
    chroma = value - low
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    sixth = torch.where(
        value == red, (green - blue) / safe, torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    hue = sixth + 6 * by
    channels = []
    for offset in (5, 3, 1):
        k = (hue + offset) % 6
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)
