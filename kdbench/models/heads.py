"""A network with further heads on one of its taps, combined by their answers when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kdbench.contract.constant import constant

Combine = Callable[[Tensor, Mapping[str, Tensor]], Tensor]  # (own values, heads) -> values


class ManyHeads(nn.Module):
    """In training, the trunk's values and each head's; in evaluation, what `combine` makes of them."""

    def __init__(self, trunk: nn.Module, heads: Mapping[str, nn.Module], combine: Combine):
        super().__init__()
        self.trunk, self.heads, self.combine = trunk, nn.ModuleDict(heads), combine

    def forward_heads(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        trunk: Any = self.trunk
        values, taps = trunk.forward_taps(*inputs)
        heads = {name: head(taps) for name, head in self.heads.items()}
        return values if self.training else self.combine(values, heads), taps, heads

    def forward_taps(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.forward_heads(*inputs)[:2]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.forward_heads(*inputs)[0]


class OnTap(nn.Module):
    """A head that reads one tap."""

    def __init__(self, tap: str, part: nn.Module):
        super().__init__()
        self.tap, self.part = tap, part

    def forward(self, taps: Mapping[str, Tensor]) -> Tensor:
        return self.part(taps[self.tap])


def mixed(values: Tensor, axis: str, shares: list[float]) -> Tensor:
    """Logits of a mean of probabilities: values [M,B,K,…], log-shares that sum to 1. Sigmoid for tags, softmax else."""
    weight = constant(tuple(shares), values.device, values.dtype).log().view(-1, *[1] * (values.dim() - 1))
    if axis == "tag":
        on, off = (torch.logsumexp(nn.functional.logsigmoid(sign * values) + weight, 0) for sign in (1, -1))
        return on - off
    return torch.logsumexp(values.log_softmax(2) + weight, 0)
