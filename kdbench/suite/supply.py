"""Whether what an arm takes from others is there: enough teachers in the pool, and students of rounds before it."""

from __future__ import annotations

from typing import Any

from kdbench.suite.document import Loc
from kdbench.suite.entry import EARLIER, INITIAL
from kdbench.suite.resolve import PairPlan, Resolver


def report_missing_students(resolver: Resolver, source: dict[str, Any] | None, init: Any, loc: Loc, number: int) -> None:
    """Whether what a round takes from others was there before it."""
    also = source.get("also", ()) if source else ()
    back = init.get("earlier", 0) if isinstance(init, dict) else 0
    if EARLIER in also and number == 0:
        what = f"source '{source['name'] if source else ''}' asks the student of the round before, and there is none"
        resolver.report((*loc, "source"), what, "rounds: {first: ..., each: ...}")
    if back > number:
        what = f"init starts {back} round{'s' if back > 1 else ''} before, and there {'are' if number != 1 else 'is'} {number}"
        resolver.report((*loc, "init"), what, "rounds: {first: ..., each: ...}")
    if INITIAL in also and not back:
        what = f"source '{source['name'] if source else ''}' asks the student as it began, and it begins as no earlier one"
        resolver.report((*loc, "source"), what, "init: earlier")


def report_missing_teachers(resolver: Resolver, pair: PairPlan, source: dict[str, Any] | None, loc: Loc) -> None:
    """Whether the pool of a pair has as many teachers as are asked."""
    pool = sum(teacher["pool"] for teacher in pair.teachers)
    if source and source["teachers"] > pool:
        what = f"source '{source['name']}' asks {source['teachers']} teachers, pair '{pair.name}' has {pool}"
        resolver.report((*loc, "source"), what, f"a pool of at least {source['teachers']}, see `teachers: {{pool: ...}}`")
