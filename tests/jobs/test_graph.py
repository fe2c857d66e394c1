"""From arms to jobs: what is shared, what is not, what is refused, and that the order of a suite decides nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.contract.errors import DataError
from kdbench.jobs.graph import graph
from kdbench.jobs.job import Cell, Job, JobSet
from kdbench.jobs.pool import pick, teacher_label
from kdbench.registry import Registry
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
NET = {"model": "digit_net"}


def planned(suite: dict[str, Any], root: Path = Path(".")) -> JobSet:
    document = loads(json.dumps({"version": 1, "name": "s", **suite}), "s.yaml")
    return graph(expand(parse_suite(document, REGISTRY), REGISTRY).arms, REGISTRY, root)


def digits(methods: list[Any], seeds: Any = 1, pool: int = 1, **more: Any) -> JobSet:
    return planned({"seeds": seeds, "tasks": [{"task": "digits", "teachers": {"pool": pool}}], "methods": methods, **more})


def students(jobs: JobSet, cell: str) -> list[Job]:
    """The students of a cell by seed."""
    return [jobs.jobs[key] for found, keys in jobs.cells.items() if found.cell == cell for key in keys]


def test_arms_share_their_teachers_and_the_control_refers_to_them():
    jobs = digits(["kd", "dkd", "fitnets"], seeds=3, pool=2)
    [pool] = jobs.teachers.values()
    assert len(pool) == 2 and len(jobs.jobs) == 2 + 4 * 3
    for cell in ("kd", "dkd", "fitnets"):
        assert [job.teachers for job in students(jobs, cell)] == [(pool[0],), (pool[1],), (pool[0],)]
    for job, reference in zip(students(jobs, "none"), (pool[0], pool[1], pool[0]), strict=True):
        assert job.teachers == () and job.identity["teachers"] == []
        assert jobs.reference["digits", "default", job.key] == (reference,)


def test_pairs_share_a_control_and_each_reads_it_against_its_own_teacher():
    """A student alone is one job whatever its teacher would have been; whose teacher it is like depends on the pair."""
    rates = {"good": 0.01, "poor": 0.1}
    pairs = [{"name": name, "teacher": {**NET, "recipe": {"lr": lr}}, "student": NET} for name, lr in rates.items()]
    jobs = planned({"tasks": [{"task": "digits", "pairs": pairs}], "methods": ["kd"]})
    [good], [poor] = (jobs.cells[Cell("digits", name, "none")] for name in ("good", "poor"))
    assert good == poor
    for name in ("good", "poor"):
        assert jobs.reference["digits", name, good] == tuple(jobs.teachers["digits", name])
    assert jobs.teachers["digits", "good"] != jobs.teachers["digits", "poor"]


def test_teachers_come_before_their_students():
    jobs = digits(["kd"], seeds=4, pool=3)
    seen: set[str] = set()
    for key, job in jobs.jobs.items():
        assert seen.issuperset(job.teachers)
        seen.add(key)


def test_no_teacher_is_trained_that_no_trial_refers_to():
    assert len(digits(["kd"], seeds=1, pool=5).teachers["digits", "default"]) == 1
    assert len(digits(["kd"], seeds=[3], pool=5).teachers["digits", "default"]) == 1


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 40))
def test_trials_take_disjoint_teachers_as_long_as_the_pool_lasts(size, count, seed):
    pool = [Job(str(n), "teacher", {}, {}, {}, {}) for n in range(size)]
    taken = [pick(pool, count, s) for s in range(seed, seed + max(1, size // count))]
    assert all(len(one) == count for one in taken)
    if count <= size:
        keys = [job.key for one in taken for job in one]
        assert len(set(keys)) == len(keys)
    assert pick(pool, 1, seed)[0].key == str(seed % size)


METHODS: list[Any] = ["kd", "dkd", {"method": "kd", "params": {"T": [1, 2]}}, {"method": "fitnets", "seeds": [0, 5]}, "at"]


@settings(max_examples=15)
@given(st.permutations(METHODS), st.permutations(["digits", "topics"]))
def test_the_order_of_a_suite_changes_no_job(methods, tasks):
    def keys(methods, tasks):
        jobs = planned({"seeds": 2, "tasks": tasks, "methods": methods})
        return set(jobs.jobs), {refusal.cell for refusal in jobs.refusals}

    assert keys(methods, tasks) == keys(METHODS, ["digits", "topics"])


def test_a_seed_a_param_and_a_teacher_are_identity_and_names_are_not():
    one, two = students(digits(["kd"], seeds=2), "kd")
    assert one.key != two.key and one.identity.keys() == two.identity.keys()
    assert {name for name in one.identity if one.identity[name] != two.identity[name]} == {"seed"}
    [named] = students(digits([{"method": "kd", "name": "mine", "params": {"T": 4}}]), "kd")
    assert named.key == one.key  # a default written out, and a name, are the same job
    [hot] = students(digits([{"method": "kd", "params": {"T": 5}}]), "kd[T=5]")
    assert hot.key != one.key and hot.spec["method"]["params"] == {"T": 5.0}
    [taught] = students(digits(["kd"], seeds=[1], pool=2), "kd")
    assert taught.key != two.key  # the same seed, taught by another teacher


def test_kinds_of_teachers_never_share_a_label():
    kinds = [NET, {**NET, "recipe": {"lr": 0.5}}, {**NET, "recipe": {"lr": 0.5, "steps": 7}}, {**NET, "params": {"depth": 2}}]
    pair = {"name": "many", "teacher": [{**kind, "pool": 2} for kind in kinds], "student": NET}
    suite = {
        "seeds": 2,
        "tasks": [{"task": "digits", "pairs": [pair]}],
        "sources": {"all": {"source": "ensemble", "teachers": 4}},
        "methods": [{"method": "kd", "source": "all"}],
    }
    jobs = planned(suite)
    labels = [jobs.jobs[key].labels["cell"] for key in jobs.teachers["digits", "many"]]
    assert len(labels) == 8 and len(set(labels)) == 4
    assert any(label.endswith("{lr=0.5,steps=7}") for label in labels) and any("[depth=2]" in label for label in labels)


def test_a_teacher_that_is_given_is_told_from_one_that_is_trained():
    trained = {"model": "net", "params": {}, "recipe": {"lr": 0.1, "clip": None}, "view": {"name": "default"}}
    given = [{"model": "net", "params": {}, "recipe": None, "view": None, "weights": f"{name}.pt"} for name in "ab"]
    kinds = [trained, *given]
    assert [teacher_label(kind, kinds) for kind in kinds] == [
        "teacher:net",
        "teacher:net{weights=a.pt}",
        "teacher:net{weights=b.pt}",
    ]


def test_suites_share_jobs():
    small, large = digits(["kd"]), digits(["kd", "at"], seeds=3, resources={"workers": 7, "timeout": 5}, description="longer")
    assert set(small.jobs) < set(large.jobs)


def test_two_kinds_of_teachers():
    deep = {**NET, "params": {"depth": 2}, "pool": 2}
    pair = {"name": "two", "teacher": [deep, {**NET, "pool": 2}], "student": NET}
    suite = {
        "seeds": 2,
        "tasks": [{"task": "digits", "pairs": [pair]}],
        "sources": {"ens": {"source": "ensemble", "teachers": 2}},
        "methods": [{"method": "kd", "source": "ens"}, "kd"],
    }
    jobs = planned(suite)
    for job in students(jobs, "kd·ens"):
        assert [jobs.jobs[t].labels["cell"] for t in job.teachers] == ["teacher:digit_net[depth=2]", "teacher:digit_net"]
    assert not set(students(jobs, "kd·ens")[0].teachers) & set(students(jobs, "kd·ens")[1].teachers)
    [refused] = jobs.refusals
    assert refused.cell.cell == "kd" and "give it `teachers: 2`" in refused.reasons[0]
    assert jobs.jobs[jobs.teachers["digits", "two"][0]].title == "digits/two teacher:digit_net[depth=2] seed 0"


@pytest.mark.parametrize(
    ("task", "arm", "reason"),
    [
        ("sounds", "dkd", "needs one class per decision, the task decides on independent tags"),
        ("topics", "dkd", "needs one class per decision, the task decides on a list of candidates"),
        ("digits", "margin_mse", "needs a list of candidates, the task decides on one class per decision"),
        ("digits", {"method": "fitnets", "source": "kept"}, "needs teacher taps"),
        (
            "digits",
            {"method": "dkd", "wrap": "logit_std", "source": "ens"},
            "needs signal values, has member_taps, members, probs (a mean of probabilities has no logits; reduce: logit",
        ),
        ("digits", {"method": "kd", "source": "alone"}, "the source asks 2 or more teacher(s), it is given 1"),
    ],
)
def test_what_cannot_run_is_refused_with_its_reason_and_nothing_else_is(task, arm, reason):
    sources = {
        "kept": {"source": "stored"},
        "ens": {"source": "ensemble", "teachers": 2},
        "alone": {"source": "ensemble"},
    }
    jobs = planned({"tasks": [{"task": task, "teachers": {"pool": 2}}], "methods": ["kd", arm], "sources": sources})
    [refusal] = jobs.refusals
    assert any(reason in said for said in refusal.reasons), refusal.reasons
    assert {cell.cell for cell in jobs.cells} == {"none", "kd"}


def test_a_model_that_cannot_read_the_task_is_refused():
    pair = {"name": "odd", "student": {"model": "dense_text"}}
    jobs = planned({"tasks": [{"task": "digits", "pairs": [pair]}], "methods": ["kd"]})
    assert {refusal.cell.cell for refusal in jobs.refusals} == {"none", "kd"} and not jobs.jobs
    assert "model dense_text reads" in jobs.refusals[0].reasons[0] and "task digits has image" in jobs.refusals[0].reasons[0]


def test_given_weights_are_known_by_their_content(tmp_path):
    def teacher(name: str, content: bytes) -> Job:
        (tmp_path / name).write_bytes(content)
        pair = {"name": "p", "teacher": {**NET, "weights": name}}
        jobs = planned({"tasks": [{"task": "digits", "pairs": [pair]}], "methods": ["kd"]}, tmp_path)
        [key] = jobs.teachers["digits", "p"]
        return jobs.jobs[key]

    one = teacher("a.safetensors", b"one")
    assert one.identity["init"] == {"weights": hashlib.sha256(b"one").hexdigest()}
    assert one.weights == str(tmp_path / "a.safetensors") and one.spec["recipe"]["steps"] == 0
    assert teacher("b.safetensors", b"one").key == one.key
    assert teacher("a.safetensors", b"two").key != one.key
    assert teacher("c.pth", b"one").key == one.key
    with pytest.raises(DataError, match=r"files ending in \.safetensors, \.pt, .* are read, this one is \.pkl"):
        teacher("c.pkl", b"one")


def test_a_teacher_is_the_same_job_in_every_pair_that_has_it():
    teacher = {**NET, "params": {"depth": 2}}
    pairs = [
        {"name": "a", "teacher": teacher, "student": NET},
        {"name": "b", "teacher": teacher, "student": {**NET, "params": {"widths": [4, 8, 16]}}},
    ]
    jobs = planned({"tasks": [{"task": "digits", "pairs": pairs}], "methods": ["kd"]})
    assert jobs.teachers["digits", "a"] == jobs.teachers["digits", "b"]
    assert len(jobs.jobs) == 1 + 4
