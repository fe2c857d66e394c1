"""Sources: stored equals live, controls are wrong in the way they say, ensembles are formed in one place."""

import numpy as np
import pytest
import torch

from kdbench.train.stream import Tick


def ask(made, step=0):
    return made.learner.source.ask(Tick(step, made.streams).batch("transfer"))


@pytest.mark.parametrize("task", ["digits", "streets", "topics", "sounds"])
def test_stored_equals_live(bench, tmp_path, task):
    live, stored = bench(task, "kd"), bench(task, "kd", source="stored", folder=tmp_path)
    for step in (0, 3):
        a, b = ask(live, step).decisions, ask(stored, step).decisions
        torch.testing.assert_close(a.values, b.values, atol=2e-5, rtol=1e-5)
        assert a.axis == b.axis


def test_a_stored_row_does_not_depend_on_who_filled_it(bench, tmp_path):
    small = bench("digits", "kd", source="stored", folder=tmp_path / "a", recipe={"batch": {"labelled": 8, "transfer": 5}})
    large = bench("digits", "kd", source="stored", folder=tmp_path / "b", recipe={"batch": {"labelled": 8, "transfer": 64}})
    ask(small)
    ask(large)
    files = [sorted((tmp_path / name).rglob("*.npy")) for name in "ab"]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


def test_training_on_stored_signals_is_repeatable(bench, same, tmp_path):
    first = bench("digits", "kd", source="stored", folder=tmp_path).train().state()
    again = bench("digits", "kd", source="stored", folder=tmp_path).train().state()
    assert same(first, again)


def test_clean_targets_show_the_teacher_the_plain_sample(bench, tmp_path):
    made = bench("digits", "kd", source="stored", source_params={"targets": "clean"}, folder=tmp_path)
    batch = Tick(0, made.streams).batch("transfer")
    plain = made.streams["transfer"].samples.fields["image"][batch.index]
    with torch.no_grad():
        expected = made.teachers[0].backbone((plain - 0.3053) / 0.3760)
    torch.testing.assert_close(ask(made).decisions.values, expected, atol=1e-5, rtol=1e-5)


def test_next_view_is_the_next_slot_of_the_bank(bench, tmp_path):
    wrong = bench("digits", "kd", source="stored", source_params={"targets": "next_view"}, folder=tmp_path)
    batch = Tick(0, wrong.streams).batch("transfer")
    shown = wrong.streams["transfer"].show(batch.index, batch.view + 1)
    with torch.no_grad():
        expected = wrong.teachers[0](shown).values
    torch.testing.assert_close(ask(wrong).decisions.values, expected, atol=1e-5, rtol=1e-5)
    last = torch.full((1,), 31)
    view, _ = wrong.learner.source.where(batch.but(view=last, index=batch.index[:1]))
    assert view.item() == 0  # the bank is a circle


def test_permuted_targets_are_never_one_s_own(bench, tmp_path):
    made = bench("digits", "kd", source="stored", source_params={"targets": "permuted"}, folder=tmp_path)
    other = made.learner.source.other
    assert torch.equal(other.sort().values, torch.arange(len(other)))
    assert not (other == torch.arange(len(other))).any()


@pytest.mark.parametrize("source", ["ensemble", "stored"])
def test_ensembles_average_probabilities(bench, tmp_path, source):
    made = bench("digits", "kd", source=source, teachers=3, folder=tmp_path)
    batch = Tick(0, made.streams).batch("transfer")
    with torch.no_grad():
        expected = torch.stack([t(batch).values.double().softmax(1) for t in made.teachers]).mean(0)
    signal = ask(made)
    np.testing.assert_allclose(signal.decisions.log_probs().exp(), expected, atol=1e-5)
    assert len(signal.members) == 3


def test_normalised_scores_are_blind_to_a_member_s_scale():
    from kdbench.train.sources.ensemble import normalised

    scores = torch.randn(4, 6)
    for how in ("minmax", "z"):
        torch.testing.assert_close(normalised(scores * 7 + 3, how, 1.0), normalised(scores, how, 1.0), atol=1e-4, rtol=1e-4)
    assert normalised(scores, "minmax", 5.0).amax() == pytest.approx(5.0)
