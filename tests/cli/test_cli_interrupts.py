"""Runs that are killed or stopped: nothing is lost, and in the end every record is what an uninterrupted run would have made."""

from __future__ import annotations

import os
import signal
import time

import pytest
from cli_bench import Bench, finish, gone, kill

SLOW = "0.4"  # seconds a step
RUN = ("run", "hard.yaml", "--no-track")


@pytest.fixture(scope="session")
def patient(hard_run) -> str:
    """The key of the job that can be made slow."""
    return next(key for key, record in Bench(hard_run).records().items() if record.labels["cell"] == "patient")


def test_a_killed_job_fails_alone(hard: Bench, hard_run, patient):
    whole = Bench(hard_run).comparable()
    process = hard.start(*RUN, PATIENT_SECONDS=SLOW)
    kill(hard.when_training(patient, process))
    done = finish(process)
    assert done.code == 3
    assert "4 done, 1 failed" in done.out and "killed: killed by SIGKILL" in done.out
    assert f"log .kdbench/jobs/{patient}/log.txt" in done.out and "kdbench run hard.yaml again" in done.out
    assert hard.comparable() == {key: text for key, text in whole.items() if key != patient}

    status = hard("status", "hard.yaml", code=3).out
    assert "0/1  digits  patient   1 killed" in status or "0/1  digits  patient  1 killed" in status
    assert "killed: killed by SIGKILL" in status and "digits patient seed 0" in status

    before = hard.stamps()
    again = hard(*RUN, code=0)
    assert "1 to run, 4 cached" in again.out
    assert {key: stamp for key, stamp in hard.stamps().items() if key != patient} == before
    assert hard.comparable() == whole
    assert "killed" not in hard("status", "hard.yaml", code=0).out


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_stopped_then_killed_whole_it_goes_on_from_its_checkpoints(hard: Bench, hard_run, patient, number):
    """Ctrl-C once; then kill -9 on the parent of the run that goes on; the third run ends where an uninterrupted one does."""
    process = hard.start(*RUN, "--workers", "1", PATIENT_SECONDS=SLOW)
    hard.when_training(patient, process)
    os.kill(process.pid, number)
    done = finish(process)
    assert done.code == 75
    assert "stopping: 1 running jobs save a checkpoint" in done.err
    assert "stopped: 1 job saved a checkpoint; kdbench run hard.yaml goes on from here" in done.out
    assert patient not in hard.records()
    assert hard.plan("hard.yaml")[patient]["reason"] == "begun; goes on from its checkpoint"

    began = len(hard.events(patient))
    process = hard.start(*RUN, "--checkpoint", "0", PATIENT_SECONDS=SLOW)
    job = hard.when_training(patient, process, after=began)
    kill(process.pid)
    process.communicate()
    end = time.monotonic() + 20
    while not gone(job) and time.monotonic() < end:
        time.sleep(0.05)
    assert gone(job)
    assert patient not in hard.records()
    assert "1 begun" in hard("status", "hard.yaml", code=3).out

    hard(*RUN, code=0)
    assert hard.records()[patient].timing["resumed"] is True
    assert hard.comparable() == Bench(hard_run).comparable()
    assert not list((hard.folder / ".kdbench/checkpoints").glob("*/*.safetensors"))


@pytest.mark.slow
def test_stopped_twice_it_ends_now(hard: Bench, patient):
    process = hard.start(*RUN, PATIENT_SECONDS="30")
    end = time.monotonic() + 200
    while not hard.events(patient) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.7)
    os.kill(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert "ending 1 running jobs now" in done.err
