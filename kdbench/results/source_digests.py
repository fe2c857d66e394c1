"""Digests of the source files that plugins and modules are defined in: whether a result was made by the code of today."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import tokenize
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from kdbench.results.local_imports import local_imports


def source_digest(sources: Iterable[Any]) -> dict[str, str]:
    """{name: sha256 of its source file} for modules, classes, functions, instances, dotted module names and paths, and for
    the files of one's own that those import.

    A dotted name is found on disk without importing the module, so that `status` can compare digests and import no
    torch. Line ends are made uniform, because a checkout may have changed them. What is built in is left out.
    """
    found: dict[str, str] = {}
    for source in sources:
        name, path = _locate(source)
        if path is not None:
            with suppress(OSError):
                for each, file in {name: path, **local_imports(path)}.items():
                    _put(found, each, file)
    return dict(sorted(found.items()))


def _put(found: dict[str, str], name: str, path: Path) -> None:
    """Of two files of one name, from two folders, the second gets its folder before it."""
    state = os.stat(path)
    digest = _digest(str(path), state.st_mtime_ns, state.st_size, name.endswith(".py"))
    while found.get(name, digest) != digest:
        name = f"{path.parent.name}/{name}"
    found[name] = digest


@lru_cache(maxsize=1024)
def _digest(path: str, mtime_ns: int, size: int, own: bool) -> str:
    text = Path(path).read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(without_comments(text) if own else text).hexdigest()


def without_comments(text: bytes) -> bytes:
    """Code without comments and blank lines: a note in a plugin is no reason to train again. What is no Python stays."""
    lines = text.decode(errors="replace").splitlines(keepends=True)
    try:
        for token in tokenize.generate_tokens(iter(lines[:]).__next__):
            row, column = token.start
            if token.type == tokenize.COMMENT:
                lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
            elif token.type == tokenize.NL and not lines[row - 1].strip():
                lines[row - 1] = ""
    except (tokenize.TokenError, SyntaxError):
        return text
    return "".join(lines).encode()


def _locate(source: Any) -> tuple[str, Path | None]:
    if isinstance(source, Path) or (isinstance(source, str) and source.endswith(".py")):
        return Path(source).name, Path(source)
    if isinstance(source, str):
        return source, _module_file(source)
    if isinstance(source, ModuleType):
        return source.__name__, _python_file(getattr(source, "__file__", None))
    owner = source if inspect.isclass(source) or inspect.isroutine(source) else type(source)
    module = getattr(owner, "__module__", None) or ""
    return module, _python_file(getattr(sys.modules.get(module), "__file__", None))


def _module_file(name: str) -> Path | None:
    """The file of a dotted module name; only the top package, which imports nothing heavy, may be imported to find it."""
    top, *rest = name.split(".")
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(top)
        if spec is not None and not rest:
            return _python_file(spec.origin)
        for root in (spec.submodule_search_locations or []) if spec is not None else []:
            for path in (Path(root, *rest).with_suffix(".py"), Path(root, *rest, "__init__.py")):
                if path.is_file():
                    return path
    return None


def _python_file(name: str | None) -> Path | None:
    return Path(name) if name and name.endswith(".py") else None
