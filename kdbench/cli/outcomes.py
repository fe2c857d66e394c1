"""How a run ended, in words: counts, failures by cause, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kdbench.cli.exits import Exit
from kdbench.cli.session import Session
from kdbench.cli.text import count, near, without_class, wrapped

if TYPE_CHECKING:
    from kdbench.execute.base import Outcome
    from kdbench.jobs.plan import Plan

SHOWN = 5  # jobs named under one cause


def tell_ends(
    outcomes: Mapping[str, Outcome], planned: Plan, session: Session, seconds: float, say: Callable[[str], None]
) -> None:
    """Nothing where nothing ran and nothing is wrong."""
    from kdbench.execute.failures import group_failures
    from kdbench.execute.progress import duration

    states = Counter(outcome.counted for outcome in outcomes.values())
    if outcomes:
        counts = ", ".join(f"{number} {state}" for state, number in states.items())
        say(f"{count(len(outcomes), 'job')} in {duration(seconds)}: {counts}")
    groups = group_failures(outcomes.values())
    for failure, message, keys in groups:
        lines = without_class(message).strip().splitlines() or ["no message"]
        say(wrapped("\n".join(lines), 2, f"{failure}: ") if len(lines) == 1 else f"{failure}: " + "\n  ".join(lines))
        for key in keys[:SHOWN]:
            say(f"  {session.jobs.jobs[key].title}")
            say(f"    log {near(session.home.jobs / key / 'log.txt')}")
        if len(keys) > SHOWN:
            say(f"  and {len(keys) - SHOWN} more")
    for item in planned.in_state("blocked"):
        say(f"blocked: {item.job.title}: {item.reason}")
    if states["interrupted"] or states["not begun"]:
        saved = sum(outcome.counted == "interrupted" and outcome.seconds > 0 for outcome in outcomes.values())
        kept = f"{count(saved, 'job')} saved a checkpoint; " if saved else ""
        say(wrapped(f"{kept}{session.command('run')} goes on from here", 9, "stopped: "))
    elif states["failed"] or states["blocked"]:
        ours = {"data", "error"} & {str(failure) for failure, _, _ in groups}  # which no second try mends
        mend = "once that is mended, " if ours else ""
        say(f"{mend}{session.command('run')} again does what is missing")


def interrupted(outcomes: Mapping[str, Outcome]) -> Exit | None:
    """A run that was stopped: 75 where checkpoints lie ready to go on from, 130 where jobs were ended at once."""
    stopped = [outcome for outcome in outcomes.values() if outcome.state == "interrupted"]
    if not stopped:
        return None
    return Exit.interrupted if any("by force" in outcome.message for outcome in stopped) else Exit.requeue
