"""Jobs that share a process: who is put together, and that each one's end is its own."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from execute_bench import job, wait_for
from hypothesis import given
from hypothesis import strategies as st
from processes import parent_of

from kdbench.execute import failures
from kdbench.execute.base import FailureClass, JobSpec, Resources
from kdbench.execute.events import read_events
from kdbench.execute.gangs import MOST, Gangs


def spec(key: object, gang: str = "") -> JobSpec:
    return JobSpec(str(key), f"job {key}", {}, gang=gang)


def formed(jobs: list[JobSpec], workers: int) -> list[list[JobSpec]]:
    """The processes in the order of their start, where all jobs are ready at once."""
    gangs, left, found = Gangs(workers), list(jobs), []
    while left:
        found.append(gangs.of(left[0], left.copy))
        left = [each for each in left if each not in found[-1]]
    return found


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=80), st.integers(1, 8))
def test_each_job_is_in_one_process_with_none_but_its_like(tags, workers):
    jobs = [spec(number, tag) for number, tag in enumerate(tags)]
    found = formed(jobs, workers)
    assert sorted(each.key for gang in found for each in gang) == sorted(each.key for each in jobs)
    for gang in found:
        assert len({each.gang for each in gang}) == 1 and len(gang) <= MOST
        assert gang[0].gang or len(gang) == 1


@given(st.integers(1, 60), st.integers(1, 8))
def test_every_worker_gets_a_part_of_a_lone_gang(count, workers):
    found = formed([spec(number, "a") for number in range(count)], workers)
    assert max(map(len, found)) <= -(-count // workers)
    assert min(map(len, found[:-1]), default=1) == max(map(len, found[:-1]), default=1)


def test_gangs_enough_for_all_workers_are_left_whole_and_the_last_one_is_shared():
    jobs = [spec(f"{tag}{number}", tag) for tag in "abc" for number in range(5)]
    found = [[each.key[0] for each in gang] for gang in formed(jobs, 2)]
    assert found == [["a"] * 5, ["b"] * 5, ["c"] * 3, ["c"] * 2]


def members(bench, *do: str) -> list[JobSpec]:
    """One gang; what each of its jobs does in it, and by itself."""
    pids = bench.home.parent / "pids"
    return [
        JobSpec(f"m{n}", f"member {n}", {"n": n, "in_gang": what, "do": "alone", "pids": str(pids)}, gang="g")
        for n, what in enumerate(do)
    ]


def processes(bench) -> list[set[int]]:
    """The members of each process, in the order of their start."""
    found: dict[str, set[int]] = {}
    for line in (bench.home.parent / "pids").read_text().splitlines():
        pid, number = line.split()
        found.setdefault(pid, set()).add(int(number))
    return list(found.values())


@pytest.fixture
def run(bench, tmp_path):
    bench.home = tmp_path / "home"
    return lambda *do, **options: bench.run(members(bench, *do), workers=1, **options)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_one_that_fails_or_diverges_is_told_apart_and_the_others_end_well(bench, run, start):
    outcomes = run("done", "raise", "diverged", "done", start=start)
    assert [outcomes[f"m{n}"].state for n in range(4)] == ["done", "failed", "diverged", "done"]
    assert outcomes["m1"].failure is FailureClass.error and "bad member 1" in outcomes["m1"].message
    assert failures.read(bench.file("m1", "")).message == "ValueError: bad member 1"
    assert failures.read(bench.file("m0", "")) is None
    assert processes(bench) == [{0, 1, 2, 3}]
    assert str(bench.file("m0", "log.txt")) in bench.file("m3", "log.txt").read_text()
    assert bench.kinds("m2") == ["queued", "started", "progress", "progress", "progress", "finished"]


def test_where_its_process_dies_the_unfinished_run_one_by_one(bench, run):
    outcomes = run("done", "die", "done", "done")
    assert all(outcome.state == "done" for outcome in outcomes.values())
    assert processes(bench) == [{0, 1}, {1}, {2}, {3}]
    retry = next(event for event in bench.events if event.kind == "retry")
    assert "SIGSEGV" in retry.data["why"] and "by itself" in retry.data["why"]


def test_who_had_ended_before_the_server_died_is_done(bench, run):
    """Though the run has not looked since: what it has not heard yet, it reads before it gives the process up."""
    killed: list[int] = []

    def react(event):
        if event.kind == "tick" and not killed and "started" in bench.kinds("m1"):
            wait_for(lambda: "end" in [record["event"] for record in read_events(bench.file("m0", ""))])
            killed.append(parent_of(next(e.data["pid"] for e in bench.events if e.kind == "started")))
            os.kill(killed[0], signal.SIGKILL)

    bench.react = react
    outcomes = run("slow", "wait")
    assert outcomes["m0"].state == "done"
    assert outcomes["m1"].failure is FailureClass.killed and "server died" in outcomes["m1"].message


def test_one_without_room_waits_for_another_process_and_one_without_memory_gets_its_own(bench, run):
    outcomes = run("done", "memory", "done")
    assert all(outcome.state == "done" for outcome in outcomes.values())
    assert processes(bench) == [{0, 1, 2}, {1}]
    assert "out of memory" in next(event for event in bench.events if event.kind == "retry").data["why"]


def test_one_that_finds_no_room_is_started_again(bench, run):
    outcomes = run("done", "later")
    assert outcomes["m1"].state == "done"
    assert processes(bench) == [{0, 1}, {1}]


def test_the_first_of_a_gang_may_start_again_while_the_others_are_still_at_work(bench, tmp_path):
    """The gang's process bears its name; both ends are told apart, or the run would wait for one of them for ever."""
    bench.home = tmp_path / "home"
    other = JobSpec("other", "other", {"do": "ok", "sleep": 0.01})
    outcomes = bench.run([*members(bench, "memory", "slow"), other], workers=2)
    assert {key: outcome.state for key, outcome in outcomes.items()} == {"m0": "done", "m1": "done", "other": "done"}
    told = [(event.kind, event.job.key) for event in bench.events if event.kind in ("started", "finished")]
    assert told.index(("finished", "m1")) > [n for n, each in enumerate(told) if each == ("started", "m0")][1]


def test_a_stop_reaches_all_members(bench, run):
    def react(event):
        if event.kind == "progress" and event.job.key == "m0" and event.data.get("step"):
            os.kill(os.getpid(), signal.SIGINT)

    bench.react = react
    outcomes = run("wait", "wait")
    assert {outcome.state for outcome in outcomes.values()} == {"interrupted"}


def test_timeouts_of_members_add_up_and_then_each_has_its_own(bench, run):
    jobs = [replace(member, resources=Resources(timeout=0.4)) for member in members(bench, "done", "wait")]
    outcomes = bench.run(jobs, workers=1)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}, outcomes
    assert any("took longer than its 0.8 s" in event.data.get("why", "") for event in bench.events if event.kind == "retry")
    assert processes(bench) == [{0, 1}, {1}]


def test_a_gang_is_no_gang_where_there_is_one_job(bench, run):
    run("raise")
    assert processes(bench) == [{0}]
    assert job("x").gang == ""
