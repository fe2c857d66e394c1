"""Suites that learn from teachers with cards: known by their weights, refused before anything runs where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kdbench.contract.errors import DataError
from kdbench.jobs.graph import graph
from kdbench.jobs.job import JobSet
from kdbench.jobs.payload import payload
from kdbench.models.weight_files import content_of
from kdbench.registry import Registry
from kdbench.suite import parse_suite
from kdbench.suite.card import Card, Measured, Score
from kdbench.suite.cards import path_of
from kdbench.suite.errors import SuiteError
from kdbench.suite.expand import expand
from kdbench.suite.yaml import loads
from kdbench.teachers import writing

WIDE = {"widths": [16, 32, 64]}


def card(folder: Path, name: str, content: bytes, **more: Any) -> str:
    """A card as `teacher add` leaves it; graphs do not read weights, so any bytes serve."""
    path = folder / "weights" / f"{name}.pth"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    said: dict[str, Any] = {"version": 1, "task": "digits", "model": "digit_net", "params": WIDE, "source": f"from {name}"}
    said |= {"weights": {"file": f"../weights/{path.name}", "sha256": content_of(path)}}
    said |= {"claims": [{"metric": "accuracy", "value": 0.9}], **more}
    made = Card.model_validate(said)
    scores = {"accuracy": Score(value=0.91, interval=(0.89, 0.92))}
    measured = Measured(scores=scores, n=600, date="2026-11-21", code="kdbench 0", of=made.subject)
    writing.save(path_of(name), writing.text_of({**said, "measured": writing.plain(measured)}))
    return name


def planned(registry: Registry, teacher: Any, **more: Any) -> JobSet:
    pair = {"name": "p", "teacher": teacher, "student": {"model": "digit_net"}}
    suite = {"version": 1, "name": "s", "seeds": 2, "tasks": [{"task": "digits", "pairs": [pair]}], "methods": ["kd"], **more}
    return graph(expand(parse_suite(loads(json.dumps(suite), "s.yaml"), registry), registry).arms, registry)


def problems(registry: Registry, teacher: Any, **more: Any) -> str:
    with pytest.raises(SuiteError) as caught:
        planned(registry, teacher, **more)
    return str(caught.value)


def only(jobs: JobSet) -> str:
    [key] = jobs.teachers["digits", "p"]
    return key


def test_a_cards_teacher_is_known_by_its_weights(folder: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = planned(registry, {"card": card(folder, "one", b"weights")})
    job = jobs.jobs[only(jobs)]
    assert job.identity["init"] == {"weights": content_of(folder / "weights/one.pth")} and job.spec["recipe"]["steps"] == 0
    assert job.weights == str(folder / "weights/one.pth") and job.origin is not None
    assert job.origin["source"] == "from one" and job.origin["measured"]["scores"]["accuracy"]["value"] == 0.91
    assert only(planned(registry, {"card": card(folder, "renamed", b"weights")})) == only(jobs)
    assert only(planned(registry, {"card": card(folder, "other", b"others")})) != only(jobs)
    plain = {"model": "digit_net", "params": WIDE, "weights": str(folder / "weights/one.pth")}
    assert only(planned(registry, plain)) == only(jobs)

    (folder / "elsewhere").mkdir()
    (folder / "weights/one.pth").rename(folder / "elsewhere/one.pth")
    moved = (folder / "teachers/one.yaml").read_text().replace("../weights/one.pth", "one.pth")
    (folder / "teachers/one.yaml").write_text(moved)
    monkeypatch.setenv("KDBENCH_WEIGHTS", str(folder / "elsewhere"))
    again = planned(registry, {"card": "one"})
    assert again.jobs.keys() == jobs.jobs.keys() and again.jobs[only(again)].weights == str(folder / "elsewhere/one.pth")


def test_its_own_normalisation_is_part_of_what_it_is(folder: Path, registry: Registry) -> None:
    shown = {"mean": [0.5], "std": [0.25]}
    jobs = planned(registry, {"card": card(folder, "shown", b"weights", normalisation=shown)})
    bare = planned(registry, {"card": card(folder, "bare", b"weights")})
    assert only(jobs) != only(bare)
    student = next(job for job in jobs.jobs.values() if job.teachers)
    assert payload(student, jobs, folder, folder, 1.0)["teachers"][0]["normalisation"] == shown
    assert payload(jobs.jobs[only(jobs)], jobs, folder, folder, 1.0)["spec"]["student"]["normalisation"] == shown
    student = next(job for job in bare.jobs.values() if job.teachers)
    assert payload(student, bare, folder, folder, 1.0)["teachers"][0]["normalisation"] is None


def test_several_cards_are_a_pool_or_kinds_of_teachers(folder: Path, registry: Registry) -> None:
    names = [card(folder, "one", b"1"), card(folder, "two", b"2")]
    jobs = planned(registry, {"card": names})
    pool = jobs.teachers["digits", "p"]
    learned = [job.teachers for job in jobs.jobs.values() if job.labels["method"] == "kd"]
    assert len(set(pool)) == 2 and learned == [(pool[0],), (pool[1],)]
    ensemble = {"sources": {"both": {"source": "ensemble", "teachers": 2}}, "methods": [{"method": "kd", "source": "both"}]}
    jobs = planned(registry, {"card": names}, **ensemble)
    assert {job.teachers for job in jobs.jobs.values() if job.labels["method"] == "kd"} == {tuple(pool)}

    other = card(folder, "small", b"3", params={})
    kinds = planned(registry, [{"card": names[0]}, {"card": other}], **ensemble)
    assert [kinds.jobs[key].labels["cell"] for key in kinds.teachers["digits", "p"]] == ["teacher:one", "teacher:small"]
    assert "cards of one pool are of one network" in problems(registry, {"card": [names[0], other]})


def test_what_is_wrong_is_said_before_anything_runs(folder: Path, registry: Registry) -> None:
    name = card(folder, "one", b"weights")
    assert "no teacher's card teachers/won.yaml" in (told := problems(registry, {"card": "won"})) and "did you mean 'one'" in told
    assert told.startswith("s.yaml:1:")
    claimed = path_of(name).read_text()
    path_of(name).write_text(claimed.replace("value: 0.9\n", "value: 0.95\n"))
    assert "'one' is not admitted: accuracy 0.95 is claimed, 0.91 was measured" in problems(registry, {"card": name})
    path_of(name).write_text(claimed.partition("measured:")[0])
    assert "'one' is not admitted: its claims were never measured here" in problems(registry, {"card": name})
    path_of(name).write_text(claimed.replace("- 64", "- 48"))
    assert "changed since it was measured" in problems(registry, {"card": name})
    path_of(name).write_text(claimed.replace("model: digit_net", "model: digit_nett"))
    assert "teachers/one.yaml:3:8: unknown model 'digit_nett'" in problems(registry, {"card": name})
    path_of(name).write_text(claimed)
    (folder / "weights/one.pth").write_bytes(b"tampered")
    with pytest.raises(DataError, match=r"teacher 'one': .*one\.pth has sha256 \w+…, its card says \w+…"):
        planned(registry, {"card": name})
    (folder / "weights/one.pth").unlink()
    assert f"the weights of teacher 'one' are not at {folder}/weights/one.pth" in problems(registry, {"card": name})


def test_a_card_serves_its_own_task(folder: Path, registry: Registry) -> None:
    other = card(folder, "noisy", b"weights", task="cifar10")
    assert "teacher 'noisy' is of task 'cifar10', this one is 'digits'" in problems(registry, {"card": other})


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"card": "one", "pool": 2}, "beside it there is no pool"),
        ({"card": "one", "model": "digit_net"}, "beside it there is no model"),
        ({"card": ["one", "one"]}, "a card is named twice"),
        ({"params": {}}, "a teacher has a model, or a card"),
    ],
)
def test_a_card_says_all_of_a_teacher(teacher: dict[str, Any], message: str, folder: Path, registry: Registry) -> None:
    card(folder, "one", b"weights")
    with pytest.raises(SuiteError, match=message):
        planned(registry, teacher)


def test_weights_of_a_teacher_that_sees_otherwise_are_not_mixed_in(folder: Path, registry: Registry) -> None:
    half = {"methods": [{"method": "kd", "init": {"mix": 0.5}}]}
    shown = card(folder, "shown", b"weights", normalisation={"mean": [0.5], "std": [0.25]}, params={})
    assert len(planned(registry, {"card": shown}, **half).refusals) == 1
    assert not planned(registry, {"card": card(folder, "bare", b"weights", params={})}, **half).refusals
