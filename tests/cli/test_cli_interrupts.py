"""Runs that are killed or stopped: nothing is lost, and in the end every record is what an uninterrupted run would have made."""

from __future__ import annotations

import os
import signal
import time

import pytest
from cli_bench import Bench, finish, gone, kill

RUN = ("run", "tiny.yaml", "--only", "seed=0", "--no-track")


@pytest.fixture
def long(finished: Bench, tiny: Bench) -> str:
    """The key of the job that takes long; nothing is done yet."""
    key = next(key for key, record in finished.records().items() if record.labels["cell"].endswith("steps=150}"))
    for name in ("results", "reports", ".kdbench"):
        (finished.folder / name).rename(finished.folder / f"done-{name.strip('.')}")
    return key


def test_a_job_is_killed_then_the_run_is_stopped_then_all_of_it_is_killed(tiny: Bench, long: str, first_run):
    """Four runs, the last one undisturbed: it ends where one undisturbed run ends, and no job was done twice."""
    whole = {key: text for key, text in Bench(first_run[0]).comparable().items() if '"seed": 0' in text}
    assert len(whole) == 4

    # kill -9 on one job: the others finish, the class is named, and the next run has only this one to do.
    process = tiny.start(*RUN)
    kill(tiny.when_training(long, process))
    done = finish(process)
    assert done.code == 3
    assert "3 done, 1 failed" in done.out and "killed: killed by SIGKILL" in done.out
    assert (
        f"log .kdbench/jobs/{long}/log.txt" in done.out
        and "kdbench run tiny.yaml --only seed=0 again does what is missing" in done.out
    )
    assert tiny.comparable() == {key: text for key, text in whole.items() if key != long}
    stamps = tiny.stamps()
    status, plan = tiny.many("status tiny.yaml --only seed=0", "plan tiny.yaml --only seed=0")
    assert status.code == 3
    assert "0/1  digits  kd[weight=0.6]{steps=150}  1 killed" in status.out
    assert "killed: killed by SIGKILL" in status.out and "  digits kd[weight=0.6]{steps=150} seed 0\n" in status.out
    assert f"run      {long[:8]}" in plan.out and "failed: killed" in plan.out and "1 to run, 3 cached" in plan.out

    # Ctrl-C once: it saves a checkpoint.
    began = len(tiny.events(long))
    process = tiny.start(*RUN)
    tiny.when_training(long, process, after=began)
    os.kill(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 75
    assert "1 to run, 3 cached" in done.out and "stopping: 1 running jobs save a checkpoint" in done.err
    assert "stopped: 1 job saved a checkpoint; kdbench run tiny.yaml --only seed=0 goes on from here" in done.out
    assert "begun; goes on from its checkpoint" in tiny("plan", "tiny.yaml").out

    # kill -9 on the parent: its job ends with it.
    began = len(tiny.events(long))
    process = tiny.start(*RUN)
    job = tiny.when_training(long, process, after=began)
    kill(process.pid)
    process.communicate()
    end = time.monotonic() + 20
    while not gone(job) and time.monotonic() < end:
        time.sleep(0.05)
    assert gone(job)
    assert long not in tiny.records()

    tiny(*RUN, code=0)
    assert tiny.records()[long].timing["resumed"] is True
    assert tiny.comparable() == whole
    assert {key: stamp for key, stamp in tiny.stamps().items() if key != long} == stamps
    assert not list((tiny.folder / ".kdbench/checkpoints").glob("*/*.safetensors"))
    assert "killed" not in tiny("status", "tiny.yaml", "--only", "seed=0", code=0).out


@pytest.mark.slow
def test_sigterm_is_one_ctrl_c(tiny: Bench, long: str, first_run):
    process = tiny.start(*RUN)
    tiny.when_training(long, process)
    os.kill(process.pid, signal.SIGTERM)
    assert finish(process).code == 75
    tiny(*RUN, code=0)
    assert tiny.comparable()[long] == Bench(first_run[0]).comparable()[long]


@pytest.mark.slow
def test_stopped_twice_it_ends_now(bench: Bench):
    bench.plugin("faulty.py")
    bench.write("endless.yaml", "version: 1\nname: endless\nplugins: faulty.py\ntasks: [digits]\nmethods: [endless]\n")
    process = bench.start("run", "endless.yaml", "--only", "method=endless", "--no-track", PATIENT="1")
    key = next(key for key, job in bench.plan("endless.yaml").items() if job["cell"] == "endless")
    end = time.monotonic() + 200
    while not bench.events(key) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert "ending 1 running jobs now" in done.err
