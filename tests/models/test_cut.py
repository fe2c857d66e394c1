"""Cutting at a tap: the part answers as the network does, or the network is refused."""

import copy

import pytest
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.model import Facts, Net
from kdbench.models.cut import CutError, anew, tail
from kdbench.models.probe import parameters
from kdbench.registry import Registry, load_target

REGISTRY = Registry(packages=False)
IMAGE = Facts(outputs=7, channels=3, size=(32, 32))


def net(name, facts=IMAGE, **params):
    torch.manual_seed(1)
    plugin = load_target(REGISTRY.model(name).target)
    if hasattr(plugin, "named"):
        plugin = plugin.named(name)
    return Net(plugin.build(facts, plugin.Config(**params)), plugin.reads)


def images(count=2, size=32):
    index = torch.arange(count)
    return Batch({"image": torch.randn(count, 3, size, size)}, index, index)


CUTS = [
    ("digit_net", "embedding"), ("digit_net", "stage1"), ("digit_net", "stage2"), ("digit_net", "stage3"),
    ("tagcnn", "stage2"), ("tagcnn", "embedding"), ("resnet8", "stage2"), ("wrn_16_1", "stage1"), ("resnet8x4", "embedding"),
    ("street_student", "embedding"), ("timm:resnet18", "embedding"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "tap"), CUTS)
def test_the_part_answers_as_the_network(name, tap):
    whole = net(name)
    part = tail(whole, tap, images())
    batch = images(5)
    with torch.no_grad():
        outputs = whole.eval()(batch)
        torch.testing.assert_close(part.eval()(outputs.taps[tap]), outputs.values, atol=1e-5, rtol=1e-4)
    assert parameters(part) < parameters(whole)


def test_the_part_is_a_copy():
    whole = net("digit_net")
    part = tail(whole, "stage2", images())
    before = copy.deepcopy(whole.state_dict())
    part(torch.randn(4, 12, 16, 16)).sum().backward()
    with torch.no_grad():
        for p in part.parameters():
            p.add_(1)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), whole.state_dict().values()))
    assert all(p.grad is None for p in whole.parameters()) and whole.training


def test_a_part_has_only_its_own_parameters():
    whole = net("digit_net")
    rest = sum(parameters(m) for m in (whole.backbone.stages[2], whole.backbone.head))
    assert parameters(tail(whole, "stage2", images())) == rest


@pytest.mark.parametrize("name", ["street_student", "mobilenetv2_half", "timm:resnet18"])
def test_what_cannot_be_cut_is_refused(name):
    with pytest.raises(CutError, match="cannot be cut at 'stage2'"):
        tail(net(name), "stage2", images())


def test_an_unknown_tap_is_named():
    with pytest.raises(CutError, match="no tap 'stage9', it has stage1, stage2, stage3, embedding"):
        tail(net("digit_net"), "stage9", images())


def test_a_fresh_part_differs():
    whole = net("digit_net")
    part = tail(whole, "stage2", images())
    torch.manual_seed(5)
    fresh = anew(copy.deepcopy(part))
    assert not any(torch.equal(a, b) for a, b in zip(part.parameters(), fresh.parameters()) if a.dim() > 1)


def test_scores_of_pairs_keep_their_shape():
    task = load_target("kdbench.tasks.retrieval:Topics")(load_target("kdbench.tasks.retrieval:TopicsConfig")(size="small"))
    plugin = load_target(REGISTRY.model("interaction").target)
    ranker = Net(plugin.build(task.facts, plugin.Config()), plugin.reads)
    samples = task.data("few")
    index = torch.arange(3)
    batch = Batch(samples.rows(index), index, index)
    part = tail(ranker, "pair", batch)
    with torch.no_grad():
        outputs = ranker.eval()(batch)
        torch.testing.assert_close(part(outputs.taps["pair"]), outputs.values)
