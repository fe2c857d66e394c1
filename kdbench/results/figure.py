"""One number of the literature, with what decides whether ours may stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdbench.metrics.catalogue import MetricInfo


@dataclass(frozen=True)
class Figure:
    """One published number. None is what the source does not tell; `teacher` is "" where a net learned from labels alone.

    `wrap` are wrappers of the method, the outermost first; `rounding` is half of the last printed digit; `differs` says in what
    else these runs are unlike any of ours; `place` is file:line.
    """

    task: str
    teacher: str | None
    student: str
    method: str
    wrap: tuple[str, ...]
    metric: MetricInfo
    value: float
    rounding: float
    spread: float | None
    runs: int | None
    teacher_value: float | None
    student_value: float | None
    epochs: float | None
    steps: int | None
    epoch: str
    params: Mapping[str, Any] | None
    recipe: Mapping[str, Any] | None
    data: Mapping[str, Any] | None
    differs: str
    source: str
    place: str

    @property
    def called(self) -> str:
        return "(".join((*self.wrap, self.method)) + ")" * len(self.wrap)
