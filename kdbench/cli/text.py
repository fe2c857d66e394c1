"""Lines for a person: cut or wrapped where a terminal ends; in a pipe every word is kept, since a program may look for it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

PIPE = 1000  # columns where there is no terminal: enough for any line
DEFAULT = 80


def width() -> int:
    """Columns of the terminal on stdout; COLUMNS decides where it is set."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return PIPE
    return max(40, shutil.get_terminal_size((DEFAULT, 24)).columns)


def cut(text: str, room: int, tail: int = 0) -> str:
    """At most `room` characters; the last `tail` of them are kept (a seed), the dots stand before them."""
    if len(text) <= room:
        return text
    tail = min(tail, max(0, room - 2))
    return text[: room - tail - 1] + "…" + text[len(text) - tail :]


def wrapped(text: str, indent: int = 0, first: str = "") -> str:
    """Text beside `first`, or indented by blanks, wrapped where there is a terminal. No word is broken: it may be copied."""
    room = width() - indent
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, room, break_long_words=False)] or [""]
    leads = [first.ljust(indent), *[" " * indent] * (len(lines) - 1)]
    return "\n".join((lead + line).rstrip() for lead, line in zip(leads, lines))


def definitions(pairs: dict[str, str], indent: int = 0, most: int = 24) -> str:
    """Names with what they mean, in two columns."""
    column = max((len(name) for name in pairs if len(name) <= most), default=0) + 2 + indent
    lines = []
    for name, text in pairs.items():
        if len(name) > most:  # on a line of its own
            lines.append(" " * indent + name)
            name = ""
        lines.append(wrapped(text, column, f"{' ' * indent}{name}"))
    return "\n".join(lines)


def without_class(message: str) -> str:
    """A failure's message without the name of kdbench's own error class, which says nothing that the message does not."""
    return re.sub(r"^kdbench(\.\w+)+: ", "", message)


def near(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sized(size: int) -> str:
    """A size as a person reads it."""
    number, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"


def plain(value: Any) -> str:
    """Nested data on one line, without the punctuation of a programming language."""
    if isinstance(value, dict):
        return ", ".join(f"{k} ({plain(v)})" if isinstance(v, dict) else f"{k}: {plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
