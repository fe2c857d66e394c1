"""One job in a process of its own: output to its log, its status as exit code, failure.json when it went wrong.

A gang of jobs in one process tells each one's status in its events, as soon as it ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kdbench.execute import failures, ranks
from kdbench.execute.base import FailureClass
from kdbench.execute.claims import PATIENCE, JobBusy, claim
from kdbench.execute.events import EventWriter
from kdbench.execute.folders import LOG, read_payload
from kdbench.execute.log import forgive
from kdbench.execute.own_process import die_with, keep_freed, limit_threads, volunteer_for_the_oom_killer
from kdbench.execute.protocol import EXIT_CODES, STOP_SIGNALS, Order


def run_entry(
    entry: str, payload: Mapping[str, Any], job_dir: Path, device: str, emit: Callable, stop: Callable[[], bool]
) -> tuple[str, failures.Failure | None]:
    """Call the entry function: ("done" | "diverged" | "interrupted" | a failure class, what went wrong)."""
    failures.clear(job_dir)
    try:
        module, _, function = entry.partition(":")
        act = getattr(importlib.import_module(module), function)
        if payload.get("ranks", 1) > 1:
            act = partial(ranks.run, act)
        result = act(payload, job_dir, device, emit, stop)
        status = result["status"]
        if status not in ("done", "diverged", "interrupted"):
            raise ValueError(f"{entry} returned the status {status!r}, not done, diverged or interrupted")
        return status, None
    except BaseException as error:  # whatever a job throws, even SystemExit, must end as a status
        failure = _failed(job_dir, error)
    return failure.failure_class.value, failure


def _failed(job_dir: Path, error: BaseException) -> failures.Failure:
    """What an exception means for a job, left in its directory where it is a failure."""
    failure = failures.from_exception(error)
    if failure.failure_class not in (FailureClass.interrupted, FailureClass.diverged):
        failures.write(job_dir, failure)
    return failure


def execute(order: Order) -> int:
    """Run one job, or a gang, to its end in this process and return its exit code."""
    directories = [Path(job_dir) for _, job_dir in order.jobs]
    stopped = _catch_stop()
    _redirect(directories)
    os.environ.update(order.env)
    limit_threads(order.cpus)
    keep_freed()
    volunteer_for_the_oom_killer()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # the parent asks a job that hangs where it is before it ends it
    work = _one if len(order.jobs) == 1 else _several
    try:
        status, failure = work(order, directories, lambda: bool(stopped))
    except JobBusy as error:  # the directory is another's: leave nothing in it
        status, failure = "busy", failures.from_exception(error)
    except (OSError, ValueError) as error:
        failure = failures.from_exception(error)
        status = failure.failure_class.value
        failures.write(directories[0], failure)
    if failure is not None:
        print(failure.traceback or failure.message, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    return EXIT_CODES[status]


def _one(order: Order, directories: Sequence[Path], stop: Callable[[], bool]) -> tuple[str, failures.Failure | None]:
    [directory] = directories
    with claim(directory), contextlib.closing(EventWriter(directory)) as emit:
        emit({"event": "start", "pid": os.getpid(), "device": order.device})
        status, failure = run_entry(order.entry, read_payload(order.jobs[0][0]), directory, order.device, emit, stop)
        emit({"event": "end", "status": status})
    return status, failure


def _several(order: Order, directories: Sequence[Path], stop: Callable[[], bool]) -> tuple[str, failures.Failure | None]:
    """Done when each member has had its end; what becomes of members without one is for the parent to decide. Those at which
    another run is at work are left to it."""
    module = importlib.import_module(order.entry.partition(":")[0])
    with contextlib.ExitStack() as stack:
        members = []
        until = time.monotonic() + PATIENCE
        for (payload, _), directory in zip(order.jobs, directories):
            try:
                stack.enter_context(claim(directory, until - time.monotonic()))
            except JobBusy:
                continue
            emit = stack.enter_context(contextlib.closing(EventWriter(directory)))
            failures.clear(directory)
            emit({"event": "start", "pid": os.getpid(), "device": order.device})
            members.append(module.Member(read_payload(payload), emit, partial(_end, directory, emit)))
        if not members:
            raise JobBusy("another run is at all jobs of this gang")
        module.together(members, order.device, stop)
    return "done", None


def _end(directory: Path, emit: EventWriter, outcome: str | BaseException) -> None:
    """How a member of a gang ended."""
    if isinstance(outcome, BaseException):
        failure = _failed(directory, outcome)
        outcome = failure.failure_class.value
        print(failure.traceback or failure.message, file=sys.stderr)
    emit({"event": "end", "status": outcome})


def _catch_stop() -> list[int]:
    """A list that is empty until the job is asked to stop."""
    received: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda signum, frame: received.append(signum))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    return received


def _redirect(directories: Sequence[Path]) -> None:
    """All output, that of C libraries included, goes to the (first) job's log, after what earlier attempts wrote."""
    log, *others = (directory / LOG for directory in directories)
    for other in others:
        with contextlib.suppress(OSError), open(other, "a", encoding="utf-8") as file:
            print(time.strftime("--- %Y-%m-%d %H:%M:%S"), f"process {os.getpid()}, in lockstep with others; see {log}", file=file)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    forgive()
    print(time.strftime("--- %Y-%m-%d %H:%M:%S"), f"process {os.getpid()}")


def main() -> None:
    """A spawned child: `python -m kdbench.execute.child ORDER PARENT_PID`."""
    die_with(int(sys.argv[2]))
    code = execute(Order.from_json(sys.argv[1]))
    os._exit(code)  # what a library wants to do at exit must not change the status


if __name__ == "__main__":
    main()
