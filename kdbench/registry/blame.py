"""Whose line broke: the place in a plugin's own code that an error came from, as its author looks for it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from kdbench.contract.errors import KdbenchError
from kdbench.registry.code import OF_FILES

PACKAGE = Path(__file__).parents[1]


def plugin_line(error: BaseException, *folders: Path) -> str:
    """`file.py:LINE` of the innermost line that lies beside a plugin file, or in one of these folders; empty where none does."""
    homes = [*plugin_folders(), *folders]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if any(authored(path, home) for home in homes):
            return f"{shown(path)}:{frame.lineno}"
    return ""


def placed(error: BaseException, *folders: Path) -> str:
    """An error in one line as Python tells it, with its place in the plugin."""
    own = isinstance(error, KdbenchError)  # a sentence, of whatever class
    words = " ".join(str(error).split()) if own else f"{type(error).__name__}: {' '.join(str(error).split())}"
    place = plugin_line(error, *folders)
    return f"{place}: {words}" if place else words


def authored(path: Path, home: Path) -> bool:
    """Whether a file in a plugin's folder is its author's: not kdbench's own, nor of an environment that lies there."""
    if not path.is_relative_to(home) or "site-packages" in path.relative_to(home).parts:
        return False
    return home.is_relative_to(PACKAGE) or not path.is_relative_to(PACKAGE)


def plugin_folders() -> Iterable[Path]:
    """Where the plugin files lie that were imported."""
    files = [module.__file__ for name, module in [*sys.modules.items()] if name.startswith(OF_FILES)]
    return {Path(file).parent for file in files if file}


def shown(path: Path) -> str:
    """Relative to the working folder, if it lies there."""
    found = os.path.relpath(path)
    return str(path) if found.startswith("..") else found
