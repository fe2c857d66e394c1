"""Maps from any hierarchical timm encoder: its four stages, summed from coarse to fine, and a linear head on the finest."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.cifar_resnet import conv_norm
from kdbench.models.timm_net import STAGES, ModelError, check_name, create, levels, maps, stages


class PyramidConfig(Config):
    """Which encoder, how coarse its last map may become, and how wide the decoder is."""

    encoder: str = Field("resnet18", description="name of a timm network", json_schema_extra={"format": "timm"})
    output_stride: Literal[8, 16, 32] = Field(32, description="largest stride; below 32 the last stages dilate instead")
    width: int = Field(64, gt=0, description="channels of the summed maps")


def _encoder(facts: Facts, c: PyramidConfig) -> tuple[nn.Module, bool]:
    """The encoder, and whether it returns a list of maps rather than features."""
    check_name(c.encoder)
    if c.output_stride == 32:
        # Not said at all, since transformers do not take the argument.
        return create(c.encoder, facts, {"num_classes": 0}), False
    try:
        return create(c.encoder, facts, {"num_classes": 0, "output_stride": c.output_stride}), False
    except ModelError:
        # The EfficientNet family (MobileNets too) dilates only in this form.
        return create(c.encoder, facts, {"features_only": True, "output_stride": c.output_stride}), True


class TimmPyramid(nn.Module):
    """A feature pyramid. The encoder keeps timm's state keys below `encoder.`, so a bare timm file fits it."""

    def __init__(self, facts: Facts, c: PyramidConfig) -> None:
        super().__init__()
        self.encoder, self.lists = _encoder(facts, c)
        self.taps = {name: index for name, index in stages(self.encoder).items() if name in STAGES}
        if len(self.taps) < len(STAGES):
            raise ModelError(f"timm's {c.encoder} has {len(self.taps)} stages, a pyramid needs {len(STAGES)}")
        if not self.lists:
            # Layers behind the last map would carry weights that nothing trains.
            indices = list(self.taps.values())
            self.encoder.prune_intermediate_layers(indices, prune_norm=True, prune_head=True)  # type: ignore[operator]
        described = levels(self.encoder)
        self.laterals = nn.ModuleList(nn.Conv2d(described[i]["num_chs"], c.width, 1) for i in self.taps.values())
        self.smooth = conv_norm(c.width, c.width, 3)
        self.head = nn.Conv2d(c.width, facts.outputs, 1)

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.lists:
            found = self.encoder(image)
            taps = {name: found[index] for name, index in self.taps.items()}
        else:
            taps = maps(self.encoder, self.taps, image)[1]
        fine_to_coarse = [lateral(taps[name]) for lateral, name in zip(self.laterals, STAGES)]
        summed = fine_to_coarse.pop()
        while fine_to_coarse:
            fine = fine_to_coarse.pop()
            summed = fine + F.interpolate(summed, fine.shape[-2:], mode="nearest")
        taps["embedding"] = F.relu(self.smooth(summed))
        return self.head(taps["embedding"]), taps

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_taps(image)[0]


timm_fpn = ModelPlugin(
    name="timm_fpn",
    build=TimmPyramid,
    doc="Feature pyramid on a timm encoder; logits at the stride of its first stage (4 for most).",
    taps=(*STAGES, "embedding"),
    Config=PyramidConfig,
)
