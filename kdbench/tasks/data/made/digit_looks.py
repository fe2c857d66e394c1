"""How a digit may be shown: small changes of place and shape, and noise, every one a function of the draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kdbench.contract.draw import Draw


@dataclass(frozen=True)
class Look:
    """Degrees of rotation and pixels of shift to either side, relative scale, chance of standing on the head, sd of the noise.

    With `first_plain`, view 0 is the image as it is, so that n views are the data set and n - 1 variations of it.
    """

    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    upside_down: float = 0.0
    noise: float = 0.0
    first_plain: bool = False

    @property
    def moves(self) -> bool:
        return bool(self.rotation or self.shift or self.scale or self.upside_down)


LOOKS = {
    "warp": Look(rotation=15, shift=1, scale=0.1, noise=0.15),
    "none": Look(),
    "gentle": Look(rotation=10, shift=0.75, first_plain=True),
    "strong_rotation": Look(rotation=45, shift=1, scale=0.1, noise=0.15),
    "vertical_flip": Look(rotation=15, shift=1, scale=0.1, upside_down=0.5, noise=0.15),
    "noise_only": Look(noise=0.15),
    "combined": Look(rotation=45, shift=1, scale=0.1, upside_down=0.5, noise=0.3),
}


def show(look: Look, image: Tensor, view: Tensor, index: Tensor, draw: Draw) -> Tensor:
    """The images [B,1,H,W] in their views."""
    plain = image
    if look.moves:
        u = draw.uniform("warp", view, index, 4) * 2 - 1
        angle, scale = u[:, 0] * (look.rotation / 180 * torch.pi), 1 + look.scale * u[:, 1]
        shift = look.shift * u[:, 2:] * 2 / image.shape[-1]  # from pixels to the grid's units
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        theta = torch.stack((torch.stack((cos, -sin, shift[:, 0]), 1), torch.stack((sin, cos, shift[:, 1]), 1)), 1)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        image = F.grid_sample(image, grid, align_corners=False)
    if look.upside_down:
        turned = draw.uniform("upside down", view, index) < look.upside_down
        image = torch.where(turned[:, None, None, None], image.flip(2), image)
    if look.noise:
        noise = draw.normal("noise", view, index, image[0].numel()).view_as(image)
        image = image + look.noise * noise
    return torch.where((view == 0)[:, None, None, None], plain, image) if look.first_plain else image
