"""The loop's promises: resumed = uninterrupted, gang = solo, weight zero = none, owners apart, teachers untouched."""

from dataclasses import replace

import pytest
import torch

from kdbench.contract.errors import Diverged, MethodError
from kdbench.contract.method import Method, Owner, Term
from kdbench.train import checkpoint
from kdbench.train.frozen import frozen
from kdbench.train.loop import Learner, spread
from kdbench.train.stream import Tick

ON_DIGITS = [("none", {}), ("kd", {}), ("dkd", {}), ("fitnets", {}), ("at", {"kd": 0.9})]


@pytest.mark.parametrize(("method", "params"), ON_DIGITS)
def test_resumed_equals_uninterrupted(bench, same, tmp_path, method, params):
    whole = bench("digits", method, params, steps=10).train()
    for stop in (2, 3, 7):  # within and at the end of the hint phase of fitnets, and after it
        first = bench("digits", method, params, steps=10).train(stop)
        checkpoint.save(tmp_path / "state.safetensors", first.state())
        second = bench("digits", method, params, steps=10)
        torch.rand(17)  # whatever was drawn meanwhile must not matter
        second.learner.resume(checkpoint.load(tmp_path / "state.safetensors", torch.device("cpu")))
        assert second.learner.at == stop
        assert same(second.train().state(), whole.state())


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw"])
def test_every_optimiser_resumes(bench, same, tmp_path, optimiser):
    recipe = {"optimiser": optimiser, "schedule": "onecycle", "clip": 1.0}
    whole = bench("digits", "kd", recipe=recipe, steps=8).train()
    first = bench("digits", "kd", recipe=recipe, steps=8).train(5)
    checkpoint.save(tmp_path / "s", first.state())
    second = bench("digits", "kd", recipe=recipe, steps=8)
    second.learner.resume(checkpoint.load(tmp_path / "s", torch.device("cpu")))
    assert same(second.train().state(), whole.state())


