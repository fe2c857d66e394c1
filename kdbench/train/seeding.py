"""Random numbers by position: a step's generators are set from (seed, step), so nothing depends on who drew before."""

from __future__ import annotations

import torch

from kdbench.contract.draw import seed_for


def reseed(device: torch.device, *parts: object) -> int:
    """Set torch's global generators from the parts. The generator object is set, since torch.manual_seed costs 100 times more."""
    seed = seed_for(*parts)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    return seed
