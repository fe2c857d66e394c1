"""A run in two stages: first the trials that choose settings and whatever needs no choice, then what waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdbench.cli.choices import told
from kdbench.cli.session import Session
from kdbench.cli.verbs.plan import counted
from kdbench.cli.work import How, Work, work

if TYPE_CHECKING:
    from kdbench.jobs.plan import Plan, StalePolicy


def stages(session: Session, planned: Plan, how: How, stale: StalePolicy) -> tuple[Session, list[Work]]:
    """Run what is planned, and then what its results let be planned. A run that was stopped goes no further."""
    works = [work(session, planned, how)]
    failed = not works[0].whole and not how.policy.keep_going
    if not session.jobs.waiting or works[0].stopped is not None or failed:
        return session, works
    before = session.jobs.waiting
    # A trial that was to be made anew and failed has its older result still, which is not to be chosen by.
    lost = {key for key, end in works[0].outcomes.items() if end.state not in ("done", "diverged")}
    session = session.settled({key: record for key, record in session.store.scan().records.items() if key not in lost})
    for decision in session.jobs.decisions:
        how.say(f"{'waiting' if decision.chosen is None else 'chosen'}: {told(decision, session)}")
    if session.jobs.waiting == before:
        return session, works
    planned = session.plan(session.outlines(), stale)
    how.say(counted(planned.jobs, session))
    return session, [*works, work(session, planned, how)]
