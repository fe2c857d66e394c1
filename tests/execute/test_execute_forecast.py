"""A run that is played through beforehand takes as long as the real order and slots make it."""

from __future__ import annotations

import pytest
from execute_bench import job
from hypothesis import given
from hypothesis import strategies as st

from kdbench.execute.base import Resources
from kdbench.execute.forecast import wall
from kdbench.execute.slots import Slots


def play(jobs, slots, begun=()):
    return wall(jobs, {one.key: one.expected for one in jobs}, slots, begun)


def test_dependencies_and_slots_make_the_time():
    jobs = [job("t", kind="teacher", expected=10.0), *(job(key, deps=("t",), expected=4.0) for key in "abcde")]
    assert play(jobs, Slots(1)) == 30.0 and play(jobs, Slots(2)) == 22.0 and play(jobs, Slots(9)) == 14.0
    assert play([], Slots(1)) == 0.0


def test_a_job_that_runs_keeps_its_slot_and_what_is_done_elsewhere_is_no_dependency():
    jobs = [job("long", deps=("done before",), expected=5.0), job("short", expected=1.0)]
    assert play(jobs, Slots(1), begun=("short",)) == 6.0
    assert play(jobs, Slots(2), begun=("short",)) == 5.0


def test_shares_and_packing_are_played_as_they_are_given_out():
    halves = [job(key, expected=3.0, resources=Resources(gpu=0.5)) for key in "abcd"]
    assert play(halves, Slots(9, ["0"])) == 6.0 and play(halves, Slots(9, ["0", "1"])) == 3.0
    assert play(halves, Slots(9, ["0"], [2**34])) == 12.0  # packed by memory, of which nothing is known
    small = [job(key, expected=3.0, resources=Resources(memory=2**20)) for key in "abcd"]
    assert play(small, Slots(9, ["0"], [2**34])) == 3.0 and play(small, Slots(3, ["0"], [2**34])) == 6.0


@given(st.data())
def test_it_lies_between_what_no_machine_beats_and_one_worker(data):
    jobs = [
        job(
            str(n),
            deps=tuple(str(m) for m in range(n) if data.draw(st.integers(0, 4)) == 0),
            expected=data.draw(st.integers(0, 20)),
        )
        for n in range(data.draw(st.integers(1, 9)))
    ]
    workers = data.draw(st.integers(1, 4))
    chain = {}
    for one in jobs:
        chain[one.key] = one.expected + max((chain[dep] for dep in one.deps), default=0)
    work = sum(one.expected for one in jobs)
    found = play(jobs, Slots(workers))
    assert max(max(chain.values()), work / workers) <= found <= work
    assert play(jobs, Slots(1)) == pytest.approx(work) and play(jobs, Slots(99)) == max(chain.values())
