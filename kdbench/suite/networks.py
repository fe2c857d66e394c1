"""Names of networks that a family builds: one that timm has not is a mistake of the suite, and need not wait for its job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kdbench.models import timm_names
from kdbench.suite.errors import nearest
from kdbench.suite.shape import Miss

FAMILY = "timm:"


def meant(name: str, known: Iterable[str]) -> str | None:
    """What an unknown name is likely to mean: a network of timm without its family, or the nearest name."""
    return f"{FAMILY}{name}" if name in timm_names.names() else nearest(name, known)


def missing(name: str) -> tuple[str, str, str | None] | None:
    """Of a name that timm has not: what is wrong, what is expected, what is near. Twins have theirs at the end: cheap:timm:..."""
    before, family, bare = name.rpartition(FAMILY)
    wrong = lacking(bare) if family else None
    return wrong and (*wrong[:2], wrong[2] and f"{before}{family}{wrong[2]}")


def lacking(bare: str) -> tuple[str, str, str | None] | None:
    """The same of a name without its family, as a param has it."""
    if not timm_names.lacks(bare):
        return None
    return f"timm has no network '{bare}'", "a name of timm.list_models()", next(iter(timm_names.near(bare)), None)


def misnamed(schema: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Miss]:
    """Params that a schema marks as names of timm's networks, and that are none."""
    for name, inner in schema.get("properties", {}).items():
        if inner.get("format") == "timm" and isinstance(value := params.get(name), str) and (wrong := lacking(value)):
            yield Miss((name,), *wrong)
