"""Errors that carry their failure class, so that a job's end can be named without guessing from a traceback."""

from __future__ import annotations

import re

# Control characters but tab and line end, other ends of lines, and halves of surrogate pairs: they steer terminals, upset the
# count of lines, or cannot be written at all.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def unprintable(text: str) -> str | None:
    """The first character of a text that must not be shown as it is."""
    found = _UNPRINTABLE.search(text)
    return found[0] if found else None


def printable(text: str) -> str:
    """The text with such characters by their escapes: whoever wrote a file does not write on the terminal of its reader."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


class KdbenchError(Exception):
    """Anything a user can cause: shown as one message, never as a traceback (unless --debug)."""

    failure_class = "error"

    def __str__(self) -> str:
        return printable(super().__str__())


class DataError(KdbenchError):
    """Input on disk is missing, malformed or does not fit."""

    failure_class = "data"


class Diverged(KdbenchError):
    """A loss, gradient or weight stopped being finite: a result, reported and not retried."""

    failure_class = "diverged"


class MethodError(KdbenchError):
    """A method broke the contract (owner, term, shared tensor)."""
