"""Disks that are full, limited or read-only: what the fault costs, and that nothing is lost once there is room."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from chaos_bench import Executor, fill, half_written, lost, may_mount, mounted, new
from cli_bench import KDBENCH, PATIENCE, environment
from forked import Warm as Bench

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not may_mount(), reason="needs the right to mount a file system"),
]

WHERE = {"weights": ".kdbench/weights", "outputs": ".kdbench/outputs", "record": "results/digits/victim"}


@contextlib.contextmanager
def full(folder: Path):
    """What lies there lies on a disk of its own, on which there is no room left."""
    aside = folder.with_name(folder.name + "-aside")
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(aside)
    with mounted(folder, "16m"):
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        fill(folder)
        yield
    folder.rmdir()
    aside.rename(folder)


@pytest.mark.parametrize("what", WHERE)
def test_no_room_for_a_result(executor: Executor, what: str, bench: Bench, count):
    with full(bench.folder / WHERE[what]):
        done = executor(bench, code=3)
        assert "no space left on this disk" in done.out and "make room and run again" in done.out
        assert not half_written(bench)
    executor(bench, code=0)
    count(f"disk full: {what}", bench)


def test_no_room_for_checkpoints(executor: Executor, bench: Bench, count):
    """The job goes on without."""
    with full(bench.folder / ".kdbench/checkpoints"):
        done = executor(bench, "--checkpoint", "0", code=0)
        assert not half_written(bench)
    log = bench.folder / f".kdbench/jobs/{bench.victim}/log.txt"
    assert "no checkpoint at step" in (log.read_text() if executor.isolates else done.err)
    count("disk full: checkpoints", bench)


def test_no_room_to_stop_in(executor: Executor, bench: Bench, count):
    """Asked to stop, a job that cannot save its checkpoint does not say that it has one."""
    import os
    import signal

    from cli_bench import finish

    with full(bench.folder / ".kdbench/checkpoints"):
        process = executor.start(bench, CHAOS_FAULT="slow")
        bench.when_training(bench.victim, process)
        os.kill(process.pid, signal.SIGTERM)
        done = finish(process)
    assert done.code == 3 and "no space left" in done.out
    executor(bench, code=0)
    count("disk full: the last checkpoint", bench)


def test_no_room_for_events_and_log(executor: Executor, bench: Bench, count):
    """They tell of a job, and are lost; the job is not."""
    folder = bench.folder / f".kdbench/jobs/{bench.victim}"
    with mounted(folder, "64k"):
        executor(bench, "--checkpoint", "0", fault="full", code=0, CHAOS_FOLDER=str(folder))
    count("disk full: events, log", bench)


def test_no_room_to_begin(executor: Executor, bench: Bench, count):
    with full(bench.folder / f".kdbench/jobs/{bench.victim}"):
        assert "no space left" in executor(bench, code=3).out
    executor(bench, code=0)
    count("disk full: payload", bench)


def test_one_small_disk_for_all(executor: Executor, whole, tmp_path_factory, bench: Bench, count):
    """From nothing, on a disk that fills up somewhere; then it is enlarged."""
    with mounted(tmp_path_factory.mktemp("disk"), "700k") as folder:
        small = new(folder)
        done = executor(small)
        assert done.code in (2, 3) and "internal error" not in done.text
        assert "no space left" in done.text.lower()
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        executor(small, code=0)
        assert not half_written(small)
        count("disk full: all", small)


def test_no_file_may_be_large(executor: Executor, bench: Bench, count):
    """RLIMIT_FSIZE, as quotas and `ulimit -f` have it: SIGXFSZ is sent, and no job may die of it. A Ray that is started under
    it does, and the run says so before its first job."""
    command = f"ulimit -f 16; exec {KDBENCH} {' '.join(executor.command())}"
    given = environment(**executor.env)
    done = subprocess.run(["bash", "-c", command], cwd=bench.folder, env=given, capture_output=True, text=True, timeout=PATIENCE)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode in (2, 3) and "larger than this process may write (ulimit -f)" in done.stdout + done.stderr
    executor(bench, code=0)
    count("file size limited", bench)


def test_no_file_of_a_job_may_be_large(executor: Executor, bench: Bench, count):
    """The same where only the job is limited, as it is on a node of a cluster whose Ray was started before."""
    done = executor(bench, fault="small_files")
    assert done.code in (2, 3) and "larger than this process may write (ulimit -f)" in done.text
    assert not half_written(bench)
    executor(bench, code=0)
    count("file size of a job limited", bench)


def test_results_are_read_only(executor: Executor, bench: Bench, count):
    """From the start: told before anything is trained. From the middle of a job on: the job fails, and is done again."""
    folder = bench.folder / "results"
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        done = executor(bench, code=2)
        assert "the file system is read-only; choose another folder" in done.err
        assert not bench.events(bench.victim)
        subprocess.run(["mount", "-o", "remount,bind,rw", str(folder)], check=True)
        done = executor(bench, fault="read_only", CHAOS_FOLDER=str(folder), code=3)
        assert "the file system is read-only" in done.out, done.text
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
    executor(bench, code=0)
    count("read-only results", bench, tries=2)


def test_what_is_counted_is_counted(whole, bench: Bench):
    """The counter of lost results itself: the victim's job is not done yet, and another's weights are gone."""
    assert lost(bench, whole) == 1
    next((bench.folder / ".kdbench/weights").glob("*.safetensors")).unlink()
    assert lost(bench, whole) == 2
