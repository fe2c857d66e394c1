"""The forms in which values are kept: exact, rounded, or the best few; computed by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_bench import recall

from kdbench.contract.gives import Gives
from kdbench.contract.needs import Offer
from kdbench.train.signals import table as tables
from kdbench.train.signals.form import Exact, Form, Half, TopK, form
from kdbench.train.sources.stored import Stored, StoredConfig


def again(kind: Form, values: torch.Tensor) -> torch.Tensor:
    rows = kind.write(values)
    of, shape = kind.row(tuple(values.shape[1:]))
    assert rows.dtype == of and rows.shape == (len(values), *shape)
    return kind.read(rows, tuple(values.shape[1:]))


def test_top_k_by_hand():
    """Of exp(z) = 8, 4, 2, 1, 1 the two largest stay, and the others, who have 4 of 16 together, get 4/3 each."""
    z = torch.tensor([[math.log(4), 0.0, math.log(8), 0.0, math.log(2)]])
    kept = again(TopK(2), z)
    expected = [math.log(4), math.log(4 / 3), math.log(8), math.log(4 / 3), math.log(4 / 3)]
    torch.testing.assert_close(kept, torch.tensor([expected]))
    torch.testing.assert_close(kept.softmax(1), torch.tensor([[4, 4 / 3, 8, 4 / 3, 4 / 3]]) / 16)
    assert kept[0, 0] == z[0, 0] and kept[0, 2] == z[0, 2], "what is kept is kept as it is"


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(2, 9), st.integers(0, 1000))
def test_top_k_keeps_the_largest_values_and_all_probability(k, answers, seed):
    z = torch.randn(6, answers, generator=torch.Generator().manual_seed(seed)) * 5
    kept = again(TopK(k), z)
    best = z.topk(min(k, answers), 1).indices
    assert torch.equal(kept.gather(1, best), z.gather(1, best))
    torch.testing.assert_close(kept.softmax(1).gather(1, best), z.softmax(1).gather(1, best))
    rest = torch.ones_like(z, dtype=torch.bool).scatter(1, best, False)
    assert all(row[left].unique().numel() <= 1 for row, left in zip(kept, rest))
    assert k < answers or torch.equal(kept, z)


def test_half_precision_is_off_by_one_in_2048_at_most():
    values = torch.cat((torch.randn(3, 500) * 30, torch.tensor([[7e4, -7e4] * 250])))
    kept = again(Half(), values)
    assert kept.dtype == torch.float32 and torch.equal(kept[3, :2], torch.tensor([65504.0, -65504.0]))
    large = values[:3].abs() > 1e-4
    assert ((kept[:3] - values[:3]).abs()[large] <= values[:3].abs()[large] / 2048).all() and not torch.equal(kept, values)


@pytest.mark.parametrize("shape", [(5,), (3, 4, 2)])
def test_exact_is_exact(shape):
    values = torch.randn(6, *shape)
    assert torch.equal(again(Exact(), values), values)


def test_tables_hold_their_form(tmp_path, monkeypatch):
    index = torch.arange(20)
    exact, half, best = (recall(tmp_path, form=kind, policy="none") for kind in (Exact(), Half(), TopK(2)))
    values = exact(index, index * 0)
    assert torch.equal(half(index, index * 0), values.half().float())
    assert torch.equal(best(index, index * 0), again(TopK(2), values))
    assert np.load(best.table().folder / tables.VALUES)["best"].shape == (70, 1, 2)


def test_top_k_is_refused_where_a_sample_has_no_single_class():
    gives = Gives.read(Gives.data(Stored.gives))
    params = {**StoredConfig().model_dump(), "form": "top_k"}
    for axis, grid, why in (
        ("class", False, []),
        ("class", True, ["form: top_k needs one class a sample, the task has decisions on a map"]),
        ("tag", False, ["form: top_k needs one class a sample, the task has independent tags"]),
        ("candidate", False, ["form: top_k needs one class a sample, the task has a list of candidates"]),
    ):
        assert gives.adds(params, Offer(axis=axis, grid=grid), 1)[1] == why
        assert gives.adds({**params, "form": "fp16"}, Offer(axis=axis, grid=grid), 1)[1] == []


def test_a_source_keeps_values_as_it_is_told(bench, tmp_path):
    for params, kind in (({}, Exact), ({"form": "fp16"}, Half), ({"form": "top_k", "k": 3}, TopK)):
        source = bench("digits", "kd", source="stored", source_params=params, folder=tmp_path).learner.source
        assert type(source.recalls[0].form) is kind
    assert source.recalls[0].form.k == 3 and form("top_k", 7).name == "top_7"
