"""What earlier results tell of a job: the most alike decide, another machine's never, nor marked seconds beside clean ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbench.jobs.graph import graph
from kdbench.jobs.job import Job
from kdbench.registry import Registry
from kdbench.results.past import Here, Past, Run, estimate
from kdbench.results.record import Record
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads

SUITE = """\
version: 1
name: timed
seeds: 3
tasks:
  - task: digits
    recipe: {steps: 100, batch: 32}
    pairs:
      - {name: one, teacher: {model: digit_net, pool: 3}, student: {model: digit_net}}
      - {name: two, teacher: {model: digit_net, params: {depth: 3}}, student: {model: digit_net}}
  - task: topics
    recipe: {steps: 100}
methods: [none, kd, {method: kd, params: {T: 8}}, at]
"""
REGISTRY = Registry(packages=False)
HERE = Here(frozenset({"cpu"}), "Made up")
PROVENANCE = {"device": "cpu", "machine": {"cpu": "Made up", "cores": 2}}


def planned(text: str = SUITE) -> list[Job]:
    return list(graph(expand(parse_suite(loads(text, "timed.yaml"), REGISTRY), REGISTRY).arms, REGISTRY).jobs.values())


JOBS = planned()


def job(task: str, pair: str, cell: str, seed: int, jobs: list[Job] = JOBS) -> Job:
    where = {"task": task, "pair": pair, "cell": cell, "seed": seed}
    return next(one for one in jobs if where.items() <= one.labels.items())


def record(of: Job, train: float, steps: int = 100, provenance=PROVENANCE, status: str = "done", **timing) -> Record:
    """A job's record: a second before training and one after it."""
    seconds = {"setup_seconds": 1.0, "train_seconds": train, "evaluate_seconds": 1.0}
    labels, cost = {"method": "teacher", **of.labels}, {"steps": steps}
    return Record(
        of.key, of.kind, status, of.identity, labels, {}, timing={**seconds, **timing}, cost=cost, provenance=provenance
    )


def seconds(asked: Job, *records: Record) -> float | None:
    return Past(records, HERE, JOBS).seconds(asked)


KD = job("digits", "one", "kd", 0)
CELL = record(job("digits", "one", "kd", 1), 10.0)  # another seed, and so another teacher of the same kind
OTHER_TEACHER = record(job("digits", "two", "kd", 0), 20.0)
OTHER_METHOD = record(job("digits", "one", "at", 0), 40.0)
OTHER_TASK = record(job("topics", "default", "kd", 0), 80.0)


def test_the_most_alike_decide():
    assert seconds(KD) is None and seconds(KD, OTHER_TASK) is None
    assert seconds(KD, OTHER_TASK, OTHER_METHOD) == 42.0
    assert seconds(KD, OTHER_TASK, OTHER_METHOD, OTHER_TEACHER) == 22.0
    assert seconds(KD, OTHER_TASK, OTHER_METHOD, OTHER_TEACHER, CELL) == 12.0
    assert seconds(KD, record(job("digits", "one", "kd[T=8]", 0), 30.0)) == 32.0  # whatever its params


def test_what_is_longer_takes_longer_by_its_steps():
    longer = job("digits", "one", "kd", 0, planned(SUITE.replace("steps: 100, batch", "steps: 1000, batch")))
    assert seconds(longer, CELL) == 102.0


def test_a_given_network_takes_no_step():
    given_one = replace(KD, spec={**KD.spec, "recipe": {**KD.spec["recipe"], "steps": 0}})
    assert seconds(given_one, CELL) == 2.0
    assert seconds(given_one, record(KD, 0.0, steps=0)) == 2.0
    assert seconds(KD, record(KD, 0.0, steps=0)) is None
    assert seconds(KD, record(KD, 0.0, steps=0), OTHER_METHOD) == 42.0  # nobody trained there, so the next that is alike


@pytest.mark.parametrize(
    "elsewhere",
    [
        {},
        {"device": "NVIDIA H200", "machine": {"cpu": "Made up"}},
        {"device": "cpu", "machine": {"cpu": "Another"}},
        {"device": "cpu", "machine": {"cpu": None}},
    ],
)
def test_another_machine_tells_nothing(elsewhere):
    assert seconds(KD, record(KD, 10.0, provenance=elsewhere)) is None
    assert Past([record(KD, 10.0, provenance=elsewhere, peak_bytes=100)], HERE).memory(KD) is None


