"""A small suite with a method that can go wrong, the executors that run it, and what is counted of each fault."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cli_bench import Done, gone
from forked import Forked
from forked import Warm as Bench

OURS = re.compile(rb"kdbench\.execute|ray::(kdbench|Post)")  # in the command line of a process of ours, below Ray
PLUGIN = Path(__file__).with_name("chaos_plugin.py")
SUITE = """\
version: 1
name: chaos
plugins: chaos_plugin.py
tasks: [{task: digits, recipe: {steps: 12}, teachers: {recipe: {steps: 12}}}]
methods: [kd, victim]
"""
TWO_SEEDS = """\
version: 1
name: chaos
plugins: chaos_plugin.py
seeds: 2
tasks: [{task: digits, recipe: {steps: 12}, teachers: {pool: 2, recipe: {steps: 12}}}]
methods: [kd, fitnets, victim]
"""


@dataclass(frozen=True)
class Executor:
    """How `kdbench run` is told to use it, and what a fault can do to it."""

    words: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    isolates: bool = True  # a job that dies does so alone
    daemons: bool = False  # has processes that are not kdbench's, and die of any signal

    def __call__(self, bench: Bench, *words: str, fault: str = "", code: int | None = None, **env: str) -> Done:
        return bench(*self.command(*words), code=code, **self.env, CHAOS_FAULT=fault, **env)

    def start(self, bench: Bench, *words: str, **env: str) -> Forked:
        return bench.start(*self.command(*words), **self.env, **env)

    def command(self, *words: str) -> tuple[str, ...]:
        return ("run", "chaos.yaml", "--no-track", *self.words, *words)


# One line each; an executor that runs jobs in processes has every fault of the matrix.
EXECUTORS = {
    "fork": Executor(env={"KDBENCH_START": "fork"}),
    "spawn": Executor(env={"KDBENCH_START": "spawn"}),
    "inline": Executor(("--executor", "inline"), isolates=False),
    "ray": Executor(("--executor", "ray"), daemons=True),  # each run starts a Ray of its own
}


def new(folder: Path, suite: str = SUITE) -> Bench:
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder)
    bench.write("chaos.yaml", suite)
    shutil.copy(PLUGIN, folder)
    return bench


def victim(bench: Bench) -> str:
    return next(key for key, job in bench.plan("chaos.yaml").items() if job["cell"] == "victim")


def without(bench: Bench, key: str) -> None:
    """As if a job had never been done."""
    named = {name: set(record.outputs.values()) for name, record in bench.records().items()}
    for sha in named.pop(key).difference(*named.values()):
        (bench.folder / f".kdbench/outputs/{sha[:2]}/{sha}.npy").unlink()
    bench.path_of(key).unlink()
    (bench.folder / f".kdbench/weights/{key}.safetensors").unlink()
    shutil.rmtree(bench.folder / f".kdbench/jobs/{key}")


def lost(bench: Bench, whole: dict[str, str]) -> int:
    """How many results are missing, doubled or other than those of the uninterrupted run; and weights that are not there."""
    now = bench.comparable()
    weights = {path.stem for path in (bench.folder / ".kdbench/weights").glob("*.safetensors")}
    return sum(now.get(key) != text or key not in weights for key, text in whole.items()) + len(now.keys() - whole.keys())


def marked() -> dict[str, str]:
    """A variable by which all processes of a run are found, wherever they went."""
    return {"CHAOS_MARK": uuid.uuid4().hex}


def strays(mark: dict[str, str], patience: float = 30.0, daemons: bool = True) -> list[int]:
    """Processes of a run that still live after a while; Ray's own among them, or without its daemons."""
    until = time.monotonic() + patience
    while True:
        found = [int(each.name) for each in Path("/proc").glob("[1-9]*") if _is_of(each, mark, daemons)]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.1)


def _is_of(process: Path, mark: dict[str, str], daemons: bool) -> bool:
    """A program that was started has the mark among its variables; one that was only forked has it as its name."""
    [(name, value)] = mark.items()
    with contextlib.suppress(OSError):
        told = f"{name}={value}".encode() in (process / "environ").read_bytes()
        named = (process / "comm").read_text().strip() == value[:15]
        ours = daemons or OURS.search((process / "cmdline").read_bytes())
        return bool((told or named) and ours) and not gone(int(process.name))
    return False


def half_written(bench: Bench) -> list[Path]:
    return [path for path in bench.folder.rglob(".*.tmp") if path.is_file()]


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, of so many bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "chaos", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=64k", "chaos", "/mnt"], capture_output=True)
    return tried.returncode == 0


def fill(folder: Path) -> None:
    """Not a byte is left."""
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while file.write(b"x" * 512):
            pass


def add(
    record_property: Callable[[str, object], None], request: pytest.FixtureRequest, fault: str, tries: int, found: int
) -> None:
    name = getattr(request.node, "callspec", None)
    executor = name.params.get("executor", "fork") if name else "fork"
    record_property("chaos", [fault, executor, tries, found])
