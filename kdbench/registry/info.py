"""A plugin as plain data: what a plan must know of it without its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KINDS = ("task", "method", "preset", "wrapper", "model", "source", "stage", "recipe")


@dataclass(frozen=True)
class PluginInfo:
    """A plugin as data. `facts` depend on the kind: needs, taps, sets, …; `target` says where the code is."""

    kind: str
    name: str
    version: int
    doc: str
    schema: dict[str, Any]
    defaults: dict[str, Any]
    facts: dict[str, Any]
    target: str
    origin: str = "built-in"

    @property
    def built_in(self) -> bool:
        return self.origin == "built-in"

    def data(self) -> dict[str, Any]:
        keys = ("kind", "name", "version", "doc", "schema", "defaults", "facts", "target")
        return {key: getattr(self, key) for key in keys}
