"""ClassMix carries labels, weights and validity by one mask, behind a source that saw the clean image."""

import pytest
import torch

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.gives import Gives
from kdbench.contract.needs import Needs, Offer, behind, check
from kdbench.train import checkpoint
from kdbench.train.views.classmix import ClassMix, ClassMixConfig, chosen, reduced

MIX = {"stages": [{"name": "classmix", "version": 1, "params": {}}]}
EMA = {"source": "ema", "teachers": 0, "source_params": {"labels": "uniform", "threshold": 0.2}, "view": MIX}


def test_half_of_the_present_classes_rounded_up():
    present = torch.tensor([[True, True, True, False], [False, True, False, False]])
    keys = torch.tensor([[0.9, 0.1, 0.5, 0.0], [0.3, 0.9, 0.2, 0.1]])
    assert chosen(present, keys, 0.5).tolist() == [[False, True, True, False], [False, True, False, False]]


def mixed(share=1.0, **signal):
    """One row of four pixels: labels 0 0 1 255 meet pseudo-labels 2 2 2 2."""
    index = torch.tensor([0])
    labelled = Batch({"image": torch.ones(1, 3, 1, 4), "label": torch.tensor([[[0, 0, 1, 255]]])}, index, index)
    given = Decisions(torch.zeros(4, 3), "class", torch.full((4,), 2), grid=(1, 1, 4), **signal)
    batch = Batch({"image": torch.zeros(1, 3, 1, 4)}, index, index, Signal(given, {"stage1": torch.zeros(1)}))
    return ClassMix(ClassMixConfig(share=share), Draw(3))(batch, labelled)


def test_one_mask_carries_image_label_weight_and_validity():
    batch = mixed(weight=torch.full((4,), 0.5), valid=torch.tensor([False, True, False, True]))
    got = batch.signal.decisions
    assert batch["image"][0, 0, 0].tolist() == [1, 1, 1, 0]
    assert got.labels.tolist() == [0, 0, 1, 2]  # 255 is never pasted
    assert got.weight.tolist() == [1, 1, 1, 0.5]
    assert got.valid.tolist() == [True, True, True, True]
    assert got.values.isnan().any(1).tolist() == [True, True, True, False]
    assert not batch.signal.taps


def test_half_the_classes_leave_the_other_half():
    batch = mixed(share=0.5)
    got = batch.signal.decisions
    assert got.labels.tolist() in ([0, 0, 2, 2], [2, 2, 1, 2])
    assert torch.equal(batch["image"][0, 0, 0] == 1, got.labels != 2)
    assert got.weight.tolist() == [1, 1, 1, 1] and got.valid.all()


def test_labels_are_read_at_the_signal_s_grid():
    maps = torch.arange(16).view(1, 4, 4)
    assert reduced(maps, (2, 2)).tolist() == [[[0, 2], [8, 10]]]
    assert torch.equal(reduced(maps, (4, 4)), maps)


def test_the_student_sees_the_mix_and_the_teacher_did_not(bench):
    made = bench("streets", "pseudo_labels", steps=2, **EMA)
    asked, seen = [], []
    source, net = made.learner.source, made.learner.net
    ask, forward = source.ask, net.forward
    source.ask = lambda batch, grad=False: asked.append(batch) or ask(batch, grad)
    net.forward = lambda batch: seen.append(batch) or forward(batch)
    made.train(1)
    clean = made.streams["transfer"].batch(0)["image"]
    assert torch.equal(asked[0]["image"], clean)
    [shown] = [batch for batch in seen if batch.signal is not None]
    pasted = (shown["image"] != clean).any(1)
    assert 0.05 < pasted.float().mean() < 0.95
    labelled = made.streams["labelled"].batch(0)["image"]
    assert torch.equal(shown["image"].movedim(1, -1)[pasted], labelled.movedim(1, -1)[pasted])


def test_the_same_step_mixes_the_same_classes(bench, same):
    one, two = (bench("streets", "pseudo_labels", steps=2, **EMA).train().state() for _ in range(2))
    assert same(one, two)


def test_resumed_equals_uninterrupted(bench, same, tmp_path):
    def run():
        return bench("streets", "pseudo_labels", steps=4, recipe={"joint": True}, **EMA)

    whole, first = run().train(), run().train(2)
    checkpoint.save(tmp_path / "s", first.state())
    second = run()
    second.learner.resume(checkpoint.load(tmp_path / "s", torch.device("cpu")))
    assert same(second.train().state(), whole.state())


STAGE = {"needs": ClassMix.needs.data(), "leaves": sorted(ClassMix.leaves), "mixes": True}
DENSE = Offer("class", grid=True, teacher_taps=frozenset({"stage1"}))


def after_source(labels="argmax", offer=DENSE):
    from kdbench.train.sources.live import Live

    return behind(STAGE, "classmix", Gives.read(Live.gives.data()).adds({"labels": labels}, offer, 1)[0])


def test_a_stage_behind_the_source_is_folded_at_plan_time():
    offer, reasons = after_source()
    assert not reasons and offer.signal == {"labels"}
    assert not check(Needs(signal=frozenset({"labels"})), offer)
    [reason] = check(Needs(signal=frozenset({"probs"})), offer)
    assert reason == "needs signal probs, has labels (stage classmix carries labels alone)"
    assert "stage classmix changes what" in check(Needs(teacher_taps=frozenset({"stage1"})), offer)[0]
    assert check(Needs(index=True), offer) == ["needs samples as they are, the view mixes them (classmix)"]


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (DENSE, "stage classmix needs signal labels, has none"),
        (Offer("tag", signal=frozenset({"labels"}), grid=True), "stage classmix needs one class per decision"),
        (Offer("class", signal=frozenset({"labels"})), "stage classmix needs decisions on a map"),
    ],
)
def test_where_it_does_not_fit_it_says_why(offer, words):
    [reason] = behind(STAGE, "classmix", offer)[1]
    assert words in reason
