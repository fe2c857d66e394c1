"""A job of several processes: the first one speaks, what befalls one of them befalls the job at once, and no process stays."""

from __future__ import annotations

import os
import signal
import time

import pytest
from execute_bench import job, wait_for
from processes import gone

from kdbench.execute import failures, ranks
from kdbench.execute.base import FailureClass, Resources
from kdbench.execute.devices import DeviceError
from kdbench.execute.events import read_events
from kdbench.execute.gangs import Gangs
from kdbench.execute.slots import Grant, Slots


def ranked(bench, key, do="ok", count=2, **payload):
    spec = job(key, do, ranks=count, resources=Resources(gpus=count), **payload)
    return bench.run([spec], entry="ranked")[key]


def pids(bench, key, count=2):
    """Processes of the ranks."""
    return [int(bench.file(key, f"rank{number}").read_text().split()[0]) for number in range(count)]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_ranks_are_of_the_jobs_process_group_and_the_first_one_speaks(bench, start):
    outcome = bench.run([job("a", ranks=3, resources=Resources(gpus=3))], entry="ranked", start=start, workers=3)["a"]
    assert outcome.state == "done", outcome.message
    told = [bench.file("a", f"rank{number}").read_text().split() for number in range(3)]
    [start_event] = [event for event in read_events(bench.file("a", "")) if event["event"] == "start"]
    assert {group for _, group, _ in told} == {str(start_event["pid"])} and len({pid for pid, _, _ in told}) == 3
    assert {threads for _, _, threads in told} == {"1"}
    assert [event["step"] for event in read_events(bench.file("a", "")) if event["event"] == "progress"] == [1]
    assert gone(*pids(bench, "a", 3)) and not list(bench.file("a", "").glob(f"{ranks.FOLDER}*"))


@pytest.mark.parametrize("who", [0, 1])
def test_every_way_to_fail_has_its_class_in_any_rank(bench, who):
    bad = {
        "raise": (FailureClass.error, "ValueError: bad value in job 0"),
        "raise_data": (FailureClass.data, "DataError: the file of labels is short"),
        "odd": (FailureClass.data, "Odd: of its own kind"),
        "memory": (FailureClass.oom, "MemoryError: toy"),
        "exit": (FailureClass.error, "the job called sys.exit('no')"),
        "hard_exit": (FailureClass.error, f"rank {who} of 2 ended with exit code 0 in the middle"),
        "segfault": (FailureClass.killed, f"rank {who} of 2 was killed by SIGSEGV"),
    }
    specs = [job(do, do, ranks=2, who=who, resources=Resources(gpus=2)) for do in bad]
    outcomes = bench.run(specs, entry="ranked", workers=2)
    for do, (failure, message) in bad.items():
        assert (outcomes[do].state, outcomes[do].failure) == ("failed", failure), (do, outcomes[do].message)
        assert message in outcomes[do].message, do
        assert failures.read(bench.file(do, "")).failure_class is failure
        assert gone(*pids(bench, do))
    assert "in _raise" in outcomes["raise"].traceback


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("echo", [False, True])
def test_a_rank_that_is_killed_ends_the_job_at_once(bench, who, echo):
    """Also where another rank is the first to complain, of a line that was closed."""

    def kill(event):
        if event.kind == "progress" and event.data["event"] == "progress":
            os.kill(int(wait_for(lambda: bench.file("a", f"rank{who}").exists() and pids(bench, "a")[who])), signal.SIGKILL)

    bench.react = kill
    began = time.monotonic()
    outcome = ranked(bench, "a", "wait_for_file", who=who, echo=echo, file="/nowhere")
    assert (outcome.state, outcome.failure) == ("failed", FailureClass.killed), outcome.message
    assert f"rank {who} of 2 was killed by SIGKILL" in outcome.message
    assert gone(*pids(bench, "a")) and time.monotonic() - began < 30


