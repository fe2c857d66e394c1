"""Sources that belong to one learner: the student's average, its peers, a teacher that learns."""

import copy

import pytest
import torch

from kdbench.contract.errors import MethodError
from kdbench.contract.method import Method, Term
from kdbench.train import checkpoint
from kdbench.train.stream import Tick

KD = {"T": 1, "task": 1, "weight": 1}
CASES = [
    ("kd", {}, "ema", {}),
    ("kd", {}, "ema", {"statistics": "batch", "ramp": False}),
    ("kd", KD, "peers", {}),
    ("dkd", {"beta": 1.0}, "peers", {"students": 3}),
    ("fitnets", {}, "peers", {}),
    ("pseudo_labels", {}, "ema", {"labels": "uniform", "threshold": 0.2}),
    ("pseudo_labels", {}, "peers", {"labels": "argmax"}),
]


@pytest.mark.parametrize(("method", "params", "source", "settings"), CASES)
def test_resumed_equals_uninterrupted(bench, same, tmp_path, method, params, source, settings):
    def run():
        return bench("digits", method, params, source=source, source_params=settings, teachers=0, steps=8)

    whole, first = run().train(), run().train(3)
    checkpoint.save(tmp_path / "s", first.state())
    second = run()
    torch.rand(5)
    second.learner.resume(checkpoint.load(tmp_path / "s", torch.device("cpu")))
    assert same(second.train().state(), whole.state())


def weights(net):
    return [p.detach().clone() for p in net.parameters()]


def test_the_first_average_is_halfway(bench):
    made = bench("digits", "kd", source="ema", teachers=0, steps=4)
    before = weights(made.learner.net)
    made.train(1)
    after, mean = weights(made.learner.net), weights(made.learner.source.net)
    for old, new, got in zip(before, after, mean):
        torch.testing.assert_close(got, (old + new) / 2)


def test_the_ramp_ends_at_the_decay(bench):
    made = bench("digits", "kd", source="ema", source_params={"decay": 0.5}, teachers=0, steps=4).train(3)
    average, before = weights(made.learner.source.net), weights(made.learner.net)
    made.train(1)
    for old, new, got in zip(average, weights(made.learner.net), weights(made.learner.source.net)):
        torch.testing.assert_close(got, (old + new) / 2)
    assert any((a - b).abs().max() > 0 for a, b in zip(average, before))


@pytest.mark.parametrize("statistics", ["average", "copy", "batch"])
def test_running_statistics_follow_as_they_should(bench, statistics):
    made = bench("digits", "kd", source="ema", source_params={"statistics": statistics}, teachers=0, steps=3).train(2)
    mine, theirs = dict(made.learner.source.net.named_buffers()), dict(made.learner.net.named_buffers())
    name = next(name for name in mine if name.endswith("running_mean"))
    assert torch.equal(mine[name], theirs[name]) == (statistics == "copy")
    assert mine[name].abs().sum() > 0


def test_an_average_has_no_gradient_and_is_the_reference(bench):
    made = bench("digits", "kd", source="ema", teachers=0, steps=2).train()
    assert all(p.grad is None and not p.requires_grad for p in made.learner.source.net.parameters())
    assert made.learner.reference() is made.learner.source.net


def test_the_first_peer_starts_and_goes_on_as_the_student_alone(bench, same):
    alone = bench("digits", "none", steps=3).train()
    beside = bench("digits", "kd", {**KD, "weight": 0}, source="peers", teachers=0, steps=3).train()
    assert same(alone.learner.net.state_dict(), beside.learner.net.state_dict())


def test_peers_differ_and_are_counted_as_dropped(bench):
    made = bench("digits", "kd", KD, source="peers", source_params={"students": 3}, teachers=0, steps=2)
    nets = [seat.net for seat in made.learner.seats]
    assert not any(torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[1].parameters()) if a.dim() > 1)
    made.train()
    one = sum(p.numel() for p in nets[0].parameters())
    assert made.learner.dropped() == 2 * one
    assert made.learner.exported() is nets[0]
    assert {"kd", "peer1/kd", "peer2/task"} <= made.learner.report().keys()


