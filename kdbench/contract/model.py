"""Networks: a bare backbone with semantic taps, the plugin that builds it, and the net that lets it read batches."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.constant import constant


class Config(BaseModel):
    """Base of every plugin's parameters: unknown names are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # for a checker, any name would then be one

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError as error:
                near = difflib.get_close_matches(name, type(self).model_fields, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise AttributeError(f"{type(self).__name__} has no param {name!r}{hint}") from error


@dataclass(frozen=True)
class Facts:
    """What a network must know of a task to be built: shapes, counts and start tables."""

    outputs: int
    channels: int = 0
    size: tuple[int, int] = (0, 0)
    vocabulary: int = 0
    lengths: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, Tensor] = field(default_factory=dict)


class Backbone(Protocol):
    """A bare network: `forward` gives values, `forward_taps` values and taps. Its state_dict is what `export` writes.

    One with several heads has `forward_heads` too: values, taps, and each head's values by name.
    """

    def forward_taps(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]: ...


@dataclass(frozen=True)
class ModelPlugin:
    """A named network. `reads` are the batch fields that it takes, in order."""

    name: str
    build: Callable[[Facts, Any], nn.Module]
    doc: str
    taps: tuple[str, ...]
    reads: tuple[str, ...] = ("image",)
    Config: type[Config] = Config
    version: int = 1


class ModelFamily(ModelPlugin):
    """Networks that have their architecture in their name, `family:network`. One without taps makes twins of other networks."""

    def named(self, name: str, base: ModelPlugin | None) -> ModelPlugin:
        """The plugin of one network; `base` is what a twin is made from."""
        raise NotImplementedError


def channels_last(values: Tensor) -> Tensor:
    """The same values; of maps [B,C,H,W], laid in memory as convolutions read them fastest: all channels of a place together."""
    return values.contiguous(memory_format=torch.channels_last) if values.dim() == 4 else values


class Net(nn.Module):
    """A backbone that reads batches: picks its fields, prepares them (normalisation), returns values and taps.

    Maps and weights of convolutions lie channels last. They have the same shapes, but `view` may not flatten them: `reshape` may.
    """

    def __init__(self, backbone: nn.Module, reads: tuple[str, ...], prepare: Callable[[Tensor], Tensor] | None = None):
        super().__init__()
        for parameter in backbone.parameters():
            parameter.data = channels_last(parameter.data)
        self.backbone = backbone
        self.reads = reads
        self.prepare = prepare

    def forward(self, batch: Batch) -> Outputs:
        return Outputs(*self.answer(*self.inputs(batch)))

    def inputs(self, batch: Batch) -> list[Tensor]:
        """What the backbone reads, prepared for it."""
        inputs = [batch[name] for name in self.reads]
        if self.prepare is not None:
            inputs = [self.prepare(x) for x in inputs]
        return [channels_last(x) for x in inputs]

    def answer(self, *inputs: Tensor) -> tuple[Any, ...]:
        """Values, taps, and the values of further heads where there are any: tensors in, tensors out."""
        heads = getattr(self.backbone, "forward_heads", None)
        return self.backbone.forward_taps(*inputs) if heads is None else heads(*inputs)  # type: ignore[operator]

    def rebuilt(self, backbone: nn.Module) -> Net:
        """A net that reads batches as this one does, around another backbone."""
        return Net(backbone, self.reads, self.prepare)


def normaliser(mean: Sequence[float], std: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """What prepares images for a network that wants values 0 to 1 less `mean`, over `std`."""
    made: dict[Any, tuple[Tensor, Tensor]] = {}

    def normalise(image: Tensor) -> Tensor:
        image = image.float() / 255 if image.dtype == torch.uint8 else image
        # Whole maps, made once: three numbers would be copied to a device at each step, and read there channel by channel.
        kind = image.device, image.dtype, image.shape[1:], image.stride()[1:]
        if kind not in made:
            less, over = (constant(tuple(each), image.device, image.dtype)[:, None, None] for each in (mean, std))
            made[kind] = tuple(torch.empty_like(image[0]).copy_(each) for each in (less, over))  # type: ignore[assignment]
        less, over = made[kind]
        return (image - less) / over

    return normalise
