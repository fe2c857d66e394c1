"""The four families as conformance runs them: a built-in task at its smallest, its own pair, and teachers to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdbench.registry import PluginInfo, Registry
from kdbench.suite.catalogue import side

Model = Mapping[str, Any]  # {"model": name, "params": {...}}


@dataclass(frozen=True)
class Family:
    """A family by its task. Teachers after the task's own stand in where a method asks for what that one lacks: taps, or,
    last, the student's own form.
    """

    name: str
    task: str
    params: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 8
    taps: tuple[str, ...] = ("stage2", "stage3", "embedding")  # tried in this order where a method is told names of taps
    also: tuple[str, ...] = ()  # further built-in tasks, for presets that the first one does not serve

    def info(self, registry: Registry) -> PluginInfo:
        return registry.task(self.task)

    def student(self, registry: Registry) -> Model:
        return _model(side(self.info(registry), "student"))

    def all_teachers(self, registry: Registry) -> tuple[Model, ...]:
        return (_model(side(self.info(registry), "teacher")), self.student(registry))


def _model(own: Mapping[str, Any]) -> Model:
    return {"model": own["model"], "params": dict(own.get("params", {}))}


FAMILIES = (
    Family("classification", "digits"),
    Family("segmentation", "streets", {"size": "small"}, batch=4),
    Family("retrieval", "topics", {"size": "small"}, taps=("documents", "embedding")),
    Family("tagging", "sounds", {"size": "small"}, also=("sound_events",)),
)
