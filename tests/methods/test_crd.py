"""CRD's score, its negatives, its memories, and what it refuses."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.method import NetSpec, Specs
from kdbench.contract.needs import Needs, Offer, check
from kdbench.methods.crd import CRD, CRDConfig, classes_of, contrast, draw_negatives, remembered

UNSET = torch.tensor(math.inf, dtype=torch.float64)
MEMORY = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0.6, 0.8]], dtype=torch.float64)
INDEX, NEGATIVE = torch.tensor([0]), torch.tensor([[1, 2]])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_known_value():
    loss, log_z = contrast(MEMORY[:1], MEMORY, INDEX, NEGATIVE, 0.5, UNSET)
    assert log_z.exp().item() == pytest.approx(11.36585518, abs=1e-7)
    assert loss.item() == pytest.approx(0.75609660, abs=1e-6)
    kept, same = contrast(MEMORY[:1], MEMORY, INDEX, NEGATIVE, 0.5, log_z)
    assert kept.item() == loss.item() and same == log_z


def test_the_formula_written_out():
    rng = np.random.default_rng(0)
    anchor, memory = rng.normal(size=(5, 3)), rng.normal(size=(20, 3))
    index, negative = rng.integers(0, 20, 5), rng.integers(0, 20, (5, 7))
    x = np.exp(np.einsum("bd,bkd->bk", anchor, memory[np.concatenate([index[:, None], negative], 1)]) / 0.5)
    x /= 20 * x.mean()
    c = 7 / 20
    expected = -np.log(x[:, 0] / (x[:, 0] + c)) - np.log(c / (x[:, 1:] + c)).sum(1)
    tensors = [torch.from_numpy(a) for a in (anchor, memory, index, negative)]
    found, _ = contrast(*tensors, 0.5, UNSET)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_equal_scores_give_the_start_value_of_a_large_set():
    n, k = 50_000, 16_384
    memory = torch.zeros(n, 2, dtype=torch.float64)
    side, _ = contrast(memory[:1], memory, INDEX, torch.zeros(1, k, dtype=torch.long), 0.07, UNSET)
    # log z = log n where every score is 0, so that x = 1/n
    assert 2 * side.item() == pytest.approx(2 * (math.log(1 + k) + k * math.log(1 + 1 / k)), rel=1e-9)
    assert 2 * side.item() == pytest.approx(21.418, abs=0.011)  # the release's, whose 1e-7 within the logarithms adds .01


def test_wild_scores_stay_finite():
    anchor = (1000 * MEMORY[:1]).requires_grad_()
    loss, _ = contrast(anchor, MEMORY, INDEX, NEGATIVE, 0.07, UNSET)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(anchor.grad).all()


def test_negatives_are_every_sample_of_another_class_and_no_other():
    labels = torch.tensor([2, 0, 1, 0, -1, 2, -1, 1])
    drawn = draw_negatives(labels, torch.arange(8), 4000, generator())
    for sample, row in enumerate(drawn):
        label = labels[sample].item()
        allowed = [s for s in range(8) if s != sample and (label == -1 or labels[s] != label)]
        assert sorted(row.unique().tolist()) == allowed
        counts = torch.bincount(row, minlength=8)[allowed] / 4000
        assert (counts - 1 / len(allowed)).abs().max() < 0.04


def specs(labels):
    spec = NetSpec({"embedding": (4,)}, 3, 0)
    return Specs(spec, (spec,), len(labels), labels)


def test_classes_are_those_of_a_set_with_one_label_a_sample():
    def found(labels, axis="class", same_class=False):
        return classes_of(specs(torch.as_tensor(labels)), SimpleNamespace(axis=axis), same_class).tolist()

    assert found([2, 0, -100, 2]) == [2, 0, -1, 2]
    unknown = [-1, -1]
    assert found([1, 2], same_class=True) == found([[1.0, 0], [0, 1]], "tag") == found([[[1]], [[2]]]) == unknown
    with pytest.raises(ValueError, match="no negatives in a set of one class"):
        found([3, 3])


@pytest.mark.parametrize("momentum", [0.5, 0.2])
def test_a_memory_moves_a_part_of_the_way_and_back_to_the_sphere(momentum):
    old = torch.tensor([[0.0, 1], [1, 0]])
    new = remembered(old, torch.tensor([0]), torch.tensor([[1.0, 0]]), momentum)
    expected = torch.tensor([1 - momentum, momentum]) / math.hypot(momentum, 1 - momentum)
    torch.testing.assert_close(new, torch.stack([expected, torch.tensor([1.0, 0])]))
    assert torch.equal(old, torch.tensor([[0.0, 1], [1, 0]]))


def test_a_sample_that_is_twice_in_a_batch_counts_as_its_last_occurrence():
    old = torch.tensor([[0.0, 1], [1, 0]])
    twice = remembered(old, torch.tensor([0, 1, 0]), torch.tensor([[1.0, 0], [0, 1], [0, -1]]), 0.25)
    once = remembered(old, torch.tensor([1, 0]), torch.tensor([[0.0, 1], [0, -1]]), 0.25)
    assert torch.equal(twice, once)


def test_negatives_of_a_run_are_of_other_classes(bench):
    made = bench("digits", "crd", {"negatives": 10}, steps=3, view={"transfer": "labelled"})
    assert torch.equal(made.learner.method.classes, made.streams["transfer"].samples.fields["label"])
    assert (bench("digits", "crd", {"negatives": 10}).learner.method.classes == -1).all()


def test_both_memories_move_with_the_samples_shown(bench):
    made = bench("digits", "crd", {"negatives": 10}, steps=2)
    method = made.learner.method
    before = [method.of_student.clone(), method.of_teacher.clone()]
    made.train()
    seen = torch.cat([made.streams["transfer"].batch(step).index for step in range(2)]).unique()
    for old, new in zip(before, (method.of_student, method.of_teacher)):
        assert (old != new).any(1).nonzero()[:, 0].tolist() == seen.tolist()
        torch.testing.assert_close(new[seen].norm(dim=1), torch.ones(len(seen)))


def test_what_is_refused():
    offer = Offer(
        "class", signal=frozenset({"probs"}), student_taps=frozenset({"embedding"}), teacher_taps=frozenset({"embedding"})
    )
    needs = CRD.needs.resolved(CRDConfig().model_dump())
    assert check(needs, offer) == []
    assert check(needs, offer.but(mixes=frozenset({"mixup"}))) == ["needs samples as they are, the view mixes them (mixup)"]
    assert Needs.read(needs.data()) == needs and (Needs() | needs).index
    with pytest.raises(ValueError, match="the distillation set has 1"):
        CRD(CRDConfig()).build(specs(torch.tensor([0])), None)
