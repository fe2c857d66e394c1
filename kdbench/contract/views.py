"""Views that can be counted: where an augmentation shows only so many pictures of a sample, each of them has a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kdbench.contract.draw import Draw


@dataclass(frozen=True)
class FiniteViews:
    """All that a policy can show of one sample. A teacher's answers about them can be complete, and serve every seed.

    Views of equal code show a sample alike, bit for bit, whatever the draw. `scheme` says in a word what the codes mean: when
    that changes it must, too, or answers that were stored before would be taken for those about other views.
    """

    scheme: str
    count: int
    code: Callable[[Tensor, Tensor, Draw], Tensor]  # (view, index, draw) -> long [B], each in [0, count)


AS_IT_IS = FiniteViews("as it is", 1, lambda view, index, draw: torch.zeros_like(index))
