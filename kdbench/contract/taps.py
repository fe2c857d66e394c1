"""How taps of several shapes are met by one code: a tap is a map [B,C,H,W], a vector [B,D], or a list [B,K,D] of vectors."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, ...]  # of a tap, without the batch


def width(shape: Shape) -> int:
    """Channels of a map, else the length of a vector."""
    return shape[0] if len(shape) == 3 else shape[-1]


def pointwise(shape: Shape, inputs: int, outputs: int, bias: bool = True) -> nn.Module:
    """One linear layer for every position of a tap of this shape."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias) if len(shape) == 3 else nn.Linear(inputs, outputs, bias=bias)


def meet(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of unequal size, averaged down to the smaller height and width; anything else as it is."""
    if student.dim() != 4 or student.shape[2:] == teacher.shape[2:]:
        return student, teacher
    size = (min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3]))
    return F.adaptive_avg_pool2d(student, size), F.adaptive_avg_pool2d(teacher, size)
