"""A tap as one vector or as one map for each sample, for methods that do not care which of both a network shows."""

from __future__ import annotations

from torch import Tensor


def as_vector(tap: Tensor) -> Tensor:
    """[B,C]: the mean over a map's positions or a list's candidates."""
    if tap.dim() == 4:
        return tap.mean((2, 3))
    return tap.mean(1) if tap.dim() == 3 else tap


def as_map(tap: Tensor) -> Tensor:
    """[B,C,H,W]: a vector is a map of one position, a list is one candidate wide."""
    if tap.dim() == 4:
        return tap
    return tap.transpose(1, 2)[..., None] if tap.dim() == 3 else tap[..., None, None]
