"""Only the set that is meant is read: the one whose fingerprint a param names. A result would else be about other data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdbench.contract.errors import DataError

SMALL = (20_000, 256 << 20)  # files and bytes: a set that is read in a moment


@dataclass(frozen=True)
class Meant:
    """A set that a task's params name: how it is found, and how it is read, which fails where it is another one."""

    find: Callable[[], Path]
    load: Callable[[], object]


def wrong(sets: list[Meant]) -> list[str]:
    """Why sets cannot be read: they are not there, or (of small sets) are not those that are meant."""
    told = []
    for one in sets:
        try:
            if is_small(one.find()):
                one.load()
        except DataError as error:
            told.append(str(error))
    return list(dict.fromkeys(told))


def is_small(folder: Path) -> bool:
    """Whether reading all of a folder takes a moment; a large one is not walked to its end to know it."""
    files, size = 0, 0
    for here, _, names in os.walk(folder, followlinks=True):
        for name in names:
            files, size = files + 1, size + _bytes(Path(here, name))
            if files > SMALL[0] or size > SMALL[1]:
                return False
    return True


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def check(folder: Path, fingerprint: str, content: str, what: str, param: str = "content") -> None:
    """A DataError that says what to write, unless the fingerprint found is the one that the suite has under this param."""
    if fingerprint == content:
        return
    told = f"say which {what} are meant"
    if content:
        told = f"these are not the {what} of param `{param}` ({content[:12]}…). If they are meant, put this into your suite"
    raise DataError(f"{folder}: {told}: params: {{{param}: {fingerprint}}}")
