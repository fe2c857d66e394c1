"""Which jobs a plan runs, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.payload import payload
from kdbench.jobs.plan import Plan, plan
from kdbench.jobs.sources import modules_of


@dataclass
class Made:
    """What a plan reads of a record."""

    status: str = "done"
    provenance: dict[str, Any] = field(default_factory=lambda: {"sources": {"code": "now"}})


OLD = Made(provenance={"sources": {"code": "then"}})


def job(key: str, *teachers: str) -> Job:
    labels = {"task": "t", "pair": "default", "cell": key, "seed": 0}
    spec = {"student": {"model": "net", "params": {"width": 4}}, "recipe": {"steps": 3}}
    targets = {"task": "kdbench.tasks.t:T", "method": "/own/mine.py:Mine", "model:net": "kdbench.models.net:N"}
    return Job(key, "student" if teachers else "teacher", {"id": key}, spec, labels, targets, teachers)


JOBS = JobSet({j.key: j for j in (job("t1"), job("t2"), job("a", "t1"), job("b", "t1", "t2"), job("c", "t2"))})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    for key in JOBS.jobs:
        (tmp_path / f"{key}.safetensors").touch()
    return tmp_path


def states(found: Plan) -> dict[str, str]:
    return {p.job.key: p.state for p in found.jobs}


def reasons(found: Plan) -> dict[str, str]:
    return {p.job.key: p.reason for p in found.jobs}


def made(
    weights: Path, records: dict[str, Made], stale: Any = "keep", digest: dict[str, str] | None = None, **attempts: str
) -> Plan:
    present = digest or {"code": "now"}
    return plan(JOBS, records, lambda job: present, lambda key: (weights / f"{key}.safetensors").exists(), attempts, stale)


ALL = dict.fromkeys(JOBS.jobs, Made())


def test_from_nothing_all_runs_and_then_nothing(weights):
    assert set(states(made(weights, {})).values()) == {"run"}
    assert set(reasons(made(weights, {})).values()) == {"no result yet"}
    assert set(states(made(weights, ALL)).values()) == {"cached"}


def test_the_last_attempt_is_the_reason(weights):
    found = made(weights, {k: r for k, r in ALL.items() if k not in "ab"}, a="failed: killed")
    assert states(found) == {"t1": "cached", "t2": "cached", "a": "run", "b": "run", "c": "cached"}
    assert reasons(found)["a"] == "failed: killed" and reasons(found)["b"] == "no result yet"
    assert [p.job.key for p in found.in_state("run", "cached")] == ["t1", "t2", "a", "b", "c"]


def test_older_code_is_kept_unless_asked(weights):
    records = {**ALL, "a": OLD}
    for policy in ("keep", "fail"):
        found = made(weights, records, policy)
        assert states(found) == {**dict.fromkeys(ALL, "cached"), "a": "stale"}
        assert reasons(found)["a"] == "older code of code"
    assert states(made(weights, records, "rerun")) == {**dict.fromkeys(ALL, "cached"), "a": "run"}


def test_what_ones_own_code_made_is_made_anew_and_what_an_older_kdbench_made_is_kept(weights):
    now = {"kdbench.methods.kd": "kd now", "mine.py": "mine now"}
    ours = Made(provenance={"sources": {**now, "kdbench.methods.kd": "kd then"}})
    theirs = Made(provenance={"sources": {**now, "mine.py": "mine then"}})
    diverged = Made(status="diverged", provenance=ours.provenance)
    records = dict.fromkeys(ALL, Made(provenance={"sources": now})) | {"a": ours, "b": theirs, "c": diverged}
    found = made(weights, records, "auto", digest=now)
    assert states(found) == {"t1": "cached", "t2": "cached", "a": "stale", "b": "run", "c": "run"}
    assert reasons(found)["a"] == "older code of methods.kd" and reasons(found)["b"] == "older code of mine.py"


def test_a_file_is_known_by_what_is_in_it(weights):
    """A copy of a plugin under another name is the same code, and another file of one's own is another."""
    records = dict.fromkeys(ALL, Made(provenance={"sources": {"mine.py": "one"}}))
    assert set(states(made(weights, records, "auto", digest={"copy.py": "one"})).values()) == {"cached"}
    assert set(states(made(weights, records, "auto", digest={"new.py": "two"})).values()) == {"run"}
    assert set(states(made(weights, records, "keep", digest={"mine.py": "one", "lib/losses.py": "x"})).values()) == {"stale"}


def test_students_of_a_teacher_that_is_made_anew_are_made_anew(weights):
    records = {**ALL, "t1": OLD}
    assert states(made(weights, records)) == {**dict.fromkeys(ALL, "cached"), "t1": "stale"}
    found = made(weights, records, "rerun")
    assert states(found) == {"t1": "run", "t2": "cached", "a": "run", "b": "run", "c": "cached"}
    assert reasons(found)["b"] == "its teacher is made anew"


def test_a_source_that_a_record_does_not_name_is_no_evidence(weights):
    assert set(states(made(weights, dict.fromkeys(ALL, Made(provenance={})))).values()) == {"cached"}


def test_a_teacher_that_was_lost_is_made_again_and_its_students_stay(weights):
    found = made(weights, {k: r for k, r in ALL.items() if k != "t1"})
    assert states(found) == {**dict.fromkeys(ALL, "cached"), "t1": "run"}


def test_weights_are_made_again_only_for_those_who_need_them(weights):
    (weights / "t1.safetensors").unlink()
    assert set(states(made(weights, ALL)).values()) == {"cached"}
    found = made(weights, {k: r for k, r in ALL.items() if k != "a"})
    assert states(found) == {**dict.fromkeys(ALL, "cached"), "t1": "run", "a": "run"}
    assert "weights" in reasons(found)["t1"]


def test_students_of_a_teacher_that_diverged_are_blocked(weights):
    """And it is not trained again: it would diverge again."""
    (weights / "t2.safetensors").unlink()
    found = made(weights, {"t1": Made(), "t2": Made("diverged"), "a": Made()})
    assert states(found) == {"t1": "cached", "t2": "cached", "a": "cached", "b": "blocked", "c": "blocked"}
    assert reasons(found)["t2"] == "diverged" and reasons(found)["b"] == "its teacher diverged: t t2 seed 0"


def test_what_a_job_is_given_is_plain_and_complete():
    [found] = [payload(JOBS.jobs["b"], JOBS, Path("/home"), Path("/results"), 5.0)]
    assert [t["key"] for t in found["teachers"]] == ["t1", "t2"]
    assert found["teachers"][0]["weights"] == "/home/weights/t1.safetensors"
    assert found["teachers"][0]["params"] == {"width": 4}
    assert found["sources"] == [
        "/own/mine.py",
        "kdbench.models.net",
        "kdbench.tasks.t",
        "kdbench.train.loop",
        "kdbench.train.step",
    ]
    assert found["init_weights"] is None and found["checkpoint_seconds"] == 5.0


def test_own_files_are_told_from_modules():
    assert list(modules_of(JOBS.jobs["a"])) == [
        Path("/own/mine.py"),
        "kdbench.models.net",
        "kdbench.tasks.t",
        "kdbench.train.loop",
        "kdbench.train.step",
    ]


def test_titles_name_the_pair_only_where_there_may_be_several():
    one = JOBS.jobs["a"]
    assert one.title == "t a seed 0"
    assert replace(one, labels={**one.labels, "pair": "big"}).title == "t/big a seed 0"
