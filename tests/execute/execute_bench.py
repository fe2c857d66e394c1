"""A bench for executors: short ways to run toy jobs in real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from kdbench.execute.base import Event, JobSpec, Outcome, Policy, Resources
from kdbench.execute.local import LocalExecutor


class Bench:
    """A home directory, the events seen there, and helpers to look at processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.events: list[Event] = []
        self.react: Callable[[Event], None] = lambda event: None

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        self.react(event)

    def run(self, jobs: list[JobSpec], policy: Policy = Policy(), entry: str = "act", **options) -> dict[str, Outcome]:  # noqa: B008
        options = {"workers": 2, "device": "cpu", "preload": (), "grace": 0.5} | options
        executor = LocalExecutor(self.home, entry=f"execute_toys:{entry}", **options)
        return executor.run(jobs, self.on_event, policy)

    def run_on(self, address: str, jobs: list[JobSpec], entry: str = "act", **options) -> dict[str, Outcome]:
        """The same on a Ray cluster."""
        from kdbench.execute.cluster.executor import RayExecutor

        options = {"device": "cpu", "preload": (), "grace": 0.5} | options
        executor = RayExecutor(self.home, address=address, entry=f"execute_toys:{entry}", **options)
        return executor.run(jobs, self.on_event)

    def file(self, key: str, name: str) -> Path:
        return self.home / "jobs" / key / name

    def pid(self, key: str, name: str = "pid") -> int:
        return int(wait_for(lambda: self.file(key, name).exists() and self.file(key, name).read_text()))

    def kinds(self, key: str) -> list[str]:
        return [event.kind for event in self.events if event.job and event.job.key == key]


def job(
    key: str,
    do: str = "ok",
    deps: tuple[str, ...] = (),
    kind="student",
    steps: int = 0,
    resources=Resources(),  # noqa: B008
    expected: float | None = None,
    group: str = "",
    **payload,
) -> JobSpec:
    return JobSpec(key, f"toy {key}", {"do": do, **payload}, deps, kind, steps, resources, group, expected=expected)


def wait_for(condition: Callable, seconds: float = 15.0):
    """The condition's first true value; a failure if none comes."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return value


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
