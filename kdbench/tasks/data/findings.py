"""What a look at a data set found, line by line: a fact, or a fact beside what is known of the published set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`known` is what the published set has; `right` is None where nothing is known, or nothing can be wrong."""

    what: str
    found: str
    known: str = ""
    right: bool | None = None


def against(what: str, found: str, known: str) -> Finding:
    """A fact that must be as it is known."""
    return Finding(what, found, known, found == known)
