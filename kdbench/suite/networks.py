"""Names of networks that a family builds: one that timm has not is a mistake of the suite, and need not wait for its job."""

from __future__ import annotations

from collections.abc import Iterable

from kdbench.models import timm_names
from kdbench.suite.errors import nearest

FAMILY = "timm:"


def meant(name: str, known: Iterable[str]) -> str | None:
    """What an unknown name is likely to mean: a network of timm without its family, or the nearest name."""
    return f"{FAMILY}{name}" if name in timm_names.names() else nearest(name, known)


def missing(name: str) -> tuple[str, str, str | None] | None:
    """Of a name that timm has not: what is wrong, what is expected, what is near. Twins have theirs at the end: cheap:timm:..."""
    before, family, bare = name.rpartition(FAMILY)
    if not family or not timm_names.lacks(bare):
        return None
    near = next(iter(timm_names.near(bare)), None)
    return f"timm has no network '{bare}'", "a name of timm.list_models()", near and f"{before}{family}{near}"
