"""What a suite must know of plugins, as a protocol: the registry serves it from the lock file, a test from a dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kdbench.contract.needs import Needs


class Plugin(Protocol):
    """A plugin as plain data: its name, version, the JSON schema of its params, their defaults, and facts of its kind."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def schema(self) -> Mapping[str, Any]: ...
    @property
    def defaults(self) -> Mapping[str, Any]: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


class Catalogue(Protocol):
    """Names to plugins; each look-up raises KeyError for an unknown name. `method` resolves a family's aliases."""

    def task(self, name: str) -> Plugin: ...
    def method(self, name: str) -> Plugin: ...
    def model(self, name: str) -> Plugin: ...
    def source(self, name: str) -> Plugin: ...
    def wrapper(self, name: str) -> Plugin: ...
    def stage(self, name: str) -> Plugin: ...
    def preset(self, name: str) -> Plugin: ...
    def recipe(self, name: str) -> Plugin: ...
    def names(self, kind: str) -> list[str]: ...
    def at_hand(self, kind: str, name: str) -> Plugin | None:
        """A plugin, unless code would have to be imported to know of it."""


def find(catalogue: Catalogue, kind: str, name: str) -> Plugin | None:
    """The plugin of that kind and name, or None."""
    try:
        return getattr(catalogue, kind)(name)
    except KeyError:
        return None


def side(plugin: Plugin, role: str) -> dict[str, Any]:
    """The task's own teacher (the first, of several) or student, as it declares it."""
    own = plugin.facts["pair"][role]
    return dict(own if isinstance(own, Mapping) else own[0])


def usual_view(facts: Mapping[str, Any]) -> str | None:
    """The augmentation of a task's students where a suite names none: of its own student, or the first that it has."""
    own = facts["pair"]["student"].get("view")
    return own or next(iter(facts["augments"]), None)


def needs_of(plugin: Plugin, params: Mapping[str, Any]) -> Needs:
    """What a method or a wrapper of these params needs."""
    return Needs.read(plugin.facts["needs"]).resolved({**plugin.defaults, **params})


def learns_alone(method: Plugin, wrappers: Sequence[Plugin] = ()) -> bool:
    """Whether neither a method nor its wrappers need anything of a teacher. Such arms bear no source."""
    return not any(part.facts["needs"]["signal"] or part.facts["needs"]["teacher_taps"] for part in (method, *wrappers))


def reads_transfer(method: Plugin, wrappers: Sequence[Plugin] = ()) -> bool:
    """Whether the transfer stream can matter to a method: it always may where there is a teacher to ask on it."""
    streams = [part.facts["needs"]["streams"] for part in (method, *wrappers)]
    return not learns_alone(method, wrappers) or any("transfer" in stream for stream in streams)
