"""kdbench test-method: the conformance suite on a method, a wrapper, or whatever a plugin file defines."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from kdbench.cli import complete
from kdbench.cli.exits import Exit
from kdbench.cli.options import JsonOption, PluginOption
from kdbench.cli.session import known_plugins
from kdbench.cli.text import count


def test_method(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A method or wrapper, or FILE.py, or FILE.py:Class.", autocompletion=complete.methods
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every method and wrapper that is registered.")] = False,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check that a method keeps what every method owes.

    Exit code 6 if a rule fails. A rule that cannot hold is named in the method's `exempt`, with the reason. The rules:
    docs/reference/rules.md.

    Example: kdbench test-method my_method.py
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.testing.chosen import find, of_file, plugins_of
    from kdbench.testing.conform import conform

    if (name is None) != all_:
        raise KdbenchError("give a method's name, a plugin file, or --all")
    path, _, attribute = (name or "").partition(".py")
    file = f"{path}.py" if name and (name.endswith(".py") or ".py:" in name) else None
    registry = known_plugins([*(plugin or []), *([Path(file)] if file else [])])
    if all_:
        wanted = plugins_of(registry)
    else:
        wanted = of_file(registry, file, attribute.lstrip(":") or None) if file else [find(name or "", registry)]

    from kdbench.cli import conformance  # after the errors that need nothing else

    found = []
    for each in wanted:
        with contextlib.redirect_stdout(sys.stderr):  # what the plugin prints
            found.append(conform(each, registry))
        if not as_json:
            (conformance.show_line if len(wanted) > 1 else conformance.show)(found[-1])
    broken = {b.origin: b.error for b in registry.broken}
    if as_json:
        typer.echo(json.dumps({"plugins": [each.data() for each in found], "broken": broken}, indent=1, ensure_ascii=False))
    elif len(found) > 1:
        failed = [each.plugin.name for each in found if each.failed]
        typer.echo(f"\n{count(len(found), 'plugin')}, {len(failed)} with failures" + (f": {', '.join(failed)}" if failed else ""))
    return Exit.nonconforming if any(each.failed for each in found) else Exit.ok
