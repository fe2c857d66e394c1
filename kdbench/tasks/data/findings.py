"""What a look at a data set found, line by line: a fact, or a fact beside what is known of the published set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

SHOWN = 3  # names that a line tells; `data check --json` has all


@dataclass(frozen=True)
class Finding:
    """`known` is what the published set has; `right` is None where nothing is known, or nothing can be wrong.

    `names` are all that it is about, one by one, of which `found` may tell a few. `fingerprint` is the set's, in the line of it.
    """

    what: str
    found: str
    known: str = ""
    right: bool | None = None
    names: tuple[str, ...] = ()
    fingerprint: str = ""


def against(what: str, found: str, known: str) -> Finding:
    """A fact that must be as it is known."""
    return Finding(what, found, known, found == known)


def identified(fingerprint: str, said: str = "params: {{content: {}}}", known: str = "") -> Finding:
    """The line of a set's fingerprint: as a suite says it, or beside the published one's."""
    if known:
        return replace(against("fingerprint", fingerprint, known), fingerprint=fingerprint)
    return Finding("fingerprint", f"{fingerprint}: {said.format(fingerprint)}", fingerprint=fingerprint)


def some(names: Sequence[str], shown: int = SHOWN, between: str = ", ") -> str:
    """The first of many names, and how many more there are."""
    more = f"{between}and {len(names) - shown:,} more" if len(names) > shown else ""
    return between.join(names[:shown]) + more
