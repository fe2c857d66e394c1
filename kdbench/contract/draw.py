"""Random numbers as a pure function of (seed, name, view, sample): any view can be replayed in any order, at any batch size.

A counter-based hash (splitmix64) instead of a generator: nothing to save, nothing that depends on who drew before.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor


def seed_for(*parts: object) -> int:
    """A 63-bit seed derived from any parts, the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8], "little") >> 1


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >= 1 << 63 else constant


_GOLDEN, _MIX1, _MIX2 = (_signed(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift: torch shifts signed integers arithmetically."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    return x ^ _shift(x, 31)


class Draw:
    """The draws of one view stream. Two streams of equal seed give equal numbers for equal (name, view, index)."""

    def __init__(self, seed: int):
        self.seed = seed

    def _bits(self, name: str, view: Tensor, index: Tensor, n: int) -> Tensor:
        key = _mix(torch.full_like(index, _signed(seed_for(self.seed, name) << 1 | 1)) + view * _GOLDEN)
        row = _mix(key + (index + 1) * _GOLDEN)
        return _mix(row[:, None] + torch.arange(1, n + 1, device=index.device) * _GOLDEN)

    def uniform(self, name: str, view: Tensor, index: Tensor, n: int = 1) -> Tensor:
        """[B] (n=1) or [B,n] float32 in [0, 1)."""
        bits = self._bits(name, view, index, n)
        values = _shift(bits, 40).to(torch.float32) * 2.0**-24
        return values[:, 0] if n == 1 else values

    def normal(self, name: str, view: Tensor, index: Tensor, n: int) -> Tensor:
        """[B,n] standard normal, by Box–Muller on two uniforms."""
        half = (n + 1) // 2
        u = self.uniform(name, view, index, 2 * half) if half > 0 else torch.zeros(len(index), 0)
        radius = torch.sqrt(-2.0 * torch.log(1.0 - u[:, :half]))
        angle = 2.0 * math.pi * u[:, half:]
        return torch.cat((radius * torch.cos(angle), radius * torch.sin(angle)), 1)[:, :n]
