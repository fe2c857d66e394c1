"""Where a data set lies: a folder given by `root`, or one under KDBENCH_DATA. Nothing is ever downloaded.

A `root` that is relative is looked for here, then under KDBENCH_DATA: a suite can name a folder and stay the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kdbench.contract.errors import DataError

VARIABLE = "KDBENCH_DATA"
MOST = 100  # entries of a folder among which its neighbour is looked for


@dataclass(frozen=True)
class Place:
    """The name of a set, the folders under a root in which it may lie (the root itself is always tried), and how to get it."""

    name: str
    folders: tuple[str, ...]
    expects: str
    get: str

    def candidates(self, root: str = "") -> list[Path]:
        home, own = os.environ.get(VARIABLE, "").strip(), Path(root).expanduser()
        bases = ([own] if root else []) + ([Path(home).expanduser() / own] if home and not own.is_absolute() else [])
        return [path for base in bases for path in (base, *(base / folder for folder in self.folders))]

    def find(self, fits: Callable[[Path], bool], root: str = "") -> Path:
        """The first folder that holds the set, or a DataError that says what was expected where and how to get it."""
        looked = self.candidates(root)
        for folder in looked:
            if fits(folder):
                return folder
        if not looked:
            where = f"no place is given: set {VARIABLE} to the folder that holds your data sets, or the task's param `root`"
        else:
            under = f" or in {', '.join(self.folders)} under it" if self.folders else ""
            where = f"it is not in {looked[0]}{under} (from {'root' if root else VARIABLE})"
            if near := below(looked[0], fits):
                where += f", but {' and '.join(map(str, near))} may be meant"
        raise DataError(f"{self.name}: {where}. Expected: {self.expects}. To get it: {self.get}")


def below(folder: Path, fits: Callable[[Path], bool]) -> list[Path]:
    """The folders right under one that hold a set, where it holds none itself."""
    try:
        return sorted(path for path in islice(folder.iterdir(), MOST) if path.is_dir() and fits(path))
    except (OSError, DataError):
        return []
