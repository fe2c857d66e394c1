"""kdbench test-task: the conformance suite on a task."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kdbench.cli import complete
from kdbench.cli.exits import Exit
from kdbench.cli.options import JsonOption, PluginOption
from kdbench.cli.session import known_plugins


def test_task(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A task, or FILE.py, or FILE.py:Class.", autocompletion=complete.tasks)
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A param of the task. May be repeated.")
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check that a task keeps what every task owes.

    Exit code 6 if a rule fails.

    Example: kdbench test-task digits --param labelled=50
    """
    from kdbench.cli import conformance
    from kdbench.contract.errors import KdbenchError
    from kdbench.testing.chosen import find, of_file
    from kdbench.testing.conform import conform_task

    path, _, attribute = name.partition(".py")
    file = f"{path}.py" if name.endswith(".py") or ".py:" in name else None
    registry = known_plugins([*(plugin or []), *([Path(file)] if file else [])])
    kinds = ("task",)
    wanted = of_file(registry, file, attribute.lstrip(":") or None, kinds) if file else [find(name, registry, kinds)]
    given = dict(read(each) for each in param or [])
    for task in wanted:
        lacks = [k for k in task.schema.get("properties", {}) if k not in task.defaults and k not in given]
        if lacks:
            raise KdbenchError(f"task '{task.name}' needs --param {' --param '.join(f'{k}=…' for k in lacks)}")
    with contextlib.redirect_stdout(sys.stderr):  # what the plugin prints
        found = [conform_task(each, given, registry) for each in wanted]
    if as_json:
        typer.echo(json.dumps({"plugins": [each.data() for each in found]}, indent=1, ensure_ascii=False))
    else:
        for each in found:
            conformance.show(each)
    return Exit.nonconforming if any(each.failed for each in found) else Exit.ok


def read(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as JSON where it is JSON, else as it stands."""
    from kdbench.contract.errors import KdbenchError

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise KdbenchError(f"--param '{text}': expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
