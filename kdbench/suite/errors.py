"""What is wrong with a suite, told so that it can be mended at once: place, line, expectation, nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.contract.text import shown

MOST_PROBLEMS = 200  # of one check; nobody reads more at once, and to find the nearest name of each takes its time


@dataclass(frozen=True)
class Problem:
    """One mistake at one place. Line and column count from 1; they are None where the file as a whole is meant."""

    path: str
    line: int | None
    column: int | None
    value: Any
    message: str
    expected: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f":{self.line}:{self.column}"
        return shown(f"{self.path}{place}: {self.message}")

    def render(self, source: list[str]) -> str:
        """The problem with the line it stands on, a caret under its place, what was expected and the nearest name."""
        lines = [str(self)]
        if self.line is not None and self.column is not None and self.line <= len(source):
            text = source[self.line - 1].rstrip()
            # Tabs are kept so that the caret stands under its character however wide a terminal draws them.
            lead = "".join("\t" if c == "\t" else " " for c in text[: self.column - 1])
            lines += [f"{self.line:>6} | {text}", f"       | {lead}^"]
        if self.expected:
            lines.append(f"         expected {self.expected}")
        if self.suggestion:
            lines.append(f"         did you mean '{self.suggestion}'?")
        return shown("\n".join(lines))


class SuiteError(KdbenchError):
    """Every problem of a suite at once, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], source_text: str = ""):
        # An anchor that is used twice is wrong in one place only, so equal messages there are one problem.
        unique = {(p.path, p.line, p.column, p.message): p for p in problems}
        self.problems = sorted(unique.values(), key=lambda p: (p.line or 0, p.column or 0))
        self.source_text = source_text
        super().__init__(self.problems, source_text)

    def __str__(self) -> str:
        source = self.source_text.split("\n")
        return "\n".join(problem.render(source) for problem in self.problems)


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The name that was probably meant, or None where nothing is near."""
    if not isinstance(word, str):
        return None
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def listing(names: Iterable[str], limit: int = 12) -> str:
    """Names for a message: quoted, and cut where there are too many to read."""
    every = [f"'{name}'" for name in names]
    cut = every[:limit] + ([f"and {len(every) - limit} more"] if len(every) > limit else [])
    return ", ".join(cut) or "none"


def cut(text: str) -> str:
    """A value for a message, not longer than that anybody reads it."""
    return text if len(text) <= 60 else text[:57] + "..."
