"""Errors that carry their failure class, so that a job's end can be named without guessing from a traceback."""

from __future__ import annotations

from kdbench.contract.text import shown


class KdbenchError(Exception):
    """Anything a user can cause: shown as one message, never as a traceback (unless --debug)."""

    failure_class = "error"

    def __str__(self) -> str:
        return shown(super().__str__())


class DataError(KdbenchError):
    """Input on disk is missing, malformed or does not fit."""

    failure_class = "data"


class Diverged(KdbenchError):
    """A loss, gradient or weight stopped being finite: a result, reported and not retried."""

    failure_class = "diverged"


class MethodError(KdbenchError):
    """A method broke the contract (owner, term, shared tensor)."""
