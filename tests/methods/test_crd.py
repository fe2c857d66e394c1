"""CRD's score, its negatives, its memories, and what it refuses."""

import math

import numpy as np
import pytest
import torch

from kdbench.contract.method import NetSpec, Specs
from kdbench.contract.needs import Needs, Offer, check
from kdbench.methods.crd import CRD, CRDConfig, contrast, draw_negatives, remembered

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


def test_a_set_of_one_class_has_all_other_samples_as_negatives():
    drawn = draw_negatives(torch.zeros(5, dtype=torch.long), torch.tensor([0, 3]), 500, generator())
    assert drawn[0].unique().tolist() == [1, 2, 3, 4] and drawn[1].unique().tolist() == [0, 1, 2, 4]


def test_a_memory_moves_half_way_and_back_to_the_sphere():
    old = torch.tensor([[0.0, 1], [1, 0]])
    new = remembered(old, torch.tensor([0]), torch.tensor([[1.0, 0]]), 0.5)
    torch.testing.assert_close(new, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [1, 0]]))
    assert torch.equal(old, torch.tensor([[0.0, 1], [1, 0]]))


def test_a_sample_that_is_twice_in_a_batch_counts_as_its_last_occurrence():
    old = torch.tensor([[0.0, 1], [1, 0]])
    twice = remembered(old, torch.tensor([0, 1, 0]), torch.tensor([[1.0, 0], [0, 1], [0, -1]]), 0.25)
    once = remembered(old, torch.tensor([1, 0]), torch.tensor([[0.0, 1], [0, -1]]), 0.25)
    assert torch.equal(twice, once)


def test_labels_are_learned_as_they_are_seen(bench):
    view = {"transfer": "labelled"}
    params = {"negatives": 10}
    made = bench("digits", "crd", params, steps=3, view=view).train()
    method, stream = made.learner.method, made.streams["transfer"]
    seen = torch.cat([stream.batch(step).index for step in range(3)]).unique()
    assert torch.equal(method.classes[seen], stream.samples.fields["label"][seen])
    assert (method.classes >= 0).sum() == len(seen)
    for blind in (bench("digits", "crd", params, steps=3), bench("digits", "crd", {**params, "same_class": True}, view=view)):
        assert (blind.train().learner.method.classes == -1).all()


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
    offer = Offer("class", signal=frozenset({"probs"}), student_taps=frozenset({"embedding"}), teacher_taps=frozenset({"embedding"}))
    needs = CRD.needs.resolved(CRDConfig().model_dump())
    assert check(needs, offer) == []
    assert check(needs, offer.but(mixes=frozenset({"mixup"}))) == ["needs samples as they are, the view mixes them (mixup)"]
    assert Needs.read(needs.data()) == needs and (Needs() | needs).index
    one = NetSpec({"embedding": (4,)}, 3, 0)
    with pytest.raises(ValueError, match="the distillation set has 1"):
        CRD(CRDConfig()).build(Specs(one, (one,), 1), None)
