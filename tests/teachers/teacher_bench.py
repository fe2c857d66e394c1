"""A net on digits, and what it answers, computed without kdbench's evaluation."""

from __future__ import annotations

import torch

from kdbench.models.small import digit_net
from kdbench.tasks.classification import Digits


def network() -> torch.nn.Module:
    return digit_net.build(Digits().facts, digit_net.Config())


def answers(net: torch.nn.Module, split: str, mean: float = Digits.mean, std: float = Digits.std) -> torch.Tensor:
    with torch.no_grad():
        return net.eval()((Digits().data(split).fields["image"] - mean) / std)


def accuracy(net: torch.nn.Module, split: str = "test") -> float:
    return (answers(net, split).argmax(1) == Digits().data(split).fields["label"]).double().mean().item()
