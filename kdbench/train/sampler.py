"""Orders of a set other than a plain shuffle: every class equally often, or neighbours of one class."""

from __future__ import annotations

import torch
from torch import Tensor

from kdbench.contract.errors import DataError
from kdbench.contract.task import Samples

GROUP = 4  # samples of one class that stand together


def classes_of(samples: Samples, name: str, sampler: str) -> Tensor:
    """The class of each sample [N]; refused where samples have none, or several."""
    label = samples.fields.get("label")
    if label is None or label.dim() != 1 or label.is_floating_point():
        raise DataError(f"sampler {sampler} needs one class for each sample, set {name!r} has none")
    return label.cpu()


def balanced(classes: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """[length] rows: classes take turns in a new order each round; samples of a class come equally often, small classes again."""
    present = classes.unique()
    rounds = -(-length // len(present))
    turns = torch.stack([torch.randperm(len(present), generator=generator) for _ in range(rounds)])
    out = torch.empty_like(turns)
    for place, number in enumerate(present.tolist()):
        rows = (classes == number).nonzero()[:, 0]
        passes = -(-rounds // len(rows))
        order = torch.cat([rows[torch.randperm(len(rows), generator=generator)] for _ in range(passes)])
        out[turns == place] = order[:rounds]
    return out.flatten()[:length]


def grouped(classes: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """[length] rows: groups of GROUP samples of one class, groups in a shuffled order. The last group of a class is filled up."""
    groups = []
    for number in classes.unique().tolist():
        rows = (classes == number).nonzero()[:, 0]
        order = rows[torch.randperm(len(rows), generator=generator)]
        whole = -(-len(order) // GROUP) * GROUP
        groups.append(order.repeat(-(-whole // len(order)))[:whole].view(-1, GROUP))
    joined = torch.cat(groups)
    return joined[torch.randperm(len(joined), generator=generator)].flatten()[:length]


def order(sampler: str, classes: Tensor, length: int, generator: torch.Generator) -> Tensor:
    return {"balanced": balanced, "grouped": grouped}[sampler](classes, length, generator)
