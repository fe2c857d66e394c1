"""Compiled networks: the same answers and steps within a stated tolerance, and a clear word where they cannot be compiled."""

from __future__ import annotations

import pytest
import torch

from kdbench.contract.arithmetic import Arithmetic, compiled
from kdbench.contract.errors import KdbenchError
from kdbench.suite.recipe import RECIPE_DEFAULTS, Recipe
from kdbench.train.stream import Tick

ANSWERS = 1e-4  # of the largest value of an answer or a map
LEARNED = 0.02  # of what three steps move all weights by: a rounding that switches a ReLU grows with each step


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing compiled before, here or in an earlier session."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compiled.cache_clear()
    torch._dynamo.reset()
    yield
    compiled.cache_clear()
    torch._dynamo.reset()


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= ANSWERS * one.abs().max().clamp(min=1e-3))


def weights(made) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in made.learner.net.parameters()])


def test_answers_taps_and_what_is_learned_are_those_of_the_eager_network(bench):
    plain = {"optimiser": "sgd", "lr": 0.05}  # Adam would divide differences of tiny gradients by tiny gradients
    eager, fast = (bench("digits", "fitnets", recipe={**plain, "compile": how}) for how in ("no", "yes"))
    batch = Tick(0, eager.streams).batch("transfer")
    one, other = eager.learner.forward(batch), fast.learner.forward(batch)
    assert near(one.values, other.values)
    assert one.taps.keys() == other.taps.keys() and all(near(tap, other.taps[name]) for name, tap in one.taps.items())
    assert compiled.cache_info().currsize == 1
    start = weights(eager)
    assert torch.equal(start, weights(fast))
    eager.train(3), fast.train(3)
    assert compiled.cache_info().currsize == 2, "student and teacher"
    apart, moved = weights(eager) - weights(fast), weights(eager) - start
    assert apart.norm() <= LEARNED * moved.norm()


def test_it_is_part_of_what_a_job_is_and_off_unless_it_is_asked_for():
    assert RECIPE_DEFAULTS["compile"] == "no"
    assert [Recipe(compile=value).compile for value in (True, False, "reduce-overhead")] == ["yes", "no", "reduce-overhead"]


def test_where_it_cannot_be_compiled_the_error_says_so(bench, monkeypatch):
    made = bench("digits", "none", recipe={"compile": "yes"})
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    with pytest.raises(KdbenchError, match=r"compile: this network could not be compiled here: .*compiler"):
        made.train(1)


def test_an_eager_run_compiles_nothing(bench):
    bench("digits", "kd").train(1)
    assert compiled.cache_info().currsize == 0 and Arithmetic() == Arithmetic("fp32", "no")
