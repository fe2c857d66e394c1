"""Why jobs fail: from an exception to its class, the failure.json that survives the process, and one line a cause."""

from __future__ import annotations

import errno
import json
import re
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from kdbench.contract.numbers import is_number
from kdbench.contract.text import shown
from kdbench.execute.base import FailureClass, Outcome
from kdbench.results.files import StorageError, write_atomically

FILE = "failure.json"
# Where torch and CUDA libraries run out of memory without an exception class of their own.
_MEMORY_MESSAGES = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


@dataclass(frozen=True)
class Failure:
    failure_class: FailureClass
    message: str
    traceback: str | None = None
    when: float = 0.0


def classify(error: BaseException) -> FailureClass:
    """The class of an exception. Library classes are told by name, since torch may not even be installed here."""
    declared = getattr(error, "failure_class", None)
    if isinstance(declared, str) and declared in set(FailureClass):
        return FailureClass(declared)
    if isinstance(error, MemoryError) or any(c.__name__ == "OutOfMemoryError" for c in type(error).__mro__):
        return FailureClass.oom
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return FailureClass.oom
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _MEMORY_MESSAGES):
        return FailureClass.oom
    return FailureClass.interrupted if isinstance(error, KeyboardInterrupt) else FailureClass.error


def from_exception(error: BaseException) -> Failure:
    message = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SystemExit):
        message = f"the job called sys.exit({error.code!r})"
    # The first frame is the caller inside kdbench.execute, the same for every job.
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    text = "".join(traceback.format_exception(type(error), error, frames))
    return Failure(classify(error), message[:4000], text, time.time())


def write(job_dir: Path, failure: Failure) -> None:
    """Leave failure.json, whole or not at all. A full disk must not hide the failure, so it is only said aloud."""
    record = {
        "class": failure.failure_class.value,
        "message": failure.message,
        "traceback": failure.traceback,
        "when": failure.when or time.time(),
    }
    try:
        write_atomically(job_dir / FILE, json.dumps(record, indent=1, sort_keys=True).encode())
    except (StorageError, OSError) as error:
        print(f"kdbench: {job_dir / FILE} could not be written: {error}", file=sys.stderr)


def read(job_dir: Path) -> Failure | None:
    """The failure that the last attempt at this job left, or None."""
    try:
        record = from_json((job_dir / FILE).read_bytes())
        message, trace, when = record["message"], record["traceback"], record["when"]
        if not isinstance(message, str) or not isinstance(trace, str | None) or not is_number(when):
            return None
        # Whatever raised it may have coloured its words for a terminal.
        return Failure(FailureClass(record["class"]), shown(message), trace and shown(trace), float(when))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear(job_dir: Path) -> None:
    (job_dir / FILE).unlink(missing_ok=True)


def group_failures(outcomes: Iterable[Outcome]) -> list[tuple[FailureClass, str, list[str]]]:
    """Failed jobs by cause, the commonest first: (class, message of the first, keys).

    Two jobs share a cause if the same kind of exception left the same lines of code; messages often name a seed or a
    path and may differ. Without a traceback the message itself is the cause.
    """
    groups: dict[tuple[str, ...], tuple[FailureClass, str, list[str]]] = {}
    for outcome in outcomes:
        if outcome.state != "failed":
            continue
        failure = outcome.failure or FailureClass.error
        frames = re.findall(r'^\s+File ".*", line \d+, in .*$', outcome.traceback or "", re.MULTILINE)
        cause = (outcome.message.split(":")[0], *frames) if frames else (outcome.message,)
        groups.setdefault((failure.value, *cause), (failure, outcome.message, []))[2].append(outcome.key)
    return sorted(groups.values(), key=lambda group: -len(group[2]))
