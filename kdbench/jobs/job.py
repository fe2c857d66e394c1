"""A job: one network to train (or to take from a file), everything that decides its result, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kdbench.jobs.decide import Decision


def where(task: str, pair: str) -> str:
    """A task with its pair, which is named only where there may be several."""
    return task if pair == "default" else f"{task}/{pair}"


@dataclass(frozen=True, slots=True)
class Job:
    """`key` is the hash of `identity`; `spec` is the same with every default filled in, as the training side reads it."""

    key: str
    kind: Literal["teacher", "student"]
    identity: dict[str, Any]
    spec: dict[str, Any]
    labels: dict[str, Any]
    targets: dict[str, str]  # plugin -> where its code is
    teachers: tuple[str, ...] = ()
    weights: str | None = None  # a file that the network starts from
    start: str | None = None  # the job whose network it starts from
    origin: dict[str, Any] | None = None  # of a teacher from elsewhere: its card's name, source, claims and measurement

    @property
    def foreign(self) -> bool:
        """Whether its network decides among other answers than the task's, so that nothing of it can be scored."""
        return "outputs" in self.identity["student"]

    @property
    def after(self) -> tuple[str, ...]:
        """The jobs that must be done before this one."""
        return (*self.teachers, *([self.start] if self.start and self.start not in self.teachers else ()))

    @property
    def title(self) -> str:
        label = self.labels
        return f"{where(label['task'], label['pair'])} {label['cell']} seed {label['seed']}"


@dataclass(frozen=True)
class Cell:
    """The unit of comparison: one arm on one task and pair, over its seeds."""

    task: str
    pair: str
    cell: str

    @property
    def title(self) -> str:
        return f"{self.task}/{self.pair}/{self.cell}"


@dataclass(frozen=True)
class Refusal:
    """A cell that cannot run, with every reason; found before anything runs."""

    cell: Cell
    reasons: tuple[str, ...]


@dataclass
class JobSet:
    """All jobs of a suite, students by cell, each student's reference teachers, and what was refused or excluded.
    Rounds before the last of a cell are jobs, and in no cell; so are the trials that choose settings."""

    jobs: dict[str, Job] = field(default_factory=dict)
    cells: dict[Cell, list[str]] = field(default_factory=dict)
    # (task, pair, student) -> teachers that fidelity refers to; pairs may share a control, and have teachers of their own
    reference: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    teachers: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (task, pair) -> its pool
    refusals: list[Refusal] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)  # settings that are chosen on validation data; their trials are jobs
    waiting: dict[Cell, int] = field(default_factory=dict)  # cells without a setting yet, as their suite writes them -> students
