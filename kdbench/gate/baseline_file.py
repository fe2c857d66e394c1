"""A baseline file: one CSV line a cell, metric and seed, sorted, so that a reviewer sees what changed line by line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import date

from kdbench.contract.errors import DataError

SHOWN = 10  # mistakes of a file that are told at once


class BaselineError(DataError):
    """A baseline file that cannot be trusted; every message begins with file and line."""


@dataclass(frozen=True)
class Line:
    """One measured value. `code` is the digest of the sources that made it; `reason` is why it was accepted."""

    cell: str
    pair: str
    metric: str
    seed: int
    value: float
    key: str
    code: str
    torch: str
    device: str
    accepted_on: str
    reason: str

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What there is one line of."""
        return (self.pair, self.cell, self.metric, self.seed)

    @property
    def made(self) -> tuple[str, str, str, str]:
        """What made the value: the same for all metrics of a run."""
        return (self.key, self.code, self.torch, self.device)


COLUMNS = tuple(field.name for field in fields(Line))
HEADER = ",".join(COLUMNS)


def write(lines: Iterable[Line]) -> str:
    """The file's text; equal lines give equal text, whatever their order."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in sorted(lines, key=lambda line: line.place):
        writer.writerow([repr(value) if isinstance(value, float) else value for value in (getattr(line, c) for c in COLUMNS)])
    return out.getvalue()


def read(text: str, name: str) -> list[Line]:
    """The lines of a file; a BaselineError that names each wrong one by `name` and number."""
    rows = text.split("\n")
    if not text.strip():
        raise BaselineError(f"{name}:1: the file is empty; its first line is {HEADER}")
    if rows[0].rstrip("\r") != HEADER:
        raise BaselineError(f"{name}:1: the first line is not {HEADER}")
    found: list[Line] = []
    first: dict[tuple[str, str, str, int], int] = {}
    runs: dict[tuple[str, str, int], tuple[int, Line]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows[1:], 2):
        row = row.removesuffix("\r")
        if not row and number == len(rows):
            continue
        line = _line(row)
        if isinstance(line, str):
            problems.append(f"{name}:{number}: {line}")
            continue
        twin = first.setdefault(line.place, number)
        begun, other = runs.setdefault((line.pair, line.cell, line.seed), (number, line))
        if twin != number:
            problems.append(f"{name}:{number}: the same cell, metric and seed as line {twin}")
        elif other.made != line.made:
            problems.append(f"{name}:{number}: another key, code, torch or device than line {begun} has for the same seed")
        found.append(line)
    if problems:
        more = len(problems) - SHOWN
        raise BaselineError("\n".join(problems[:SHOWN]) + (f"\n{name}: and {more} more" if more > 0 else ""))
    return found


def _line(row: str) -> Line | str:
    """A line, or what is wrong with it."""
    if re.match(r"(<<<<<<<|=======|>>>>>>>)", row):
        return "git's conflict marker: keep one side of the lines between them"
    try:
        cells = next(csv.reader([row], strict=True), [])
    except csv.Error as error:
        return f"not CSV: {error}"
    if len(cells) != len(COLUMNS):
        return f"{len(cells)} values where {len(COLUMNS)} are wanted ({HEADER})"
    for column, value in zip(COLUMNS, cells):
        check, wanted = CHECKS.get(column, TEXT)
        if not check(value):
            return f"{column} is {value!r}, not {wanted}"
    values = dict(zip(COLUMNS, cells))
    return Line(**{**values, "seed": int(values["seed"]), "value": float(values["value"])})  # type: ignore[arg-type]


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value, re.ASCII) is not None


def _number(value: str) -> bool:
    return bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", value, re.ASCII)) and math.isfinite(float(value))


def _day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def is_text(value: str) -> bool:
    """Whether a text may stand in a line: not empty, no control characters (line ends are some), no blanks around it."""
    return bool(value) and value == value.strip() and not any(ord(letter) < 32 or ord(letter) == 127 for letter in value)


TEXT: tuple[Callable[[str], bool], str] = (is_text, "a text without control characters")
CHECKS: dict[str, tuple[Callable[[str], bool], str]] = {
    "metric": (_matches(r"[a-z][a-z0-9_]*(@[0-9]+)?"), "the name of a metric"),
    "seed": (_matches(r"0|[1-9][0-9]{0,9}"), "a seed"),
    "value": (_number, "a finite number"),
    "key": (_matches(r"[0-9a-f]{8,64}"), "a key"),
    "accepted_on": (_day, "a day, as 2026-11-30"),
}
