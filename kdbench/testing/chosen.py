"""Which plugins are looked at: all of a kind, one by its name, or those of a file."""

from __future__ import annotations

from kdbench.contract.errors import KdbenchError
from kdbench.registry import PluginInfo, Registry, load_target
from kdbench.suite.errors import nearest

KINDS = ("method", "wrapper")


def plugins_of(registry: Registry, kinds: tuple[str, ...] = KINDS) -> list[PluginInfo]:
    """Every plugin of these kinds."""
    return [registry.get(kind, name) for kind in kinds for name in registry.names(kind)]


def find(name: str, registry: Registry, kinds: tuple[str, ...] = KINDS) -> PluginInfo:
    """A plugin of one of these kinds by its name; a method also by a family's own name for it."""
    for kind in kinds:
        found = registry.find(kind, registry.aliases().get(name, name) if kind == "method" else name)
        if found is not None:
            return found
    near = nearest(name, [known for kind in kinds for known in registry.names(kind)])
    raise KdbenchError(f"no {' or '.join(kinds)} '{name}'" + (f"; did you mean '{near}'?" if near else ""))


def of_file(registry: Registry, path: str, attribute: str | None, kinds: tuple[str, ...] = KINDS) -> list[PluginInfo]:
    """The plugins of these kinds that a file defines, or the one class that was named."""
    for broken in registry.broken:
        if broken.origin == path:
            raise KdbenchError(f"{path}: {broken.error}")
    found = [p for p in plugins_of(registry, kinds) if p.origin == path]
    if attribute is not None:
        found = [p for p in found if load_target(p.target).__name__ == attribute]
    if not found:
        raise KdbenchError(f"{path} defines no {' or '.join(kinds)}" + (f" in a class {attribute!r}" if attribute else ""))
    return found
