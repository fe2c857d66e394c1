"""What flows through a step: batches in, outputs of nets, signals of teachers. All frozen, since a gang shares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.decisions import Decisions


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a net says: final values, semantic taps, further heads by name."""

    values: Tensor
    taps: Mapping[str, Tensor] = field(default_factory=dict)
    heads: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Signal:
    """What a source says about a batch: decisions, the taps of its (single) net, its members one by one."""

    decisions: Decisions
    taps: Mapping[str, Tensor] = field(default_factory=dict)
    members: tuple[Signal, ...] = ()


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one stream. `index` names the samples, `view` which of its views each one shows.

    A batch that several learners share bears what frozen nets have said about it: each is asked `once`.
    """

    fields: Mapping[str, Tensor]
    index: Tensor
    view: Tensor
    signal: Signal | None = None
    said: dict[Any, Outputs] | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Tensor:
        try:
            return self.fields[name]
        except KeyError:
            have = ", ".join(sorted(self.fields))
            raise KeyError(f"this batch has no field {name!r}, it has {have}") from None

    def get(self, name: str) -> Tensor | None:
        """A field that may be absent (labels of an unlabelled stream)."""
        return self.fields.get(name)

    def __len__(self) -> int:
        return len(self.index)

    def with_(self, **fields: Tensor) -> Batch:
        """A copy with fields replaced or added."""
        return self.but(fields={**self.fields, **fields})

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; itself where it is there."""
        if self.index.device == device:
            return self
        fields = {name: values.to(device, non_blocking=True) for name, values in self.fields.items()}
        return self.but(fields=fields, index=self.index.to(device), view=self.view.to(device))

    def but(self, **changes: Any) -> Batch:
        """A changed copy. What was said about this one is not said about that one."""
        return replace(self, **{"said": None, **changes})

    def once(self, net: Any, ask: Callable[[Any, Batch], Outputs]) -> Outputs:
        """What a frozen net says about this batch when it is asked in that way, whoever does so first."""
        if self.said is None:
            return ask(net, self)
        asked = id(net), ask
        if asked not in self.said:
            self.said[asked] = ask(net, self)
        return self.said[asked]
