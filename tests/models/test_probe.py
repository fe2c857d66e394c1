"""The probe: counts against arithmetic and against PyTorch's own counter, and no trace left on what it looks at."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.cifar_mobile import shufflenetv2
from kdbench.models.cifar_resnet import resnet8
from kdbench.models.probe import count, probe

FACTS = Facts(outputs=10, channels=3, size=(32, 32))


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv2d(4, 6, (3, 5), padding=(1, 2)), (4, 7, 9), 7 * 9 * 6 * 4 * 15),
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), (4, 9, 9), 4 * 4 * 6 * 2 * 9),
        (nn.Conv1d(2, 3, 5), (2, 20), 16 * 3 * 2 * 5),
        (nn.Linear(8, 5), (11, 8), 11 * 8 * 5),
        (nn.BatchNorm2d(4), (4, 7, 9), 0),
    ],
)
def test_layers(layer: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    assert count(layer, torch.zeros(1, *shape)).macs == macs
    assert count(layer, torch.zeros(3, *shape)).macs == 3 * macs


@pytest.mark.parametrize("plugin", [resnet8, shufflenetv2], ids=lambda plugin: plugin.name)
def test_agrees_with_pytorchs_counter(plugin: ModelPlugin) -> None:
    model = plugin.build(FACTS, Config()).eval()
    x = torch.zeros(1, 3, 32, 32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    assert count(model, x).macs == counter.get_total_flops() // 2


def test_attention_is_its_projections() -> None:
    width, tokens, hidden = 16, 5, 32
    layer = nn.TransformerEncoderLayer(width, 4, hidden, batch_first=True)
    expected = tokens * (4 * width * width + 2 * width * hidden)
    assert count(layer, torch.zeros(1, tokens, width)).macs == expected


def test_the_model_is_left_as_it_was() -> None:
    model = resnet8.build(FACTS, Config()).train()
    model.stem.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count(model, torch.randn(2, 3, 32, 32))
    assert model.training and not model.stem.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(not module._forward_hooks for module in model.modules())


def test_frozen_parameters_do_not_count() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    assert count(model, torch.zeros(1, 4)).parameters == 10


class Words(nn.Module):
    """A net of two inputs, one of them whole numbers, that starts from a table of the task."""

    def __init__(self, table: Tensor, outputs: int):
        super().__init__()
        self.embed = nn.Embedding(*table.shape)
        with torch.no_grad():
            self.embed.weight.copy_(table)
        self.head = nn.Linear(table.shape[1], outputs)

    def forward_taps(self, words: Tensor, gain: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        embedding = self.embed(words).mean(1) * gain
        return self.head(embedding), {"embedding": embedding}


def test_fields_have_dtypes_and_builds_are_remembered() -> None:
    built = 0

    def build(facts: Facts, config: Any) -> Words:
        nonlocal built
        built += 1
        assert torch.empty(0).device.type == "meta"
        return Words(facts.tables["start"], facts.outputs)

    plugin = ModelPlugin(name="words", build=build, doc="", taps=("embedding",), reads=("words", "gain"))
    shapes = {"words": ((9,), torch.long), "gain": (1,)}
    facts = Facts(outputs=4, tables={"start": torch.ones(20, 6)})
    spec = probe(plugin, Config(), facts, shapes)
    assert (spec.taps, spec.outputs, spec.parameters, spec.macs) == ({"embedding": (6,)}, 4, 20 * 6 + 7 * 4, 24)
    assert probe(plugin, Config(), facts, shapes) is spec
    assert built == 1
    other = Facts(outputs=4, tables={"start": torch.ones(20, 8)})
    assert probe(plugin, Config(), other, shapes).taps == {"embedding": (8,)}
    assert built == 2
    assert torch.empty(0).device.type == "cpu"


def test_the_seeds_of_the_process_are_not_touched() -> None:
    torch.manual_seed(3)
    first = torch.rand(2)
    torch.manual_seed(3)
    probe(resnet8, Config(), Facts(outputs=123, channels=3), {"image": (3, 32, 32)})
    assert torch.equal(torch.rand(2), first)
