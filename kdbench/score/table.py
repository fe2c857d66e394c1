"""Reads a CSV file of numbers, some lines at a time, into a temporary file of doubles from which rows can be taken."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.score.rows import Rows, spool

LINES = 1000


def read_table(path: Path) -> Rows:
    """Rows [N, K] of a comma-separated file; a first line of names is left out."""
    store = spool()
    columns = count = 0
    with open(path, encoding="utf-8-sig") as file:
        start = list(islice(file, 2))
        number = 1 + is_header(path, start)  # of the line that comes next
        lines = chain(start[number - 1 :], file)
        while block := list(islice(lines, LINES)):
            values = _numbers(path, block, number, columns)
            store.write(values.tobytes())
            columns, count, number = columns or values.shape[1], count + len(values), number + len(block)
    store.flush()
    return Rows(Path(store.name), np.dtype("f8"), (count, columns), holder=store)


def is_header(path: Path, start: list[str]) -> bool:
    """Are the columns named in the first line: by words, or by counting 0,1,2 above numbers with a decimal point."""
    names = [name.strip().strip('"') for name in start[0].split(",")] if start else []
    if names and not names[0] and len(names) > 1:
        raise DataError(f"{path}: line 1: the first column has no name: is it pandas' index? Write with index=False")
    if not all(map(is_number, names)):
        return True
    return len(start) > 1 and "." in start[1] and names == [str(place) for place in range(len(names))]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, block: list[str], first: int, columns: int) -> np.ndarray:
    """The values of some lines, of which the first has the number `first`; a wrong line is told by its number."""
    filled = [line for line in block if line.strip()]
    if not filled:
        return np.empty((0, columns))
    try:
        values = np.loadtxt(filled, delimiter=",", comments=None, quotechar='"', ndmin=2)
        if columns in (0, values.shape[1]):
            return values
    except ValueError:
        pass
    for number, line in enumerate(block, start=first):
        fields = [field.strip().strip('"') for field in line.split(",")]
        columns = columns or len(fields)
        if line.strip() and len(fields) != columns:
            raise DataError(f"{path}: line {number} has {len(fields)} columns, the lines above {columns}")
        for place, field in enumerate(fields, start=1):
            if line.strip() and not is_number(field):
                raise DataError(f"{path}: line {number}, column {place}: {field!r} is not a number")
    raise DataError(f"{path}: lines {first} to {first + len(block) - 1} are not comma-separated numbers")