def test_the_whole_job_killed_leaves_no_rank(bench):
    def kill(event):
        if event.kind == "progress" and event.data["event"] == "progress":
            [first] = [event for event in read_events(bench.file("a", "")) if event["event"] == "start"]
            os.kill(first["pid"], signal.SIGKILL)

    bench.react = kill
    outcome = ranked(bench, "a", "wait_for_file", who=1, file="/nowhere")
    assert outcome.failure is FailureClass.killed and gone(*pids(bench, "a"))


def test_asked_to_stop_all_ranks_stop_with_a_checkpoint(bench):
    limit = Resources(gpus=2, timeout=1.0)
    spec = job("a", "wait", ranks=2, who=0, resources=limit)
    outcome = bench.run([spec], entry="ranked", grace=10.0)["a"]
    assert outcome.failure is FailureClass.timeout and bench.file("a", "checkpoint").exists()
    assert "interrupted" in [event.get("status") for event in read_events(bench.file("a", ""))]
    assert gone(*pids(bench, "a"))


def test_a_rank_that_hangs_says_where_before_it_is_ended(bench):
    spec = job("a", "wait_for_file", ranks=2, who=1, file="/nowhere", resources=Resources(gpus=2, timeout=0.5))
    outcome = bench.run([spec], entry="ranked", grace=ranks.PATIENCE + 3.0)["a"]
    assert outcome.failure is FailureClass.timeout and gone(*pids(bench, "a"))
    assert "in _wait_for_file" in outcome.log_path.read_text()


def test_what_a_killed_attempt_left_is_removed(bench):
    old = bench.file("a", f"{ranks.FOLDER}old")
    old.mkdir(parents=True)
    (old / "meeting").write_text("stale")
    assert ranked(bench, "a").state == "done" and not old.exists()


def test_several_gpus_are_given_whole_and_given_back():
    slots = Slots(8, ["0", "GPU-b", "2"])
    tenth = slots.take(Resources(gpu=0.1))
    both = slots.take(Resources(gpus=2))
    assert both.gpus == (1, 2) and both.env == {"CUDA_VISIBLE_DEVICES": "GPU-b,2"} and both.device == "cuda"
    assert slots.alone(both) and slots.take(Resources(gpus=2)) is None and slots.take(Resources()) is None
    slots.give(tenth)
    one = slots.take(Resources())
    assert one.gpus == (0,)
    slots.give(both)
    slots.give(one)
    assert slots.take(Resources(gpus=3), exclusive=True).gpus == (0, 1, 2)


def test_of_packed_gpus_several_are_whole_ones_too():
    slots = Slots(8, ["0", "1"], [8 * 2**30, 2**30])
    both = slots.take(Resources(gpus=2, memory=1))
    assert both.shares == (8 * 2**30, 2**30) and slots.take(Resources(memory=1)) is None
    slots.give(both)
    assert slots.take(Resources(memory=2**30)).gpu == 0


def test_on_a_cpu_ranks_take_a_slot_each_but_never_more_than_there_are():
    slots = Slots(4)
    assert slots.take(Resources(gpus=3)).cpus == 3 and slots.take(Resources(gpus=2)) is None
    assert Slots(2).take(Resources(cpus=2, gpus=3)).cpus == 2
    Slots(1).require(5)


def test_what_cannot_be_given_is_refused():
    with pytest.raises(DeviceError, match="a job on 3 GPUs cannot run where there are 2"):
        Slots(8, ["0", "1"]).require(3)
    with pytest.raises(ValueError, match="has each to itself"):
        Resources(gpu=0.5, gpus=2)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Resources(gpus=0)


def test_a_job_on_several_devices_is_in_no_gang():
    alike = [job(str(n), resources=Resources(gpus=2)) for n in range(3)]
    alike = [type(spec)(**{**{f: getattr(spec, f) for f in spec.__slots__}, "gang": "g"}) for spec in alike]
    assert Gangs(1).of(alike[0], lambda: alike) == [alike[0]]
    assert Grant(1).gpu is None
