"""A plausible record, to be changed at will, and a folder that no environment variable moves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from kdbench.results.record import Record


@pytest.fixture(autouse=True)
def no_home_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDBENCH_HOME", raising=False)


@pytest.fixture
def make_record() -> Callable[..., Record]:
    def make(seed: int = 0, method: str = "kd", task: str = "digits", kind: str = "student", **changes: Any) -> Record:
        labels = {"task": task, "pair": "large->small", "cell": f"{method}[T=4]·live·task", "source": "live", "view": "task"}
        values: dict[str, Any] = {
            "key": hashlib.sha256(f"{task} {method} {kind} {seed}".encode()).hexdigest(),
            "kind": kind,
            "status": "done",
            "identity": {"task": {"name": task}, "method": {"name": method, "params": {"T": 4.0}}, "seed": seed},
            "labels": labels | {"seed": seed, "teacher_seed": 0} | ({"method": method} if kind == "student" else {}),
            "metrics": {"truth": {"top1": 0.1 + 0.2 + seed}, "fidelity": {"agreement": 0.75}, "distil": {"kl": 0.5}},
            "cost": {"parameters": 1234, "steps": 10},
            "timing": {"seconds": 1.5},
            "provenance": {"started": "2026-11-20T10:00:00.000Z", "finished": "2026-11-20T10:00:10.000Z"},
        }
        return Record(**(values | changes))

    return make
