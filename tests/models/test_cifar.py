"""The classic CIFAR nets: parameters, buffers, multiply-adds, tap shapes and state keys against published code's facts.

The table was read off the literature's reference implementation. Parameters alone do not catch a wrong stride, and
multiply-adds alone not a missing shortcut, so every net is held to all of them.
"""

from __future__ import annotations

import importlib
import math
from typing import NamedTuple

import pytest
import torch

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.probe import count, parameters, probe


class Row(NamedTuple):
    parameters_100: int
    parameters_10: int
    statistics: int  # running means and variances
    norms: int
    macs_100: int
    maps: str  # channels x height, stem first
    embedding: int
    keys: int


PLAIN = "16x32 16x32 32x16 64x8"
WIDE = "16x32 32x32 64x16 128x8"
FOUR = "32x32 64x32 128x16 256x8"
VGG = "64x32 128x16 256x8 512x4 512x4"
TABLE = {
    "resnet8": Row(83_892, 78_042, 672, 9, 12_507_392, PLAIN, 64, 56),
    "resnet14": Row(181_108, 175_258, 1_120, 15, 26_663_168, PLAIN, 64, 92),
    "resnet20": Row(278_324, 272_474, 1_568, 21, 40_818_944, PLAIN, 64, 128),
    "resnet32": Row(472_756, 466_906, 2_464, 33, 69_130_496, PLAIN, 64, 200),
    "resnet44": Row(667_188, 661_338, 3_360, 45, 97_442_048, PLAIN, 64, 272),
    "resnet56": Row(861_620, 855_770, 4_256, 57, 125_753_600, PLAIN, 64, 344),
    "resnet110": Row(1_736_564, 1_730_714, 8_288, 111, 253_155_584, PLAIN, 64, 668),
    "resnet8x4": Row(1_233_540, 1_210_410, 2_752, 10, 177_071_104, FOUR, 256, 62),
    "resnet32x4": Row(7_433_860, 7_410_730, 9_920, 34, 1_083_040_768, FOUR, 256, 206),
    "resnet50_cifar": Row(23_705_252, 23_520_842, 53_120, 53, 1_298_014_208, "64x32 256x32 512x16 1024x8 2048x4", 2048, 320),
    "wrn_16_1": Row(180_916, 175_066, 928, 13, 26_663_168, PLAIN, 64, 82),
    "wrn_16_2": Row(703_284, 691_674, 1_824, 13, 101_118_464, WIDE, 128, 83),
    "wrn_40_1": Row(569_780, 563_930, 2_720, 37, 83_286_272, PLAIN, 64, 226),
    "wrn_40_2": Row(2_255_156, 2_243_546, 5_408, 37, 327_610_880, WIDE, 128, 227),
    "vgg8": Row(3_965_028, 3_918_858, 2_944, 5, 96_192_512, VGG, 512, 37),
    "vgg11": Row(9_277_284, 9_231_114, 5_504, 8, 209_438_720, VGG, 512, 58),
    "vgg13": Row(9_462_180, 9_416_010, 5_888, 10, 284_936_192, VGG, 512, 72),
    "vgg16": Row(14_774_436, 14_728_266, 8_448, 13, 398_182_400, VGG, 512, 93),
    "vgg19": Row(20_086_692, 20_040_522, 11_008, 16, 511_428_608, VGG, 512, 114),
    "mobilenetv2_half": Row(812_836, 697_546, 18_368, 53, 6_523_648, "16x16 12x16 16x8 48x4 160x2", 1280, 320),
    "shufflenetv1": Row(949_258, 862_768, 23_736, 49, 38_691_456, "24x32 240x16 480x8 960x4", 960, 296),
    "shufflenetv2": Row(1_355_528, 1_263_278, 16_180, 56, 44_504_448, "24x32 116x16 232x8 464x4", 1024, 338),
}
SMALL = ("resnet8", "resnet8x4", "wrn_16_2", "vgg8", "mobilenetv2_half", "shufflenetv1", "shufflenetv2")
IMAGE = {"image": (3, 32, 32)}


def plugins() -> dict[str, ModelPlugin]:
    modules = [importlib.import_module(f"kdbench.models.cifar_{part}") for part in ("resnet", "wrn", "vgg", "mobile")]
    found = [thing for module in modules for thing in vars(module).values() if isinstance(thing, ModelPlugin)]
    return {plugin.name: plugin for plugin in found}


PLUGINS = plugins()


def test_the_nets_are_those_of_the_table() -> None:
    assert set(PLUGINS) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_facts(name: str) -> None:
    row, plugin = TABLE[name], PLUGINS[name]
    hundred = probe(plugin, Config(), Facts(outputs=100, channels=3, size=(32, 32)), IMAGE)
    ten = probe(plugin, Config(), Facts(outputs=10, channels=3, size=(32, 32)), IMAGE)
    assert (hundred.parameters, ten.parameters) == (row.parameters_100, row.parameters_10)
    assert (hundred.outputs, ten.outputs) == (100, 10)
    assert hundred.macs == row.macs_100
    assert hundred.macs - ten.macs == 90 * row.embedding
    maps = [tuple(map(int, text.split("x"))) for text in row.maps.split()]
    shapes = [(channels, side, side) for channels, side in maps]
    assert list(hundred.taps.items()) == list(zip(plugin.taps, [*shapes, (row.embedding,)], strict=True))

    with torch.device("meta"):
        model = plugin.build(Facts(outputs=100, channels=3), Config())
    buffers = [value.numel() for value in model.buffers()]
    assert sum(buffers) == row.statistics + row.norms
    assert len(model.state_dict()) == row.keys
    assert len(list(model.named_parameters())) + len(buffers) == row.keys  # nothing hidden from the state


