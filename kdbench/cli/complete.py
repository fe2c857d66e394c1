"""What the Tab key offers where a name is expected: suites, kinds and plugins, data sets. Looked up when it is pressed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def suites(incomplete: str) -> list[str]:
    """Names of suites, and suite files. Where nothing fits, the shell goes on with folders and other files."""
    from glob import escape, glob

    from kdbench.suite.shipped import names

    return sorted({*_of(names(), incomplete), *glob(f"{escape(incomplete)}*.yaml")})


def kinds(incomplete: str) -> list[str]:
    from kdbench.registry import KINDS

    return _of(KINDS, incomplete)


def listed(incomplete: str) -> list[str]:
    from kdbench.registry import KINDS

    return _of([*(f"{kind}s" for kind in KINDS), "suites"], incomplete)


def plugins(ctx: Any, incomplete: str) -> list[str]:
    """Plugins of the kind that stands before, as in `kdbench describe method`."""
    from kdbench.cli.session import known_plugins

    return _of(known_plugins().names(str(ctx.params["kind"]).removesuffix("s")), incomplete)


def methods(incomplete: str) -> list[str]:
    from kdbench.cli.session import known_plugins

    registry = known_plugins()
    return _of([*registry.names("method"), *registry.names("wrapper")], incomplete)


def tasks(incomplete: str) -> list[str]:
    from kdbench.cli.session import known_plugins

    return _of(known_plugins().names("task"), incomplete)


def data_sets(incomplete: str) -> list[str]:
    from kdbench.tasks.data.sets import SETS

    return _of(SETS, incomplete)


def _of(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
