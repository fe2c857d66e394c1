"""One job on two processes (gloo, CPU) is what it is on one, but for rounding; what was begun on two goes on on one, and back."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from gang_bench import Place
from ranks_bench import after, apart, shared, weights

from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.results.timing import marks, own_seconds
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads
from kdbench.train import job as training

STEPS, STOP = 4, 2
# Of a tensor's norm. Plain descent, since Adam divides a gradient by its own size, and so makes as much of the rounding of one
# that ought to be zero as of any other.
TOLERANCE = 1e-4
ON_ONE, ON_TWO = "kd·average", "crd"  # jobs that are begun there too, and go on on the other
SUITE = {
    "version": 1,
    "name": "s",
    "seeds": 1,
    # 33 rows are not divisible by two. All nets have BatchNorm.
    "recipe": {"steps": STEPS, "batch": 33, "optimiser": "sgd", "lr": 0.02, "clip": 1.0},
    "tasks": [{"task": "digits", "teachers": {"pool": 1}}],
    "methods": [
        "kd",
        "rkd",
        "crd",
        "reviewkd",
        "meal_v2",
        "augmented_kd",
        {"method": "kd", "wrap": "dot"},
        {"method": "kd", "source": "average"},
        {"method": "kd", "source": "mutual"},
        {"method": "kd", "source": "kept"},
    ],
    "sources": {
        "average": {"source": "ema", "teachers": 0},
        "mutual": {"source": "peers", "teachers": 0},
        "kept": {"source": "stored"},
    },
}


@pytest.fixture(scope="module")
def suite():
    torch.set_num_threads(1)
    registry = Registry(packages=False)
    return graph(expand(parse_suite(loads(json.dumps(SUITE), "s.yaml"), registry), registry).arms, registry)


@pytest.fixture(scope="module")
def places(suite, tmp_path_factory):
    """All on one process; all on two; and two jobs that were stopped, one begun on two processes, one on one."""
    one = Place(suite, tmp_path_factory.mktemp("one"))
    two, moved = (Place(suite, tmp_path_factory.mktemp(name) / "place") for name in ("two", "moved"))
    for job in suite.jobs.values():
        if job.kind == "teacher":
            one.alone(job)
    for place in (two, moved):
        shutil.copytree(one.folder, place.folder)
    students = cells(suite)
    for job in students.values():
        one.alone(job)
    stopped = training.run(moved.payload(students[ON_ONE]), moved.folder, "cpu", lambda event: None, after(STOP))
    assert stopped == {"status": "interrupted"}
    jobs = [(two.payload(job), None) for job in students.values()]
    jobs += [(moved.payload(students[ON_TWO]), STOP), (moved.payload(students[ON_ONE]), None)]
    return one, two, moved, shared(jobs, tmp_path_factory.mktemp("ranks"))


def cells(suite):
    return {job.labels["cell"]: job for job in suite.jobs.values() if job.kind == "student"}


def test_every_job_is_what_it_is_on_one_process(suite, places):
    one, two, _, ends = places
    far = {}
    for cell, job in cells(suite).items():
        assert two.has(job), (cell, ends[job.key])
        far[cell] = apart(weights(one, job), weights(two, job))
        mine, theirs = one.record(job), two.record(job)
        assert theirs.metrics["truth"] == pytest.approx(mine.metrics["truth"], abs=1e-3), cell
        assert (theirs.key, theirs.cost, theirs.identity) == (mine.key, mine.cost, mine.identity)
    assert len(far) == len(SUITE["methods"]) + 1 and max(far.values()) < TOLERANCE, far
    assert max(far.values()) > 0  # two processes did sum in another order


def test_a_record_says_on_how_many_and_its_seconds_are_not_the_cost_of_one_device(suite, places):
    one, two, _, _ = places
    job = cells(suite)["kd"]
    assert two.record(job).timing["ranks"] == 2 and marks(two.record(job).timing) == ["ranks"]
    assert own_seconds(two.record(job)) != own_seconds(two.record(job))
    assert "ranks" not in one.record(job).timing


def test_what_was_begun_on_two_goes_on_on_one_and_the_other_way_round(suite, places):
    one, _, moved, _ = places
    begun_on_two, begun_on_one = (cells(suite)[cell] for cell in (ON_TWO, ON_ONE))
    assert not moved.has(begun_on_two) and moved.has(begun_on_one)
    moved.alone(begun_on_two)
    for job in (begun_on_two, begun_on_one):
        assert moved.record(job).timing["resumed"] is True
        assert apart(weights(one, job), weights(moved, job)) < TOLERANCE


def test_answers_gradients_statistics_and_draws_are_those_of_the_whole_batch(places):
    """Against the same computation on one process, in double precision; also to the input, of rows that do not divide evenly,
    of a batch too small to divide, and of a net that mixes rows, which is not divided."""
    found = places[3]["gradients"]
    assert len(found) == 2 * 6
    for name, far in found.items():
        assert max(far.values()) < 1e-12, (name, far)
