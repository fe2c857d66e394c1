"""A plan in two stages: trials that are jobs of their own, and a choice that hears of nothing but the validation split."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.jobs.decide import Decision
from kdbench.jobs.job import Cell, Job, JobSet
from kdbench.jobs.of_suite import jobs_of
from kdbench.registry import Registry
from kdbench.suite import parse_suite
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
TUNE: dict[str, Any] = {"methods": ["none", "kd"], "recipe": {"lr": [0.01, 0.02, 0.03]}, "seeds": [7, 8]}
SUITE: dict[str, Any] = {"tasks": [{"task": "digits", "teachers": {"pool": 2}}], "methods": ["kd", "dkd"], "tune": TUNE}
KD = Cell("digits", "default", "kd")


def plan(records: dict[str, Any] | None = None, **more: Any) -> JobSet:
    document = loads(json.dumps({"version": 1, "name": "s", **SUITE, **more}), "s.yaml")
    found = records or {}
    return jobs_of(parse_suite(document, REGISTRY), REGISTRY, Path("."), None, None, lambda: found)[1]


def record(job: Job, val: float | None, test: float = 0.5, status: str = "done") -> Any:
    metrics: dict[str, dict[str, float]] = {"truth": {"accuracy": test, "nll": 1 - test}}
    if val is not None:
        metrics["val"] = {"accuracy": val, "nll": 1 - val}
    return SimpleNamespace(status=status, metrics=metrics, labels=job.labels)


def of(jobs: JobSet, cell: str) -> Decision:
    return next(one for one in jobs.decisions if one.tuning.place[2] == cell)


def done(jobs: JobSet, val: dict[str, list[float]], test: float = 0.5) -> dict[str, Any]:
    """Records of all trials: per cell a value for each setting, the same at both seeds."""
    return {
        key: record(jobs.jobs[key], value, test)
        for cell, values in val.items()
        for tried, value in zip(of(jobs, cell).tried, values, strict=True)
        for key in tried.keys
    }


VAL = {"none": [0.1, 0.3, 0.2], "kd": [0.6, 0.4, 0.5]}


def test_before_the_trials_are_done_what_waits_for_them_is_counted_and_nothing_of_it_is_planned():
    jobs = plan(seeds=3)
    assert jobs.waiting == {Cell("digits", "default", "none"): 3, KD: 3} and set(jobs.cells) == {Cell("digits", "default", "dkd")}
    trials = [job for job in jobs.jobs.values() if "tuning" in job.labels]
    assert len(trials) == 2 * 3 * 2 and {job.identity["trial"] for job in trials} == {"val"}
    assert {job.labels["cell"] for job in trials if job.labels["tuning"] == "kd"} == {
        "kd{lr=0.01,tuning=val}", "kd{lr=0.02,tuning=val}", "kd{tuning=val}"
    }  # fmt: skip
    assert {job.labels["seed"] for job in trials} == {7, 8}
    known: set[str] = set()
    for key, job in jobs.jobs.items():  # the order that a plan needs
        assert set(job.after) <= known
        known.add(key)
    # Trials learn from the pool that is there, and from no teachers of their own.
    pool = jobs.teachers["digits", "default"]
    assert len(pool) == 2 and {t for job in trials for t in job.teachers} <= set(pool)


def test_the_choice_makes_the_jobs_that_one_would_have_written():
    first = plan(seeds=3)
    jobs = plan(done(first, VAL), seeds=3)
    assert not jobs.waiting and [of(jobs, cell).chosen for cell in ("none", "kd")] == [1, 0]
    by_hand = [{"method": "none", "recipe": {"lr": 0.02}}, {"method": "kd", "recipe": {"lr": 0.01}}, "dkd"]
    written = plan(seeds=3, methods=by_hand, tune=[])
    assert jobs.cells == written.cells and jobs.teachers == written.teachers
    assert set(written.jobs) <= set(jobs.jobs) and {k for c in jobs.cells.values() for k in c} <= set(written.jobs)
    trials = {key for one in jobs.decisions for key in one.keys}
    assert set(jobs.jobs) - set(written.jobs) == trials and all("trial" not in job.identity for job in written.jobs.values())


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.4, 0.7]), min_size=3, max_size=3), st.randoms(use_true_random=False))
def test_test_metrics_are_not_heard(values, random):
    """Whatever the trials came to on test, the choice is the first best on validation."""
    jobs = plan()
    records = done(jobs, {"none": [0.1, 0.2, 0.3], "kd": values})
    for one in records.values():
        one.metrics["truth"] = {"accuracy": random.random(), "nll": random.random()}
        one.metrics["fidelity"] = {"agreement": random.random()}
    if random.random() < 0.3:
        for one in records.values():
            del one.metrics["truth"], one.metrics["fidelity"]
    assert of(plan(records), "kd").chosen == values.index(max(values))


def test_a_metric_that_is_to_be_low_is_chosen_low():
    tune = {**TUNE, "methods": "kd", "metric": "nll"}
    jobs = plan(tune=tune)
    assert of(plan(done(jobs, {"kd": [0.1, 0.9, 0.5]}), tune=tune), "kd").chosen == 1  # nll is 1 - val here


def test_nothing_is_chosen_before_every_trial_has_its_result():
    jobs = plan()
    records = done(jobs, VAL)
    del records[of(jobs, "kd").tried[2].keys[1]]
    half = plan(records)
    assert of(half, "kd").chosen is None and "1 of 6 trials" in of(half, "kd").why and KD in half.waiting
    assert of(half, "none").chosen == 1
    assert math.isnan(of(half, "kd").tried[2].mean) and of(half, "kd").tried[0].mean == 0.6  # half a mean is none


def test_a_changed_grid_is_decided_anew_from_what_is_there():
    jobs = plan()
    records = done(jobs, VAL)
    longer = {**TUNE, "recipe": {"lr": [0.003, 0.01, 0.02, 0.03]}}
    wider = plan(records, tune=longer)
    assert of(wider, "kd").chosen is None and "2 of 8 trials" in of(wider, "kd").why
    records |= {key: record(wider.jobs[key], 0.9) for key in of(wider, "kd").tried[0].keys}
    assert of(plan(records, tune=longer), "kd").chosen == 0
    assert of(plan(records, tune={**TUNE, "recipe": {"lr": [0.02, 0.03]}}), "kd").chosen == 1
    assert of(plan(records, tune={**TUNE, "seeds": [7, 9]}), "kd").chosen is None


def test_a_setting_that_diverges_is_never_chosen():
    jobs = plan()
    records = done(jobs, VAL)
    best = of(jobs, "kd").tried[0].keys
    records[best[1]] = record(jobs.jobs[best[1]], None, status="diverged")
    assert of(plan(records), "kd").chosen == 2
    records |= {key: record(jobs.jobs[key], None, status="diverged") for key in of(jobs, "kd").keys}
    lost = of(plan(records), "kd")
    assert lost.chosen is None and "diverged" in lost.why


def test_trials_without_a_validation_split_are_said_to_have_none():
    jobs = plan()
    records = {key: record(jobs.jobs[key], None, test=0.9) for key in of(jobs, "kd").keys}
    found = of(plan(records), "kd")
    assert found.chosen is None and "hold_out" in found.why and all(math.isnan(one.mean) for one in found.tried)


def test_the_ends_of_a_grid_are_told():
    jobs = plan()
    for values, ends in (([0.9, 0.1, 0.1], ["recipe.lr is the smallest"]), ([0.1, 0.9, 0.1], [])):
        found = of(plan(done(jobs, {"kd": values, "none": values})), "kd")
        assert found.chosen is not None and found.tuning.ends(found.chosen) == ends


def test_what_is_held_out_is_held_out_of_the_trials_and_their_teachers_alone():
    more: dict[str, Any] = {
        "tasks": ["cifar100"], "methods": ["kd"], "tune": {**TUNE, "methods": "kd", "hold_out": {"val": 500}},
    }  # fmt: skip
    jobs = plan(**more)
    held = [job for job in jobs.jobs.values() if job.identity["task"]["params"].get("val") == 500]
    assert {job.kind for job in held} == {"teacher", "student"} and len(held) == 1 + 6
    assert [job.labels["cell"] for job in held if job.kind == "teacher"] == ["teacher{tuning=val}"]
    [key] = jobs.teachers["cifar100", "default"]
    assert jobs.jobs[key].labels["cell"] == "teacher" and "val" not in jobs.jobs[key].identity["task"]["params"]
    final = plan(done(jobs, {"kd": [0.1, 0.3, 0.2]}), **more)
    assert all("val" not in final.jobs[key].identity["task"]["params"] for keys in final.cells.values() for key in keys)
    assert final.teachers == jobs.teachers


def test_trials_that_hold_other_parts_out_have_other_teachers():
    tunes = [{**TUNE, "methods": name, "hold_out": {"val": val}} for name, val in (("kd", 500), ("dkd", 700))]
    jobs = plan(tasks=["cifar100"], tune=tunes)
    trials = [job for job in jobs.jobs.values() if "trial" in job.identity]
    assert len(trials) == 12
    for job in trials:
        [teacher] = job.teachers
        assert jobs.jobs[teacher].identity["task"]["params"] == job.identity["task"]["params"] != {}


def test_what_cannot_run_is_refused_before_its_trials_do():
    jobs = plan(tasks=["topics"], methods=["dkd"], tune={**TUNE, "methods": "dkd"})
    assert jobs.refusals and not of(jobs, "dkd").keys


@pytest.mark.parametrize("hold_out", [{}, {"val": 500}])
def test_two_pairs_choose_for_themselves(hold_out):
    net = {"model": "resnet20"}
    pairs = [
        {"name": name, "teacher": {"model": "resnet56", "recipe": {"lr": lr}}, "student": net}
        for name, lr in (("a", 0.1), ("b", 0.2))
    ]
    task = {"task": "cifar100", "pairs": pairs, "params": {} if hold_out else {"val": 500}}
    more: dict[str, Any] = {"tasks": [task], "methods": ["kd"], "tune": {**TUNE, "methods": "kd", "hold_out": hold_out}}
    jobs = plan(**more)
    records = {
        key: record(jobs.jobs[key], value)
        for decision, values in zip(jobs.decisions, ([0.1, 0.3, 0.2], [0.3, 0.1, 0.2]), strict=True)
        for tried, value in zip(decision.tried, values)
        for key in tried.keys
    }
    found = plan(records, **more)
    assert {(cell.pair, cell.cell) for cell in found.cells if cell.cell != "none"} == {("a", "kd{lr=0.02}"), ("b", "kd{lr=0.01}")}
