"""Files that are cut short or damaged: each is told or made anew, and no result is made from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos_bench import Executor
from forked import Warm as Bench

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
Spoil = Callable[[Path], None]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    path.write_bytes(b"\x00\xff{not what it was]" * 40)


def flipped(path: Path) -> None:
    """One bit, in the middle, where no format would notice."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


WAYS = [cut, emptied, garbled, flipped]


def teacher(bench: Bench) -> str:
    return next(key for key, record in bench.records().items() if record.kind == "teacher")


@pytest.mark.parametrize("spoil", WAYS)
def test_a_record(executor: Executor, spoil: Spoil, bench: Bench, count):
    """A single flipped bit may leave a record that reads: it is of another content then, or of none."""
    path = bench.path_of(teacher(bench))
    if spoil is flipped:
        path.write_bytes(path.read_bytes().replace(b'"kind"', b'"kine"'))
    else:
        spoil(path)
    done = executor(bench, code=0)
    assert "set aside as" in done.err
    count(f"record {spoil.__name__}", bench)


def test_the_head_of_a_record(executor: Executor, bench: Bench, count):
    """A plan reads the ends of records alone: what is wrong before them shows when all is reported, and the next run mends it."""
    path = bench.path_of(teacher(bench))
    path.write_bytes(b"\x00" * 60 + path.read_bytes()[60:])
    done = executor(bench, code=3)
    assert "set aside as" in done.err and "1 result could not be read" in done.out
    executor(bench, code=0)
    count("record, its head", bench)


@pytest.mark.parametrize("spoil", WAYS)
def test_weights_of_a_teacher(executor: Executor, spoil: Spoil, bench: Bench, count):
    """Its student fails before it trains, and the next run makes the teacher anew."""
    spoil(bench.folder / f".kdbench/weights/{teacher(bench)}.safetensors")
    bench.path_of(next(key for key, r in bench.records().items() if r.labels.get("method") == "kd")).unlink()
    done = executor(bench, code=3)
    assert "data: " in done.out and "put aside as" in done.out.replace("\n", " ") and "1 failed" in done.out
    executor(bench, code=0)
    count(f"weights {spoil.__name__}", bench)


@pytest.mark.parametrize("spoil", [cut, emptied, garbled])
def test_outputs_of_a_teacher(executor: Executor, spoil: Spoil, bench: Bench, count):
    """Of those that it alone has: labels and blocks are every job's, and one that ends before its students writes them anew."""
    sha = bench.records()[teacher(bench)].outputs["test/logits"]
    spoil(bench.folder / f".kdbench/outputs/{sha[:2]}/{sha}.npy")
    bench.path_of(next(key for key, r in bench.records().items() if r.labels.get("method") == "kd")).unlink()
    done = executor(bench, code=3)
    assert "data: " in done.out and "put aside as" in done.out.replace("\n", " ")
    executor(bench, code=0)
    count(f"outputs {spoil.__name__}", bench)


def test_outputs_that_are_gone(executor: Executor, bench: Bench, count):
    shutil.rmtree(bench.folder / ".kdbench/outputs")
    bench.path_of(next(key for key, r in bench.records().items() if r.labels.get("method") == "kd")).unlink()
    executor(bench, code=0)
    count("outputs gone", bench)


@pytest.mark.parametrize("spoil", [*WAYS, "foreign"])
def test_a_checkpoint(executor: Executor, spoil, bench: Bench, count):
    """It is not taken, and the log says so; a flipped bit among the numbers cannot be told, and is not asked about."""
    executor(bench, "--checkpoint", "0", fault="exception", code=3)
    path = bench.folder / f".kdbench/checkpoints/{bench.victim}/state.safetensors"
    if spoil == "foreign":  # of another job
        bench.write("chaos_plugin.py", (bench.folder / "chaos_plugin.py").read_text() + "\nOTHER = 1\n")
    elif spoil is flipped:
        data = bytearray(path.read_bytes())
        data[20] ^= 1  # in the header
        path.write_bytes(bytes(data))
    else:
        spoil(path)
    done = executor(bench, "--stale", "keep", code=0)
    log = (bench.folder / f".kdbench/jobs/{bench.victim}/log.txt").read_text() if executor.isolates else done.err
    assert "starting anew" in log
    assert bench.records()[bench.victim].timing["resumed"] is False
    count(f"checkpoint {getattr(spoil, '__name__', spoil)}", bench)


SMALL = {
    "payload.json": ".kdbench/jobs/{victim}/payload.json",
    "events.jsonl": ".kdbench/jobs/{victim}/events.jsonl",
    "failure.json": ".kdbench/jobs/{victim}/failure.json",
    "lock": ".kdbench/jobs/{victim}/lock",
    "against.json": "results/digits/against.json",
    "imported record": "results/imported/digits/theirs/0123456789abcdef.json",
    "record of another suite": "results/digits/other/0123456789abcdef.json",
}


@pytest.mark.parametrize("name", SMALL)
def test_what_lies_beside(executor: Executor, name: str, bench: Bench, count):
    path = bench.folder / SMALL[name].format(victim=bench.victim)
    path.parent.mkdir(parents=True, exist_ok=True)
    for spoil in (garbled, emptied):
        spoil(path)
        executor(bench, code=0)
        assert bench("status", "chaos.yaml").code == 0
        if spoil is garbled and "record" in name:
            assert path.exists()  # it is told, and is not ours to move
            path.unlink()
        elif spoil is garbled:
            bench.path_of(bench.victim).unlink()
    if "record" in name:
        path.unlink()
    count(f"{name} damaged", bench, tries=2)


@pytest.mark.parametrize("spoil", WAYS[:3])
def test_the_tracking_store(spoil: Spoil, bench: Bench, count):
    """Results are kept, and what to do about the store is told; then it is filled anew from the results."""
    bench("run", "chaos.yaml", code=0)
    path = bench.folder / ".kdbench/mlflow.db"
    spoil(path)
    done = bench("run", "chaos.yaml", code=0)
    if "MLflow was not updated" in done.err:
        assert "all results are kept" in done.err
        path.unlink()
        bench("track", "sync", "chaos.yaml", code=0)
    count(f"mlflow.db {spoil.__name__}", bench)
