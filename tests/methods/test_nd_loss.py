"""Norm and direction: its gradients, its class means, its reading of maps, its place around other methods."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.kd import KD
from kdbench.methods.nd_loss import NDConfig, NormAndDirection, at_positions, norm_and_direction

DIRECTION = F.normalize(torch.tensor([[3.0, 4, 0], [1, 0, 0]], dtype=torch.float64), dim=1)
TEACHER = torch.tensor([[0.0, 2, 0], [1, 1, 1]], dtype=torch.float64)


def gradient(student):
    student = student.clone().requires_grad_()
    norm_and_direction(student, TEACHER, DIRECTION).sum().backward()
    return student.grad


@pytest.mark.parametrize("length", [2.0, 7.0, 1e4])
def test_the_teacher_s_direction_at_its_length_or_beyond_is_perfect(length):
    assert norm_and_direction(length * DIRECTION, TEACHER, DIRECTION).abs().max() < 1e-12


def test_a_shorter_feature_is_pushed_along_the_direction_alone():
    short = torch.tensor([[0.1, -0.2, 0.3], [0.5, 0.5, 0]], dtype=torch.float64)
    torch.testing.assert_close(gradient(short), -DIRECTION / TEACHER.norm(dim=1, keepdim=True))


def test_a_longer_feature_is_only_turned():
    long = torch.tensor([[5.0, -2, 3], [4, 4, -9]], dtype=torch.float64)
    assert (gradient(long) * long).sum(1).abs().max() < 1e-12
    assert gradient(long).norm(dim=1).min() > 0.01


def test_the_loss_lies_between_zero_and_two():
    rng = np.random.default_rng(0)
    s, t, e = (torch.from_numpy(rng.normal(size=(500, 6))) for _ in range(3))
    loss = norm_and_direction(10 * s, t, F.normalize(e, dim=1))
    assert loss.min() >= 0 and loss.max() <= 2
    zero = torch.zeros(1, 6, requires_grad=True)
    norm_and_direction(zero, torch.zeros(1, 6), torch.ones(1, 6)).sum().backward()
    assert torch.isfinite(zero.grad).all()


def built(student=(4,), teacher=(4,), outputs=3):
    method = NormAndDirection(NDConfig(), KD())
    spec = NetSpec({"embedding": student}, outputs, 0), (NetSpec({"embedding": teacher}, outputs, 0),)
    method.build(Specs(*spec, 10), None)
    return method


class Sweep:
    """Batches of features with the teacher's decisions about them."""

    def __init__(self, *signals):
        self.signals = signals

    def __call__(self):
        return (SimpleNamespace(signal=signal) for signal in self.signals)

    def kept(self, name, make):
        return make()


def signals(features, labels, valid, size):
    return [
        Signal(Decisions(F.one_hot(labels[r], 3).float(), "class", None, valid[r]), {"embedding": features[r]})
        for r in torch.arange(len(features)).split(size)
    ]


def test_directions_are_those_of_the_classes_means_whatever_the_batches():
    rng = np.random.default_rng(1)
    features, labels = torch.from_numpy(rng.normal(size=(40, 4))).float(), torch.from_numpy(rng.integers(0, 3, 40))
    valid = torch.from_numpy(rng.random(40) < 0.8)
    for size in (40, 13):
        method = built()
        method.prepare(Sweep(*signals(features, labels, valid, size)))
        for k in range(3):
            mean = features.numpy()[(labels == k).numpy() & valid.numpy()].mean(0)
            np.testing.assert_allclose(method.directions[k], mean / np.linalg.norm(mean), rtol=1e-5)


def test_maps_count_every_position_with_its_label():
    label = torch.tensor([[[0, 1], [2, 0]]])
    feature = torch.arange(16.0).reshape(1, 4, 2, 2)
    method = built(teacher=(4, 2, 2), student=(4, 2, 2))
    said = Decisions(torch.zeros(4, 3), "class", label.flatten(), grid=(1, 2, 2))
    method.prepare(Sweep(Signal(said, {"embedding": feature})))
    expected = torch.stack([feature[0, :, 0, 0] + feature[0, :, 1, 1], feature[0, :, 0, 1], feature[0, :, 1, 0]])
    torch.testing.assert_close(method.directions, F.normalize(expected, dim=1))
    with pytest.raises(ValueError, match="needs taps that are maps"):
        method.prepare(Sweep(Signal(said, {"embedding": torch.zeros(1, 4)})))


def test_decisions_are_read_at_the_nearest_positions():
    label = torch.arange(2 * 4 * 6).reshape(2, 4, 6)
    said = Decisions(torch.zeros(48, 3), "class", label.flatten(), label.flatten() % 5 > 0, grid=(2, 4, 6))
    for size in ((2, 3), (4, 6), (8, 3)):
        found = at_positions(said, size)
        expected = F.interpolate(label[:, None].double(), size, mode="nearest").long()
        assert torch.equal(found.labels, expected.flatten()) and found.grid == (2, *size)
        assert torch.equal(found.valid, expected.flatten() % 5 > 0)


def test_layers_of_its_own_only_where_widths_differ():
    assert list(built().parameters()) == []
    assert len(list(built((5,)).parameters())) == 4


def test_the_inner_method_keeps_its_terms(bench):
    made = bench("digits", "dkd", wrap=["nd_loss"], steps=2)
    assert made.train().learner.report().keys() == {"task", "dkd", "nd"}
    method = made.learner.method
    torch.testing.assert_close(method.directions.norm(dim=1).amax(), torch.tensor(1.0))


def test_weight_zero_is_the_inner_method(bench, same):
    made = bench("digits", "dkd", wrap=["nd_loss"], steps=2)
    made.learner.method.c = NDConfig(weight=0)
    alone = bench("digits", "dkd", steps=2).train().learner.net.state_dict()
    assert same(alone, made.train().learner.net.state_dict())
