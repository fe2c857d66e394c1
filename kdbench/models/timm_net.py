"""Any network of the timm library by name, `timm:<name>`, with taps; never downloads, and keeps timm's own state keys.

A hierarchical net gives its last four maps as stage1..4 and the one before, where there is one, as stem. A net whose maps
all have one size (ViT, mixer) gives four maps spread over its depth. The embedding is what the last linear layer reads.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.model import Config, Facts, ModelFamily, ModelPlugin

PREFIX = "timm:"
STAGES = ("stage1", "stage2", "stage3", "stage4")
REFUSED = {
    "follows from the task": ("num_classes", "in_chans"),
    "is not taken: networks start fresh or from a local file": (
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "pretrained_strict",
        "cache_dir",
        "checkpoint_path",
    ),
    "would change what the network returns": ("features_only", "out_indices", "scriptable", "exportable"),
}


class ModelError(KdbenchError):
    """A network that cannot be built as asked."""


class TimmConfig(Config):
    """Params of timm's create_model: those below for most networks, and whatever else a network itself takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    pretrained: Literal[False] = Field(
        False, description="nothing is downloaded; weights of yours stand beside `model`: init: {file: ..., fresh: fc}"
    )
    drop_rate: float | None = Field(None, ge=0, lt=1, description="dropout before the last layer")
    drop_path_rate: float | None = Field(None, ge=0, lt=1, description="share of residual branches left out, at the deepest")
    img_size: int | tuple[int, int] | None = Field(None, description="image size of nets with a fixed one; default: the task's")

    @model_validator(mode="after")
    def _only_what_changes_the_architecture(self) -> TimmConfig:
        for reason, names in REFUSED.items():
            for name in names:
                if name in (self.model_extra or {}):
                    raise ValueError(f"{name} {reason}")
        return self

    @property
    def params(self) -> dict[str, Any]:
        """What is said to timm: nothing of what was left out, since not every network takes every param."""
        return self.model_dump(exclude={"pretrained"}, exclude_none=True)


def check_name(name: str) -> None:
    """Refuse what timm does not hold itself: a typing error, a hub address, a folder."""
    import timm

    if ":" in name or "/" in name:
        raise ModelError(f"timm:{name} is an address; name a network of the timm library, nothing is ever downloaded")
    if timm.is_model(name.partition(".")[0]):
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    raise ModelError(f"timm {timm.__version__} has no network {name}" + (f"; near: {', '.join(near)}" if near else ""))


def create(name: str, facts: Facts, params: Mapping[str, Any]) -> nn.Module:
    """timm's network for this task. One that is built for a fixed image size is built for the task's."""
    import timm

    keywords = dict(params)
    source = timm.get_pretrained_cfg(name.partition(".")[0], allow_unregistered=True)
    fixed = source is not None and source.fixed_input_size and tuple(source.input_size[1:]) != tuple(facts.size)
    if fixed and all(facts.size):
        keywords.setdefault("img_size", tuple(facts.size))
    try:
        return timm.create_model(name, pretrained=False, in_chans=facts.channels, **keywords)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        said = f" with {keywords}" if keywords else ""
        raise ModelError(f"timm cannot build {name}{said}: {str(error) or type(error).__name__}") from error


def levels(model: Any) -> list[dict[str, Any]]:
    """What timm says of each of the maps that a network can show: num_chs, reduction."""
    info = model.feature_info
    return list(info.info if hasattr(info, "info") else info)


def stages(model: Any) -> dict[str, int]:
    """Which of timm's intermediate maps is which tap."""
    strides = [level["reduction"] for level in levels(model)]
    count = len(strides)
    if count > 4 and len(set(strides)) == 1:
        return {name: math.ceil(count * part / 4) - 1 for part, name in enumerate(STAGES, 1)}
    names = ("stem", *STAGES)[-count:] if count >= 4 else STAGES[:count]
    return dict(zip(names, range(max(0, count - 5), count), strict=True))


def maps(model: Any, taps: Mapping[str, int], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The network's features before its head, and its taps as [B, C, H, W]."""
    features, found = model.forward_intermediates(x, indices=list(taps.values()), output_fmt="NCHW")
    return features, dict(zip(taps, found, strict=True))


def _last_linear(parts: Iterable[nn.Module]) -> nn.Module:
    return [m for part in parts for m in part.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]


class _Taps:
    """What a timm network gains, by a subclass made on the spot: wrapping it would put a prefix before its state keys."""

    def forward_taps(self: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        features, taps = maps(self, stages(self), x)
        # The head runs once, and its last layer is watched. Asking timm for `pre_logits` beside would draw dropout and
        # move BatchNorm statistics a second time, and some heads normalise between that vector and the last layer.
        classifier = self.get_classifier()
        read: list[Tensor] = []
        parts = [classifier] if isinstance(classifier, nn.Module) else list(classifier)
        hook = _last_linear(parts).register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
        try:
            values = self.forward_head(features)
        finally:
            hook.remove()
        return values, {**taps, "embedding": read[0].flatten(1)}


_TAPPED: dict[str, type[nn.Module]] = {}


def _tapped(kind: type[nn.Module]) -> type[nn.Module]:
    """The subclass of a timm class that has taps; one for each, so that nets of one kind have one type."""
    return _TAPPED.setdefault(f"{kind.__module__}.{kind.__qualname__}", type(kind.__name__, (_Taps, kind), {}))


def _build(name: str, facts: Facts, config: TimmConfig) -> nn.Module:
    check_name(name)
    model = create(name, facts, {**config.params, "num_classes": facts.outputs})
    if not hasattr(model, "forward_intermediates"):
        raise ModelError(f"timm's {name} does not show its inner maps (it has no forward_intermediates)")
    model.__class__ = _tapped(type(model))
    return model


def timm_plugin(name: str) -> ModelPlugin:
    """The plugin of `timm:<name>` (or of the bare timm name); the name is checked when the network is built."""
    return _plugin(name.removeprefix(PREFIX))


@functools.cache
def _plugin(bare: str) -> ModelPlugin:
    return ModelPlugin(
        name=PREFIX + bare,
        build=functools.partial(_build, bare),
        doc=f"{bare} of the timm library, with fresh weights.",
        taps=(*STAGES, "embedding"),
        Config=TimmConfig,
    )


class TimmFamily(ModelFamily):
    """All of timm as one plugin, whose networks have their architecture in the name: `timm:resnet18`."""

    def named(self, name: str, base: ModelPlugin | None = None) -> ModelPlugin:
        return timm_plugin(name)


def _unnamed(facts: Facts, config: TimmConfig) -> nn.Module:
    raise ModelError("which network of timm? Name it, for example timm:resnet18")


timm_family = TimmFamily(
    name="timm",
    build=_unnamed,
    doc="Any network of the timm library, as timm:<name>, with fresh weights.",
    taps=(*STAGES, "embedding"),
    Config=TimmConfig,
)
