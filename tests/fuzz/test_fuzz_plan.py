"""Plans of random graphs over random folders: all is said of every job, nothing is done twice, and a run leaves nothing to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.plan import Plan, StalePolicy, plan


@dataclass
class Made:
    """What a plan reads of a record."""

    status: str = "done"
    provenance: dict[str, Any] = field(default_factory=lambda: {"sources": {"code": "now"}})


OLD = {"sources": {"code": "then"}}


@dataclass
class Case:
    jobs: JobSet
    records: dict[str, Made]
    weights: frozenset[str]
    attempts: dict[str, str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Jobs that need some of those before them, of which some have a result, weights or a failed attempt."""
    jobs: dict[str, Job] = {}
    for number in range(draw(st.integers(1, 9))):
        key = f"{number:08x}"
        needs = draw(st.lists(st.sampled_from(sorted(jobs)), max_size=3, unique=True)) if jobs else []
        start = draw(st.sampled_from([None, *jobs]))
        labels = {"task": "t", "pair": "default", "cell": key, "seed": 0}
        jobs[key] = Job(key, "student" if needs else "teacher", {}, {}, labels, {}, tuple(needs), start=start)
    records = {}
    for key in jobs:
        state = draw(st.sampled_from(["none", "none", "done", "diverged", "old", "unknown"]))
        if state != "none":
            provenance = {"old": OLD, "unknown": {}}.get(state, {"sources": {"code": "now"}})
            records[key] = Made("diverged" if state == "diverged" else "done", provenance)
    weights = frozenset(key for key in jobs if draw(st.booleans()))
    attempts = {key: "failed: error" for key in jobs if draw(st.booleans())}
    return Case(JobSet(jobs), records, weights, attempts)


def planned(case: Case, stale: str, records: dict[str, Made] | None = None, weights: frozenset[str] | None = None) -> Plan:
    kept = (case.weights if weights is None else weights).__contains__
    records = case.records if records is None else records
    return plan(case.jobs, records, lambda job: {"code": "now"}, kept, case.attempts, stale)  # type: ignore[arg-type]


@settings(max_examples=150)
@given(cases(), st.sampled_from(get_args(StalePolicy)))
def test_every_job_has_one_state_and_its_reason(case, stale):
    found = planned(case, stale)
    assert [item.job.key for item in found.jobs] == list(case.jobs.jobs)
    assert all(item.state in ("run", "cached", "stale", "blocked") and item.reason for item in found.jobs)
    state = {item.job.key: item.state for item in found.jobs}
    for item in found.jobs:
        record = case.records.get(item.job.key)
        assert (item.state in ("cached", "stale")) <= (record is not None)
        assert (item.state == "blocked") <= (record is None)
        if item.state == "run" and record is not None and stale in ("keep", "fail"):
            needed = any(state[other.job.key] == "run" and item.job.key in other.job.after for other in found.jobs)
            assert needed and item.job.key not in case.weights, f"{item.job.key} runs again: {item.reason}"


@settings(max_examples=150)
@given(cases(), st.sampled_from(get_args(StalePolicy)))
def test_what_a_job_needs_is_there_when_it_runs(case, stale):
    """Once the jobs before it have run, in the order of the plan: their results, and the weights that it reads."""
    weights, results = set(case.weights), {key: made.status for key, made in case.records.items()}
    for item in planned(case, stale).jobs:
        if item.state == "run":
            for needed in item.job.after:
                assert needed in results and (needed in weights or results[needed] == "diverged"), f"{needed} is not there"
            results[item.job.key] = "done"
            weights.add(item.job.key)


@settings(max_examples=150)
@given(cases(), st.sampled_from(get_args(StalePolicy)))
def test_after_a_run_nothing_is_left_to_run(case, stale):
    found = planned(case, stale)
    done = {item.job.key for item in found.in_state("run")}
    records = {**{key: Made() for key in done}, **{key: made for key, made in case.records.items() if key not in done}}
    again = planned(case, stale, records, case.weights | done)
    assert not again.in_state("run"), [(item.job.key, item.reason) for item in again.in_state("run")]
    assert {item.job.key for item in again.in_state("blocked")} <= {item.job.key for item in found.in_state("blocked")}
    assert planned(case, stale, records, case.weights | done) == again
