"""What was chosen on validation data and what still waits for it, told line by line."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import typer

from kdbench.cli.session import Session
from kdbench.cli.text import count, wrapped

if TYPE_CHECKING:
    from kdbench.jobs.decide import Decision
    from kdbench.jobs.plan import Plan, StalePolicy
    from kdbench.results.outline import Outline


def afresh(session: Session, records: Mapping[str, Outline], stale: StalePolicy) -> tuple[Session, Plan]:
    """The session and its plan. Where trials are made anew, what older code's trials chose is chosen again."""
    planned = session.plan(records, stale)
    anew = {item.job.key for item in planned.in_state("run")} & records.keys()
    if not anew.intersection(key for decision in session.jobs.decisions for key in decision.keys):
        return session, planned
    left = {key: record for key, record in session.store.scan().records.items() if key not in anew}
    session = session.settled(left)
    return session, session.plan(session.outlines(), stale)


def show_choices(session: Session, err: bool = False) -> None:
    for decision in session.jobs.decisions:
        typer.echo(wrapped(told(decision, session), 19, "waiting" if decision.chosen is None else "chosen"), err=err)


def told(decision: Decision, session: Session) -> str:
    """A decision, and how many jobs wait for it."""
    from kdbench.jobs.job import Cell

    jobs = session.jobs.waiting.get(Cell(*decision.tuning.place), 0)
    return decision.said + (f"; up to {count(jobs, 'job')} wait for it" if jobs else "")


def waiting(session: Session) -> str:
    """The end of a count: `up to 4 more wait for a choice`."""
    jobs = sum(session.jobs.waiting.values())
    return f"up to {jobs:,} more wait for a choice on validation data" if jobs else ""


def not_yet(session: Session) -> bool:
    """Whether some cells have no setting yet, which is told: what is not planned yet can be neither judged nor accepted."""
    if session.jobs.waiting:
        show_choices(session, err=True)
        typer.echo(f"kdbench: nothing can be judged before; {session.command('run')} makes the trials and chooses", err=True)
    return bool(session.jobs.waiting)


def as_data(session: Session) -> list[dict[str, Any]]:
    from kdbench.jobs.job import Cell

    return [
        {
            "task": one.tuning.place[0],
            "pair": one.tuning.place[1],
            "cell": one.tuning.place[2],
            "metric": one.tuning.metric.name,
            "seeds": one.tuning.seeds,
            "settings": [
                {"setting": variant.setting.values(), "mean": None if isnan(tried.mean) else tried.mean, "keys": tried.keys}
                for variant, tried in zip(one.tuning.variants, one.tried)
            ],
            "chosen": one.chosen,
            "why": one.why,
            "waiting": session.jobs.waiting.get(Cell(*one.tuning.place), 0),
        }
        for one in session.jobs.decisions
    ]
