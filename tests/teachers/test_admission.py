"""A teacher from elsewhere is admitted by what it scores, and told what may be wrong where that is not what is claimed."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from teacher_bench import accuracy, answers, network

from kdbench.contract.errors import KdbenchError
from kdbench.models.weight_files import content_of
from kdbench.registry import Registry
from kdbench.suite.card import Claimed, Score, unmet
from kdbench.suite.cards import path_of, read_card
from kdbench.tasks.classification import Digits
from kdbench.teachers import hub, writing
from kdbench.teachers.admit import Verdict, add, verify
from kdbench.teachers.causes import relabelled


def said(path: Path, *claims: str, **more: Any) -> dict[str, Any]:
    weights = {"file": os.path.relpath(path, "teachers"), "sha256": content_of(path)}
    card = {"version": 1, "task": "digits", "model": "digit_net", "weights": weights, "source": "trained by a test"}
    return {**card, "claims": [writing.claim(text) for text in claims], **more}


@pytest.fixture
def file(folder: Path, trained: torch.nn.Module) -> Path:
    torch.save({"model": trained.state_dict()}, folder / "net.pth")
    return folder / "net.pth"


def judge(card: dict[str, Any], registry: Registry, name: str = "mine") -> Verdict:
    return add(name, card, registry, "", "cpu")


def test_a_claim_that_is_met_makes_a_card(file: Path, trained: torch.nn.Module, registry: Registry) -> None:
    true = accuracy(trained)
    verdict = judge(said(file, f"accuracy={true:.3f}", f"nll={0.5}±10"), registry)
    card = read_card(path_of("mine"), registry)
    assert verdict.written == path_of("mine") and not card.faults()
    measured = card.measured
    assert measured is not None and measured.n == 600  # images; each is shown in three views
    assert measured.scores["accuracy"].value == pytest.approx(true, abs=1e-12)
    low, high = measured.scores["accuracy"].interval or (0, 0)
    right = (answers(trained, "test").argmax(1) == Digits().data("test").fields["label"]).double().view(3, 600).mean(0)
    assert high - low == pytest.approx(2 * 1.96 * right.std().item() / 600**0.5, rel=0.15)  # by image, as the normal law has it
    assert low < true < high
    assert measured.scores["nll"].interval is None


@pytest.mark.parametrize("off", [0.06, -0.06])
def test_a_claim_that_is_not_met_leaves_nothing(off: float, file: Path, trained: torch.nn.Module, registry: Registry) -> None:
    verdict = judge(said(file, f"accuracy={accuracy(trained) + off:.3f}"), registry)
    assert "95 % interval is" in verdict.faults[0] and not path_of("mine").exists()
    assert any("wrong normalisation" in cause for cause in verdict.causes)
    assert ("better than claimed" in verdict.causes[0]) == (off < 0)


def test_a_tolerance_takes_the_intervals_place(file: Path, trained: torch.nn.Module, registry: Registry) -> None:
    true = accuracy(trained)
    assert judge(said(file, f"accuracy={true + 0.004:.4f}±0.001"), registry).faults
    assert not judge(said(file, f"accuracy={true + 0.06:.4f}±0.07"), registry).faults


def test_classes_in_another_order_are_seen(folder: Path, trained: torch.nn.Module, registry: Registry) -> None:
    state = {name: value.clone() for name, value in trained.state_dict().items()}
    for name in ("head.weight", "head.bias"):
        state[name] = state[name].roll(3, 0)
    torch.save(state, folder / "rolled.pth")
    verdict = judge(said(folder / "rolled.pth", f"accuracy={accuracy(trained):.3f}"), registry)
    assert verdict.causes[0].startswith(
        f"wrong label order: with its classes named in another order it would have {accuracy(trained):.3f}"
    )


def test_chance_is_called_so(folder: Path, trained: torch.nn.Module, registry: Registry) -> None:
    torch.manual_seed(5)
    torch.save(network().state_dict(), folder / "fresh.pth")
    verdict = judge(said(folder / "fresh.pth", f"accuracy={accuracy(trained):.3f}"), registry)
    assert "is hardly more than guessing (0.100): wrong label order?" in verdict.causes[0]


def test_its_own_normalisation_is_used(file: Path, trained: torch.nn.Module, registry: Registry) -> None:
    true = accuracy(trained)
    own = {"mean": [Digits.mean], "std": [Digits.std]}
    assert judge(said(file, f"accuracy={true:.4f}±0.0001", normalisation=own), registry).written
    other = (answers(trained, "test", 0.9, 0.1).argmax(1) == Digits().data("test").fields["label"]).double().mean().item()
    verdict = judge(said(file, f"accuracy={true:.4f}", normalisation={"mean": [0.9], "std": [0.1]}), registry, "odd")
    assert verdict.measured.scores["accuracy"].value == pytest.approx(other, abs=2e-3) and other < true - 0.1
    assert any("mean [0.9] and std [0.1] were used" in cause for cause in verdict.causes)
    with pytest.raises(KdbenchError, match="has 3 channels, the task's images 1"):
        judge(said(file, "accuracy=0.9", normalisation={"mean": [0.5] * 3, "std": [0.5] * 3}), registry, "rgb")


def test_a_card_written_by_hand_is_admitted_by_verify(file: Path, trained: torch.nn.Module, registry: Registry) -> None:
    path_of("hand").parent.mkdir()
    text = "# ours\n" + writing.text_of(said(file, f"accuracy={accuracy(trained):.3f}")).replace(
        "source:", "# from a test\nsource:"
    )
    path_of("hand").write_text(text)
    assert read_card(path_of("hand"), registry).faults() == ["its claims were never measured here"]
    assert verify("hand", registry, "", "cpu").written == path_of("hand")
    written = path_of("hand").read_text()
    assert written.startswith(text.rstrip()) and not read_card(path_of("hand"), registry).faults()
    assert verify("hand", registry, "", "cpu").written is None and path_of("hand").read_text() == written
    path_of("hand").write_text(written.replace("source: trained", "normalisation: {mean: [0.3], std: [0.4]}\nsource: trained"))
    assert "was changed since it was measured" in read_card(path_of("hand"), registry).faults()[0]


def test_validation_scores_need_a_tolerance(file: Path, trained: torch.nn.Module, registry: Registry) -> None:
    true = accuracy(trained, "val")
    with pytest.raises(KdbenchError, match="on val needs a tolerance"):
        judge(said(file, f"accuracy={true:.3f}", split="val"), registry)
    verdict = judge(said(file, f"accuracy={true:.4f}±0.0002", split="val"), registry)
    assert verdict.measured.scores["accuracy"].value == pytest.approx(true, abs=1e-12)


def test_weights_that_execute_or_do_not_fit_are_refused(folder: Path, trained: torch.nn.Module, registry: Registry) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(folder / "ran"),)

    torch.save({"model": trained.state_dict(), "hook": Bomb()}, folder / "bomb.pth")
    with pytest.raises(KdbenchError, match=r"refused: it needs posix\.mkdir to be run"):
        judge(said(folder / "bomb.pth", "accuracy=0.9"), registry)
    assert not (folder / "ran").exists()
    torch.save({**trained.state_dict(), "extra": torch.zeros(2)}, folder / "more.pth")
    with pytest.raises(KdbenchError, match=r"unexpected \(1\): extra"):
        judge(said(folder / "more.pth", "accuracy=0.9"), registry)
    assert not path_of("mine").exists()


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("acuracy=0.9", "has no metric 'acuracy'; did you mean 'accuracy'"),
        ("agreement=0.9", "classification has no metric 'agreement'"),
        ("accuracy=91.2", "a share from 0 to 1, not 91.2; of 100, that is accuracy=91.2%"),
    ],
)
def test_claims_that_cannot_be_judged(claim: str, message: str, file: Path, registry: Registry) -> None:
    with pytest.raises(KdbenchError, match=message):
        judge(said(file, claim), registry)


def test_mistakes_in_a_card_that_is_not_written_yet_are_told_with_what_is_near(file: Path, registry: Registry) -> None:
    card = said(file, "accuracy=0.9", task="digitz", model="digit_nett", params={"depth": 2})
    with pytest.raises(KdbenchError) as caught:
        judge(card, registry)
    assert "did you mean 'digits'?" in str(caught.value) and "did you mean 'digit_net'?" in str(caught.value)
    card = said(file, "accuracy=0.9", task="cifar100", task_params={"root": "/data"}, model="digit_net", params={"dept": 2})
    with pytest.raises(KdbenchError, match="'root' says where data lie here") as caught:
        judge(card, registry)
    assert "depth" in str(caught.value)


def test_claims_as_they_are_typed() -> None:
    assert writing.claim("accuracy=0.733") == {"metric": "accuracy", "value": 0.733}
    assert writing.claim("accuracy=73.31%±0.2") == {"metric": "accuracy", "value": 0.7331, "tolerance": 0.002}
    assert writing.claim("accuracy=73.3±0.2%") == {"metric": "accuracy", "value": 0.733, "tolerance": 0.002}
    assert writing.claim("miou=0.68+-0.01") == {"metric": "miou", "value": 0.68, "tolerance": 0.01}
    for text in ("accuracy", "accuracy=", "accuracy=high", "accuracy=0.7±x", "=0.7"):
        with pytest.raises(KdbenchError, match="expected METRIC=VALUE"):
            writing.claim(text)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.2))
def test_a_tolerance_is_the_distance_that_is_allowed(claimed: float, found: float, tolerance: float) -> None:
    told = unmet(Claimed(metric="accuracy", value=claimed, tolerance=tolerance), Score(value=found))
    if abs(abs(claimed - found) - tolerance) > 1e-6:
        assert bool(told) == (abs(claimed - found) > tolerance)


def test_a_claim_is_as_sharp_as_it_is_written() -> None:
    score = Score(value=0.7331, interval=(0.7331, 0.7331))
    assert not unmet(Claimed(metric="accuracy", value=0.733), score)
    assert not unmet(Claimed(metric="accuracy", value=0.73), score)
    assert unmet(Claimed(metric="accuracy", value=0.734), score)
    assert "needs a tolerance" in unmet(Claimed(metric="accuracy", value=0.733), Score(value=0.733))


def test_renaming_classes_is_tried_in_every_order() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(200, 4)), rng.integers(0, 4, 200)
    best = max(float((np.array(order)[logits.argmax(1)] == labels).mean()) for order in permutations(range(4)))
    assert relabelled(logits, labels) == pytest.approx(best)


def test_hub_addresses_are_fetched_only_where_they_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDBENCH_WEIGHTS", raising=False)
    with pytest.raises(KdbenchError, match="set KDBENCH_WEIGHTS"):
        hub.fetched("hf-hub:timm/resnet18")
    monkeypatch.setenv("KDBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(KdbenchError, match="expected hf-hub:OWNER/NAME"):
        hub.fetched("hf-hub:resnet18")
    asked: list[Any] = []

    def offline(repository: str, name: str, local_dir: Path) -> str:
        asked.append((repository, name, local_dir))
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(KdbenchError, match=r"cannot be fetched \(ConnectionError: no route to host\)\. Without a network"):
        hub.fetched("hf-hub:timm/resnet18.a1_in1k")
    assert asked == [("timm/resnet18.a1_in1k", "model.safetensors", tmp_path / "timm/resnet18.a1_in1k")]
