"""Which suite was probably meant by a name that is none: a file here that bears it, or what is called nearly so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kdbench.suite import shipped
from kdbench.suite.errors import nearest

ENDINGS = (".yaml", ".yml")
MOST = 1000  # files that are looked into; a folder may be full of YAML that is no suite
HEAD = 4096  # bytes of a file in which its name stands


def meant(name: str) -> str | None:
    """What to type instead: a suite's file, or the name of one that kdbench finds by it."""
    for whole in (f"{name}{ending}" for ending in ENDINGS):
        if Path(whole).is_file():
            return whole
    typed = {other: other for other in shipped.names()}
    for path in islice(_files(), MOST):
        if called := _called(path):
            typed |= dict.fromkeys((str(path), path.stem, called), str(path))
    return typed.get(name) or typed.get(nearest(name, typed) or "")


def _files() -> Iterator[Path]:
    for folder in (Path(), shipped.HERE):
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())


def _called(path: Path) -> str | None:
    """The `name:` of what looks like a suite; None of any other file."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD).decode("utf-8", "replace")
    except OSError:
        return None
    name = re.search(r"""^name:[ \t]*["']?([^"'#\n]*[^"'#\s])""", head, re.MULTILINE)
    return name[1] if name and re.search(r"^version:[ \t]*\d", head, re.MULTILINE) else None
