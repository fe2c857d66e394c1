"""Faults of a job: it fails with its class and alone, and a run without the fault ends where an undisturbed one does."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from chaos_bench import Executor, marked, strays
from cli_bench import finish, kill
from forked import Warm as Bench

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

DEADLY = {"segfault": ("SIGSEGV", -signal.SIGSEGV), "kill": ("SIGKILL", -signal.SIGKILL)}


@pytest.mark.parametrize("fault", DEADLY)
def test_a_job_that_dies(executor: Executor, fault: str, bench: Bench, count):
    """Its process is the run's own where it runs inline."""
    name, dead = DEADLY[fault]
    done = executor(bench, "--checkpoint", "0", fault=fault)
    if executor.isolates:
        assert done.code == 3 and f"killed: killed by {name}" in done.out
    else:
        assert done.code == dead
    executor(bench, code=0)
    assert bench.records()[bench.victim].timing["resumed"] is True
    count(fault if fault == "segfault" else "kill -9 on a job", bench)


FAILING = {
    "exception": ("error: ", "a bug in a method"),
    "host_memory": ("oom: ", "allocate"),
    "device_memory": ("oom: ", "CUDA out of memory"),
}
NAMES = {"host_memory": "out of memory: host", "device_memory": "out of memory: device, simulated"}


@pytest.mark.parametrize("fault", FAILING)
def test_a_job_that_fails(executor: Executor, fault: str, bench: Bench, count):
    done = executor(bench, fault=fault, code=3)
    assert all(words in done.out for words in FAILING[fault]), done.text
    executor(bench, code=0)
    count(NAMES.get(fault, fault), bench)


def test_a_job_that_hangs(executor: Executor, bench: Bench, count):
    if executor.isolates:
        done = executor(bench, "--timeout", "20", fault="hang", code=3)
        assert "timeout: took longer than its 20 s" in done.out
        assert "in hang" in (bench.folder / f".kdbench/jobs/{bench.victim}/log.txt").read_text()
    else:  # there is nobody who could end it but a person
        process = executor.start(bench, CHAOS_FAULT="hang")
        bench.when_training(bench.victim, process)
        kill(process.pid)
        process.communicate()
    executor(bench, code=0)
    count("hang", bench)


def test_a_divergence_is_a_result(executor: Executor, bench: Bench, count):
    """It stays until its record is removed."""
    executor(bench, fault="nan", code=0)
    assert bench.records()[bench.victim].status == "diverged"
    executor(bench, code=0)
    assert bench.records()[bench.victim].status == "diverged"
    bench.path_of(bench.victim).unlink()
    executor(bench, code=0)
    count("NaN", bench)


def test_the_clock_of_a_job_jumps(executor: Executor, bench: Bench, count):
    """Ten years back in the middle of training, then a year forward; of an inline run it is the run's own clock, too."""
    executor(bench, "--checkpoint", "0", fault="clock", code=0)
    executor(bench, code=0)
    assert bench("status", "chaos.yaml").code == 0
    count("clock jump", bench)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_cluster_wants_the_machine(executor: Executor, number: signal.Signals, bench: Bench, count):
    """All processes of the run are told, in the middle of a job: a checkpoint, exit code 75, and the next run goes on."""
    mark = marked()
    process = executor.start(bench, CHAOS_FAULT="slow", **mark)
    bench.when_training(bench.victim, process)
    others = () if executor.daemons else strays(mark, patience=0)
    for pid in {process.pid, *others}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    assert finish(process).code == 75
    assert not strays(mark, daemons=not executor.daemons)  # forked runs leave out what Ray does when its process exits
    executor(bench, code=0)
    assert bench.records()[bench.victim].timing["resumed"] is True
    count(f"{number.name} to every process", bench)