@pytest.mark.parametrize("name", SMALL)
def test_real_pass(name: str) -> None:
    torch.manual_seed(0)
    model = PLUGINS[name].build(Facts(outputs=10, channels=1), Config()).eval()
    with torch.no_grad():
        zeros = model(torch.zeros(3, 1, 32, 32))
        x = torch.randn(3, 1, 32, 32)
        values, taps = model.forward_taps(x)
        assert torch.equal(model(x), values)
    assert torch.equal(zeros, zeros[:1].expand_as(zeros))
    assert values.std(0).min() > 0  # the answer depends on the image
    assert torch.allclose(model.head(taps["embedding"]), values)
    assert tuple(taps) == PLUGINS[name].taps


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("side", [8, 64])
def test_other_image_sizes(name: str, side: int) -> None:
    spec = probe(PLUGINS[name], Config(), Facts(outputs=7, channels=1), {"image": (1, side, side)})
    assert spec.outputs == 7
    assert spec.taps["embedding"] == (TABLE[name].embedding,)
    if side == 64:
        assert spec.taps["stage1"][1] == 2 * PLUGINS_SIDE[name]


PLUGINS_SIDE = {name: int(TABLE[name].maps.split()[1].split("x")[1]) for name in TABLE}


def test_vgg_halves_a_fourth_time_only_above_four() -> None:
    spec = probe(PLUGINS["vgg8"], Config(), Facts(outputs=7, channels=3), {"image": (3, 64, 64)})
    assert (spec.taps["stage3"], spec.taps["stage4"]) == ((512, 8, 8), (512, 4, 4))


def test_wide_nets_give_raw_sums() -> None:
    """Maps of a wide net are taken before BatchNorm and ReLU: half of their values are negative; a plain net's are not."""
    torch.manual_seed(0)
    for name, raw in (("wrn_16_1", True), ("resnet8", False)):
        model = PLUGINS[name].build(Facts(outputs=10, channels=3), Config()).eval()
        with torch.no_grad():
            taps = model.forward_taps(torch.randn(2, 3, 32, 32))[1]
        assert all((taps[f"stage{i}"].min() < 0) == raw for i in (1, 2, 3))
        assert taps["embedding"].min() >= 0


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_learns(name: str) -> None:
    torch.manual_seed(0)
    model = PLUGINS[name].build(Facts(outputs=10, channels=3), Config())
    model(torch.randn(4, 3, 32, 32)).logsumexp(1).sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def fill(model: torch.nn.Module) -> None:
    """Weights and statistics by formula, free of any generator."""
    for position, (name, value) in enumerate(model.state_dict().items()):
        wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 1.7 + position).reshape(value.shape)
        if value.ndim > 1:
            value.copy_(wave * math.sqrt(4 / value[0].numel()))
        elif name.endswith(("weight", "running_var")):
            value.copy_(1 + 0.4 * wave)
        elif not name.endswith("num_batches_tracked"):
            value.copy_(0.2 * wave)


# Logits of the literature's reference implementation (RepDistiller b84f547) with these weights copied into it layer by
# layer, in float64, for one image. Counts and shapes do not see the order of activation, shuffle and shortcut; this does.
REFERENCE = {
    "resnet8": (2.96905, 9.15306, -10.3343, -0.713256),
    "resnet8x4": (19.9764, 41.917, -27.4606, -37.0284),
    "resnet50_cifar": (190356.0, 965148.0, 1266770.0, 947342.0),
    "wrn_16_1": (2.60062, 4.18652, -5.88351, 0.603451),
    "wrn_16_2": (5.6139, -14.3011, 13.8837, -4.5553),
    "vgg8": (4.09189, -4.92291, 5.59721, -5.75379),
    "vgg13": (4.53442, -5.06892, 5.29499, -5.63969),
    "mobilenetv2_half": (240976.0, 505578.0, -678140.0, 80797.6),
    "shufflenetv1": (3283970.0, -17338100.0, -1295220.0, 17486600.0),
    "shufflenetv2": (4.79117, 50.8147, 90.6444, 118.62),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_logits_are_those_of_the_reference_implementation(name: str) -> None:
    model = PLUGINS[name].build(Facts(outputs=4, channels=3), Config()).eval()
    fill(model)
    image = torch.sin(torch.arange(3 * 32 * 32, dtype=torch.float64) * 0.37).reshape(1, 3, 32, 32)
    with torch.no_grad():
        values = model.double()(image)[0]
    assert values.tolist() == pytest.approx(REFERENCE[name], rel=1e-5)


def test_count_on_a_real_net_agrees_with_the_probe() -> None:
    facts = Facts(outputs=100, channels=3)
    model = PLUGINS["resnet8"].build(facts, Config())
    cost = count(model, torch.zeros(2, 3, 32, 32))
    assert cost.macs == 2 * TABLE["resnet8"].macs_100
    assert cost.parameters == parameters(model) == TABLE["resnet8"].parameters_100
