"""Views of images with label maps, as functions of uniform numbers: cut-outs and mirrors move the labels too, colours do not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.views import FiniteViews

Moments = Callable[[torch.device], tuple[Tensor, Tensor]]  # of each channel of each target image, on a device


def mirrored(view: Tensor, index: Tensor, draw: Draw) -> Tensor:
    """[B] which rows of a batch are shown mirrored."""
    return draw.uniform("flip", view, index) < 0.5


MIRRORED = FiniteViews("mirrored or not", 2, lambda view, index, draw: mirrored(view, index, draw).long())


def mirror(maps: Tensor, mirrored: Tensor) -> Tensor:
    """[B,…,H,W], each row of the batch mirrored or not [B]."""
    return torch.where(mirrored.view(-1, *[1] * (maps.dim() - 1)), maps.flip(-1), maps)


def corners(u: Tensor, full: tuple[int, int], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """First row and first column [B] of a cut-out, every place alike, from uniforms [B,2]."""
    room = torch.tensor([whole - part + 1 for whole, part in zip(full, size)], device=u.device)
    top, left = (u * room).long().minimum(room - 1).unbind(1)
    return top, left


def cut(maps: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """[B,…,h,w]: of each row of the batch [B,…,H,W] the part that begins at its own corner."""
    flat = maps.flatten(1, -3) if maps.dim() > 3 else maps[:, None]
    rows = top[:, None] + torch.arange(size[0], device=maps.device)
    columns = left[:, None] + torch.arange(size[1], device=maps.device)
    batch = torch.arange(len(maps), device=maps.device)
    picked = flat[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # [B,h,w,C]
    return picked.permute(0, 3, 1, 2).reshape(*maps.shape[:-2], *size)


def moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of each image [N,C,1,1]."""
    return images.mean((2, 3), keepdim=True), images.std((2, 3), keepdim=True)


def like(images: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Each image with another mean and deviation of each channel."""
    centred = images - images.mean((2, 3), keepdim=True)
    return centred / images.std((2, 3), keepdim=True).clamp(min=1e-3) * deviation + mean


def recoloured(policy: str, images: Tensor, batch: Batch, draw: Draw, moments: Moments) -> Tensor:
    """A batch's images in other colours: `moment` gives each the mean and deviation of some target image, `jitter` random gain,
    cast, contrast and noise, `grey` the same to the grey image; any other policy leaves them as they are."""
    if policy == "moment":
        mean, deviation = moments(images.device)
        one = (draw.uniform("moment", batch.view, batch.index) * len(mean)).long()
        return like(images, mean[one], deviation[one])
    if policy not in ("jitter", "grey"):
        return images
    if policy == "grey":
        images = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    noise = draw.normal("noise", batch.view, batch.index, images[0].numel()).view_as(images)
    return jitter(images, draw.uniform("jitter", batch.view, batch.index, 6), noise)


def jitter(images: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    """Gain .5–1.3, cast ±20 % a channel, contrast .3–1.2 about the mean, noise of deviation up to .08; from uniforms [B,6]."""
    gain = (0.5 + 0.8 * u[:, :1]) * (0.8 + 0.4 * u[:, 1:4])
    contrast = (0.3 + 0.9 * u[:, 4])[:, None, None, None]
    mean = images.mean((1, 2, 3), keepdim=True)
    shown = (mean + (images - mean) * contrast) * gain[:, :, None, None]
    return shown + 0.08 * u[:, 5][:, None, None, None] * noise
