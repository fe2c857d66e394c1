"""Draws: pure functions of (seed, name, view, index), uniform and independent as far as tests can tell."""

import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.contract.draw import Draw, seed_for

INDEX = torch.arange(20_000)


def test_a_draw_does_not_depend_on_batch_or_order():
    draw = Draw(3)
    view = torch.arange(100) % 7
    whole = draw.uniform("crop", view, torch.arange(100), 4)
    order = torch.randperm(100)
    parts = torch.cat([draw.uniform("crop", view[part], part, 4) for part in order.split(13)])
    assert torch.equal(parts, whole[order])
    assert torch.equal(Draw(3).uniform("crop", view, torch.arange(100), 4), whole)


def test_seed_name_and_view_all_matter():
    zero, one = torch.zeros_like(INDEX), torch.ones_like(INDEX)
    base = Draw(1).uniform("a", zero, INDEX)
    for other in (Draw(2).uniform("a", zero, INDEX), Draw(1).uniform("b", zero, INDEX), Draw(1).uniform("a", one, INDEX)):
        assert abs(torch.corrcoef(torch.stack((base, other)))[0, 1]) < 0.03


def test_uniform_and_normal_have_their_distributions():
    zero = torch.zeros_like(INDEX)
    u = Draw(5).uniform("u", zero, INDEX, 3)
    assert u.min() >= 0
    assert u.max() < 1
    for column in u.T:
        assert scipy.stats.kstest(column.numpy(), "uniform").pvalue > 1e-4
    n = Draw(5).normal("n", zero, INDEX, 3)
    for column in n.T:
        assert scipy.stats.kstest(column.numpy(), "norm").pvalue > 1e-4
    assert torch.corrcoef(n.T).fill_diagonal_(0).abs().max() < 0.03


@settings(max_examples=30)
@given(st.lists(st.one_of(st.integers(), st.text(max_size=5)), min_size=1, max_size=4))
def test_derived_seeds_are_stable_and_positive(parts):
    assert seed_for(*parts) == seed_for(*parts)
    assert 0 <= seed_for(*parts) < 2**63


def test_derived_seeds_do_not_run_together():
    assert seed_for("a", "bc") != seed_for("ab", "c")
    assert seed_for(0, "init") == 6215489726534702988
