"""A teacher that decides among other answers: its features can be learned from, its answers only by a method made for that."""

import pytest

from kdbench.contract.errors import KdbenchError
from kdbench.contract.gives import Gives
from kdbench.contract.needs import Needs, Offer, abroad, check
from kdbench.train.sources.live import Live

SEVEN = {"teacher": {"model": "digit_net", "params": {"widths": [16, 32, 64], "depth": 2}, "outputs": 7}}


@pytest.mark.parametrize(("method", "params"), [("fitnets", {"kd": 0.0}), ("sp", {}), ("srrl", {}), ("crd", {"negatives": 8})])
def test_features_can_be_learned_from(bench, method, params):
    made = bench("digits", method, params, pair=SEVEN, steps=3).train()
    assert made.teachers[0].backbone.head.out_features == 7
    assert all(value == value for value in made.learner.report().values())


@pytest.mark.parametrize(
    ("method", "params", "wrap"),
    [("kd", {}, ()), ("fitnets", {"kd": 0.9}, ()), ("sp", {"kd": 1.0}, ()), ("kd", {}, ["logit_std"])],
)
def test_answers_cannot(bench, method, params, wrap):
    with pytest.raises(KdbenchError, match="the teacher decides among 7 and the student among 10"):
        bench("digits", method, params, pair=SEVEN, wrap=wrap)


def test_unless_a_method_has_heads_for_them(bench):
    made = bench("digits", "distill_weighted", {"probes": 20}, pair=SEVEN, source="ensemble", teachers=2, steps=2).train()
    assert [head.out_features for head in made.learner.method.heads] == [7, 7]


def test_the_plan_says_so_too():
    offer, _ = Gives.read(Live.gives.data()).adds({}, Offer("class", teacher_taps=frozenset({"stage1"})), 1)
    needs = Needs(signal=frozenset({"probs"}), signal_by="kd", teacher_taps=frozenset({"stage1"}))
    [reason] = check(needs.resolved({"kd": 0.5}), abroad(offer, needs, 7))
    assert reason == "needs signal probs, has none (the teacher decides among 7 answers of its own)"
    assert not check(needs.resolved({"kd": 0}), abroad(offer, needs, 7))
    assert abroad(offer, Needs(foreign=True), 7) is offer
