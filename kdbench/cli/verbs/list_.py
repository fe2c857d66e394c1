"""kdbench list: what there is to pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kdbench.cli import complete
from kdbench.cli.options import JsonOption, PluginOption
from kdbench.cli.session import known_plugins
from kdbench.cli.text import definitions, wrapped


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help="tasks, methods, presets, wrappers, models, sources, stages, recipes or suites; default: all.",
            autocompletion=complete.listed,
        ),
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> int:
    """List tasks, methods, presets, wrappers, models, sources, stages, recipes and suites.

    Plugins that could not be imported are listed with what is wrong with them.

    Example: kdbench list methods
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.registry import KINDS
    from kdbench.suite import shipped
    from kdbench.suite.errors import nearest

    plurals = {f"{single}s": single for single in KINDS}
    kinds = [*plurals, "suites"]
    wanted = kinds if kind is None else [kind if kind.endswith("s") else f"{kind}s"]
    if kind is not None and wanted[0] not in kinds:
        near = nearest(kind, kinds)
        raise KdbenchError(f"list '{kind}': expected one of {', '.join(kinds)}" + (f"; did you mean '{near}'?" if near else ""))
    registry = known_plugins(plugin or [])
    found: dict[str, dict[str, str]] = {}
    for plural in wanted:
        if plural == "suites":
            found[plural] = {name: first_comment(path) for name, path in sorted(shipped.names().items())}
        else:
            single = plurals[plural]
            found[plural] = {name: registry.get(single, name).doc for name in registry.names(single)}
            if single == "method":
                for alias, method in registry.aliases().items():
                    found[plural][method] += f" Also called {alias}."
    broken = {b.origin: b.error for b in registry.broken}
    if as_json:
        typer.echo(json.dumps({**found, "broken": broken}, indent=1, ensure_ascii=False))
        return 0
    for plural, names in found.items():
        if kind is None:
            typer.echo(plural)
        if names:
            typer.echo(definitions(names, indent=2 if kind is None else 0))
    for origin, error in broken.items():
        typer.echo(wrapped(f"{origin}: {error}", 8, "broken"))
    return 0


def first_comment(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        line = file.readline().strip()
    return line.lstrip("# ") if line.startswith("#") else ""
