"""The order of jobs: never before what they need, teachers and long chains first, each settled exactly once."""

from __future__ import annotations

import pytest
from execute_bench import job
from hypothesis import given
from hypothesis import strategies as st

from kdbench.execute.ready import ReadyQueue, lengths


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


def test_expected_seconds_count_for_more_than_steps():
    jobs = [job("many", steps=900, expected=5.0), job("few", steps=10, expected=60.0), job("t", kind="teacher", expected=0.1)]
    assert order(jobs) == ["t", "few", "many"]


def test_jobs_of_which_nothing_is_expected_go_at_the_pace_of_those_like_them():
    slow, fast = job("slow", steps=10, expected=100.0, group="a"), job("fast", steps=100, expected=1.0, group="b")
    like_slow, like_fast = job("like slow", steps=9, group="a"), job("like fast", steps=500, group="b")
    assert order([fast, like_fast, like_slow, slow]) == ["slow", "like slow", "like fast", "fast"]
    other = job("other", steps=5, group="c")  # 101 s for 110 steps, over all
    assert lengths([slow, fast, other])["other"] == pytest.approx(5 * 101 / 110)
    assert lengths([job("x", steps=7), job("y", steps=0)]) == {"x": 7, "y": 0}


def test_a_job_that_is_put_back_starts_in_its_place():
    queue = ReadyQueue([job("a", steps=9), job("b", steps=5), job("c", deps=("a",), steps=1)])
    queue.take("a")
    queue.take("b")
    assert queue.first() is None and len(queue) == 1
    queue.put_back("b")
    queue.put_back("a")
    assert queue.first().key == "a" and len(queue) == 3
    queue.take("a")
    assert queue.first().key == "b"
    queue.settle("a", "done")
    queue.take("b")
    assert queue.first().key == "c"


@given(st.data())
def test_of_what_can_start_the_longest_expected_chain_starts_teachers_first(data):
    some = st.one_of(st.none(), st.floats(0.0, 100.0))
    kinds = st.sampled_from(["teacher", "student"])
    jobs = [
        job(
            str(n),
            deps=tuple(str(m) for m in range(n) if data.draw(st.integers(0, 3)) == 0),
            kind=data.draw(kinds),
            steps=data.draw(st.integers(0, 9)),
            expected=data.draw(some),
            group=data.draw(st.sampled_from("ab")),
        )
        for n in range(data.draw(st.integers(1, 10)))
    ]
    length, chain = lengths(jobs), {}
    for one in reversed(jobs):
        chain[one.key] = length[one.key] + max((chain[other.key] for other in jobs if one.key in other.deps), default=0)
    queue, done = ReadyQueue(data.draw(st.permutations(jobs))), set()
    while (spec := queue.first()) is not None:
        ready = [one for one in jobs if one.key not in done and set(one.deps) <= done]
        assert (spec.kind == "teacher", chain[spec.key]) == max((one.kind == "teacher", chain[one.key]) for one in ready)
        queue.take(spec.key)
        queue.settle(spec.key, "done")
        done.add(spec.key)
    assert len(done) == len(jobs) and all(value >= 0 for value in length.values())


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