def test_a_torn_checkpoint_starts_anew(tmp_path, capsys):
    path = tmp_path / "s"
    path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{torn")
    assert checkpoint.load(path, torch.device("cpu")) is None
    assert "cannot be read" in capsys.readouterr().err


def test_a_checkpoint_is_of_one_job_and_its_code(tmp_path, capsys):
    path, cpu, about = tmp_path / "s", torch.device("cpu"), {"key": "a", "code": "1"}
    checkpoint.save(path, {"at": torch.tensor(3)}, about)
    assert int(checkpoint.load(path, cpu, about)["at"]) == 3 and not capsys.readouterr().err
    for other in ({"key": "b", "code": "1"}, {"key": "a", "code": "2"}, None):
        assert checkpoint.load(path, cpu, other) is None
        assert "starting anew" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_not_finite_before_a_checkpoint_diverges_after_it(bench):
    first = bench("digits", "none", steps=4).train(2)
    first.learner.tally.note({"task": float("inf")})
    second = bench("digits", "none", steps=4)
    second.learner.resume(first.learner.state())
    with pytest.raises(Diverged):
        second.train().learner.report()


@pytest.mark.parametrize("task", ["digits", "streets", "topics", "sounds"])
@pytest.mark.parametrize(("method", "zero"), [("kd", {"weight": 0, "task": 1})])
def test_weight_zero_is_none(bench, same, task, method, zero):
    alone = bench(task, "none", steps=3).train()
    beside = bench(task, method, zero, steps=3).train()
    assert same(alone.learner.net.state_dict(), beside.learner.net.state_dict())
    taught = bench(task, method, {"weight": 1, "task": 1}, steps=3).train()
    assert not same(alone.learner.net.state_dict(), taught.learner.net.state_dict())


@pytest.mark.parametrize(
    ("task", "method", "zero"),
    [
        ("digits", "dkd", {"weight": 0}),
        ("digits", "at", {"weight": 0}),
        ("digits", "fitnets", {"weight": 0, "kd": 0, "task": 1}),
        ("topics", "margin_mse", {"weight": 0, "task": 1}),
    ],
)
def test_weight_zero_is_none_for_every_method(bench, same, task, method, zero):
    alone = bench(task, "none", steps=4).train()
    beside = bench(task, method, zero, steps=4).train()
    assert same(alone.learner.net.state_dict(), beside.learner.net.state_dict())


def test_a_gang_equals_its_solo_runs(bench, same):
    methods = [("kd", {}), ("dkd", {"beta": 1.0}), ("fitnets", {}), ("none", {})]
    solo = [bench("digits", m, p, steps=6).train().state() for m, p in methods]
    for order in (methods, methods[::-1]):
        gang = [bench("digits", m, p, steps=6) for m, p in order]
        streams = gang[0].streams
        for step in range(6):
            tick = Tick(step, streams)
            for member in gang:
                member.learner.update(tick)
        states = [member.state() for member in gang]
        for state, alone in zip(states, solo if order is methods else solo[::-1]):
            assert same(state, alone)


class Adversary(Method):
    """Two players with opposite wishes on the same value."""

    name = "adversary"

    def build(self, specs, task):
        self.gate = torch.nn.Linear(specs.student.outputs, 1)

    def owners(self, net):
        return {"student": Owner(list(net.parameters())), "gate": Owner(list(self.gate.parameters()), {"lr": 0.1})}

    def terms(self, step):
        value = self.gate(step.student("labelled").values).mean()
        return {"task": Term(step.supervised), "fool": Term(value), "tell": Term(-value, owner="gate")}


def with_method(bench, method):
    made = bench("digits", "kd", steps=4)
    from kdbench.train.build import specs_of

    torch.manual_seed(0)
    method.build(specs_of(made.learner.net, made.teachers, made.streams["transfer"]), made.learner.task)
    old = made.learner
    made.learner = Learner(old.task, old.net, method, old.source, old.recipe, old.seed, old.device)
    return made


def test_a_term_reaches_its_owner_and_nobody_else(bench):
    method = Adversary()
    made = with_method(bench, method)
    made.learner.enter_phase()
    made.learner.update(Tick(0, made.streams))
    student = [p.grad.clone() for p in made.learner.net.parameters()]
    gate = [p.grad.clone() for p in method.gate.parameters()]
    # The gate's gradient is that of its own term alone: minus the mean of the student's values, and minus one.
    assert gate[1].item() == pytest.approx(-1.0)
    assert any(g.abs().sum() > 0 for g in student)


def test_an_owner_without_a_term_is_not_stepped(bench):
    class Idle(Adversary):
        def terms(self, step):
            return {"task": Term(step.supervised)}

    method = Idle()
    made = with_method(bench, method)
    before = [p.detach().clone() for p in method.gate.parameters()]
    made.train(2)
    assert all(torch.equal(a, b) for a, b in zip(before, method.gate.parameters()))


def test_a_parameter_with_two_owners_is_refused(bench):
    class Greedy(Adversary):
        def owners(self, net):
            return {"student": Owner(list(net.parameters())), "gate": Owner([*self.gate.parameters(), *net.parameters()])}

    with pytest.raises(MethodError, match="belongs to both"):
        with_method(bench, Greedy()).train(1)


def test_a_term_without_owner_is_refused(bench):
    class Lost(Adversary):
        def terms(self, step):
            return {"task": Term(step.supervised, owner="nobody")}

    with pytest.raises(MethodError, match="nobody"):
        with_method(bench, Lost()).train(1)


def test_changing_a_shared_batch_is_named(bench):
    class Rude(Method):
        name = "rude"

        def terms(self, step):
            def value():
                step.batch()["image"].add_(1)
                return step.supervised()

            return {"task": Term(value)}

    with pytest.raises(MethodError, match="rude changed a shared batch"):
        with_method(bench, Rude()).train(1)


def test_not_a_number_is_a_divergence(bench):
    class Wild(Method):
        name = "wild"

        def terms(self, step):
            return {"task": Term(step.supervised() * float("nan"))}

    made = with_method(bench, Wild()).train(1)
    with pytest.raises(Diverged, match="task is not finite at step 1"):
        made.learner.report()


def test_teachers_stay_as_they_are(bench):
    made = bench("digits", "kd", steps=3)
    before = [t.clone() for t in made.teachers[0].state_dict().values()]
    made.train()
    assert all(torch.equal(a, b) for a, b in zip(before, made.teachers[0].state_dict().values()))
    assert not made.teachers[0].training
    with pytest.raises(MethodError, match="frozen teacher"), frozen(made.teachers):
        made.teachers[0].train()


def test_the_student_trains_in_train_mode(bench):
    made = bench("digits", "kd", steps=2)
    made.learner.net.eval()
    made.train()
    assert made.learner.net.training


def test_the_hint_phase_moves_nothing_above_its_tap(bench):
    made = bench("digits", "fitnets", {"share": 0.5}, steps=4)
    before = made.learner.net.backbone.head.weight.clone()
    deep = made.learner.net.backbone.stages[2][0].weight.clone()
    made.train(2)
    assert torch.equal(before, made.learner.net.backbone.head.weight)
    assert torch.equal(deep, made.learner.net.backbone.stages[2][0].weight)
    made.train(1)
    assert not torch.equal(before, made.learner.net.backbone.head.weight)


def test_phases_share_one_budget(bench):
    from kdbench.contract.method import Phase

    assert spread([Phase("a", 0.3), Phase("b", 0.7)], 10) == [("a", 0, 3), ("b", 3, 10)]
    assert spread([Phase("a", 0.001), Phase("b", 1)], 10) == [("b", 0, 10)]
    assert spread([Phase("train")], 0) == []


def test_joint_shows_both_streams_in_one_pass(bench, same):
    apart = bench("digits", "kd", steps=2).train()
    joint = bench("digits", "kd", steps=2, recipe={"joint": True}).train()
    assert not same(apart.learner.net.state_dict(), joint.learner.net.state_dict())
    alone = bench("digits", "none", steps=2, recipe={"joint": True}).train()
    assert same(alone.learner.net.state_dict(), bench("digits", "none", steps=2).train().learner.net.state_dict())


def test_wrapper_changes_the_signal_but_not_the_supervised_loss(bench):
    plain = bench("digits", "kd", steps=1).train().learner.report()
    wrapped = bench("digits", "kd", steps=1, wrap=["logit_std"]).train().learner.report()
    assert wrapped["task"] == plain["task"]
    assert wrapped["kd"] != plain["kd"]


def test_seeds_share_order_and_views_across_methods(bench):
    a, b = bench("digits", "kd", seed=3), bench("digits", "none", seed=3)
    for on in ("labelled", "transfer"):
        x, y = Tick(4, a.streams).batch(on), Tick(4, b.streams).batch(on)
        assert torch.equal(x["image"], y["image"])
        assert torch.equal(x.index, y.index)
    other = Tick(4, bench("digits", "kd", seed=4).streams).batch("transfer")
    assert not torch.equal(other.index, Tick(4, a.streams).batch("transfer").index)


def test_frozen_dataclass_batches_cannot_be_assigned(bench):
    batch = Tick(0, bench("digits", "kd").streams).batch("transfer")
    with pytest.raises(AttributeError):
        batch.index = batch.view
    assert replace(batch, signal=None).index is batch.index
