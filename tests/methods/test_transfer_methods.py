"""Transfer into a trained student, augmentation as a player, sources weighed by likeness: hand values and properties."""

import math

import numpy as np
import pytest
import torch

from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import MethodError
from kdbench.methods.augmented_kd import Augmentor, moved
from kdbench.methods.distill_weighted import parc, shares
from kdbench.methods.partitioned_kd import partitioned


def classes(z, labels=None):
    return Decisions(torch.tensor(z, dtype=torch.float64), "class", labels)


SURE, UNSURE, OTHER = [3.0, 0, 0], [0.1, 0, 0], [0.0, 2.0, 0]


def test_each_sample_learns_from_the_surer_one():
    student, initial, teacher = classes([[0.5, 1, 0]] * 3), classes([SURE, UNSURE, SURE]), classes([OTHER, OTHER, SURE])
    chosen = torch.tensor([SURE, OTHER, SURE], dtype=torch.float64).softmax(1)
    expected = (chosen * (chosen.log() - student.values.softmax(1).log())).sum(1)
    torch.testing.assert_close(partitioned(student, initial, [teacher]), expected, atol=1e-12, rtol=0)


def test_by_label_the_nearer_one_counts_however_unsure():
    label = torch.tensor([1, 0])
    student, initial = classes([[0.0, 0, 0]] * 2, label), classes([SURE, UNSURE])
    found = partitioned(student, initial, [classes([UNSURE, OTHER])], "label")
    same = partitioned(student, classes([UNSURE, UNSURE]), [])
    torch.testing.assert_close(found, same, atol=1e-12, rtol=0)
    with pytest.raises(MethodError, match="has none"):
        partitioned(classes([SURE]), classes([SURE]), [], "label")


def test_nothing_moves_where_the_teacher_is_the_initial_student_or_never_surer():
    z = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    student = Decisions(z, "class")
    for teacher in (student.detached(), Decisions(z.detach() / 3, "class")):
        [grad] = torch.autograd.grad(partitioned(student, student.detached(), [teacher]).sum(), z)
        assert grad.abs().max() < 1e-12


def test_of_several_teachers_the_best_and_of_equals_the_first():
    student, initial = classes([[0.0, 0, 0]]), classes([UNSURE])
    torch.testing.assert_close(
        partitioned(student, initial, [classes([UNSURE]), classes([OTHER]), classes([[0.0, 0.0, 2.0]])]),
        partitioned(student, initial, [classes([OTHER])]),
    )
    mirrored = partitioned(classes([[1.0, 0, 0]]), classes([OTHER]), [classes([[0.0, 0, 2.0]])])
    torch.testing.assert_close(mirrored, partitioned(classes([[1.0, 0, 0]]), classes([OTHER]), []))


def test_tags_are_chosen_one_by_one():
    student = Decisions(torch.zeros(1, 2, dtype=torch.float64), "tag", torch.tensor([[1.0, 0.0]]))
    initial, teacher = (Decisions(torch.tensor([z], dtype=torch.float64), "tag") for z in ([4.0, 0.1], [0.2, -3.0]))
    mixed = Decisions(torch.tensor([[4.0, -3.0]], dtype=torch.float64), "tag")
    torch.testing.assert_close(partitioned(student, initial, [teacher]), partitioned(student, mixed, []))
    torch.testing.assert_close(partitioned(student, initial, [teacher], "label"), partitioned(student, mixed, []))


def test_the_augmentor_begins_at_the_identity_and_keeps_its_limits():
    image = torch.randn(3, 2, 9, 9)
    net = Augmentor(2)
    assert torch.equal(net(image, torch.rand(3, 4)), torch.zeros(3, 4))
    torch.testing.assert_close(moved(image, torch.zeros(3, 4)), image, atol=1e-5, rtol=0)
    torch.nn.init.normal_(net.out.weight, std=100)
    assert net(image, torch.rand(3, 4)).abs().max() <= 1


