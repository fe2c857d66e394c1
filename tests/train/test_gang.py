"""Jobs in lockstep: each one's record is what it would have been alone, whatever becomes of the others."""

from __future__ import annotations

import json

import pytest
import torch
from gang_bench import Place, same

from kdbench.contract.errors import MethodError
from kdbench.jobs.gang import gang_of
from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads
from kdbench.train import job as training
from kdbench.train import room
from kdbench.train.run import Run

STEPS = 9
SUITE = {
    "version": 1,
    "name": "s",
    "seeds": 1,
    "recipe": {"steps": STEPS, "batch": 32},
    "tasks": [{"task": "digits", "teachers": {"pool": 2}}],
    "methods": [
        "none",
        "kd",
        {"method": "kd", "params": {"weight": 0.5}},
        {"method": "kd", "recipe": {"steps": STEPS // 2}},
        {"method": "kd", "recipe": {"batch": 16}},
        "fitnets",
        "crd",
        "simkd",
        "dkd",
        {"method": "kd", "source": "both"},
        {"method": "kd", "source": "average"},
        {"method": "kd", "source": "kept"},
        {"method": "kd", "view": "mixed"},
    ],
    "sources": {
        "both": {"source": "ensemble", "teachers": 2},
        "average": {"source": "ema", "teachers": 0},
        "kept": {"source": "stored"},
    },
    "views": {"mixed": {"stages": "mixup"}},
}


@pytest.fixture(scope="module")
def suite():
    torch.set_num_threads(1)
    registry = Registry(packages=False)
    return graph(expand(parse_suite(loads(json.dumps(SUITE), "s.yaml"), registry), registry).arms, registry)


@pytest.fixture(scope="module")
def alone(suite, tmp_path_factory):
    """Everything, job by job."""
    place = Place(suite, tmp_path_factory.mktemp("alone"))
    for job in suite.jobs.values():
        place.alone(job)
    return place


@pytest.fixture
def place(suite, alone, tmp_path):
    """Another folder, with the teachers in it."""
    place = Place(suite, tmp_path)
    for job in suite.jobs.values():
        if job.kind == "teacher":
            place.alone(job)
    return place


def named(suite, *cells: str) -> list:
    found = {job.labels["cell"]: job for job in suite.jobs.values() if job.kind == "student"}
    return [found[cell] for cell in cells]


def test_who_is_shown_the_same_is_of_one_gang(suite):
    tags: dict[str, set[str]] = {}
    for job in suite.jobs.values():
        tags.setdefault(gang_of(job), set()).add(job.labels["cell"])
    assert {"teacher", "none", "kd·average"} <= tags[""]
    [most] = [cells for tag, cells in tags.items() if tag and "kd" in cells]
    assert {"kd[weight=0.5]", "fitnets", "crd", "simkd", "dkd", "kd·both", "kd·kept"} <= most
    assert "kd·mixed" not in most and not any("batch" in cell for cell in most)
    assert any("steps" in cell for cell in most), "a shorter budget leaves earlier"


def test_members_of_a_gang_are_bit_for_bit_what_they_are_alone(suite, alone, place):
    jobs = [job for job in suite.jobs.values() if gang_of(job) == gang_of(named(suite, "kd")[0])]
    assert len(jobs) == 9
    assert place.together(jobs) == ["done"] * 9
    same(place, alone, jobs)
    assert {place.record(job).timing["gang"] for job in jobs} == {9}
    assert "gang" not in alone.record(jobs[0]).timing and "teacher_share" in alone.record(jobs[0]).timing


def test_a_frozen_teacher_is_asked_once_a_step(suite, place, monkeypatch):
    """Logits and features alike, and whether by itself or within an ensemble."""
    jobs = named(suite, "kd", "fitnets", "dkd", "crd")
    asked: list[tuple[int, int]] = []
    load = training.build.load_teacher

    def counted(*given):
        net = load(*given)
        net.register_forward_hook(lambda net, args, out: asked.append((id(net), len(args[0]))))
        return net

    monkeypatch.setattr(training.build, "load_teacher", counted)
    place.together(jobs)
    steps = [net for net, size in asked if size == 32]
    assert len(set(steps)) == 1 and len(steps) == STEPS


def test_one_that_fails_leaves_and_the_others_end_as_they_would_alone(suite, alone, place, monkeypatch):
    jobs = named(suite, "kd", "fitnets", "dkd")
    update = Run.update

    def failing(run, made):
        if run.job["key"] == jobs[1].key and run.at == 4:
            run.learner.method.terms = lambda step: spoil(step)
        return update(run, made)

    def spoil(step):
        step.teacher().decisions.values.zero_()
        step.batch()["image"].zero_()
        return {}

    monkeypatch.setattr(Run, "update", failing)
    ends = place.together(jobs)
    assert ends[0] == ends[2] == "done" and isinstance(ends[1], MethodError) and "in place" in str(ends[1])
    same(place, alone, [jobs[0], jobs[2]])


def test_one_that_diverges_has_its_record_and_the_others_theirs(suite, alone, place):
    jobs = named(suite, "kd", "dkd")
    member = place.member(jobs[0])
    member.job["spec"]["recipe"]["lr"] = 1e30
    training.together([member, place.member(jobs[1])], "cpu", lambda: False)
    assert [place.ends[job.key] for job in jobs] == ["diverged", "done"]
    assert place.record(jobs[0]).status == "diverged"
    same(place, alone, [jobs[1]])


def test_who_changes_a_teacher_fails_and_the_others_begin_again_elsewhere(suite, alone, place, monkeypatch):
    jobs = named(suite, "kd", "fitnets", "dkd")
    update = Run.update

    def changing(run, made):
        if run.job["key"] == jobs[1].key and run.at == 4:
            next(run.teachers[0].parameters()).data.zero_()
            next(run.teachers[0].parameters()).add_(1)
        return update(run, made)

    monkeypatch.setattr(Run, "update", changing)
    ends = place.together(jobs)
    assert "teacher was changed" in str(ends[1]) and ends[0] == ends[2] == training.LATER
    monkeypatch.setattr(Run, "update", update)
    assert place.together([jobs[0], jobs[2]]) == ["done", "done"]
    same(place, alone, [jobs[0], jobs[2]])


@pytest.mark.parametrize("steps", [1, 4])
def test_one_that_stops_goes_on_beside_one_that_begins(suite, alone, place, steps):
    """Their steps differ; the one behind catches up, and then they go together."""
    first, second = named(suite, "kd", "dkd")
    looks = iter(range(100))
    assert place.together([first], lambda: next(looks) > steps) == ["interrupted"]
    assert (place.home.checkpoints / first.key / "state.safetensors").exists()
    assert place.together([second, first]) == ["done", "done"]
    assert place.events[first.key][-1]["step"] == STEPS
    same(place, alone, [first, second])
    assert place.record(first).timing["resumed"] and not place.record(second).timing["resumed"]


def test_all_are_saved_when_they_are_stopped(suite, alone, place):
    jobs = named(suite, "kd", "dkd", "fitnets")
    looks = iter(range(100))
    assert place.together(jobs, lambda: next(looks) > 7) == ["interrupted"] * 3
    assert place.together(jobs) == ["done"] * 3
    same(place, alone, jobs)


def test_who_finds_no_room_is_told_to_come_later(suite, place, monkeypatch):
    """What the first ones took is the measure of what the next would take."""
    jobs = named(suite, "kd", "dkd", "fitnets", "crd")
    held = iter([100, 150, 190, 999])
    monkeypatch.setattr(room, "used", lambda device: next(held))
    monkeypatch.setattr(
        room, "free", lambda device: 120 if place.events.get(jobs[0].key) and not place.events[jobs[1].key] else 90
    )
    assert place.together(jobs) == ["done", "done", training.LATER, training.LATER]


def test_memory_is_measured():
    device = torch.device("cpu")
    looked = room.Room(device)
    kept = torch.ones(40_000_000)
    looked.look()
    assert 0.5 * kept.nbytes < looked.largest < 2 * kept.nbytes
    assert looked.for_another() and room.free(device) > kept.nbytes