def test_a_run_on_gpus_looks_at_their_names():
    gpu = record(KD, 10.0, provenance={"device": "NVIDIA H200", "machine": {"cpu": "Made up"}})
    assert Past([gpu], Here(frozenset({"NVIDIA H200"}), "Made up")).seconds(KD) == 12.0


@pytest.mark.parametrize("mark", [{"packed": 2}, {"gang": 5}, {"ranks": 2}])
def test_marked_seconds_count_only_where_there_are_no_others(mark):
    marked = record(job("digits", "one", "kd", 2), 99.0, **mark)
    assert seconds(KD, marked) == 101.0
    assert seconds(KD, marked, CELL) == 12.0
    assert seconds(KD, marked, OTHER_METHOD) == 42.0
    assert seconds(KD, record(KD, 10.0, gang=1, packed=1)) == 12.0  # alone is no mark


@pytest.mark.parametrize("bad", [{"resumed": True}, {"train_seconds": None}, {"setup_seconds": -1.0}, {"evaluate_seconds": "1"}])
def test_seconds_that_cover_no_whole_run_count_nowhere(bad):
    assert seconds(KD, record(KD, 10.0, **bad)) is None
    assert seconds(KD, record(KD, 10.0, status="diverged")) is None


def test_the_middle_of_several_decides():
    cell = [record(job("digits", "one", "kd", seed), train) for seed, train in enumerate((10.0, 500.0, 11.0))]
    assert seconds(KD, *cell) == 13.0


def test_memory_is_the_most_that_the_cell_held_or_else_its_networks():
    def memory(*records: Record, asked: Job = KD) -> int | None:
        return Past(records, HERE, JOBS).memory(asked)

    same_networks, cell = record(job("digits", "one", "at", 0), 1.0, peak_bytes=900), record(KD, 1.0, peak_bytes=500, packed=3)
    again = record(job("digits", "one", "kd", 1), 1.0, peak_bytes=600, resumed=True)
    assert memory() is None and memory(CELL) is None
    assert memory(same_networks) == 900 and memory(same_networks, cell) == 500
    assert memory(cell, again) == memory(again, cell) == 600
    assert memory(record(job("digits", "two", "kd", 0), 1.0, peak_bytes=7)) is None  # another teacher
    larger = job("digits", "one", "kd", 0, planned(SUITE.replace("batch: 32", "batch: 64")))
    assert memory(same_networks, cell, asked=larger) is None
    assert memory(record(KD, 1.0, peak_bytes=None), record(KD, 1.0, peak_bytes=0)) is None
    assert memory(record(KD, 1.0, peak_bytes=7, ranks=2)) is None  # of each of two devices, for half of a batch


anything = st.sampled_from([None, True, False, "x", -1, 0, 1, 2, 0.5, 10**6, -0.5])
NAMES = ["setup_seconds", "train_seconds", "evaluate_seconds", "resumed", "packed", "gang", "peak_bytes"]
timings = st.dictionaries(st.sampled_from(NAMES), anything)


@given(st.lists(st.tuples(st.sampled_from(JOBS), timings, st.integers(0, 5)), max_size=8), st.sampled_from(JOBS))
def test_whatever_records_hold_an_estimate_is_none_or_not_negative(made, asked):
    found = Past([replace(record(one, 1.0, steps), timing=timing) for one, timing, steps in made], HERE, JOBS)
    assert found.seconds(asked) is None or found.seconds(asked) >= 0
    assert found.memory(asked) is None or found.memory(asked) > 0


own = st.floats(0.0, 1e6)


@given(st.lists(st.tuples(st.sampled_from(JOBS), own, st.sampled_from([{}, {"packed": 2}, {"gang": 3}])), max_size=12), own)
def test_what_is_less_alike_or_marked_never_changes_what_the_cell_says(others, train):
    cell = [one for one in JOBS if one.labels["cell"] == "kd" and one.labels["pair"] == "one"]
    less = [record(one, seconds, **mark) for one, seconds, mark in others if one not in cell or mark]
    assert seconds(KD, record(KD, train), *less) == seconds(KD, record(KD, train))


@given(st.lists(st.builds(Run, own, own), min_size=1), st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_steps_never_take_less(runs, steps, more):
    assert 0 <= estimate(runs, steps) <= estimate(runs, steps + more)
