"""A job that is done by several processes, its ranks: this one starts them, hears them, and ends all when one of them fails.

The first rank tells how the job goes. Any of them may fail, and then what it threw is what the job throws: the others, who wait
for it in vain, are ended at once. They are of this process's group, and the kernel ends them with this process.
"""

from __future__ import annotations

import faulthandler
import math
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kdbench.execute.interrupts import signal_name
from kdbench.execute.own_process import die_with, limit_threads
from kdbench.execute.protocol import STOP_SIGNALS

Emit = Callable[[dict[str, Any]], None]
Entry = Callable[..., Mapping[str, Any]]

POLL = 0.1  # seconds between looks at whether to stop
PATIENCE = 2.0  # seconds after which a rank that was to stop is asked where it is
GRACE = 0.3  # seconds in which a rank that was killed is seen, when another has already complained of it
FOLDER = ".ranks-"  # where ranks meet


class RankLost(Exception):
    """A rank ended without a word: somebody, or a fault, ended it."""

    def __init__(self, message: str, failure_class: str):
        super().__init__(message)
        self.failure_class = failure_class


class InRank(Exception):
    """Where in its rank an exception was thrown."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class Thrown:
    """An exception on its way to another process: itself where it can be sent, and what tells of it where not."""

    pickled: bytes | None
    message: str
    where: str
    failure_class: str | None  # that it declares

    @classmethod
    def of(cls, error: BaseException) -> Thrown:
        try:
            pickled = pickle.dumps(error)
            pickle.loads(pickled)  # many can be written and not be read
        except Exception:
            pickled = None
        message = "".join(traceback.format_exception_only(error)).strip()
        return cls(pickled, message, "".join(traceback.format_exception(error)), getattr(error, "failure_class", None))

    def error(self) -> BaseException:
        error: BaseException
        if self.pickled is not None:
            error = pickle.loads(self.pickled)
        else:
            error = RuntimeError(self.message)
            if self.failure_class is not None:
                error.failure_class = self.failure_class  # type: ignore[attr-defined]
        error.__cause__ = InRank(self.where)
        return error


@dataclass(frozen=True)
class Rank:
    number: int
    process: BaseProcess
    line: Connection


def run(entry: Entry, payload: Mapping[str, Any], job_dir: Path, device: str, emit: Emit, stop: Callable[[], bool]) -> Any:
    """The entry function in each of `payload["ranks"]` processes; what the first of them returns."""
    with meeting(job_dir) as place, started(entry, payload, job_dir, device, place) as ranks:
        return attend(ranks, emit, stop)


@contextmanager
def meeting(job_dir: Path) -> Iterator[str]:
    """A file that does not exist yet; what a killed attempt left is removed."""
    for old in job_dir.glob(f"{FOLDER}*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=FOLDER, dir=job_dir, ignore_cleanup_errors=True) as folder:
        yield str(Path(folder, "meeting"))


@contextmanager
def started(entry: Entry, payload: Mapping[str, Any], job_dir: Path, device: str, place: str) -> Iterator[list[Rank]]:
    context = get_context("fork" if alone() else "spawn")
    count, ranks = payload["ranks"], list[Rank]()
    try:
        for number in range(count):
            here, there = context.Pipe()
            given = (entry, payload, job_dir, device, (number, count, place), there, os.getpid())
            process = context.Process(target=be, args=given, name=f"rank {number}", daemon=True)  # type: ignore[attr-defined]
            process.start()
            there.close()
            ranks.append(Rank(number, process, here))
        yield ranks
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()
            rank.line.close()


def alone() -> bool:
    """Whether this process has one thread, so that a fork of it is whole. On Linux a job has, as it begins."""
    with suppress(OSError):
        return len(os.listdir("/proc/self/task")) == 1
    return False


def attend(ranks: Sequence[Rank], emit: Emit, stop: Callable[[], bool]) -> Any:
    """Hear the ranks until each has returned."""
    results: dict[int, Any] = {}
    told, patience = False, math.inf
    while len(results) < len(ranks):
        left = [rank for rank in ranks if rank.number not in results]
        if stop() and not told:
            told, patience = True, time.monotonic() + PATIENCE
            with suppress(OSError):
                ranks[0].line.send("stop")
        if time.monotonic() > patience:
            patience = math.inf
            for rank in left:  # each writes into the log where it stands
                os.kill(rank.process.pid or os.getpid(), signal.SIGUSR1)
        wait([thing for rank in left for thing in (rank.line, rank.process.sentinel)], POLL)
        for rank in left:
            ended = not rank.process.is_alive()  # before its line is read, so that its last words are not missed
            for kind, what in words(rank):
                if kind == "event":
                    emit(what)
                elif kind == "result":
                    results[rank.number] = what
                else:
                    raise blamed(ranks, rank) or what.error()
            if ended and rank.number not in results:
                raise lost(rank, len(ranks))
    return results[0]


def words(rank: Rank) -> Iterator[tuple[str, Any]]:
    with suppress(EOFError, OSError):
        while rank.line.poll():
            yield rank.line.recv()


def blamed(ranks: Sequence[Rank], accuser: Rank) -> RankLost | None:
    """A rank that was lost, of which another one's failure is only the echo."""
    until = time.monotonic() + GRACE
    for rank in ranks:
        if rank is not accuser:
            rank.process.join(max(0.0, until - time.monotonic()))
            if rank.process.exitcode not in (None, 0):
                return lost(rank, len(ranks))
    return None


def lost(rank: Rank, count: int) -> RankLost:
    rank.process.join()
    code = rank.process.exitcode or 0
    who = f"rank {rank.number} of {count}"
    if code >= 0:
        return RankLost(f"{who} ended with exit code {code} in the middle of the job", "error")
    return RankLost(f"{who} was killed by {signal_name(-code)}", "killed")


def be(
    entry: Entry,
    payload: Mapping[str, Any],
    job_dir: Path,
    device: str,
    rank: tuple[int, int, str],
    line: Connection,
    parent: int,
) -> None:
    """In a rank: do the job with the others. Never returns."""
    die_with(parent)
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)  # when to stop is the word of who started it
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    number, count, _ = rank
    limit_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1")) // count))
    if device == "cuda":
        own = os.environ["CUDA_VISIBLE_DEVICES"].split(",")[number]
        os.environ["CUDA_VISIBLE_DEVICES"] = own
    try:
        said: tuple[str, Any] = ("result", entry(payload, job_dir, device, teller(line, number), asked(line), rank=rank))
    except BaseException as error:
        said = ("error", Thrown.of(error))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    line.send(said)
    while said[0] == "error":
        signal.pause()  # the others wait for this one, and if it went they would take that for the fault
    os._exit(0)


def teller(line: Connection, number: int) -> Emit:
    """How a rank tells of the job: the first one does."""
    return (lambda record: line.send(("event", record))) if number == 0 else (lambda record: None)


def asked(line: Connection) -> Callable[[], bool]:
    """Whether this rank has been told to stop."""
    heard: list[Any] = []

    def stop() -> bool:
        if line.poll():
            heard.append(line.recv())
        return bool(heard)

    return stop