def test_peers_step_together_and_send_nothing_back(bench):
    """The first step by hand: each student's gradient is that of its own loss, the other's answers taken as given."""
    made = bench("digits", "kd", KD, source="peers", teachers=0, steps=2)
    nets = [copy.deepcopy(seat.net).train() for seat in made.learner.seats]
    tick = Tick(0, made.streams)
    labelled, transfer = tick.batch("labelled"), tick.batch("transfer")
    made.learner.update(tick)
    found = [[p.grad for p in seat.net.parameters()] for seat in made.learner.seats]
    task, answers = [], []
    for net in nets:
        answers.append(net(transfer).values.log_softmax(1))
        task.append(torch.nn.functional.cross_entropy(net(labelled).values, labelled["label"]))
    for me in (0, 1):
        other = answers[1 - me].detach()
        loss = task[me] + (other.exp() * (other - answers[me])).sum(1).mean()
        expected = torch.autograd.grad(loss, list(nets[me].parameters()), retain_graph=True)
        for got, want in zip(found[me], expected):
            torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)


def test_peers_answer_nothing_outside_a_step(bench):
    made = bench("digits", "kd", KD, source="peers", teachers=0)
    with pytest.raises(MethodError, match="within a step"):
        made.learner.source.ask(Tick(0, made.streams).batch("transfer"))


class Both(Method):
    """A student that reads a teacher which learns from labels."""

    name = "both"

    def terms(self, step):
        def gap():
            return (step.student().values - step.teacher().decisions.values).pow(2).mean()

        taught = step.task.loss(step.teacher("labelled").decisions)
        return {"task": Term(step.supervised), "gap": Term(gap), "teach": Term(taught, owner="teacher")}


def learning(bench, **settings):
    made = bench("digits", "kd", source_params={"learns": True, **settings}, steps=6)
    made.learner.seats[0].method = Both()
    return made


def test_a_teacher_that_learns_is_a_copy(bench):
    made = learning(bench)
    given = [t.clone() for t in made.teachers[0].state_dict().values()]
    made.train(2)
    assert all(torch.equal(a, b) for a, b in zip(given, made.teachers[0].state_dict().values()))
    own = made.learner.source.net
    assert not any(torch.equal(a, b) for a, b in zip(own.parameters(), made.teachers[0].parameters()) if a.dim() > 1)
    assert made.learner.reference() is own


def test_the_student_s_term_reaches_no_teacher(bench):
    made = learning(bench)
    before = copy.deepcopy(made.learner.source.net).train()
    tick = Tick(0, made.streams)
    labelled, transfer = tick.batch("labelled"), tick.batch("transfer")
    before(labelled)  # in the order of the method, which BatchNorm's statistics do not care about in training
    loss = torch.nn.functional.cross_entropy(before(labelled).values, labelled["label"])
    before(transfer)
    expected = torch.autograd.grad(loss, list(before.parameters()))
    made.learner.update(tick)
    for got, want in zip([p.grad for p in made.learner.source.net.parameters()], expected):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-4)


def test_a_fresh_teacher_starts_anew(bench):
    made = learning(bench, start="fresh")
    mine, given = made.learner.source.net, made.teachers[0]
    assert not any(torch.equal(a, b) for a, b in zip(mine.parameters(), given.parameters()) if a.dim() > 1)


def test_a_learning_teacher_resumes(bench, same, tmp_path):
    whole, first = learning(bench).train(), learning(bench).train(3)
    checkpoint.save(tmp_path / "s", first.state())
    second = learning(bench)
    second.learner.resume(checkpoint.load(tmp_path / "s", torch.device("cpu")))
    assert same(second.train().state(), whole.state())


def test_two_averages_in_a_gang_keep_apart(bench, same):
    runs = [("kd", {}), ("kd", {"weight": 0.2})]
    solo = [bench("digits", m, p, source="ema", teachers=0, steps=4).train().state() for m, p in runs]
    gang = [bench("digits", m, p, source="ema", teachers=0, steps=4) for m, p in runs]
    for step in range(4):
        tick = Tick(step, gang[0].streams)
        for member in gang:
            member.learner.update(tick)
    assert all(same(member.state(), alone) for member, alone in zip(gang, solo))
