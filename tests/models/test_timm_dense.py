"""Pyramids on timm encoders: maps at the promised strides, timm's state keys, and no weight that nothing trains."""

from __future__ import annotations

import pytest
import timm
import torch
from pydantic import ValidationError

from kdbench.contract.model import Facts
from kdbench.models.dense_timm import PyramidConfig, timm_fpn
from kdbench.models.probe import probe
from kdbench.models.timm_net import ModelError

FACTS = Facts(outputs=6, channels=3, size=(64, 96))


@pytest.mark.parametrize(
    ("encoder", "output_stride", "strides"),
    [
        ("resnet18", 32, [4, 8, 16, 32]),
        ("resnet18", 16, [4, 8, 16, 16]),
        ("resnet18", 8, [4, 8, 8, 8]),
        ("convnext_atto", 16, [4, 8, 16, 16]),
        ("mobilenetv3_small_050", 32, [4, 8, 16, 32]),
        ("mobilenetv3_small_050", 16, [4, 8, 16, 16]),
        ("efficientnet_b0", 8, [4, 8, 8, 8]),
        ("swin_tiny_patch4_window7_224", 32, [4, 8, 16, 32]),
    ],
)
def test_strides(encoder: str, output_stride: int, strides: list[int]) -> None:
    config = PyramidConfig(encoder=encoder, output_stride=output_stride, width=24)
    spec = probe(timm_fpn, config, FACTS, {"image": (3, 64, 96)})
    assert tuple(spec.taps) == timm_fpn.taps
    assert [(64 // h, 96 // w) for _, h, w in list(spec.taps.values())[:4]] == [(s, s) for s in strides]
    assert spec.taps["embedding"] == (24, 16, 24)
    assert spec.outputs == 6


@pytest.mark.parametrize(
    ("encoder", "output_stride"), [("resnet18", 32), ("mobilenetv3_small_050", 32), ("mobilenetv3_small_050", 16)]
)
def test_every_weight_learns_and_keys_are_timms(encoder: str, output_stride: int) -> None:
    torch.manual_seed(0)
    facts = Facts(outputs=6, channels=1, size=(64, 64))
    model = timm_fpn.build(facts, PyramidConfig(encoder=encoder, output_stride=output_stride, width=16))
    values, taps = model.forward_taps(torch.randn(2, 1, 64, 64))
    assert values.shape == (2, 6, 16, 16)
    assert torch.allclose(values, model.head(taps["embedding"]))
    values.square().mean().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []
    with torch.device("meta"):
        bare = timm.create_model(encoder, in_chans=1).state_dict()
    assert all(bare[key].shape == value.shape for key, value in model.encoder.state_dict().items())


def test_a_fine_detail_reaches_its_pixel() -> None:
    """The finest lateral carries position: moving a bright dot moves the answer to it."""
    torch.manual_seed(0)
    model = timm_fpn.build(Facts(outputs=3, channels=1, size=(64, 64)), PyramidConfig(width=16)).eval()
    with torch.no_grad():
        nothing = model(torch.zeros(1, 1, 64, 64))
        for row, column in ((10, 50), (50, 10)):
            dot = torch.zeros(1, 1, 64, 64)
            dot[..., row, column] = 50.0
            change = (model(dot) - nothing).abs().sum(1)[0]
            top = divmod(int(change.argmax()), 16)
            assert abs(top[0] - row // 4) <= 1
            assert abs(top[1] - column // 4) <= 1


def test_refusals() -> None:
    with pytest.raises(ModelError, match="levit_128s has 3 stages"):
        timm_fpn.build(Facts(outputs=3, channels=3, size=(224, 224)), PyramidConfig(encoder="levit_128s"))
    with pytest.raises(ModelError, match="no network resnet81"):
        timm_fpn.build(FACTS, PyramidConfig(encoder="resnet81"))
    with pytest.raises(ValidationError, match="8, 16 or 32"):
        PyramidConfig(output_stride=4)
