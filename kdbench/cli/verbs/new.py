"""kdbench new-method, new-task: a commented starting file that passes conformance as it stands."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from kdbench.cli.session import known_plugins

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name, as suites will call it: small letters, digits and _.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


def new_method(name: NameArgument, force: ForceOption = False) -> int:
    """Write NAME.py, a method to start from.

    Example: kdbench new-method my_method
    """
    return write("method", name, force)


def new_task(name: NameArgument, force: ForceOption = False) -> int:
    """Write NAME.py, a task to start from.

    Example: kdbench new-task my_task
    """
    return write("task", name, force)


def write(kind: str, name: str, force: bool) -> int:
    from kdbench.contract.errors import KdbenchError

    name = name.removesuffix(".py")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise KdbenchError(f"new-{kind} '{name}': expected small letters, digits and _, beginning with a letter")
    registry = known_plugins()
    if name in registry.names(kind) or (kind == "method" and name in registry.aliases()):
        raise KdbenchError(f"there is a {kind} '{name}' already; choose another name")
    path = Path(f"{name}.py")
    if path.exists() and not force:
        raise KdbenchError(f"{path} exists; --force overwrites it")
    title = name.replace("_", " ").capitalize()
    words = {"NAME": name, "CLASS": "".join(part.capitalize() for part in name.split("_")), "TITLE": title}
    text = (Path(__file__).parents[2] / "testing" / "templates" / f"{kind}.txt").read_text(encoding="utf-8")
    path.write_text(re.sub("NAME|CLASS|TITLE", lambda word: words[word[0]], text), encoding="utf-8")
    typer.echo(f"wrote {path}; check it with: kdbench test-{kind} {path}")
    if kind == "method":
        typer.echo(f"then use it in a suite: `plugins: {path}` and `methods: [{name}]`")
    return 0
