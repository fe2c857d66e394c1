"""Methods with further heads, players or learning teachers: they train where they serve, resume, and reach their own alone."""

import copy

import pytest
import torch

from kdbench.contract.errors import KdbenchError
from kdbench.models.probe import parameters
from kdbench.train import build, checkpoint
from kdbench.train.stream import Tick

LEARNS = {"source_params": {"learns": True}}
SEVERAL = {"source": "ensemble", "teachers": 2}
DENSE = {"student_tap": "embedding", "teacher_tap": "embedding"}
LAST = {"student_tap": "stage4", "teacher_tap": "stage4"}
SERVES = [
    ("bd_kd", "digits", {}, LEARNS), ("bd_kd", "streets", {}, LEARNS),
    ("bd_kd", "topics", {}, LEARNS), ("bd_kd", "sounds", {}, LEARNS),
    ("simkd", "digits", {}, {}), ("simkd", "streets", DENSE, {}), ("simkd", "sounds", LAST, {}),
    ("simkd", "digits", {"student_tap": "embedding", "teacher_tap": "embedding"}, {}),
    ("srrl", "digits", {}, {}), ("srrl", "streets", {}, {}), ("srrl", "sounds", {"student_tap": "stage4"}, {}),
    ("srrl", "digits", {"connect": "pooled"}, {}), ("srrl", "digits", {"student_tap": "embedding"}, {}),
    ("one", "digits", {}, {}), ("one", "sounds", {"tap": "stage3"}, {}), ("one", "streets", {"tap": "embedding"}, {}),
    ("dho", "digits", {}, {}), ("dho", "streets", {}, {}), ("dho", "sounds", {}, {}),
    ("meal_v2", "digits", {}, SEVERAL), ("meal_v2", "streets", {"discriminator": "released"}, SEVERAL),
    ("meal_v2", "digits", {"discriminator": "off"}, {}),
    ("cerberus", "digits", {"tap": "stage2"}, SEVERAL), ("cerberus", "streets", {}, SEVERAL), ("cerberus", "topics", {}, SEVERAL),
    ("cerberus", "sounds", {}, SEVERAL), ("mgd_semi", "streets", {}, SEVERAL),
]  # fmt: skip
STEPS = 3


def run(bench, method, task, params, more, steps=STEPS, **changes):
    return bench(task, method, params, steps=steps, **{**more, **changes})


@pytest.mark.parametrize(("method", "task", "params", "more"), SERVES)
def test_it_trains_and_every_own_parameter_learns(bench, method, task, params, more):
    made = run(bench, method, task, params, more)
    before = {
        id(p): p.detach().clone()
        for owner in made.learner.seats[0].method.owners(made.learner.net).values()
        for p in owner.params
    }
    teachers = [t.clone() for net in made.teachers for t in net.state_dict().values()]
    made.train()
    means = made.learner.report()
    assert all(value == value for value in means.values())
    stood = [p for owner in made.learner.owners.values() for p in owner.params
             if p.requires_grad and id(p) in before and torch.equal(before[id(p)], p.detach())]  # fmt: skip
    allowed = {"simkd": 2}.get(method, 0)  # simkd: the student's own last layer, which nothing reads
    assert len(stood) <= allowed, len(stood)
    assert all(torch.equal(a, b) for a, b in zip(teachers, [t for net in made.teachers for t in net.state_dict().values()]))


@pytest.mark.parametrize(("method", "task", "params", "more"), [s for s in SERVES if s[1] == "digits" or s[0] == "mgd_semi"])
def test_resumed_equals_uninterrupted(bench, same, tmp_path, method, task, params, more):
    whole, first = (run(bench, method, task, params, more) for _ in range(2))
    whole.train()
    checkpoint.save(tmp_path / "s", first.train(1).state())
    second = run(bench, method, task, params, more)
    second.learner.resume(checkpoint.load(tmp_path / "s", torch.device("cpu")))
    assert same(second.train().state(), whole.state())


ZERO = [
    ("bd_kd", {"weight": 0}, LEARNS), ("srrl", {"weight": 0}, {}), ("one", {"weight": 0, "peers": 0}, {}),
    ("meal_v2", {"weight": 0, "fool": 0, "task": 1}, SEVERAL),
    ("pseudo_labels", {"weight": 0}, {"source_params": {"labels": "argmax"}}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "more"), ZERO)
