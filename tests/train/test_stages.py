"""Stages and starts: a blend is a function of sample and view, stored signals agree with it, a start lies between two nets."""

import pytest
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.registry import load_target
from kdbench.train import build
from kdbench.train.start import towards_teacher
from kdbench.train.stream import Stream, Tick, ViewSpec
from kdbench.train.views.mixup import Mixup

CPU = torch.device("cpu")
MIXUP = (Mixup, Mixup.Config())
MIXED = {"stages": [{"name": "mixup", "version": 1, "params": {}}]}


def stream(batch=64, order=1, view=2, stages=(MIXUP,), augment="warp", name="pool"):
    task = load_target("kdbench.tasks.classification:Digits")()
    return Stream(task, name, batch, order, ViewSpec(augment, 4, view), CPU, stages)


def test_a_blend_is_its_sample_and_its_partner_in_the_drawn_share():
    mixed = stream(augment="none")
    batch = mixed.batch(0)
    [stage] = mixed.stages
    plain = mixed.samples.fields["image"]
    share = Draw(mixed.draw.seed).uniform("mixup share", batch.view, batch.index)[:, None, None, None]
    partner = stage.partners(batch.index, batch.view)
    expected = share * plain[batch.index] + (1 - share) * plain[partner]
    torch.testing.assert_close(batch["image"], expected)
    assert share.min() < 0.1 and share.max() > 0.9


def test_a_partner_is_seen_in_its_own_view_after_the_augmentation():
    mixed = stream()
    index, view = torch.arange(30), torch.full((30,), 3)
    [stage] = mixed.stages
    share = mixed.draw.uniform("mixup share", view, index)[:, None, None, None]
    partner = stage.partners(index, view)
    mine = mixed.task.augment("warp", batch_of(mixed, index, view), mixed.draw)["image"]
    theirs = mixed.task.augment("warp", batch_of(mixed, partner, view), mixed.draw)["image"]
    torch.testing.assert_close(mixed.show(index, view)["image"], torch.lerp(theirs, mine, share))


def batch_of(s, index, view):
    return Batch(s.samples.rows(index), index, view)


def test_partners_are_a_permutation_of_the_set_another_one_for_each_view():
    [stage] = stream().stages
    everybody = torch.arange(900)
    first, second = (stage.partners(everybody, torch.full_like(everybody, v)) for v in (0, 1))
    assert torch.equal(first.sort().values, everybody) and torch.equal(second.sort().values, everybody)
    assert (first == second).sum() < 20


def test_a_blend_does_not_depend_on_order_or_batch_size():
    whole, part = stream(batch=900, order=1).batch(0), stream(batch=30, order=9).batch(0)
    assert torch.equal(part["image"], whole["image"][whole.index.argsort()][part.index])
    both = stream(batch=1000).batch(0)  # runs into the next view: 900 samples of view 0 and 100 of view 1
    alone = stream(batch=900).show(both.index[900:], both.view[900:])
    assert both.view[900:].unique().tolist() == [1] and torch.equal(both["image"][900:], alone["image"])


def test_of_partial_mixup_some_are_blended_as_ever_and_the_rest_not_at_all():
    index = torch.arange(900)
    view = torch.zeros_like(index)
    some = stream(stages=[(Mixup, Mixup.Config(part=0.25))])
    [stage] = some.stages
    plain = some.task.augment("warp", batch_of(some, index, view), some.draw)["image"]
    shown = some.show(index, view)["image"]
    blended = (shown != plain).flatten(1).any(1)
    assert 0.2 < blended.float().mean() < 0.3
    share = some.draw.uniform("mixup share", view, index)[:, None, None, None]
    whole = torch.lerp(plain[stage.partners(index, view)], plain, share)
    assert torch.equal(shown[blended], whole[blended]) and torch.equal(shown[~blended], plain[~blended])
    [none] = stream(stages=[(Mixup, Mixup.Config(part=0))]).stages
    assert torch.equal(none(some.batch(0), lambda i, v: some.batch(1))["image"], some.batch(0)["image"])


def test_a_default_that_is_written_out_draws_as_one_that_is_not():
    assert stream(stages=[(Mixup, Mixup.Config(part=1.0))]).draw.seed == stream().draw.seed
    assert stream(stages=[(Mixup, Mixup.Config(part=0.5))]).draw.seed != stream().draw.seed


def test_a_blend_has_no_label():
    assert set(stream(name="labelled").batch(0).fields) == {"image"}


