"""Every method here trains on the tasks that it serves: finite, all of its parts learn, resumes exactly, weight zero is none."""

import pytest
import torch

from kdbench.train import checkpoint

TO_PAIR = {"student_taps": ["documents"], "teacher_taps": ["pair"]}
ONE_TO_PAIR = {"student_tap": "embedding", "teacher_tap": "pair"}
LEVELS_TO_PAIR = {"student_taps": ["embedding", "documents"], "teacher_taps": ["pair", "pair"]}
SERVED = [
    ("crd", "digits", {"negatives": 50}),
    ("crd", "streets", {"negatives": 20}),
    ("crd", "topics", {"negatives": 20, **ONE_TO_PAIR}),
    ("crd", "sounds", {"negatives": 20}),
    ("reviewkd", "digits", {}),
    ("reviewkd", "streets", {}),
    ("reviewkd", "topics", LEVELS_TO_PAIR),
    ("reviewkd", "sounds", {}),
    ("cwd", "streets", {}),
    ("cwd_features", "digits", {"student_taps": ["stage2"], "teacher_taps": ["stage2"]}),
    ("cwd_features", "streets", {}),
    ("cwd_features", "topics", TO_PAIR),
    ("cwd_features", "sounds", {}),
    ("wsld", "digits", {}),
    ("wsld", "streets", {}),
    ("ctkd", "digits", {}),
    ("ctkd", "streets", {}),
    ("ctkd", "topics", {}),
    ("ctkd", "sounds", {}),
    ("mlkd", "digits", {}),
    ("mlkd", "streets", {}),
    ("ickd", "digits", {}),
    ("ickd", "streets", {}),
    ("ickd", "topics", TO_PAIR),
    ("ickd", "sounds", {}),
    ("mgd", "digits", {}),
    ("mgd", "streets", {"mask": "position"}),
    ("mgd", "topics", TO_PAIR),
    ("mgd", "sounds", {"student_taps": ["embedding"], "teacher_taps": ["embedding"]}),
]
WRAPPED = [("nd_loss", "digits", "kd"), ("nd_loss", "streets", "reviewkd"), ("dot", "digits", "kd"), ("dot", "topics", "ctkd")]


def check_training(make, same, folder):
    """Three steps: finite, everything that learns moves, and what follows the first may start from a checkpoint."""
    whole = make()
    learner = whole.learner
    before = {name: p.detach().clone() for name, p in learned(learner)}
    whole.train(1)
    checkpoint.save(folder / "state", whole.state())
    whole.train()
    assert learner.report()  # raises where a term was not finite
    after = dict(learned(learner))
    assert [name for name, p in before.items() if torch.equal(p, after[name])] == []
    resumed = make()
    resumed.learner.resume(checkpoint.load(folder / "state", torch.device("cpu")))
    assert same(resumed.train().state(), whole.state())


def learned(learner):
    return [(n, p) for part in (learner.net, learner.method) for n, p in part.named_parameters() if not unused(n)]


def unused(name):
    return name == "backbone.words.weight" or name == "backbone.weight"  # words that few steps do not meet stay put


@pytest.mark.parametrize(("method", "task", "params"), SERVED)
def test_it_trains(bench, same, tmp_path, method, task, params):
    check_training(lambda: bench(task, method, {"task": 1.0, **params}, steps=3), same, tmp_path)


@pytest.mark.parametrize(("wrapper", "task", "method"), WRAPPED)
def test_it_trains_around_a_method(bench, same, tmp_path, wrapper, task, method):
    check_training(lambda: bench(task, method, {"task": 1.0}, wrap=[wrapper], steps=3), same, tmp_path)


@pytest.mark.parametrize(("method", "task", "params"), [case for case in SERVED if case[1] == "digits" or case[0] == "cwd"])
def test_weight_zero_is_none(bench, same, method, task, params):
    alone = bench(task, "none", steps=2).train().learner.net.state_dict()
    zero = bench(task, method, {**params, "weight": 0, "task": 1}, steps=2).train()
    assert same(alone, zero.learner.net.state_dict())
    taught = bench(task, method, {**params, "weight": 50.0, "task": 1}, steps=2).train()
    assert not same(alone, taught.learner.net.state_dict())
