"""What `.kdbench` holds, what of it the records need, and what goes where it takes too much room.

Signals and checkpoints are needed by no record: they only save work. Raw outputs and weights are, as long as a record names them;
what no record names was left by a run that is gone, or by one whose record is not in this results folder. What is not called as
ours is called is not ours, wherever it lies, and stays.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kdbench.results.files import HomeError, explained
from kdbench.results.home import Home
from kdbench.results.record import Record
from kdbench.tasks.data import cache_budget

OURS = re.compile(r"\.?[0-9a-f]{8,64}(\..*)?")  # what jobs, outputs and weights are called, half-written ones included
KINDS = ("signals", "outputs", "weights", "checkpoints")
NEEDED = ("outputs", "weights")  # kinds that records may need
YOUNG = 3600.0  # seconds in which a running job may still want what it wrote: its record comes last


@dataclass(frozen=True)
class Thing:
    """What can be removed as a whole: a file, a table of signals, the checkpoints of a job."""

    kind: str
    path: Path
    size: int  # bytes on the disk
    used: float  # when it was last wanted, as far as that is known: else when it was written
    needed: bool = False


def inventory(home: Home, records: Iterable[Record]) -> list[Thing]:
    """Everything of these kinds that lies in the home."""
    outputs: set[str] = set()
    keys: set[str] = set()
    for record in records:
        outputs |= set(record.outputs.values())
        keys.add(record.key)
    found = [*_tables(home.signals), *_files("signals", home.signals / "sweeps", ())]
    found += _files("outputs", home.outputs, outputs)
    found += _files("weights", home.weights, keys)
    found += _folders("checkpoints", home.checkpoints)
    return found


def _tables(folder: Path) -> Iterator[Thing]:
    with suppress(FileNotFoundError):
        for shelf in cache_budget.shelves(folder):
            with suppress(FileNotFoundError):  # another process removes some, too
                yield Thing("signals", shelf, _taken(shelf), cache_budget.wanted(shelf))


def _files(kind: str, folder: Path, needed: Collection[str]) -> Iterator[Thing]:
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            if OURS.fullmatch(path.name) and path.is_file():
                yield Thing(kind, path, cache_budget.allocated(path), path.stat().st_mtime, path.stem in needed)


def _folders(kind: str, folder: Path) -> Iterator[Thing]:
    for path in sorted(found for found in folder.glob("*") if OURS.fullmatch(found.name)):
        with suppress(FileNotFoundError):
            inside = [path, *path.rglob("*")]
            yield Thing(kind, path, _taken(path), max(one.stat().st_mtime for one in inside))


def _taken(path: Path) -> int:
    return sum(cache_budget.allocated(one) for one in (path.rglob("*") if path.is_dir() else [path]) if one.is_file())


def chosen(things: Sequence[Thing], budget: int, also_needed: bool = False, now: float | None = None) -> list[Thing]:
    """What has to go so that the things take no more than the budget: the longest unused first, and what records need last, if at
    all. What may belong to a job that runs stays, and so the budget may not be reached."""
    total = sum(thing.size for thing in things)
    young = (time.time() if now is None else now) - YOUNG
    free = [thing for thing in things if thing.kind == "signals" or thing.used < young]  # open tables cannot be removed
    going = []
    for thing in sorted(free, key=lambda thing: (thing.needed, thing.used, thing.path)):
        if total <= budget or (thing.needed and not also_needed):
            break
        going.append(thing)
        total -= thing.size
    return going


def remove(thing: Thing, home: Home) -> bool:
    """Whether it is gone; a table that a process has open stays."""
    with explained(thing.path, HomeError):
        if cache_budget.SHELF.fullmatch(thing.path.name) and thing.path.parent == home.signals:
            with cache_budget.door(home.signals):
                return cache_budget.removed(thing.path)
        if thing.path.is_dir() and not thing.path.is_symlink():
            shutil.rmtree(thing.path)
        else:
            thing.path.unlink(missing_ok=True)
    return True