def test_moves_do_what_they_are_called():
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1

    def peak(*amounts, shown=image):
        return tuple(int(i) for i in torch.unravel_index(moved(shown, torch.tensor([amounts]))[0, 0].argmax(), (9, 9)))

    assert peak(1 / 9, 0, 0, 0) == (4, 5) and peak(0, 2 / 9, 0, 0) == (6, 4)
    right = torch.zeros(1, 1, 9, 9)
    right[0, 0, 4, 6] = 1
    assert peak(0, 0, math.pi / 2, 0, shown=right) in ((2, 4), (6, 4))
    assert peak(0, 0, 0, math.log(2), shown=right) == (4, 8)
    wide = torch.zeros(1, 1, 9, 17)
    wide[0, 0, 4, 12] = 1  # 4 pixels right of the middle stay 4 pixels away when turned
    place = torch.unravel_index(moved(wide, torch.tensor([[0, 0, math.pi / 2, 0]]))[0, 0].argmax(), (9, 17))
    assert int(place[1]) == 8 and abs(int(place[0]) - 4) == 4


def test_players_of_the_augmentation_keep_to_themselves(bench):
    run = bench("digits", "augmented_kd", steps=2)
    learner = run.learner
    learner.enter_phase()
    method, net = learner.method, learner.net
    image = torch.randn(2, 1, 8, 8)
    generator = torch.Generator().manual_seed(0)
    assert method.amounts(image, generator).abs().max() == 0
    before = [p.clone() for p in method.parameters()]
    run.train()
    assert any(not torch.equal(a, b) for a, b in zip(before, method.parameters()))
    assert set(learner.owners) == {"student", "augmentor"}
    assert not {id(p) for p in method.parameters()} & {id(p) for p in net.parameters()}
    control = bench("digits", "augmented_kd", {"augmentor": "random"}, steps=2).learner
    drawn = control.method.amounts(image.expand(2, 1, 8, 8).repeat(500, 1, 1, 1), generator)
    assert (drawn.abs() <= control.method.limits).all() and drawn.std(0).min() > 0 and not list(control.method.parameters())


def test_parc_by_its_definition():
    labels = np.array([0, 0, 1, 1, 2, 2])
    one_hot = np.eye(3)[labels]
    assert parc(one_hot, labels) == pytest.approx(1)
    generator = np.random.default_rng(0)
    features = one_hot @ generator.standard_normal((3, 8)) + 0.1 * generator.standard_normal((6, 8))
    rows = 5 * features * np.array([[1], [2], [3], [1], [2], [3]]) + np.arange(6)[:, None]
    assert parc(rows, labels) == pytest.approx(parc(features, labels))  # each sample's scale and offset do not count
    assert parc(generator.standard_normal((6, 8)), labels[::-1][[0, 3, 1, 4, 2, 5]]) < 0.9
    assert parc(features, np.zeros(6)) == 0 and parc(np.ones((6, 8)), labels) == 0


def test_shares_of_the_sources():
    likeness = torch.tensor([0.2, 0.4, 0.0])
    assert shares(likeness, 0, False).tolist() == pytest.approx([1 / 3] * 3)
    assert shares(likeness, 1, False).tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert shares(likeness, 2, False).tolist() == pytest.approx([0.2, 0.8, 0])
    assert shares(likeness, 500, False).tolist() == pytest.approx(shares(likeness, 1, True).tolist())
    assert shares(torch.zeros(2), 9, False).tolist() == [0.5, 0.5]


def test_sources_are_weighed_and_their_heads_stay_behind(bench):
    run = bench("digits", "distill_weighted", source="ensemble", teachers=2, steps=2)
    learner = run.learner
    assert learner.method.alpha.sum().item() == pytest.approx(1)
    run.train()
    assert learner.report()["sources"] > 0
    exported = learner.exported()
    assert not any(name.startswith("heads") for name in exported.state_dict())
