"""A task owns its data, splits and default view, shows every output as Decisions, and leaves raw evaluation outputs."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.model import Config as PluginConfig
from kdbench.contract.model import Facts, ModelPlugin, Net
from kdbench.contract.views import AS_IT_IS, FiniteViews


@dataclass(frozen=True, eq=False)
class Samples:
    """A resident set of samples: tensors of equal length. `blocks` says which samples resample together (an image's views).

    What does not fit in memory is named by a field (the number of a file) and fetched when a view is drawn, in `Task.augment`.
    `ahead` then says how many batches a stream makes beforehand, beside the training.
    """

    fields: Mapping[str, Tensor]
    blocks: Tensor | None = None
    ahead: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    def rows(self, index: Tensor) -> dict[str, Tensor]:
        return {name: values.index_select(0, index) for name, values in self.fields.items()}

    def to(self, device: torch.device) -> Samples:
        return replace(self, fields={name: values.to(device) for name, values in self.fields.items()})


Forward = Callable[[Batch], Outputs]


class Task(ABC):
    """Subclass with a `name`; everything that a plan needs to know is a class attribute and plain data.

    `sets` names the sample sets a stream may draw from, `roles` which of them serves whom by default. A set offered for
    `transfer` must not contain labels unless its methods may read them: a leak is then a KeyError, not a better number.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    family: ClassVar[str]  # classification | segmentation | retrieval | tagging: which metrics apply
    axis: ClassVar[str]
    grid: ClassVar[bool] = False
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    sets: ClassVar[Mapping[str, str]]
    roles: ClassVar[Mapping[str, str]]  # labelled, transfer, teacher -> set
    augments: ClassVar[Mapping[str, str]]  # policy -> one line; the first is the default
    bank: ClassVar[int | None] = None  # frozen views a sample; None draws a new view each epoch
    fields: ClassVar[tuple[str, ...]] = ("image",)
    kept: ClassVar[tuple[str, ...]] = ()  # batch fields without which stored values cannot be read (candidate lists)
    pair: ClassVar[Mapping[str, Any]]  # {"teacher": {model, params, recipe, view}, "student": {...}}
    aliases: ClassVar[Mapping[str, str]] = {}  # the family's names of methods, e.g. source_only -> none
    licence: ClassVar[str] = ""
    tested: ClassVar[str] = ""  # what the test set is of, where that is no matter of course: "the target domain"

    def __init__(self, config: PluginConfig | None = None):
        self.config = config if config is not None else self.Config()
        self.data = functools.cache(self.data)  # type: ignore[method-assign]

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """Shapes and tables for building networks."""

    @abstractmethod
    def data(self, name: str) -> Samples:
        """The samples of a set or of a split (val, test)."""

    @abstractmethod
    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        """The view of a batch: a pure function of the draw."""

    def finite(self, policy: str) -> FiniteViews | None:
        """The views of a policy, where they can be counted and are few; None where a draw hardly ever repeats."""
        return AS_IT_IS if policy == "none" else None

    @abstractmethod
    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        """Read a net's values on a batch as decisions; labels only where the batch has them."""

    @abstractmethod
    def loss(self, decisions: Decisions) -> Tensor:
        """The supervised loss, a scalar."""

    @abstractmethod
    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        """Raw evaluation outputs of a split (val or test), float32, from which every metric follows."""

    def stored(self, values: Tensor) -> Tensor:
        """A net's values in the form in which the family's metrics read raw outputs: as they are, unless a task says else."""
        return values

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor] | None:
        """Normalisation for a network of this task; None where batches are ready as they are."""
        return None

    def net(self, plugin: ModelPlugin, backbone: torch.nn.Module) -> Net:
        return Net(backbone, plugin.reads, self.prepare(plugin))

    @classmethod
    def fingerprint(cls, config: PluginConfig) -> str:
        """What identifies the data. Built-in sets: generator and version, since the config is identity anyway."""
        return f"built-in:{cls.name}@{cls.version}"

    def usage(self) -> dict[str, Any]:
        """What one must know to use a network of this task elsewhere: `input` (how one is made), `mean` and `std` where `prepare`
        normalises by them (of bytes: of the pixels / 255), `answers` (what its outputs are called, in order)."""
        return {}

    def leaks(self) -> list[str]:
        """What the test shares with what is learnt from, counted, in words, to be told beside every result."""
        return []

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Sizes, classes, licence and what a person wants to know."""

    @abstractmethod
    def sample(self, path: Path) -> None:
        """Write a picture, text or sound that shows the data."""


def batches(samples: Samples, size: int = 256, view: int = 0) -> list[Batch]:
    """Samples in order, as plain batches: for evaluation and for sweeps."""
    out = []
    device = next(iter(samples.fields.values())).device
    for start in range(0, len(samples), size):
        index = torch.arange(start, min(start + size, len(samples)), device=device)
        out.append(Batch(samples.rows(index), index, torch.full_like(index, view)))
    return out
