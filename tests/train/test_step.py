"""What a step offers beyond the two streams: batches of the method's own, the initial student, sweeps, shares of terms."""

import copy

import pytest
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.errors import MethodError
from kdbench.contract.method import Method, Term
from kdbench.contract.needs import Needs
from kdbench.train.seat import Seat
from kdbench.train.stream import Tick
from kdbench.train.sweep import TrainingSweep


def seated(bench, method, **settings):
    """A bench whose learner follows the given method."""
    made = bench("digits", "kd", **{"steps": 4, **settings})
    made.learner.seats[0] = Seat(made.learner.net, method)
    return made


def test_measuring_gradients_changes_nothing(bench, same):
    states = []
    for probes in (set(), {0, 1, 2, 3, 4, 5}):
        made = bench("digits", "kd", steps=6, recipe={"clip": 1.0})
        made.learner.probes = probes
        states.append(made.train().state())
        assert ("gradient" in made.learner.tally.shares()) == bool(probes)
    assert same(*states)


def test_shares_of_loss_and_gradient_by_hand(bench):
    made = bench("digits", "kd", {"task": 0.5, "weight": 2.0}, steps=1)
    net = copy.deepcopy(made.learner.net).train()
    tick = Tick(0, made.streams)
    labelled, transfer = tick.batch("labelled"), tick.batch("transfer")
    made.learner.update(tick)
    task = 0.5 * torch.nn.functional.cross_entropy(net(labelled).values, labelled["label"])
    student, teacher = (n(transfer).values / 4 for n in (net, made.teachers[0]))
    kd = 2.0 * 16 * torch.nn.functional.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="batchmean")
    norms = []
    for value in (task, kd):
        parts = torch.autograd.grad(value, list(net.parameters()), retain_graph=True)
        norms.append(torch.cat([part.flatten() for part in parts]).norm().item())
    shares = made.learner.tally.shares()
    assert shares["share"]["task"] == pytest.approx((task / (task + kd)).item(), rel=1e-4)
    assert shares["gradient"]["kd"] == pytest.approx(norms[1] / sum(norms), rel=1e-4)
    assert sum(shares["gradient"].values()) == pytest.approx(1)
    assert not made.learner.tally.shares()


class Doubled(Method):
    """Asks student and teacher about a batch of its own, and the teacher's gradient to it."""

    name = "doubled"

    def terms(self, step):
        batch = step.batch()
        image = (2 * batch["image"]).requires_grad_()
        mine = Batch({"image": image}, batch.index, batch.view)
        self.same = step.forward(mine) is step.forward(mine) and step.ask(mine) is step.ask(mine)
        self.as_stream = step.forward(batch) is step.student()
        self.flat = step.ask(mine).decisions.values.requires_grad
        [self.slope] = torch.autograd.grad(step.ask(mine, grad=True).decisions.values.sum(), image)
        return {"task": Term(step.supervised), "gap": Term((step.forward(mine).values - step.student().values).pow(2).mean())}


@pytest.mark.parametrize("joint", [False, True])
def test_batches_of_the_method_s_own(bench, joint):
    method = Doubled()
    made = seated(bench, method, recipe={"joint": joint}).train(1)
    assert method.same and method.as_stream and not method.flat
    image = (2 * made.streams["transfer"].batch(0)["image"]).requires_grad_()
    own = Batch({"image": image}, torch.arange(8), torch.zeros(8))
    [expected] = torch.autograd.grad(made.teachers[0](own).values.sum(), image)
    torch.testing.assert_close(method.slope, expected)
    assert all(p.grad is None for p in made.teachers[0].parameters())


def test_stored_signals_answer_for_no_other_input(bench, tmp_path):
    made = seated(bench, Doubled(), source="stored", folder=tmp_path)
    words = "doubled asks about other inputs, source stored answers about the distillation stream alone"
    with pytest.raises(MethodError, match=words):
        made.train(1)
    with pytest.raises(MethodError, match="cannot be differentiated"):
        made.learner.source.ask(made.streams["transfer"].batch(0), grad=True)


class Anchored(Method):
    """Keeps to what it said before it learned anything."""

    name = "anchored"
    needs = Needs(streams=frozenset({"transfer"}), initial=True)

    def terms(self, step):
        self.gap = (step.student().values - step.initial().values).detach().abs().max()
        return {"task": Term(step.supervised)}


