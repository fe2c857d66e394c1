"""Which exception is which class of failure, and how many causes a heap of failures has."""

from __future__ import annotations

import errno
import json
import signal

import pytest

from kdbench.execute import failures
from kdbench.execute.base import FailureClass, Outcome
from kdbench.execute.failures import Failure, group_failures
from kdbench.execute.protocol import EXIT_CODES
from kdbench.execute.verdict import judge


class OutOfMemoryError(RuntimeError):
    """As torch's is called."""


class Declared(Exception):
    failure_class = "diverged"


class Mistaken(Exception):
    failure_class = "bad luck"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (MemoryError(), "oom"),
        (OutOfMemoryError("CUDA"), "oom"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "oom"),
        (RuntimeError("CUDA error: out of memory"), "oom"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
        (OSError(errno.ENOSPC, "No space left on device"), "error"),
        (ValueError("the words out of memory in a message of another kind"), "error"),
        (KeyboardInterrupt(), "interrupted"),
        (Declared(), "diverged"),
        (Mistaken(), "error"),
    ],
)
def test_exceptions_are_classed(error, failure):
    assert failures.classify(error) == failure


def test_a_failure_survives_as_a_file_and_torn_ones_read_as_none(tmp_path):
    failure = Failure(FailureClass.data, "no labels", "Traceback…", 12.5)
    failures.write(tmp_path, failure)
    assert failures.read(tmp_path) == failure
    assert [path.name for path in tmp_path.iterdir()] == [failures.FILE]
    (tmp_path / failures.FILE).write_text(json.dumps({"class": "gremlins"}))
    assert failures.read(tmp_path) is None
    failures.clear(tmp_path)
    failures.clear(tmp_path)
    assert failures.read(tmp_path) is None


def outcome(key, line=1, message="ValueError: seed 0", failure=FailureClass.error, state="failed", frames=True):
    traceback = f'Traceback\n  File "a.py", line {line}, in f\n    g()\n{message}' if frames else None
    return Outcome(key, state, failure, message, traceback=traceback)


def test_failures_are_grouped_by_cause():
    outcomes = [
        outcome("a", message="ValueError: seed 0"),
        outcome("b", message="ValueError: seed 1"),
        outcome("c", line=2),
        outcome("d", message="KeyError: seed 1"),
        outcome("e", frames=False, message="killed by SIGKILL", failure=FailureClass.killed),
        outcome("f", frames=False, message="killed by SIGSEGV", failure=FailureClass.killed),
        outcome("g", frames=False, message="killed by SIGKILL", failure=FailureClass.killed),
        outcome("h", state="blocked", failure=None),
        outcome("i", state="done", failure=None),
        outcome("j", message="ValueError: seed 2"),
    ]
    assert group_failures(outcomes) == [
        (FailureClass.error, "ValueError: seed 0", ["a", "b", "j"]),
        (FailureClass.killed, "killed by SIGKILL", ["e", "g"]),
        (FailureClass.error, "ValueError: seed 0", ["c"]),
        (FailureClass.error, "KeyError: seed 1", ["d"]),
        (FailureClass.killed, "killed by SIGSEGV", ["f"]),
    ]


@pytest.mark.parametrize(
    ("end", "timeout", "stopping", "expected"),
    [
        ({"code": EXIT_CODES["done"]}, 3.0, True, ("done", None)),  # it made it in time after all
        ({"code": EXIT_CODES["interrupted"]}, 3.0, False, ("failed", "timeout")),
        ({"code": EXIT_CODES["interrupted"]}, None, True, ("interrupted", "interrupted")),
        ({"signal": signal.SIGKILL}, None, True, ("interrupted", "interrupted")),
        ({"signal": signal.SIGSEGV}, None, True, ("failed", "killed")),
        ({"signal": signal.SIGKILL}, 3.0, True, ("failed", "timeout")),
        ({"code": EXIT_CODES["oom"]}, None, False, ("failed", "oom")),
        ({"code": 1}, None, False, ("failed", "error")),
        ({"error": "no process could be started"}, None, False, ("failed", "error")),
    ],
)
def test_the_end_of_a_process_is_judged(end, timeout, stopping, expected):
    verdict = judge(end, None, timeout=timeout, stopping=stopping, oom_kills=0)
    assert (verdict.state, verdict.failure) == expected


def test_the_kernels_own_kill_is_suspected_only_where_it_killed():
    def message(kills):
        return judge({"signal": 9}, None, timeout=None, stopping=False, oom_kills=kills).message

    assert "most likely by the kernel" in message(1) and "most likely" not in message(0)
