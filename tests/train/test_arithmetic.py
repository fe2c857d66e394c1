"""bf16 against float32, within a stated tolerance: answers to 2 % of their range, gradients by direction."""

import pytest
import torch

from kdbench.contract.arithmetic import Arithmetic
from kdbench.train.stream import Tick

ANSWERS = 0.02  # largest difference of an answer, of the range of all answers
DIRECTION = 0.99  # least cosine between gradients
TASKS = ["digits", "streets", "topics", "sounds"]


@pytest.fixture(params=TASKS)
def pair(bench, request):
    """The same run in both number formats."""
    return tuple(bench(request.param, "kd", steps=4, recipe={"precision": p}) for p in ("fp32", "bf16"))


def gradient(made):
    return torch.cat([p.grad.flatten() for p in made.learner.net.parameters() if p.grad is not None])


def near(rough, exact):
    return (rough - exact).abs().max() <= ANSWERS * (exact.max() - exact.min())


def test_answers_losses_and_gradients_are_near(pair):
    exact, rough = pair
    batch = Tick(0, exact.streams).batch("transfer")
    student, other = exact.learner.forward(batch), rough.learner.forward(batch)
    assert not torch.equal(student.values, other.values) and near(other.values, student.values)
    for run in pair:
        run.train(1)
    cosine = torch.nn.functional.cosine_similarity(gradient(exact), gradient(rough), dim=0)
    assert DIRECTION < cosine < 1
    means = [run.learner.report() for run in pair]
    assert all(means[1][name] == pytest.approx(value, rel=ANSWERS, abs=1e-4) for name, value in means[0].items())


def test_the_teacher_is_asked_in_the_run_s_format(pair):
    batch = Tick(0, pair[0].streams).batch("transfer")
    exact, rough = (run.learner.source.ask(batch) for run in pair)
    assert not torch.equal(exact.decisions.values, rough.decisions.values)
    assert near(rough.decisions.values, exact.decisions.values)
    assert {tap.dtype for tap in rough.taps.values()} == {torch.float32} == {rough.decisions.values.dtype}


@pytest.mark.parametrize(("source", "teachers"), [("ensemble", 2), ("ema", 0), ("peers", 0)])
def test_every_source_with_nets_asks_so(bench, source, teachers):
    runs = [bench("digits", "kd", source=source, teachers=teachers, steps=3, recipe={"precision": p}) for p in ("fp32", "bf16")]
    means = [run.train().learner.report() for run in runs]
    assert means[0]["kd"] != means[1]["kd"] and means[1]["kd"] == pytest.approx(means[0]["kd"], rel=0.1, abs=1e-3)
    assert runs[1].learner.source.arithmetic == Arithmetic("bf16")


def test_stored_signals_are_exact_in_every_run(bench, tmp_path):
    runs = [bench("digits", "kd", source="stored", steps=2, folder=tmp_path, recipe={"precision": p}) for p in ("bf16", "fp32")]
    runs[0].train(1)  # who comes first fills
    batch = Tick(0, runs[1].streams).batch("transfer")
    kept, live = runs[1].learner.source.ask(batch), runs[1].teachers[0](batch)
    torch.testing.assert_close(kept.decisions.values, live.values)


def test_weights_and_moments_stay_float32(bench):
    made = bench("digits", "kd", steps=3, recipe={"precision": "bf16"}).train()
    state = made.learner.owners["student"].optimiser.state
    values = [*made.learner.net.parameters(), *(v for each in state.values() for v in each.values())]
    assert {value.dtype for value in values} == {torch.float32}