def test_stages_follow_each_other():
    once, twice = stream(augment="none"), stream(augment="none", stages=(MIXUP, MIXUP))
    assert twice.draw.seed != once.draw.seed
    index, view = torch.arange(5), torch.zeros(5, dtype=torch.long)
    first = twice._after(1, torch.arange(900), torch.zeros(900, dtype=torch.long))["image"]
    share = twice.draw.uniform("mixup share", view, index)[:, None, None, None]
    partner = twice.stages[1].partners(index, view)
    torch.testing.assert_close(twice.show(index, view)["image"], torch.lerp(first[partner], first[index], share))


def test_another_policy_is_shown_without_stages():
    s = stream()
    index = torch.arange(4)
    assert torch.equal(s.show(index, torch.zeros_like(index), "none")["image"], s.samples.fields["image"][:4])


def test_student_and_teacher_see_the_same_blend_and_stored_signals_agree(bench, tmp_path):
    live = bench("digits", "kd", view=MIXED)
    stored = bench("digits", "kd", view=MIXED, source="stored", folder=tmp_path)
    for step in (0, 120):  # step 120 is in the second view
        batch = Tick(step, live.streams).batch("transfer")
        with torch.no_grad():
            shown = live.teachers[0](batch).values
        torch.testing.assert_close(live.learner.source.ask(batch).decisions.values, shown)
        torch.testing.assert_close(stored.learner.source.ask(batch).decisions.values, shown, atol=2e-5, rtol=1e-5)


def test_blends_are_not_stored_as_the_plain_view(bench, tmp_path):
    tables = []
    for view in ({}, MIXED, {"augment": "none"}, {"augment": "none", **MIXED}):
        [recall] = bench("digits", "kd", view=view, source="stored", folder=tmp_path).learner.source.recalls
        tables.append(recall.table().folder)
    assert len(set(tables)) == 4


def test_labelled_images_stay_whole_where_they_are_distilled_on_too(bench):
    made = bench("digits", "kd", view={**MIXED, "transfer": "labelled"})
    tick = Tick(0, made.streams)
    labelled, mixed = tick.batch("labelled"), tick.batch("transfer")
    plain = bench("digits", "kd", view={"transfer": "labelled"})
    assert torch.equal(labelled["image"], Tick(0, plain.streams).batch("labelled")["image"])
    assert plain.streams["labelled"] is plain.streams["transfer"]
    assert torch.equal(labelled.index, mixed.index) and not torch.equal(labelled["image"], mixed["image"])
    made.train()


@pytest.mark.parametrize("source", ["live", "stored"])
def test_mixup_resumed_is_mixup_uninterrupted(bench, same, tmp_path, source):
    whole = bench("digits", "kd", view=MIXED, source=source, folder=tmp_path, steps=20).train()
    first = bench("digits", "kd", view=MIXED, source=source, folder=tmp_path, steps=20).train(9)
    second = bench("digits", "kd", view=MIXED, source=source, folder=tmp_path, steps=20)
    second.learner.resume(first.state())
    assert same(second.train().state(), whole.state())


def pair_of_nets():
    targets = {"model:digit_net": "kdbench.models.small:digit_net"}
    task = load_target("kdbench.tasks.classification:Digits")()
    nets = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        nets.append(build.make_net(task, {"model": "digit_net", "params": {}}, targets, CPU))
    student, teacher = nets
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.num_batches_tracked.fill_(400)
    return student, teacher


def state(net):
    return {name: value.clone() for name, value in net.backbone.state_dict().items()}


@pytest.mark.parametrize("init, end", [("fresh", 0), ({"weights": "sha"}, 0), ({"mix": 0.0}, 0), ({"mix": 1.0}, 1)])
def test_the_ends_of_a_start_are_exact(init, end):
    nets = pair_of_nets()
    before = [state(net) for net in nets]
    towards_teacher(nets[0], init, [nets[1]])
    after, taught = (state(net) for net in nets)
    assert all(torch.equal(after[name], before[end][name]) for name in after)
    assert all(torch.equal(taught[name], before[1][name]) for name in taught), "the teacher stays as it is"


def test_a_start_lies_between_weights_and_statistics():
    student, teacher = pair_of_nets()
    own, theirs = state(student), state(teacher)
    towards_teacher(student, {"mix": 0.25}, [teacher])
    for name, value in state(student).items():
        expected = 0.25 * theirs[name].double() + 0.75 * own[name].double() if value.is_floating_point() else own[name]
        torch.testing.assert_close(value.double(), expected.double(), atol=1e-6, rtol=1e-6)
    assert all(parameter.requires_grad for parameter in student.parameters())
