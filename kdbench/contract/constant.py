"""Numbers that lie on a device. They are copied there once: a copy at each step makes the device wait for the host."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def constant(values: float | tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """The tensor of these numbers. It is shared: nobody may change it."""
    return torch.tensor(values, device=device, dtype=dtype)