def test_the_initial_student_stays(bench):
    method = Anchored()
    made = seated(bench, method)
    before = copy.deepcopy(made.learner.net).eval()
    made.train()
    batch = made.streams["transfer"].batch(3)
    [seat] = made.learner.seats
    torch.testing.assert_close(seat.initial(batch).values, before(batch).values)
    assert method.gap > 0 and not seat.initial.training
    assert "initial" not in "".join(made.state())


def test_the_initial_student_must_be_asked_for_in_advance(bench):
    class Careless(Anchored):
        needs = Needs()

    with pytest.raises(MethodError, match="without saying so in its needs"):
        seated(bench, Careless()).train(1)


def test_an_unknown_head_is_named(bench):
    class Headed(Method):
        name = "headed"

        def terms(self, step):
            return {"task": Term(step.task.loss(step.decide("labelled", "second")))}

    with pytest.raises(MethodError, match="no head 'second', it has none"):
        seated(bench, Headed()).train(1)


def test_a_wrapper_needs_what_is_inside(bench):
    made = bench("digits", "fitnets", wrap=["logit_std"], recipe={"joint": True})
    assert made.learner.method.needs.student_taps == {"$guided"}
    assert made.learner.method.needs.signal == {"probs", "values"}
    assert made.learner.joint


def test_wrapped_peers_see_each_other_through_the_wrapper(bench):
    both = [bench("digits", "kd", source="peers", teachers=0, wrap=wrap, steps=1) for wrap in ((), ["logit_std"])]
    plain, wrapped = (made.train().learner.report() for made in both)
    assert wrapped["peer1/kd"] != plain["peer1/kd"] and wrapped["peer1/task"] == plain["peer1/task"]


def sweep(made, folder, keys=("teacher0",)):
    return TrainingSweep(made.learner.task, made.learner.source, made.streams, keys, folder)


def test_a_sweep_shows_all_in_order_with_answers(bench, tmp_path):
    made = bench("digits", "kd")
    batches = list(sweep(made, tmp_path)())
    assert torch.equal(torch.cat([b.index for b in batches]), torch.arange(900))
    with torch.no_grad():
        torch.testing.assert_close(batches[1].signal.decisions.values, made.teachers[0](batches[1]).values)
    assert [b.signal for b in sweep(made, tmp_path)("labelled", ask=False)] == [None]
    assert "label" in next(sweep(made, tmp_path)("labelled")).fields


def test_what_comes_of_a_sweep_is_kept_by_content(bench, tmp_path):
    calls = []

    def make():
        calls.append(1)
        return {"mean": torch.full((2,), float(len(calls)))}

    made = bench("digits", "kd")
    assert sweep(made, tmp_path).kept("means", make)["mean"].tolist() == [1, 1]
    assert sweep(made, tmp_path).kept("means", make)["mean"].tolist() == [1, 1]
    assert sweep(bench("digits", "kd", seed=5), tmp_path).kept("means", make)["mean"].tolist() == [1, 1]
    others = [("other name", made, ["teacher0"], "transfer"), ("means", made, ["teacher1"], "transfer"),
              ("means", made, ["teacher0"], "labelled"),
              ("means", bench("digits", "kd", view={"augment": "none"}), ["teacher0"], "transfer")]  # fmt: skip
    for number, (name, run, keys, on) in enumerate(others, 2):
        assert sweep(run, tmp_path, keys).kept(name, make, on)["mean"].tolist() == [number, number]


class Prepared(Method):
    """Centres of the teacher's answers, filled before the first step."""

    name = "prepared"

    def build(self, specs, task):
        self.register_buffer("centre", torch.zeros(specs.student.outputs))
        self.labels = specs.labels

    def prepare(self, sweep):
        values = torch.cat([batch.signal.decisions.values for batch in sweep("labelled")])
        self.centre.copy_(values.mean(0))

    def terms(self, step):
        return {"task": Term(step.supervised)}


def test_a_method_prepares_before_its_first_step(bench, monkeypatch, tmp_path):
    from kdbench.train import build

    method = Prepared()
    monkeypatch.setattr(build, "make_method", lambda job: method)
    made = bench("digits", "kd", folder=tmp_path, view={"transfer": "labelled"})
    stream = made.streams["labelled"]
    batch = stream.show(torch.arange(100), torch.zeros(100, dtype=torch.long))
    with torch.no_grad():
        torch.testing.assert_close(method.centre, made.teachers[0](batch).values.mean(0))
    assert torch.equal(method.labels, stream.samples.fields["label"])
