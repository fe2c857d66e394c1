"""FLOPS: its value and gradient in closed form, its ramp, and its refusal of students that are not sparse."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Outputs
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.flops import Flops, FlopsConfig, flops
from kdbench.methods.kd import KD

WORDS = 6
TASK = SimpleNamespace(facts=SimpleNamespace(vocabulary=WORDS, tables={"idf": torch.arange(1.0, WORDS + 1)}))


def wrapper(width=WORDS, **config):
    wrapped = Flops(FlopsConfig(**config), KD())
    wrapped.build(Specs(NetSpec({"documents": (4, width)}, 4, 0), (), 10), TASK)
    return wrapped


def price(wrapped, documents, index):
    student = Outputs(torch.zeros(len(documents), 4), {"documents": documents})
    term = wrapped.extra(SimpleNamespace(student=lambda: student, index=index))["flops"]
    return term


def test_value_and_gradient_in_closed_form():
    torch.manual_seed(0)
    documents = torch.randn(3, 4, WORDS, dtype=torch.float64, requires_grad=True)
    value = flops(documents)
    means = np.abs(documents.detach().numpy()).mean(0)
    assert value.item() == pytest.approx((means**2).sum(1).mean())
    value.backward()
    expected = 2 * means[None] * np.sign(documents.detach().numpy()) / 3 / 4
    np.testing.assert_allclose(documents.grad, expected, atol=1e-12)


def test_one_word_in_all_documents_costs_more_than_many_in_one_each():
    common, rare = torch.zeros(4, 1, WORDS), torch.zeros(4, 1, WORDS)
    common[:, 0, 0] = 1
    rare[range(4), 0, range(4)] = 1
    assert flops(common) == 4 * flops(rare)


def test_nothing_used_costs_nothing_and_pulls_nothing():
    documents = torch.zeros(2, 3, WORDS, requires_grad=True)
    flops(documents).backward()
    assert documents.grad.abs().max() == 0


def test_idf_in_the_price_makes_common_words_dearer():
    documents = torch.ones(2, 3, WORDS)
    inside = price(wrapper(idf_in="flops"), documents, 0).compute()
    assert inside.item() == pytest.approx(sum(1 / (w * w) for w in range(1, WORDS + 1)))
    assert price(wrapper(), documents, 0).compute().item() == WORDS


def test_the_price_rises_as_a_square():
    wrapped = wrapper(weight=0.5, ramp=4)
    weights = [price(wrapped, torch.ones(1, 1, WORDS), index).weight for index in (0, 1, 3, 100)]
    assert weights == pytest.approx([0.5 / 16, 0.5 / 4, 0.5, 0.5])


def test_a_price_by_idf_needs_one_number_for_each_word():
    wrapper(width=64)
    with pytest.raises(KdbenchError, match="6 words"):
        wrapper(width=64, idf_in="flops")
