"""Feature methods in the real loop: they train on every family, resume at every phase, and leave no trace at weight zero."""

import pytest
import torch

from kdbench.train import checkpoint

ON_TOPICS = {"student_taps": ["documents"], "teacher_taps": ["pair"]}
FAMILIES = {"digits": {}, "streets": {}, "sounds": {}, "topics": ON_TOPICS}
METHODS = ["sp", "cc", "rkd", "pkt", "nst", "vid", "ft", "ab", "at"]
PHASED = {"ft": {"share": 0.5}, "ab": {"share": 0.5}}  # so that a few steps hold both phases
VECTORS = {"student_taps": ["embedding"], "teacher_taps": ["embedding"]}


# A list's candidates are unit vectors, in which `at` has nothing to match.
SERVED = [(method, task) for method in METHODS for task in FAMILIES if (method, task) != ("at", "topics")]


@pytest.mark.parametrize(("method", "task"), SERVED)
def test_every_family_is_served(bench, task, method):
    run = bench(task, method, {**FAMILIES[task], **PHASED.get(method, {})}, steps=4, recipe={"joint": task == "digits"})
    means = run.train().learner.report()
    assert method in means
    assert means[method] != 0


@pytest.mark.parametrize("method", ["sp", "cc", "rkd", "pkt", "vid", "ft", "ab"])
def test_vectors_are_served(bench, method):
    assert bench("digits", method, {**VECTORS, **PHASED.get(method, {})}, steps=3).train().learner.report()[method] != 0


@pytest.mark.parametrize("method", METHODS)
def test_weight_zero_is_none(bench, same, method):
    alone = bench("digits", "none", steps=3).train()
    beside = bench("digits", method, {"weight": 0}, steps=3).train()
    assert same(alone.learner.net.state_dict(), beside.learner.net.state_dict())
    taught = bench("digits", method, PHASED.get(method), steps=3).train()
    assert not same(alone.learner.net.state_dict(), taught.learner.net.state_dict())


@pytest.mark.parametrize("method", ["ft", "ab", "vid", "cc"])
def test_resumed_equals_uninterrupted(bench, same, tmp_path, method):
    phases = PHASED.get(method)
    whole = bench("digits", method, phases, steps=6).train()
    for stop in (2, 3, 5):  # within the first phase, at its end, and in the second
        first = bench("digits", method, phases, steps=6).train(stop)
        checkpoint.save(tmp_path / "state.safetensors", first.state())
        second = bench("digits", method, phases, steps=6)
        second.learner.resume(checkpoint.load(tmp_path / "state.safetensors", torch.device("cpu")))
        assert same(second.train().state(), whole.state())


@pytest.mark.parametrize(("method", "learned"), [("vid", "layers.0.alpha"), ("ft", "layers.0.encoder.0.weight"),
                                                 ("ft", "layers.0.translator.0.weight"), ("ab", "layers.0.0.weight"),
                                                 ("cc", "layers.0.student.weight")])  # fmt: skip
def test_what_claims_to_learn_moves(bench, method, learned):
    start = bench("digits", method, steps=9)
    before = start.learner.method.state_dict()[learned].clone()
    start.train()
    assert not torch.equal(before, start.learner.method.state_dict()[learned])


def test_the_student_waits_while_the_teacher_is_paraphrased(bench, same):
    run = bench("digits", "ft", {"share": 0.5}, steps=6)
    before = {name: value.clone() for name, value in run.learner.net.state_dict().items()}
    run.train(3)
    assert same(before, run.learner.net.state_dict())
    paraphraser = {n: v.clone() for n, v in run.learner.method.state_dict().items() if "translator" not in n}
    run.train(3)
    assert not same(before, run.learner.net.state_dict())
    assert same(paraphraser, {n: v for n, v in run.learner.method.state_dict().items() if "translator" not in n})


NARROW = {"teacher": {"model": "digit_net", "params": {"depth": 2}}}  # a teacher as wide as its student


def test_fsp_trains_where_widths_agree(bench, same, tmp_path):
    alone = bench("digits", "none", steps=6, pair=NARROW).train()
    beside = bench("digits", "fsp", {"weight": 0}, steps=6, pair=NARROW).train()
    assert same(alone.learner.net.state_dict(), beside.learner.net.state_dict())
    whole = bench("digits", "fsp", {"share": 0.5}, steps=6, pair=NARROW).train()
    assert whole.learner.report()["fsp"] > 0
    first = bench("digits", "fsp", {"share": 0.5}, steps=6, pair=NARROW).train(3)
    checkpoint.save(tmp_path / "state.safetensors", first.state())
    second = bench("digits", "fsp", {"share": 0.5}, steps=6, pair=NARROW)
    second.learner.resume(checkpoint.load(tmp_path / "state.safetensors", torch.device("cpu")))
    assert same(second.train().state(), whole.state())
