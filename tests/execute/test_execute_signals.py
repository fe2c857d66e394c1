"""Ctrl-C once, twice, and the death of the run itself: jobs checkpoint or die, and none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from execute_bench import Bench, wait_for
from processes import alive, gone, parent_of

from kdbench.execute.link import ServerLink

DRIVER = Path(__file__).with_name("execute_driver.py")


@pytest.fixture
def drive(tmp_path):
    """Start a run of toy jobs in a process group of its own, as a shell does."""
    started = []

    def start(*actions: str, how: str = "fork") -> subprocess.Popen:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(DRIVER), how, str(tmp_path), *actions]
        started.append(subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def said(process: subprocess.Popen) -> dict:
    return json.loads(process.communicate(timeout=20)[0])


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_ctrl_c_once_lets_running_jobs_checkpoint_and_starts_no_other(drive, bench: Bench, how):
    run = drive("wait", "wait", "ok", how=how)
    pids = [bench.pid("wait0"), bench.pid("wait1"), bench.pid("wait0", "helper.pid")]
    os.killpg(run.pid, signal.SIGINT)  # as the terminal does: to all of the foreground group
    report = said(run)
    assert {key: state for key, (state, _) in report["states"].items()} == dict.fromkeys(report["states"], "interrupted")
    assert report["states"]["wait0"][1] == "stopped when asked"
    assert report["states"]["ok2"][1] == "interrupted before it started"
    assert bench.file("wait0", "checkpoint").exists() and bench.file("wait1", "checkpoint").exists()
    assert not bench.file("wait0", "failure.json").exists() and not bench.file("ok2", "log.txt").exists()
    assert report["restored"] and report["kinds"].count("stopping") == 1
    assert gone(*pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_what_a_cluster_says_however_often_is_one_ctrl_c(drive, bench: Bench, number, how):
    run = drive("wait", "ok", "ok", how=how)
    job = bench.pid("wait0")
    server = parent_of(job)
    for pid in (server, server, job, run.pid, run.pid):  # a container or a cluster tells every process
        os.kill(pid, number)
    report = said(run)
    assert report["states"]["wait0"] == ["interrupted", "stopped when asked"]
    assert run.returncode == 0


def test_a_job_that_is_asked_to_stop_by_another_is_interrupted_alone(drive, bench: Bench):
    run = drive("wait", "ok")
    os.kill(bench.pid("wait0"), signal.SIGTERM)
    states = said(run)["states"]
    assert states["wait0"][0] == "interrupted" and states["ok1"][0] == "done"


def test_ctrl_c_twice_ends_even_jobs_that_do_not_listen(drive, bench: Bench):
    run = drive("deaf", "wait", "ok")
    pids = [bench.pid("deaf0"), bench.pid("deaf0", "helper.pid"), bench.pid("wait1")]
    os.kill(run.pid, signal.SIGINT)
    wait_for(lambda: bench.file("wait1", "checkpoint").exists())
    assert alive(pids[0]) and run.poll() is None
    os.kill(run.pid, signal.SIGINT)
    report = said(run)
    assert report["states"]["deaf0"][0] == "interrupted" and "by force" in report["states"]["deaf0"][1]
    assert report["states"]["wait1"] == ["interrupted", "stopped when asked"]
    assert report["restored"] and gone(*pids)


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_when_the_run_is_killed_no_job_outlives_it(drive, bench: Bench, how):
    run = drive("deaf", "wait", how=how)
    pids = [bench.pid(key, name) for key in ("deaf0", "wait1") for name in ("pid", "helper.pid")]
    server = parent_of(pids[0])
    run.kill()
    assert gone(*pids, server, seconds=2.0)


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_when_the_server_is_killed_its_jobs_die_though_nobody_tells_them(drive, bench: Bench, how):
    run = drive("deaf", how=how)
    pid = bench.pid("deaf0")
    os.kill(run.pid, signal.SIGSTOP)  # the run can do nothing
    os.kill(parent_of(pid), signal.SIGKILL)
    assert gone(pid)
    os.kill(bench.pid("deaf0", "helper.pid"), signal.SIGKILL)


def test_a_server_is_deaf_from_its_first_moment(bench: Bench):
    link = ServerLink(bench.home, (), "fork")
    with closing(link):
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT) * 3:
            os.kill(link.pid, number)
        [ready] = wait_for(lambda: link.poll(0.1))
    assert ready["ready"] == link.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_inline_ctrl_c_stops_the_job_and_the_queue(drive, bench: Bench, number):
    run = drive("wait", "ok", how="inline")
    bench.pid("wait0")
    os.kill(run.pid, number)
    report = said(run)
    assert report["states"] == {
        "wait0": ["interrupted", "stopped when asked"],
        "ok1": ["interrupted", "interrupted before it started"],
    }
    assert report["restored"] and bench.file("wait0", "checkpoint").exists()
