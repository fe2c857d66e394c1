"""How a picture of sound may be shown: moved in time, at another level, partly blank; every one a function of uniform numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def roll_mask(image: Tensor, u: Tensor, most: tuple[int, int] = (10, 6)) -> Tensor:
    """Roll in time (up to 30 % of the frames), change the level, blank up to so many frames and mels; `u` is [B, 6].

    The level is an offset, since the picture is logarithmic; blanks hold 0, the training mean. A clip's view is made of
    gathers, sums and comparisons of its own numbers, so it is the same bit for bit in any batch.
    """
    mels, frames = image.shape[-2:]
    reach = int(0.3 * frames)
    time = torch.arange(frames, device=image.device)
    shift = torch.floor(u[:, 0] * (2 * reach + 1)).long() - reach
    source = (time - shift[:, None]) % frames
    moved = image.gather(-1, source[:, None, None].expand_as(image)) + (0.6 * (2 * u[:, 1] - 1))[:, None, None, None]

    def blank(size: Tensor, place: Tensor, most: int, length: int) -> Tensor:
        width = torch.floor(size * (most + 1))
        start = torch.floor(place * (length - width + 1))
        at = torch.arange(length, device=image.device)
        return (at >= start[:, None]) & (at < (start + width)[:, None])

    blanks = blank(u[:, 2], u[:, 3], most[0], frames)[:, None, None, :]
    blanks = blanks | blank(u[:, 4], u[:, 5], most[1], mels)[:, None, :, None]
    return moved.masked_fill(blanks, 0)


def shifted(values: Tensor, by: Tensor, dim: int) -> Tensor:
    """Rows moved along `dim` by whole steps of their own; what comes in is 0: silence, no tag."""
    length = values.shape[dim]
    shape = [1] * values.dim()
    shape[dim] = length
    source = torch.arange(length, device=values.device).view(shape) - by.view(-1, *[1] * (values.dim() - 1))
    inside = (source >= 0) & (source < length)
    return values.gather(dim, source.clamp(0, length - 1).expand_as(values)) * inside
