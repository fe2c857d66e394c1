"""One teacher's values for the samples of a set in each of their views: on disk, mapped into memory, filled bit by bit.

A table is a folder below `.kdbench/signals`, named by its address:

    header.json   what it is about; compared on opening
    values.npy    [samples, codes, …], with holes where nothing was asked yet
    filled.npy    [samples, codes] bytes: how often the teacher was asked about this, which is 0 or 1
    *.lock        whoever asks about a part of the samples holds that part's lock

A row counts only once `filled` says so, which is written after the values have reached the disk: a process that dies in between
leaves a row that is asked about again, to the same bytes. KDBENCH_SIGNALS_BYTES limits all tables together (default 50G); those
that no process has open make room, the longest unused first.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kdbench.jobs.identity import key_of
from kdbench.results.files import HomeError, explained, write_atomically
from kdbench.tasks.data import cache_budget
from kdbench.train.signals.form import Form, Shape

VARIABLE = "KDBENCH_SIGNALS_BYTES"
DEFAULT = 50 << 30
HEADER, VALUES, FILLED = "header.json", "values.npy", "filled.npy"


class Unfit(Exception):
    """Files that are not the table that they should be, with the reason."""


class Table:
    """An open table. While it lives, it is not removed."""

    def __init__(self, folder: Path, about: dict[str, Any], form: Form):
        self.folder, self.form = folder, form
        self.shape: Shape = _read_header(folder, about)
        kind, row = form.row(self.shape)
        size = (about["samples"], about["codes"])
        self._values = _mapped(folder / VALUES, kind, (*size, *row))
        self._filled = _mapped(folder / FILLED, np.dtype("u1"), size)
        self.codes = about["codes"]
        held = cache_budget.hold(folder)
        weakref.finalize(self, cache_budget.release, held).atexit = False

    def has(self, index: np.ndarray, code: np.ndarray) -> np.ndarray:
        return self._filled[index, code] > 0

    def rows(self, index: np.ndarray, code: np.ndarray) -> Any:
        """These samples' values: read from the map one by one, whatever the table's size."""
        return self.form.read(self._values[index, code], self.shape)

    @contextmanager
    def part(self, number: int, wait: bool) -> Iterator[bool]:
        """A part of the samples for oneself; False where another process has it and one would not wait."""
        with explained(self.folder, HomeError):
            lock = open(self.folder / f"{number:02}.lock", "a")  # noqa: SIM115
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                mine = True
            except BlockingIOError:
                mine = False
            yield mine

    def write(self, index: np.ndarray, code: np.ndarray, rows: np.ndarray) -> None:
        """Values of rows that are one's own to write. Written as to a file: a full disk would kill who writes to a map."""
        self._put(VALUES, self._values, index, code, (row.tobytes() for row in rows))

    def mark(self, index: np.ndarray, code: np.ndarray) -> None:
        """The rows written so far are there from now on."""
        with explained(self.folder, HomeError), open(self.folder / VALUES, "r+b") as file:
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
        times = np.minimum(self._filled[index, code].astype(int) + 1, 255)
        self._put(FILLED, self._filled, index, code, (bytes([n]) for n in times.tolist()))

    def asked(self) -> dict[int, int]:
        """How many rows the teacher was asked about so many times; all of the table is read."""
        times, counts = np.unique(self._filled, return_counts=True)
        return {int(time): int(count) for time, count in zip(times, counts) if time}

    def _put(self, name: str, into: np.ndarray, index: np.ndarray, code: np.ndarray, rows: Iterator[bytes]) -> None:
        start, step = into.offset, into.strides[1]  # type: ignore[attr-defined]
        places = start + (index.astype(np.int64) * self.codes + code) * step
        with explained(self.folder, HomeError), open(self.folder / name, "r+b", buffering=0) as file:
            for place, row in zip(places.tolist(), rows):
                if os.pwrite(file.fileno(), row, place) != len(row):
                    raise OSError(28, "no space left on this disk", str(self.folder))


def open_table(folder: Path, about: dict[str, Any], form: Form, shape: Callable[[], Shape]) -> Table:
    """The table about this, made where none fits; `shape` tells that of a sample's values, and is asked only then."""
    place = folder / key_of(about)
    with explained(folder, HomeError), cache_budget.door(folder):
        try:
            if place.exists():
                return Table(place, about, form)
        except Unfit as why:
            aside = _set_aside(place)
            print(f"kdbench: stored signals {place}: {why}; set aside as {aside.name}, and filled anew", file=sys.stderr)
        _make(place, about, form, shape())
        return Table(place, about, form)


def trim(folder: Path) -> None:
    """Keep the limit, as far as tables are not in use."""
    most = cache_budget.limit(VARIABLE, DEFAULT)
    assert most is not None
    with explained(folder, HomeError), cache_budget.door(folder):
        cache_budget.trim(folder, most, cache_budget.allocated)


def _make(place: Path, about: dict[str, Any], form: Form, shape: Shape) -> None:
    """Empty, which takes next to nothing on a disk; the header comes last, so that a half-made table is none."""
    kind, row = form.row(shape)
    size = (about["samples"], about["codes"])
    with explained(place, HomeError):
        place.mkdir(parents=True)
        np.lib.format.open_memmap(place / VALUES, "w+", kind, (*size, *row))
        np.lib.format.open_memmap(place / FILLED, "w+", np.dtype("u1"), size)
    write_atomically(place / HEADER, json.dumps({"about": about, "shape": shape}, indent=1).encode())


def _read_header(folder: Path, about: dict[str, Any]) -> Shape:
    try:
        header = json.loads((folder / HEADER).read_bytes())
        found, shape = dict(header["about"]), tuple(map(int, header["shape"]))
    except FileNotFoundError:
        raise Unfit("it was never finished") from None
    except (ValueError, KeyError, TypeError, OverflowError):  # an infinite shape is valid JSON to Python
        raise Unfit(f"{HEADER} cannot be read") from None
    if found != about:
        other = sorted(name for name in {*found, *about} if found.get(name) != about.get(name))
        raise Unfit(f"it is about another {', '.join(other)}")
    return shape


def _mapped(path: Path, kind: np.dtype[Any], shape: Shape) -> np.ndarray:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header that is none may fail in any way
        raise Unfit(f"{path.name} is cut short or damaged ({error})") from None
    if found.dtype != kind or found.shape != shape:
        raise Unfit(f"{path.name} holds {found.dtype} {found.shape}, not {kind} {shape}")
    return found


def _set_aside(place: Path) -> Path:
    number = 1
    while (aside := place.with_name(f"{place.name}.aside-{number}")).exists():
        number += 1
    place.rename(aside)
    return aside
