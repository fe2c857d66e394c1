"""Rows of a CSV file with their places, whatever wrote it: a byte order mark, CRLF and quoted commas are all the same."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdbench.contract.errors import DataError


def with_header(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """('file:line', row) for every row of a file whose first row names its columns; those that are asked for must be there."""
    lines = _lines(path, spaced=False)
    try:
        header = next(lines)[1]
    except StopIteration:
        raise DataError(f"{path}: empty, expected a first row with the columns {', '.join(columns)}") from None
    missing = [name for name in columns if name not in header]
    if missing:
        near = difflib.get_close_matches(missing[0], header, 1)
        hint = f" (is {near[0]!r} meant?)" if near else ""
        raise DataError(f"{path}:1: no column {missing[0]!r}{hint}; the first row has {', '.join(header)}")
    twice = sorted({name for name in columns if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}:1: column {twice[0]!r} is there {header.count(twice[0])} times")
    for place, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"{place}: {len(cells)} columns, expected {len(header)} ({', '.join(header)})")
        yield place, dict(zip(header, cells, strict=True))


def without_header(path: Path, columns: Sequence[str], spaced: bool = False) -> Iterator[tuple[str, list[str]]]:
    """('file:line', cells) of a file of known columns; `spaced`: a blank follows each comma, and lines from # on are remarks."""
    for place, cells in _lines(path, spaced):
        if len(cells) != len(columns):
            raise DataError(f"{place}: {len(cells)} columns, expected {len(columns)} ({', '.join(columns)})")
        yield place, cells


def _lines(path: Path, spaced: bool) -> Iterator[tuple[str, list[str]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=spaced, strict=True)
            try:
                for cells in reader:
                    if cells and not (spaced and cells[0].startswith("#")):
                        yield f"{path}:{reader.line_num}", cells
            except csv.Error as error:
                raise DataError(f"{path}:{reader.line_num}: {error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
