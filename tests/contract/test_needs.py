"""Needs and offers: every miss is named with its reason, from plain data."""

from kdbench.contract.gives import Gives
from kdbench.contract.needs import Needs, Offer, check

OFFER = Offer(axis="class", fields=frozenset({"image"}), student_taps=frozenset({"stage1"}), teacher_taps=frozenset({"stage1"}))


def test_all_misses_at_once():
    needs = Needs(
        axes=frozenset({"tag"}),
        signal=frozenset({"values"}),
        student_taps=frozenset({"stage9"}),
        fields=frozenset({"audio"}),
        grid=True,
    )
    reasons = check(needs, OFFER)
    assert len(reasons) == 5
    assert "needs independent tags, the task decides on one class per decision" in reasons[0]
    assert any("stage9" in r and "has stage1" in r for r in reasons)


def test_nothing_missing():
    assert check(Needs(), OFFER) == []


def test_taps_named_by_parameters():
    needs = Needs(student_taps=frozenset({"$guided"}), teacher_taps=frozenset({"$taps"}))
    resolved = needs.resolved({"guided": "stage2", "taps": ["stage1", "stage3"]})
    assert resolved.student_taps == {"stage2"}
    assert resolved.teacher_taps == {"stage1", "stage3"}


def test_wrapper_intersects_axes_and_unites_the_rest():
    both = Needs(axes=frozenset({"class", "tag"}), signal=frozenset({"probs"})) | Needs(
        axes=frozenset({"class"}), streams=frozenset(), signal=frozenset({"values"})
    )
    assert both.axes == {"class"}
    assert both.signal == {"probs", "values"}


def test_a_source_says_what_it_gives_and_why_not_more():
    gives = Gives(
        always=frozenset({"probs"}), when=(("reduce", "logit", frozenset({"values"})),), fewest=2, notes={"values": "no logits"}
    )
    offer, wrong = gives.adds({"reduce": "prob"}, OFFER, 1)
    assert wrong == ["the source asks 2 or more teacher(s), it is given 1"]
    offer, wrong = gives.adds({"reduce": "prob"}, OFFER, 3)
    assert not wrong
    assert offer.teacher_taps == frozenset()
    assert "no logits" in check(Needs(signal=frozenset({"values"})), offer)[0]
    offer, _ = gives.adds({"reduce": "logit"}, OFFER, 3)
    assert check(Needs(signal=frozenset({"values"})), offer) == []


def test_data_round_trip():
    needs = Needs(axes=frozenset({"class"}), teachers="many", grid=True)
    assert Needs.read(needs.data()) == needs
    gives = Gives(when=(("reduce", "logit", frozenset({"values"})),), notes={"taps": "none"})
    assert Gives.read(gives.data()) == gives


def test_a_teacher_that_learns_must_be_taught_and_the_other_way_round():
    frozen, learning = Offer("class"), Offer("class", learns=True)
    assert "needs a teacher that learns" in check(Needs(learns=True), frozen)[0]
    assert "no term that teaches it" in check(Needs(), learning)[0]
    assert not check(Needs(learns=True), learning)


def test_a_source_that_holds_answers_is_not_asked_about_others():
    gives = Gives.read(Gives(asks=False).data())
    offer, _ = gives.adds({}, OFFER, 1)
    assert "asks about more than the distillation stream" in check(Needs(asks=True), offer)[0]
    assert not check(Needs(asks=True), Gives().adds({}, OFFER, 1)[0])


def test_what_reads_the_signal_may_be_switched_off():
    needs = Needs(signal=frozenset({"probs"}), signal_by="kd")
    assert needs.resolved({"kd": 0.0}).signal == frozenset()
    assert needs.resolved({"kd": 0.1}).signal == {"probs"}


def test_a_wrapper_keeps_what_its_inner_method_asks_for():
    both = Needs(learns=True, initial=True, asks=True, foreign=True) | Needs(streams=frozenset())
    assert (both.learns, both.initial, both.asks, both.foreign) == (True, True, True, True)
    assert not (Needs(foreign=True) | Needs(signal=frozenset({"values"}))).foreign


def test_what_is_asked_before_training_must_be_there_before_training():
    needs = Needs(before=True)
    assert check(needs, Offer(axis="class")) == []
    peers, _ = Gives(own="1").adds({}, Offer(axis="class"), 0)
    [reason] = check(needs, peers)
    assert "before training" in reason
    assert (Needs() | needs).before and not (Needs() | Needs()).before