def test_weight_zero_is_none(bench, same, method, params, more):
    alone = bench("digits", "none", steps=2).train()
    beside = run(bench, method, "digits", params, more, steps=2).train()
    assert same(alone.learner.exported().state_dict(), beside.learner.exported().state_dict())


def test_weight_zero_of_the_dense_one_is_none(bench, same):
    zero = {"pixels": 0, "labelled": 0, "region": 0, "image": 0}
    alone = bench("streets", "none", steps=2).train()
    assert same(
        alone.learner.net.state_dict(), run(bench, "mgd_semi", "streets", zero, SEVERAL, 2).train().learner.net.state_dict()
    )


@pytest.mark.parametrize("method", ["bd_kd", "srrl", "dho", "meal_v2", "pseudo_labels"])
def test_half_precision_stays_finite(bench, method):
    more = {"bd_kd": LEARNS, "pseudo_labels": {"source_params": {"labels": "argmax"}}}.get(method, {})
    means = run(bench, method, "digits", {}, more, recipe={"precision": "bf16"}).train().learner.report()
    assert all(value == value and abs(value) < 1e4 for value in means.values())


def test_one_keeps_the_plain_student(bench):
    made = run(bench, "one", "digits", {}, {}).train()
    plain = bench("digits", "none", steps=1).learner.net
    assert parameters(made.learner.exported()) == parameters(plain)
    assert made.learner.dropped() == parameters(made.learner.method)


def test_one_s_divergence_sends_nothing_to_the_gate_or_through_the_ensemble(bench):
    made = run(bench, "one", "digits", {"peers": 0, "ramp": 0, "task": 0}, {})
    made.learner.update(Tick(0, made.streams))
    assert all(p.grad is None for p in made.learner.method.gate.parameters())
    assert all(p.grad is not None for p in made.learner.method.others.parameters())


def test_one_is_refused_where_it_cannot_branch(bench):
    with pytest.raises(KdbenchError, match="cannot be cut at 'stage2'"):
        run(bench, "one", "streets", {}, {})


def test_simkd_answers_with_the_teacher_s_classifier(bench):
    made = run(bench, "simkd", "digits", {}, {}).train()
    net, teacher = made.learner.exported().eval(), made.teachers[0]
    batch = made.streams["transfer"].batch(0)
    outputs = net(batch)
    expected = teacher.backbone.head(outputs.heads["projected"].mean((2, 3)))
    torch.testing.assert_close(outputs.values, expected)
    theirs = teacher(batch)
    torch.testing.assert_close(net.backbone.classifier(theirs.taps["stage3"].mean((2, 3))), theirs.values)
    projected = sum(p.numel() for p in net.backbone.project.parameters())
    plain = parameters(bench("digits", "none", steps=1).learner.net)
    counted = build.cost_of(net, made.streams["transfer"])["parameters"]
    assert counted == plain + projected + sum(p.numel() for p in teacher.backbone.head.parameters())


def test_simkd_refuses_a_tap_that_no_classifier_reads(bench):
    with pytest.raises(KdbenchError, match="cannot be cut at 'stage2'"):
        run(bench, "simkd", "digits", {"student_tap": "stage2", "teacher_tap": "stage2"}, {})


def test_dho_s_heads_learn_apart(bench):
    """With labels alone the distilled head stands still, with the teacher alone the labelled one does."""
    for params, still in (({"weight": 0}, "heads"), ({"task": 0}, "trunk.head")):
        made = run(bench, "dho", "digits", params, {})
        before = {name: p.detach().clone() for name, p in made.learner.net.named_parameters() if still in name}
        assert before
        made.train()
        after = dict(made.learner.net.named_parameters())
        assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_dho_answers_with_both_heads(bench):
    made = run(bench, "dho", "digits", {"share": 0.3, "beta": 2.0}, {}).train()
    net, batch = made.learner.exported(), made.streams["transfer"].batch(0)
    with torch.no_grad():
        answer = net.eval()(batch)
        mine = net.backbone.trunk(net.prepare(batch["image"])).softmax(1)
    expected = 0.3 * mine + 0.7 * (answer.heads["distilled"] / 2).softmax(1)
    torch.testing.assert_close(answer.values.softmax(1), expected)
    torch.testing.assert_close(answer.values.exp().sum(1), torch.ones(8))
    assert parameters(net) > parameters(bench("digits", "none", steps=1).learner.net)


