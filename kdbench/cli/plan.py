"""kdbench check and kdbench plan: what a suite would do, and why, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.session import (
    JsonOption,
    OnlyOption,
    PluginOption,
    ProfileOption,
    ResultsOption,
    Session,
    SuiteArgument,
    open_suite,
)

StaleOption = Annotated[str, typer.Option("--stale", help="Results made by older code: keep, rerun or fail.")]


def check(suite: SuiteArgument, profile: ProfileOption = None, only: OnlyOption = None, plugin: PluginOption = None) -> int:
    """Read a suite and say everything that is wrong with it: keys, names, params, and pairings that cannot run.

    Example: kdbench check suites/quickstart.yaml
    """
    session = open_suite(suite, Path("results"), profile, only, plugin)
    show_refusals(session)
    jobs, cells = session.jobs.jobs, session.jobs.cells
    teachers = sum(job.kind == "teacher" for job in jobs.values())
    typer.echo(f"{session.suite.name}: {len(cells)} cells, {len(jobs)} jobs ({teachers} teachers)")
    if session.jobs.refusals:
        return Exit.usage
    typer.echo("ok")
    return Exit.ok


def plan(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    stale: StaleOption = "keep",
    as_json: JsonOption = False,
) -> int:
    """Show every job with its state (run, cached, stale) and the reason, without running any.

    Example: kdbench plan suites/quickstart.yaml --only task=digits
    """
    session = open_suite(suite, results, profile, only, plugin)
    planned = session.plan(session.records(session.scan()), stale)
    if as_json:
        typer.echo(json.dumps(as_data(session, planned.jobs), indent=1))
    else:
        show_plan(session, planned.jobs)
    return Exit.usage if session.jobs.refusals else Exit.ok


def show_plan(session: Session, planned: Any) -> None:
    """One line a job, counted by state at the end."""
    for item in planned:
        typer.echo(f"{item.state:7} {item.job.key[:10]}  {item.job.title:44} {item.reason}")
    for what, reason in session.expansion.excluded:
        typer.echo(f"skipped            {what:44} {reason}")
    show_refusals(session)
    typer.echo(counted(planned, session))


def counted(planned: Any, session: Session) -> str:
    states: dict[str, int] = {}
    for item in planned:
        states[item.state] = states.get(item.state, 0) + 1
    words = {"run": "to run", "cached": "cached", "stale": "made by older code"}
    parts = [f"{count} {words[state]}" for state, count in states.items()]
    if session.jobs.refusals:
        parts.append(f"{len(session.jobs.refusals)} cells refused")
    return f"{session.suite.name}: {len(planned)} jobs: {', '.join(parts)}"


def show_refusals(session: Session) -> None:
    for refusal in session.jobs.refusals:
        typer.echo(f"refused            {refusal.cell.title}")
        for reason in refusal.reasons:
            typer.echo(f"                   {reason}")


def as_data(session: Session, planned: Any) -> dict[str, Any]:
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
            }
            for p in planned
        ],
        "refused": [{"cell": r.cell.title, "reasons": r.reasons} for r in session.jobs.refusals],
        "skipped": [{"arm": what, "reason": reason} for what, reason in session.expansion.excluded],
    }
