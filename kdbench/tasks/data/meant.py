"""Only the set that is meant is read: the one whose fingerprint a param names. A result would else be about other data."""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError


def check(folder: Path, fingerprint: str, content: str, what: str, param: str = "content") -> None:
    """A DataError that says what to write, unless the fingerprint found is the one that the suite has under this param."""
    if fingerprint == content:
        return
    told = f"say which {what} are meant"
    if content:
        told = (
            f"these are not the {what} of param `{param}` ({content[:12]}…). If they are what you want, put this into your suite"
        )
    raise DataError(f"{folder}: {told}: params: {{{param}: {fingerprint}}}")
