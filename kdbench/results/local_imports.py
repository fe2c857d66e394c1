"""The files of one's own that a plugin imports: they decide its results as much as the plugin's file does.

Found by reading, not by running, so that `status` knows them without torch. What belongs to Python, to kdbench or to an installed
library is known by its version and left out; of an installed plugin package, its other modules are its own. An import whose name
is only made while the code runs is not seen.
"""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_PYTHONS = tuple(Path(folder).resolve() for name, folder in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib"))
_KDBENCH = Path(__file__).resolve().parents[1]
_LIBRARIES = ("site-packages", "dist-packages")


def local_imports(file: Path) -> dict[str, Path]:
    """{name: file} of what a file imports, directly or not; names are paths below the folder that they are imported from."""
    file = file.resolve()
    if _KDBENCH in file.parents:
        return {}
    found: dict[str, Path] = {}
    todo, seen = [file], {file}
    while todo:
        for name, path in _imported(todo.pop()):
            if path not in seen:
                seen.add(path)
                found[name] = path
                todo.append(path)
    return found


def _imported(file: Path) -> Iterator[tuple[str, Path]]:
    state = os.stat(file)
    root, package = _package(file)
    own = package.split(".")[0] if {*_LIBRARIES} & {*file.parts} else None
    for level, name in _names(str(file), state.st_mtime_ns, state.st_size):
        if level:  # from .losses import target
            inside = package.split(".") if package else []
            name = ".".join([*inside[: len(inside) - level + 1], *([name] if name else [])])
        if own is not None and name.split(".")[0] != own:
            continue
        for folder in dict.fromkeys([root, *([] if own is not None else _folders(tuple(sys.path)))]):
            if paths := list(_files(folder, name)):
                yield from paths
                break


def _package(file: Path) -> tuple[Path, str]:
    """The folder that a file's imports are looked up in first, and the package that the file is in."""
    folder, names = file.parent, list[str]()
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


@lru_cache(maxsize=16)
def _folders(entries: tuple[str, ...]) -> tuple[Path, ...]:
    """Where Python looks for modules that are no library: PYTHONPATH, the working folder, packages installed in place."""
    found = [Path(entry or ".").resolve() for entry in entries if not entry.endswith(".zip")]
    others = {*_PYTHONS, _KDBENCH}
    return tuple(folder for folder in found if not others & {folder, *folder.parents} and not {*_LIBRARIES} & {*folder.parts})


def _files(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """The files that an import of a dotted name runs: those of the packages on the way, and the module."""
    parts = name.split(".")
    if not name or parts[0] == "kdbench":  # by its name: a clone of it in the working folder is not the installed one
        return
    for end in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:end])
        for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path.resolve()


@lru_cache(maxsize=1024)
def _names(path: str, mtime_ns: int, size: int) -> tuple[tuple[int, str], ...]:
    """(level, dotted name) of every import statement, wherever it stands; `from a import b` may import the module a.b."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError, OSError):
        return ()
    found: dict[tuple[int, str], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= dict.fromkeys((0, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            begun = node.module or ""
            found[node.level, begun] = None
            found |= dict.fromkeys((node.level, f"{begun}.{each.name}".strip(".")) for each in node.names)
    return tuple(found)
