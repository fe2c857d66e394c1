"""From how a job's process ended to what that means for the job."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdbench.execute.base import FailureClass, State
from kdbench.execute.failures import Failure
from kdbench.execute.interrupts import signal_name
from kdbench.execute.protocol import STATUSES

_NO_OOM_KILL_SEEN = "by someone, or by a limit on memory (the kernel's or the container's)"
_OOM_KILL_SEEN = "most likely by the kernel: memory ran out on this machine while the job ran"


@dataclass(frozen=True)
class Verdict:
    state: State
    failure: FailureClass | None = None
    message: str = ""
    traceback: str | None = None
    from_job: bool = True  # False where the process could not leave a failure.json itself


NOT_BEGUN = Verdict("interrupted", FailureClass.interrupted, "interrupted before it started")


def judge(end: Mapping[str, Any], left: Failure | None, *, timeout: float | None, stopping: bool, oom_kills: int) -> Verdict:
    """`end` holds the `code`, the `signal` or the `error` with which the process ended, `left` its failure.json.

    `timeout` is given if the job was ended for exceeding it, `stopping` if the user asked the run to stop, and
    `oom_kills` says how many processes the kernel ended for want of memory meanwhile.
    """
    status = STATUSES.get(end.get("code", -1))
    if status == "done":
        return Verdict("done")
    if status == "diverged":
        return Verdict("diverged", FailureClass.diverged)
    if timeout is not None:
        return _unsaid(FailureClass.timeout, f"took longer than its {timeout:g} s")
    if status == "interrupted":
        return Verdict("interrupted", FailureClass.interrupted, "stopped when asked")
    if stopping and end.get("signal") in (signal.SIGTERM, signal.SIGKILL):
        lost = "ended by force; what it did since its last checkpoint is lost"
        return Verdict("interrupted", FailureClass.interrupted, lost)
    if status == "busy":
        return Verdict("failed", FailureClass.error, "another run is at this job now; it shares this home directory")
    if status is not None:
        failure = left or Failure(FailureClass(status), "the log says why")
        return Verdict("failed", FailureClass(status), failure.message, failure.traceback)
    if "signal" in end:
        return _unsaid(FailureClass.killed, killed_by(end["signal"], oom_kills))
    why = end.get("error") or f"the process ended with exit code {end.get('code')} in the middle of the job"
    return _unsaid(FailureClass.error, why)


def killed_by(signum: int, oom_kills: int) -> str:
    name = signal_name(signum)
    if signum != signal.SIGKILL:
        return f"killed by {name}"
    return f"killed by {name}, {_OOM_KILL_SEEN if oom_kills > 0 else _NO_OOM_KILL_SEEN}"


def kernel_oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError, StopIteration), open("/proc/vmstat", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("oom_kill ")).split()[1])
    return 0


def _unsaid(failure: FailureClass, message: str) -> Verdict:
    return Verdict("failed", failure, message, from_job=False)
