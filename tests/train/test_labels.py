"""Pseudo-labels: what each policy keeps, and how several teachers become one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import Decisions
from kdbench.train.sources.channel import channel
from kdbench.train.sources.labels import FusionConfig, best_of_each, labelled
from kdbench.train.stream import Tick

Z = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)
Y = torch.tensor([0, 2])


def single(values=TEACHER, **config):
    return labelled(Signal(Decisions(values, "class")), FusionConfig(**config)).decisions


def several(*values, grid=None, teacher_of=None, **config):
    members = [Decisions(v, "class", grid=grid) for v in values]
    joint = members[0].but(values=torch.stack(values), reduce="prob")
    signal = Signal(joint, {}, tuple(Signal(m) for m in members))
    return labelled(signal, FusionConfig(**{"labels": "argmax", **config}), teacher_of).decisions


def loss(decisions):
    rows = torch.nn.functional.cross_entropy(Z, decisions.labels, reduction="none")
    return Decisions(Z, "class", valid=decisions.valid, weight=decisions.weight).mean(rows).item()


def test_threshold_vectors():
    """Certainties .84379473 and .93623955: at .9 one is kept, and the denominator is all rows, or the kept one."""
    every, kept = single(labels="threshold", threshold=0.9), single(labels="threshold", threshold=0.9, abstain="kept")
    assert loss(every) == pytest.approx(0.08492301, abs=1e-8)
    assert loss(kept) == pytest.approx(0.16984602, abs=1e-8)
    nothing = [single(labels="threshold", threshold=0.94, abstain=abstain) for abstain in ("all", "kept")]
    assert [loss(each) for each in nothing] == [0, 0]


def test_uniform_weight_is_the_share_of_certain_ones():
    given = single(labels="uniform", threshold=0.9)
    assert given.weight.tolist() == [0.5, 0.5] and given.valid is None
    everything = single(labels="argmax")
    assert everything.weight is None
    assert loss(given) == pytest.approx(0.5 * loss(everything))


def test_certainty_weighs_by_itself():
    torch.testing.assert_close(single(labels="certainty").weight, torch.tensor([0.84379473, 0.93623955]).double())


def test_nothing_is_added_without_a_policy():
    signal = Signal(Decisions(Z, "class", labels=Y))
    assert labelled(signal, FusionConfig()) is signal


def test_labels_of_the_set_are_never_kept():
    """A source that was asked about labelled samples answers with its own labels."""
    given = labelled(
        Signal(Decisions(TEACHER, "class", labels=1 - Y, valid=torch.tensor([True, False]))), FusionConfig(labels="argmax")
    )
    assert torch.equal(given.decisions.labels, Y) and given.decisions.valid is None


def test_share_keeps_the_most_certain_of_each_class():
    label = torch.tensor([0, 0, 0, 1, 1, 2])
    certainty = torch.tensor([0.3, 0.9, 0.5, 0.2, 0.1, 0.4])
    assert best_of_each(label, certainty, 4, 0.5).tolist() == [False, True, True, True, False, True]
    assert best_of_each(label, certainty, 4, 1.0).all()
    order = torch.randperm(6)
    assert torch.equal(best_of_each(label[order], certainty[order], 4, 0.5), best_of_each(label, certainty, 4, 0.5)[order])


def test_share_without_classes_is_a_share_of_rows():
    tags = torch.tensor([[1.0, 0], [0, 0], [1, 1], [0, 1]])
    assert best_of_each(tags, torch.tensor([0.9, 0.6, 0.8, 0.7]), 2, 0.5).tolist() == [True, False, True, False]


def test_tags_are_labelled_one_by_one():
    given = labelled(Signal(Decisions(torch.tensor([[3.0, -3.0]]), "tag")), FusionConfig(labels="certainty")).decisions
    assert given.labels.tolist() == [[1.0, 0.0]]
    assert given.weight.item() == pytest.approx(1 / (1 + np.exp(-3)))


def test_majority_counts_votes_and_the_mean_settles_ties():
    a, b, c = (torch.tensor([[4.0, 0, 0]]), torch.tensor([[0, 1.0, 0]]), torch.tensor([[0, 1.0, 0]]))
    assert several(a, b, c, fusion="majority").labels.item() == 1
    assert several(a, b, c).labels.item() == 0  # of the mean
    tie = several(a, b, fusion="majority", labels="certainty")
    assert (tie.labels.item(), tie.weight.item()) == (0, 0.5)


def test_the_most_certain_member_decides():
    a, b = torch.tensor([[4.0, 0], [0, 1]]), torch.tensor([[0.0, 1], [5, 0]])
    given = several(a, b, fusion="certainty", labels="certainty")
    assert given.labels.tolist() == [0, 0]
    assert given.weight[1].item() == pytest.approx(1 / (1 + np.exp(-5)))


MAPS = (1, 3, 4)


def random_maps(seed, classes=4):
    return torch.randn(np.prod(MAPS), classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


def slow_channel(members, teacher_of, reach):
    """The page's algorithm, pixel by pixel."""
    probs = [np.exp(m) / np.exp(m).sum(1, keepdims=True) for m in (x.numpy() for x in members)]
    _, height, width = MAPS
    classes = range(probs[0].shape[1])
    claim = {c: (probs[teacher_of[c]].argmax(1) == c).reshape(height, width) for c in classes}
    own = {c: probs[teacher_of[c]][:, c].reshape(height, width) for c in classes}
    labels, certainty = [], []
    for y in range(height):
        for x in range(width):
            claimed = [c for c in classes if claim[c][y, x]]
            box = np.s_[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            if len(claimed) == 1:
                labels.append(claimed[0])
                certainty.append(own[claimed[0]][y, x])
            else:
                means = [claim[c][box].mean() for c in classes]
                labels.append(int(np.argmax(means)))
                certainty.append(own[labels[-1]][box].mean() if max(means) > 0 else 0.0)
    return labels, certainty


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_channel_fusion_is_the_slow_one(reach):
    members = [random_maps(seed) for seed in (1, 2, 3)]
    teacher_of = torch.tensor([0, 1, 2, 1])
    label, certainty = channel([Decisions(m, "class", grid=MAPS) for m in members], teacher_of, reach)
    expected = slow_channel(members, teacher_of.tolist(), reach)
    assert label.tolist() == expected[0]
    np.testing.assert_allclose(certainty, expected[1], atol=1e-12)


def fuse(members, teacher_of, reach=1):
    return channel([Decisions(m, "class", grid=MAPS) for m in members], torch.tensor(teacher_of), reach)[0]


def test_channel_of_one_teacher_is_its_map():
    assert torch.equal(fuse([random_maps(1)], [0, 0, 0, 0]), random_maps(1).argmax(1))


def test_channel_reads_maps_not_probabilities():
    """Blind to each teacher's scale, to the order of teachers, and to a teacher that is nobody's."""
    a, b, c = (random_maps(seed) for seed in (1, 2, 3))
    usual = fuse([a, b], [0, 1, 1, 0])
    assert torch.equal(usual, fuse([a * 0.01, b * 9], [0, 1, 1, 0]))
    assert torch.equal(usual, fuse([b, a], [1, 0, 0, 1]))
    assert torch.equal(usual, fuse([a, b, c], [0, 1, 1, 0]))
    assert not torch.equal(usual, fuse([a, b], [1, 0, 0, 1]))


@pytest.mark.parametrize("choose", ["certainty", "labelled"])
def test_each_class_gets_the_teacher_that_is_best_at_it(bench, tmp_path, choose):
    made = bench("streets", "pseudo_labels", source="ensemble", teachers=2, folder=tmp_path, steps=2,
                 source_params={"labels": "threshold", "threshold": 0.2, "fusion": "channel", "choose": choose})  # fmt: skip
    source, stream = made.learner.source, made.streams["transfer" if choose == "certainty" else "labelled"]
    index = torch.arange(len(stream.samples))
    batch = stream.show(index, torch.zeros_like(index))
    scores = []
    for net in made.teachers:
        with torch.no_grad():
            d = made.learner.task.decide(net(batch).values, batch)
        probs, said = d.values.softmax(1).double().numpy(), d.predictions().numpy()
        keep = d.valid.numpy() if d.valid is not None else np.ones(len(said), bool)
        for c in range(8):
            if choose == "certainty":
                scores.append(probs[said == c, c].mean() if (said == c).any() else 0)
            else:
                true = d.labels.numpy() == c
                either = ((said == c) | true) & keep
                scores.append(((said == c) & true & keep).sum() / max(1, either.sum()))
    assert source.teacher_of.tolist() == np.array(scores).reshape(2, 8).argmax(0).tolist()
    assert list((tmp_path / "sweeps").iterdir())
    made.train()


def test_stored_labels_are_live_labels(bench, tmp_path):
    settings = {"labels": "uniform", "threshold": 0.2}
    live = bench("digits", "pseudo_labels", source_params=settings)
    stored = bench("digits", "pseudo_labels", source="stored", source_params=settings, folder=tmp_path)
    a, b = (made.learner.source.ask(Tick(0, made.streams).batch("transfer")).decisions for made in (live, stored))
    assert torch.equal(a.labels, b.labels) and torch.equal(a.weight, b.weight)


def test_gives_says_when_there_are_labels():
    from kdbench.contract.gives import Gives
    from kdbench.contract.needs import Needs, Offer, check
    from kdbench.train.sources.ensemble import Ensemble
    from kdbench.train.sources.live import Live

    gives = Gives.read(Live.gives.data())
    needs, offer = Needs(signal=frozenset({"labels"})), Offer("class")
    [reason] = check(needs, gives.adds({"labels": "none"}, offer, 1)[0])
    assert "needs signal labels, has probs, values" in reason and "labels: argmax" in reason
    assert not check(needs, gives.adds({"labels": "share"}, offer, 1)[0])
    [wrong] = gives.adds({"labels": "share"}, Offer("candidate"), 1)[1]
    assert "list of candidates" in wrong
    [wrong] = Gives.read(Ensemble.gives.data()).adds({"fusion": "channel"}, offer, 2)[1]
    assert wrong == "fusion: channel needs decisions on a map, the task has none"


def test_a_source_of_one_s_own_kind_offers_the_student_s_taps():
    from kdbench.contract.gives import Gives
    from kdbench.contract.needs import Offer
    from kdbench.train.sources.peers import Peers

    gives = Gives.read(Peers.gives.data())
    offer = Offer("class", student_taps=frozenset({"stage1"}), teacher_taps=frozenset({"other"}))
    two, wrong = gives.adds({"students": 2}, offer, 0)
    assert not wrong and two.teachers == 1 and two.teacher_taps == {"stage1"} and "values" in two.signal
    three, _ = gives.adds({"students": 3}, offer, 1)
    assert three.teachers == 2 and not three.teacher_taps and "members" in three.signal
    assert gives.asked(1) == 0 and SimpleNamespace(asked=gives.asked(3)).asked == 0
