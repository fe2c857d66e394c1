"""The run itself killed at random points, again and again, then left alone: every result is there once and as it would have been.

KDBENCH_CHAOS_SEED and KDBENCH_CHAOS_KILLS choose the points and how many they are (of a forking run; others take a part of it).
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from chaos_bench import EXECUTORS, TWO_SEEDS, Executor, add, half_written, lost, marked, new, strays
from cli_bench import kill
from forked import Warm as Bench

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(6 * 3600)]

KILLS = int(os.environ.get("KDBENCH_CHAOS_KILLS", "100"))
SHARE = {"fork": 1.0, "spawn": 0.1, "inline": 0.3, "ray": 0.04}  # to import torch, or to start a Ray, takes longer than all else
SEED = int(os.environ.get("KDBENCH_CHAOS_SEED", str(random.SystemRandom().randrange(10**6))))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    bench = new(tmp_path_factory.mktemp("undisturbed"), TWO_SEEDS)
    EXECUTORS["fork"](bench, code=0)
    return bench.comparable()


def begun(bench: Bench) -> int:
    """Something that grows with whatever a job does."""
    return sum(path.stat().st_size for path in bench.folder.glob(".kdbench/jobs/*/events.jsonl"))


def killed(executor: Executor, bench: Bench, rng: random.Random, span: float, mark: dict[str, str]) -> bool:
    """Start a run and kill it: one time in five while it starts, else within so many seconds after its first sign of work. False
    where it was done before that."""
    before = begun(bench)
    process = executor.start(bench, "--checkpoint", "0", **mark)
    if rng.random() > 0.2:
        while begun(bench) == before and process.poll() is None:
            time.sleep(0.005)
    end = time.monotonic() + rng.uniform(0, span)
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.002)
    alive = process.poll() is None
    if alive:
        kill(process.pid)
    process.communicate()
    assert not strays(mark, daemons=not executor.daemons), "a process outlived its run"
    return alive


def test_killed_at_random_points(
    executor: Executor, undisturbed: dict[str, str], tmp_path: Path, request, record_property, capsys
):
    name = next(name for name, one in EXECUTORS.items() if one is executor)
    wanted, rng = max(1, round(KILLS * SHARE[name])), random.Random(f"{SEED} {name}")
    with capsys.disabled():
        print(f"\n{name}: {wanted} kills, KDBENCH_CHAOS_SEED={SEED}", flush=True)
    span, kills, wrong, folders, mark = 4.0, 0, 0, 0, marked()
    while kills < wanted:
        folders += 1
        bench = new(tmp_path / str(folders), TWO_SEEDS)
        for _ in range(rng.randint(1, 8)):
            if not killed(executor, bench, rng, span, mark):
                span = max(1.0, span * 0.8)
                break
            kills += 1
            now = bench.comparable()  # asserts that each file is a whole record
            wrong += sum(undisturbed[key] != text for key, text in now.items())
        else:
            span *= 1.1  # it was never done by itself: later points are not reached often enough
        executor(bench, code=0)
        found = lost(bench, undisturbed)
        wrong += found
        assert found == 0, f"seed {SEED}, folder {folders}"
        left = half_written(bench)
        for path in left:
            os.utime(path, (0, 0))
        if left:
            executor(bench, code=0)
            bench("results", "gc", "--budget", "100G", code=0)
        assert not half_written(bench)
        assert not list((bench.folder / ".kdbench/checkpoints").glob("*/*"))
        with capsys.disabled():
            print(f"{kills} kills in {folders} folders, {wrong} results lost", flush=True)
    assert not strays(mark, 120.0), "a process of Ray's lives on"  # some look for a minute for the cluster that was killed
    add(record_property, request, f"run killed (kill -9), seed {SEED}", kills, wrong)
