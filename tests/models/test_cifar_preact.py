"""Pre-activation nets: the paper's counts, taps where they are told, and layer norm that no batch moves."""

import pytest
import torch

from kdbench.contract.model import Facts
from kdbench.models import cifar_preact

FACTS = Facts(outputs=100, channels=3, size=(32, 32))


def build(depth: int, **config):
    plugin = getattr(cifar_preact, f"preact_resnet{depth}")
    return plugin.build(FACTS, plugin.Config(**config)), plugin


# Counted on the released code of the fidelity paper (PreResNet at 100 classes): parameters and convolutions.
@pytest.mark.parametrize(
    ("depth", "parameters", "convolutions"), [(8, 83700, 9), (20, 278132, 21), (56, 613556, 58), (110, 1169972, 112)]
)
def test_counts_are_those_of_the_released_nets(depth: int, parameters: int, convolutions: int):
    net, _ = build(depth)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == convolutions


@pytest.mark.parametrize(("depth", "wide"), [(8, 1), (56, 4)])
def test_taps(depth: int, wide: int):
    net, plugin = build(depth)
    values, taps = net.forward_taps(torch.randn(2, 3, 32, 32))
    shapes = {name: tuple(tap.shape[1:]) for name, tap in taps.items()}
    assert tuple(shapes) == plugin.taps and values.shape == (2, 100)
    assert shapes == {
        "stem": (16, 32, 32),
        "stage1": (16 * wide, 32, 32),
        "stage2": (32 * wide, 16, 16),
        "stage3": (64 * wide, 8, 8),
        "embedding": (64 * wide,),
    }


def test_with_layer_norm_an_image_is_read_alike_in_any_batch():
    net, _ = build(8, norm="layer")
    image = torch.randn(4, 3, 32, 32)
    net.train()
    torch.testing.assert_close(net(image)[:1], net(image[:1]), atol=1e-5, rtol=1e-4)
    assert not list(net.buffers())
    batch, _ = build(8)
    assert (batch.train()(image)[:1] - batch(image[:1])).abs().max() > 1e-2
