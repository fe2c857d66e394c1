"""Cheap convolutions: the closed form of their size, shapes that stay, and what has no cheap form."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.model import Facts, ModelPlugin
from kdbench.models.cheap import cheap, replaceable
from kdbench.registry import Registry, load_target
from kdbench.train.build import model_plugin

FACTS = Facts(outputs=10, channels=3, size=(32, 32))


REGISTRY = Registry(packages=False)


def plugin(name: str) -> ModelPlugin:
    return model_plugin(name, REGISTRY.model_targets(name))


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@given(
    inputs=st.sampled_from([8, 16, 24]),
    outputs=st.sampled_from([16, 32]),
    bottleneck=st.sampled_from([2, 4]),
    group=st.sampled_from([1, 2, 4]),
    stride=st.sampled_from([1, 2]),
)
@settings(max_examples=25)
def test_a_bottleneck_has_the_papers_number_of_weights(inputs, outputs, bottleneck, group, stride):
    m = outputs // bottleneck
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    made = cheap(conv, bottleneck, group)
    assert size(made) == inputs * m + 9 * m * group + m * outputs + 2 * 2 * m
    x = torch.randn(2, inputs, 8, 8)
    assert made(x).shape == conv(x).shape


def test_without_a_bottleneck_the_grouped_convolution_sees_the_inputs():
    made = cheap(nn.Conv2d(16, 32, 3, 2, 1, bias=False), 1, 4)
    assert size(made) == 9 * 16 * 4 + 2 * 16 + 16 * 32


@pytest.mark.parametrize("bare", ["digit_net", "wrn_16_2", "resnet8x4", "timm:resnet18", "tagcnn"])
def test_every_tap_keeps_its_shape_and_the_network_shrinks(bare):
    base, twin = plugin(bare), plugin(f"cheap:{bare}")
    facts = Facts(outputs=7, channels=1, size=(32, 51)) if bare == "tagcnn" else FACTS
    full, small = base.build(facts, base.Config()).eval(), twin.build(facts, twin.Config()).eval()
    image = torch.randn(2, facts.channels, *facts.size)
    (values, taps), (values_small, taps_small) = full.forward_taps(image), small.forward_taps(image)
    assert values.shape == values_small.shape
    assert {k: v.shape for k, v in taps.items()} == {k: v.shape for k, v in taps_small.items()}
    assert size(small) < 0.6 * size(full)
    assert REGISTRY.model(f"cheap:{bare}").facts == REGISTRY.model(bare).facts


def test_what_reads_the_image_stays():
    network = plugin("cheap:digit_net").build(FACTS, plugin("cheap:digit_net").Config(depth=2))
    assert isinstance(network.stages[0][0], nn.Conv2d)
    assert [type(network.stages[number][3]) for number in range(3)] == [nn.Sequential] * 3
    assert replaceable(network, channels=3) == []


@pytest.mark.parametrize(
    "bare, params, said",
    [
        ("digit_net", {"bottleneck": 5}, "stages.1.0: 8 → 12 channels do not divide by bottleneck 5"),
        ("digit_net", {"group": 3}, "do not divide"),
        ("digit_net", {"group": None}, "nothing would be cheaper"),
        ("dense_text", {}, "no plain 3×3 convolution"),
    ],
)
def test_what_cannot_be_cheap_is_said(bare, params, said):
    twin = plugin(f"cheap:{bare}")
    facts = load_target(REGISTRY.task("topics").target)().facts if bare == "dense_text" else FACTS
    with pytest.raises(KdbenchError, match=said):
        twin.build(facts, twin.Config(**params))
