"""Exit codes: distinct, documented, and with one order where several hold."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    ok = 0
    claim_failed = 1  # or a regression
    usage = 2  # wrong usage or configuration
    incomplete = 3  # jobs missing or failed
    incomparable = 4  # nothing to compare
    inconclusive = 5  # too few seeds to see anything; with --strict, anything undecided
    nonconforming = 6  # a plugin fails a rule of the conformance suite
    internal = 70  # a bug of kdbench
    requeue = 75  # stopped with checkpoints, by Ctrl-C or a cluster's signal: run again to go on
    interrupted = 130


ORDER = (Exit.usage, Exit.incomplete, Exit.claim_failed, Exit.incomparable, Exit.inconclusive, Exit.nonconforming)


def worst(codes: Iterable[Exit]) -> Exit:
    """The code that is reported where several hold."""
    held = set(codes)
    return next((code for code in ORDER if code in held), Exit.ok)
