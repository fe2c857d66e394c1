"""The order of jobs: never before what they need, teachers and long chains first, each settled exactly once."""

from __future__ import annotations

import pytest
from execute_bench import job
from hypothesis import given
from hypothesis import strategies as st

from kdbench.execute.ready import ReadyQueue


def order(jobs):
    queue, seen = ReadyQueue(jobs), []
    while (spec := queue.first()) is not None:
        queue.take(spec.key)
        queue.settle(spec.key, "done")
        seen.append(spec.key)
    return seen


def test_teachers_first_then_the_longest():
    jobs = [job("short", steps=1), job("long", steps=9), job("t1", kind="teacher", steps=2), job("t2", kind="teacher", steps=5)]
    assert order(jobs) == ["t2", "t1", "long", "short"]


def test_a_chain_of_generations_counts_as_long_as_it_is():
    jobs = [job("alone", steps=10), job("first", steps=6), job("second", ("first"), steps=6)]
    jobs[2] = job("second", deps=("first",), steps=6)
    assert order(jobs) == ["first", "alone", "second"]


def test_jobs_in_a_circle_or_given_twice_are_refused():
    with pytest.raises(ValueError, match=r"wait for each other: .*a.*b"):
        ReadyQueue([job("a", deps=("b",)), job("b", deps=("a",))])
    with pytest.raises(ValueError, match="given twice: a"):
        ReadyQueue([job("a"), job("a")])


@given(st.data())
def test_whatever_fails_every_job_ends_once_and_none_starts_without_its_needs(data):
    count = data.draw(st.integers(1, 12))
    jobs = [
        job(str(n), deps=tuple(str(m) for m in range(n) if data.draw(st.booleans())), steps=data.draw(st.integers(0, 5)))
        for n in range(count)
    ]
    needs = {spec.key: set(spec.deps) for spec in jobs}
    queue, ends, done = ReadyQueue(data.draw(st.permutations(jobs))), [], set()
    while (spec := queue.first()) is not None:
        assert needs[spec.key] <= done
        queue.take(spec.key)
        if data.draw(st.booleans()):
            queue.put_back(spec.key)  # tried again
            assert queue.first() == spec
            queue.take(spec.key)
        state = data.draw(st.sampled_from(["done", "done", "failed", "diverged", "interrupted"]))
        done |= {spec.key} if state == "done" else set()
        lost = [other.key for other, _ in queue.settle(spec.key, state)]
        assert not lost or state != "done"
        assert all(needs[key] & ({spec.key} | set(lost)) for key in lost)
        ends += [spec.key, *lost]
    assert sorted(ends) == sorted(needs) and len(queue) == 0