def test_dho_distils_once_where_both_streams_are_one(bench):
    both = run(bench, "dho", "digits", {}, {}).train().learner.report()
    once = run(bench, "dho", "digits", {}, {}, view={"transfer": "labelled"}).train().learner.report()
    assert "distilled_labelled" in both and "distilled_labelled" not in once


@pytest.mark.parametrize(("kind", "sign"), [("adversarial", 1), ("released", -1)])
def test_meal_s_student_fools_or_helps_its_discriminator(bench, kind, sign):
    """One step of the student down its own term must raise D's loss, or with the released sign lower it."""
    plain = {"optimiser": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0}
    made = run(bench, "meal_v2", "digits", {"discriminator": kind, "weight": 0, "fool": 1}, SEVERAL, recipe=plain)
    learner, tick = made.learner, Tick(0, made.streams)
    torch.nn.init.constant_(learner.method.discriminator[4].bias, 1.0)  # the released last ReLU may be shut at the start
    judge, batch = copy.deepcopy(learner.method.discriminator), tick.batch("transfer")

    def loss():
        judged = judge(copy.deepcopy(learner.net).train()(batch).values)
        target = torch.tensor([1.0, 0.0]).expand_as(judged)
        return torch.nn.functional.binary_cross_entropy_with_logits(judged, target).item()

    before = loss()
    learner.update(tick)
    assert sign * (loss() - before) > 0


def test_meal_s_players_are_apart(bench):
    made = run(bench, "meal_v2", "digits", {}, SEVERAL)
    net, judge = copy.deepcopy(made.learner.net).train(), copy.deepcopy(made.learner.method.discriminator)
    tick = Tick(0, made.streams)
    batch = tick.batch("transfer")
    made.learner.update(tick)
    student = judge(net(batch).values.detach())
    teacher = judge(torch.stack([t(batch).values for t in made.teachers]).mean(0))
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    loss = 0.5 * (
        bce(student, torch.tensor([1.0, 0]).expand_as(student)) + bce(teacher, torch.tensor([0, 1.0]).expand_as(teacher))
    )
    expected = torch.autograd.grad(loss, list(judge.parameters()))
    for got, want in zip([p.grad for p in made.learner.method.discriminator.parameters()], expected):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-4)


def test_cerberus_head_learns_from_its_teacher_alone(bench):
    made = run(bench, "cerberus", "digits", {"tap": "stage2", "T": 2.0}, SEVERAL)
    net, tick = copy.deepcopy(made.learner.net).train(), Tick(0, made.streams)
    batch = tick.batch("transfer")
    made.learner.update(tick)
    outputs = net(batch)
    for number, values in enumerate((outputs.values, outputs.heads["head1"])):
        teacher = (made.teachers[number](batch).values / 2).softmax(1)
        loss = 0.5 * 4 * torch.nn.functional.kl_div((values / 2).log_softmax(1), teacher, reduction="batchmean")
        part = net.backbone.heads["head1"] if number else net.backbone.trunk.head
        mine = made.learner.net.backbone.heads["head1"] if number else made.learner.net.backbone.trunk.head
        expected = torch.autograd.grad(loss, [p for p in part.parameters() if p.requires_grad], retain_graph=True)
        for got, want in zip([p.grad for p in mine.parameters()], expected):
            torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-3)


def test_cerberus_answers_with_the_mean(bench):
    for task in ("digits", "topics"):
        made = run(bench, "cerberus", task, {}, SEVERAL).train()
        net, batch = made.learner.exported().eval(), made.streams["transfer"].batch(0)
        with torch.no_grad():
            found = net(batch)
            mine = net.backbone.trunk.forward_taps(
                *([net.prepare(batch["image"])] if task == "digits" else [batch[n] for n in net.reads])
            )[0]
        both = torch.stack((mine, found.heads["head1"]))
        if task == "digits":
            torch.testing.assert_close(found.values.exp(), both.softmax(2).mean(0))
        else:
            torch.testing.assert_close(found.values, both.mean(0))
