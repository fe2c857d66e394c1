"""kdbench check and kdbench plan: what a suite would do, and why, before anything runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kdbench.cli.choices import afresh, show_choices, waiting
from kdbench.cli.choices import as_data as choices_data
from kdbench.cli.exits import Exit
from kdbench.cli.needed import lacking, tell
from kdbench.cli.options import (
    JsonOption,
    OnlyOption,
    PluginOption,
    ProfileOption,
    ResultsOption,
    Stale,
    StaleOption,
    SuiteArgument,
)
from kdbench.cli.session import Session, open_suite
from kdbench.cli.text import count, cut, width, wrapped
from kdbench.cli.times import Forecast, forecast_of

if TYPE_CHECKING:
    from kdbench.jobs.plan import Planned, State

KEY = 8  # digits of a key that are shown; `export` takes as few
AWAY = "`kdbench run` would not begin before that is mended"
SEED = 9  # the end of a title that is kept where it must be cut
WORDS: dict[State, str] = {"run": "to run", "cached": "cached", "stale": "made by older code", "blocked": "blocked"}


def check(suite: SuiteArgument, profile: ProfileOption = None, only: OnlyOption = None, plugin: PluginOption = None) -> int:
    """Say everything that is wrong with a suite, with its place.

    Keys, names and params are checked, and that each method can run on its task. Nothing is run. Data that are not on this
    machine are told, and are no mistake of the suite.

    Example: kdbench check suites/quickstart.yaml
    """
    session = open_suite(suite, Path("results"), profile, only, plugin)
    show_refusals(session)
    tell(lacking(session, session.jobs.jobs.values()), AWAY)
    jobs, cells = session.jobs.jobs, session.jobs.cells
    teachers = sum(job.kind == "teacher" for job in jobs.values())
    summary = f"{count(len(cells), 'cell')}, {count(len(jobs), 'job')} ({count(teachers, 'teacher')})"
    if session.jobs.waiting:
        summary += f"; {waiting(session)}"
    if session.jobs.refusals:
        typer.echo(f"{session.suite.name}: {count(len(session.jobs.refusals), 'cell')} cannot run; beside them {summary}")
        return Exit.usage
    typer.echo(f"{session.suite.name}: ok: {summary}")
    return Exit.ok


def plan(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    stale: StaleOption = Stale.auto,
    as_json: JsonOption = False,
) -> int:
    """Show every job with its state and the reason for it.

    run: to do. cached: has a result. stale: has one that older code made. blocked: its teacher diverged. waiting: its setting is
    chosen once the trials on validation data are done.

    The last line says how long what is to run will take, where earlier results on the same device tell.

    Example: kdbench plan suites/quickstart.yaml --only task=digits
    """
    session = open_suite(suite, results, profile, only, plugin)
    session, planned = afresh(session, session.outlines(), stale.value)
    forecast = forecast_of(session, planned)
    if as_json:
        typer.echo(json.dumps(as_data(session, planned.jobs, forecast), indent=1, ensure_ascii=False))
    else:
        show_plan(session, planned.jobs)
        if forecast.said:
            typer.echo(wrapped(forecast.said, 6))
        tell(lacking(session, [item.job for item in planned.in_state("run")]), AWAY)
    return Exit.usage if session.jobs.refusals else Exit.ok


def show_plan(session: Session, planned: Sequence[Planned]) -> None:
    """One line a job, counted by state at the end."""
    titles = [item.job.title for item in planned]
    reasons = max((len(item.reason) for item in planned), default=0)
    room = width() - len("blocked  ") - KEY - 2  # for title, two blanks and reason
    title = min(max(map(len, titles), default=0), max(room - 2 - reasons, room // 2))
    lines = [
        f"{item.state:7}  {item.job.key[:KEY]}  {cut(name, title, SEED):{title}}  {cut(item.reason, max(20, room - title - 2))}"
        for item, name in zip(planned, titles)
    ]
    lines += [wrapped(f"{what}: {reason}", 19, "skipped") for what, reason in session.expansion.excluded]
    typer.echo("\n".join(lines))
    show_choices(session)
    show_refusals(session)
    typer.echo(counted(planned, session))


def counted(planned: Sequence[Planned], session: Session) -> str:
    """One line: how many jobs, and in which states."""
    states = Counter(item.state for item in planned)
    parts = [f"{states[state]:,} {words}" for state, words in WORDS.items() if states[state]]
    if session.jobs.refusals:
        parts.append(f"{count(len(session.jobs.refusals), 'cell')} refused")
    if session.jobs.waiting:
        parts.append(waiting(session))
    return f"{session.suite.name}: {count(len(planned), 'job')}: {', '.join(parts) or 'nothing to do'}"


def older(planned: Sequence[Planned], session: Session) -> list[str]:
    """What is kept although older code made it, and what makes it anew."""
    from kdbench.results.older import causes

    reasons = [item.reason for item in planned if item.state == "stale"]
    if not reasons:
        return []
    told = wrapped(f"kept, made by {causes(reasons)}", 14, f"{count(len(reasons), 'result')} ")
    return [told, f"{session.command('run')} --stale=rerun makes them anew"]


def show_refusals(session: Session, err: bool = False) -> None:
    """Every cell that cannot run, with its reasons."""
    from kdbench.jobs.job import where

    for refusal in session.jobs.refusals:
        cell = refusal.cell
        typer.echo(f"refused  {where(cell.task, cell.pair)} {cell.cell}", err=err)
        for reason in refusal.reasons:
            typer.echo(wrapped(reason, 9), err=err)


def as_data(session: Session, planned: Sequence[Planned], forecast: Forecast) -> dict[str, Any]:
    return {
        "suite": session.suite.name,
        "jobs": [
            {
                "key": p.job.key,
                "kind": p.job.kind,
                "state": p.state,
                "reason": p.reason,
                **p.job.labels,
                "teachers": p.job.teachers,
                "seconds": forecast.seconds.get(p.job.key),
            }
            for p in planned
        ],
        "refused": [{"cell": r.cell.title, "reasons": r.reasons} for r in session.jobs.refusals],
        "time": forecast.data,
        "tuning": choices_data(session),
        "skipped": [{"arm": what, "reason": reason} for what, reason in session.expansion.excluded],
    }
