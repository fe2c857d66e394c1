"""Names of methods and networks in tables that people write: ours, checked; or another's behind `~`, taken as it is."""

from __future__ import annotations

from collections.abc import Iterable

from kdbench.contract.errors import DataError
from kdbench.registry import Registry
from kdbench.suite.errors import listing, nearest

FOREIGN = "~"


def check(place: str, kind: str, name: str, registry: Registry) -> None:
    """A DataError where a name is neither known nor marked as another's; aliases of a family are known."""
    if name.startswith(FOREIGN) and len(name) > len(FOREIGN):
        return
    try:
        registry.get(kind, registry.aliases().get(name, name) if kind == "method" else name)
    except KeyError:
        more = f" (one that kdbench need not have begins with {FOREIGN})"
        raise DataError(unknown(place, kind, name, registry.names(kind), more)) from None


def unknown(place: str, what: str, name: str, names: Iterable[str], more: str = "") -> str:
    known = list(names)
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"there are {listing(known)}"
    return f"{place}: no {what} '{name}'; {hint}{more}"
