"""kdbench status: where a suite stands."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.plan import counted, show_refusals
from kdbench.cli.session import JsonOption, OnlyOption, PluginOption, ProfileOption, ResultsOption, SuiteArgument, open_suite


def status(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> int:
    """Say how far a suite is: results by cell, failures with their class, results made by older code.

    Exit code 0 when every job has a result, 3 when some are missing.

    Example: kdbench status suites/quickstart.yaml
    """
    session = open_suite(suite, results, profile, only, plugin)
    planned = session.plan(session.records(session.scan()))
    state = {p.job.key: p for p in planned.jobs}
    missing = planned.in_state("run")
    if as_json:
        rows = [{"key": p.job.key, "title": p.job.title, "state": p.state, "reason": p.reason} for p in planned.jobs]
        typer.echo(json.dumps({"suite": session.suite.name, "jobs": rows, "missing": len(missing)}, indent=1))
        return Exit.incomplete if missing else Exit.ok
    groups = {("teachers of " + task, pair): keys for (task, pair), keys in session.jobs.teachers.items()}
    rows = [(f"{title} {'' if pair == 'default' else pair}".rstrip(), keys) for (title, pair), keys in groups.items()]
    rows += [(f"{c.task} {'' if c.pair == 'default' else c.pair + ' '}{c.cell}", keys) for c, keys in session.jobs.cells.items()]
    for title, keys in rows:
        done = sum(state[key].state != "run" for key in keys)
        typer.echo(f"{done:3}/{len(keys):<3} {title}")
    for item in missing:
        if item.reason.startswith("failed"):
            typer.echo(f"        {item.job.title}: {item.reason}")
    old = planned.in_state("stale")
    if old:
        causes: dict[str, int] = {}
        for item in old:
            causes[item.reason] = causes.get(item.reason, 0) + 1
        for reason, count in causes.items():
            typer.echo(f"{count} results were {reason}; --stale=rerun makes them anew")
    show_refusals(session)
    typer.echo(counted(planned.jobs, session))
    return Exit.incomplete if missing else Exit.ok
