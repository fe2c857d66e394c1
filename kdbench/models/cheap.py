"""Cheap twins of image networks: `cheap:<network>` is that network with its 3×3 convolutions made of smaller ones.

E. J. Crowley, G. Gray, A. Storkey: Moonshine: Distilling with Cheap Convolutions. NeurIPS 2018. A student that keeps its
teacher's form, depth and maps costs little beside it, and attention transfer (`at`) from the full network trains it. With m the
inner channels, m = outputs / bottleneck, and g channels in a group:

    bottleneck 1:  3×3 in groups of g  → BatchNorm → ReLU → 1×1 to the outputs                    9·C·g + C·outputs weights
    bottleneck b:  1×1 to m → BatchNorm → ReLU → 3×3 in groups of g → BatchNorm → ReLU → 1×1      C·m + 9·m·g + m·outputs

The last layer has no norm of its own, since the network's follows. Convolutions that read the image stay as they are, as do
1×1 ones and those that are grouped already. Maps keep their shapes, so all taps mean what they meant.
"""

from __future__ import annotations

import functools

from pydantic import ConfigDict, Field
from torch import nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.model import Config, Facts, ModelFamily, ModelPlugin
from kdbench.models.cifar_resnet import kaiming

PREFIX = "cheap:"


class CheapConfig(Config):
    """What replaces a convolution; every other param is the network's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    bottleneck: int = Field(1, ge=1, description="how many times fewer channels its 3×3 convolution has than the layer")
    group: int | None = Field(1, ge=1, description="channels in a group of that convolution; 1 is depthwise, null is no groups")


def cheap(conv: nn.Conv2d, bottleneck: int, group: int | None, where: str = "the layer") -> nn.Sequential:
    """What stands for one convolution: the same inputs, outputs and stride."""
    inner, left = divmod(conv.out_channels, bottleneck) if bottleneck > 1 else (conv.in_channels, 0)
    groups, rest = divmod(inner, group) if group else (1, 0)
    if left or rest or not inner:
        parts = f"bottleneck {bottleneck} and groups of {group}" if group else f"bottleneck {bottleneck}"
        raise KdbenchError(f"{where}: {conv.in_channels} → {conv.out_channels} channels do not divide by {parts}")
    layers: list[nn.Module] = []
    if bottleneck > 1:
        layers += [nn.Conv2d(conv.in_channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()]
    layers += [
        nn.Conv2d(inner, inner, 3, conv.stride, conv.padding, groups=groups, bias=False),  # type: ignore[arg-type]
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        nn.Conv2d(inner, conv.out_channels, 1, bias=conv.bias is not None),
    ]
    return nn.Sequential(*layers)


def replaceable(network: nn.Module, channels: int) -> list[str]:
    """The names of the convolutions that have a cheap form."""
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.groups == 1
        and module.dilation == (1, 1)
        and module.in_channels != channels
    ]


def _build(base: ModelPlugin, facts: Facts, config: CheapConfig) -> nn.Module:
    network = base.build(facts, base.Config(**(config.model_extra or {})))
    if config.bottleneck == 1 and config.group is None:
        raise KdbenchError(f"{PREFIX}{base.name}: without a bottleneck or groups nothing would be cheaper")
    names = replaceable(network, facts.channels)
    if not names:
        raise KdbenchError(f"{PREFIX}{base.name}: the network has no plain 3×3 convolution to replace")
    for name in names:
        parent, _, last = name.rpartition(".")
        conv = network.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        made = cheap(conv, config.bottleneck, config.group, f"{PREFIX}{base.name}, {name}")
        kaiming(made)
        setattr(network.get_submodule(parent), last, made)
    return network


class CheapFamily(ModelFamily):
    """The cheap twins of all networks as one plugin, whose networks have the base in their name: `cheap:wrn_40_2`."""

    def named(self, name: str, base: ModelPlugin | None) -> ModelPlugin:
        assert base is not None
        return ModelPlugin(
            name=name,
            build=functools.partial(_build, base),
            doc=f"{base.name} with cheap convolutions.",
            taps=base.taps,
            reads=base.reads,
            Config=CheapConfig,
        )


def _unnamed(facts: Facts, config: CheapConfig) -> nn.Module:
    raise KdbenchError("cheap twin of which network? Name it, for example cheap:wrn_40_2")


cheap_family = CheapFamily(
    name="cheap",
    build=_unnamed,
    doc="Any image network with its 3×3 convolutions made cheap (Moonshine), as cheap:<network>.",
    taps=(),
    Config=CheapConfig,
)
