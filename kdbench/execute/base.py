"""What every executor agrees on: the job it is given, the outcome it hands back, and the events in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from kdbench.execute.slots import Slots

DEFAULT_ENTRY = "kdbench.train.job:run"

State = Literal["done", "diverged", "failed", "interrupted", "blocked"]
EventKind = Literal["begin", "queued", "started", "progress", "retry", "finished", "stopping", "note", "tick"]


class ExecutorError(Exception):
    """Jobs cannot be run at all here; the message says why."""


class FailureClass(StrEnum):
    """Why a job has no good result. `diverged` is a result of its own kind, `interrupted` was asked for."""

    oom = "oom"
    timeout = "timeout"
    killed = "killed"
    data = "data"
    diverged = "diverged"
    error = "error"
    interrupted = "interrupted"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one job occupies. `gpu` is a share of one device; 0 states none, which means a whole one on a GPU run. `memory` is the
    most bytes of a device that runs like it were seen to hold, by which a run that packs its GPUs goes instead of shares. `gpus`
    are whole devices, each with a process of its own and `cpus` for it."""

    cpus: int = 1
    gpu: float = 0.0
    timeout: float | None = None
    memory: int | None = None
    gpus: int = 1

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise ValueError(f"cpus must be at least 1, not {self.cpus}")
        if not 0.0 <= self.gpu <= 1.0:
            raise ValueError(f"gpu is a share of one device, from 0 to 1, not {self.gpu}")
        if self.gpus < 1:
            raise ValueError(f"gpus must be at least 1, not {self.gpus}")
        if self.gpus > 1 and 0.0 < self.gpu < 1.0:
            raise ValueError(f"a job on {self.gpus} devices has each to itself, not a share of {self.gpu}")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout must be positive, not {self.timeout}")
        if self.memory is not None and self.memory < 0:
            raise ValueError(f"memory must not be negative, not {self.memory}")


def together(resources: Sequence[Resources]) -> Resources:
    """What jobs occupy that share one process: the memory of all, which is too much rather than too little, for they share."""
    held = [each.memory for each in resources]
    return replace(resources[0], memory=sum(known) if len(known := [m for m in held if m is not None]) == len(held) else None)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job as an executor sees it. A dependency that is not among the jobs of a run counts as done."""

    key: str
    title: str
    payload: Mapping[str, Any]
    deps: tuple[str, ...] = ()
    kind: Literal["teacher", "student"] = "student"
    steps: int = 0
    resources: Resources = field(default_factory=Resources)
    group: str = ""  # jobs of one group (the task, say) cost about the same time a step
    gang: str = ""  # jobs of one gang may train in lockstep in one process, sharing what they are shown and told
    expected: float | None = None  # seconds that it will take, by earlier results; None where they do not tell


@dataclass(frozen=True)
class Outcome:
    key: str
    state: State
    failure: FailureClass | None = None
    message: str = ""
    log_path: Path | None = None
    seconds: float = 0.0
    traceback: str | None = None
    begun: bool = True  # False of a job that was still waiting when the run was stopped

    @property
    def counted(self) -> str:
        """The word under which it is counted for a person."""
        return self.state if self.begun else "not begun"


@dataclass(frozen=True)
class Event:
    """One thing that happened. For `progress`, `data` is the record that the job itself emitted."""

    kind: EventKind
    t: float
    job: JobSpec | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Policy:
    keep_going: bool = True
    max_failures: int | None = None
    oom_retries: int = 1  # each on an exclusive device; what the job computes is never changed to make it fit

    @property
    def failure_limit(self) -> int | None:
        """After how many failures nothing more is started."""
        return self.max_failures if self.keep_going else 1

    def limit_reached(self, outcomes: Iterable[Outcome]) -> bool:
        limit = self.failure_limit
        return limit is not None and sum(outcome.state == "failed" for outcome in outcomes) >= limit


DEFAULT_POLICY = Policy()


class Executor(Protocol):
    def slots(self) -> Slots:
        """What a run may occupy, all of it free."""

    def run(self, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy = ...) -> dict[str, Outcome]: ...
