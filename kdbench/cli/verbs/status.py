"""kdbench status: where a suite stands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kdbench.cli.choices import as_data as choices_data
from kdbench.cli.choices import show_choices
from kdbench.cli.exits import Exit
from kdbench.cli.options import JsonOption, OnlyOption, PluginOption, ProfileOption, ResultsOption, SuiteArgument
from kdbench.cli.session import Session, open_suite
from kdbench.cli.text import cut, near, width, without_class, wrapped
from kdbench.cli.verbs.plan import counted, older, show_refusals

if TYPE_CHECKING:
    from kdbench.execute.failures import Failure
    from kdbench.jobs.plan import Plan, Planned

SHOWN = 5  # jobs named under one cause
ROWS = 24  # jobs at work that are named


def status(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> int:
    """Say how far a suite is, what failed, and what is outdated.

    Exit code 0 when every job has a result, 3 when some are missing.

    Example: kdbench status suites/quickstart.yaml
    """
    session = open_suite(suite, results, profile, only, plugin)
    records = session.outlines()
    planned, failures = session.plan(records, "auto"), session.failures(records)
    missing = planned.in_state("run", "blocked")
    code = Exit.incomplete if missing or session.jobs.waiting or session.jobs.refusals else Exit.ok
    if as_json:
        show_json(session, planned, failures)
        return code
    show_cells(session, {p.job.key: p for p in planned.jobs}, failures)
    at_work = show_begun(session, records)
    show_failures(session, failures)
    for line in older(planned.jobs, session):
        typer.echo(line)
    show_choices(session)
    show_refusals(session)
    typer.echo(counted(planned.jobs, session))
    if missing and not session.jobs.refusals:
        typer.echo("a run is on: it does what is missing" if at_work else f"{session.command('run')} does what is missing")
    return code


def show_json(session: Session, planned: Plan, failures: Mapping[str, Failure]) -> None:
    rows = []
    for p in planned.jobs:
        row = {"key": p.job.key, "title": p.job.title, "state": p.state, "reason": p.reason}
        if (failure := failures.get(p.job.key)) is not None:
            row |= {"failure": failure.failure_class, "message": failure.message}
        rows.append(row)
    missing = len(planned.in_state("run", "blocked"))
    refused = [{"cell": r.cell.title, "reasons": r.reasons} for r in session.jobs.refusals]
    tuning = choices_data(session)
    found = {"suite": session.suite.name, "jobs": rows, "missing": missing, "tuning": tuning, "refused": refused}
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


def show_cells(session: Session, state: Mapping[str, Planned], failures: Mapping[str, Failure]) -> None:
    """A line a cell: how many of its jobs have a result, and what is wrong with the others."""
    from kdbench.jobs.job import where

    rows = [(where(*pair), "teachers", keys) for pair, keys in session.jobs.teachers.items()]
    rows += [(where(*one.tuning.place[:2]), f"trials of {one.tuning.place[2]}", one.keys) for one in session.jobs.decisions]
    rows += [(where(cell.task, cell.pair), cell.cell, keys) for cell, keys in session.jobs.cells.items()]
    places = list(dict.fromkeys(row[0] for row in rows))
    rows.sort(key=lambda row: places.index(row[0]))  # the teachers of a task above its cells
    task = max((len(row[0]) for row in rows), default=0)
    digits = max((len(str(len(row[2]))) for row in rows), default=1)
    said = [remarks(keys, state, failures) for _, _, keys in rows]
    room = max(20, width() - 2 * digits - task - 5 - max((len(remark) + 2 for remark in said if remark), default=0))
    label = min(max((len(row[1]) for row in rows), default=0), room)
    for (name, cell, keys), remark in zip(rows, said):
        done = sum(state[key].state not in ("run", "blocked") for key in keys)
        typer.echo(f"{done:{digits}}/{len(keys):<{digits}}  {name:{task}}  {cut(cell, label):{label}}  {remark}".rstrip())


def remarks(keys: Iterable[str], state: Mapping[str, Planned], failures: Mapping[str, Failure]) -> str:
    """`1 killed, 2 diverged`: what a reader must know of a cell beside its count."""
    found = Counter(str(failures[key].failure_class) for key in keys if key in failures)
    found.update(state[key].state for key in keys if state[key].state in ("stale", "blocked"))
    found.update(state[key].reason for key in keys if state[key].reason == "diverged")
    for word in ("begun", "at work"):
        found[word] += sum(state[key].state == "run" and state[key].reason.startswith(word) for key in keys)
    found["older code"] = found.pop("stale", 0)
    return ", ".join(f"{number} {what}" for what, number in found.items() if number)


def show_begun(session: Session, records: Container[str]) -> int:
    """Jobs at which a process is now, and those that were stopped, with how far they are; how many are at work."""
    standings = session.standings(records)
    at_work = {key: each for key, each in standings.items() if each.pid is not None}
    stopped = {key: each for key, each in standings.items() if each.pid is None}
    for title, group in (("at work now", at_work), ("begun and stopped", stopped)):
        for key, each in list(group.items())[:ROWS]:
            typer.echo(f"{title}: {session.jobs.jobs[key].title}: {each.brief}")
        if len(group) > ROWS:
            typer.echo(f"{title}: and {len(group) - ROWS} more")
    return len(at_work)


def show_failures(session: Session, failures: Mapping[str, Failure]) -> None:
    """What ended jobs the last time, equal causes together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for key, failure in failures.items():
        first = without_class(failure.message).partition("\n")[0]
        groups.setdefault((failure.failure_class.value, first), []).append(key)
    for (failure_class, message), keys in groups.items():
        typer.echo(wrapped(message, 2 + len(failure_class), f"{failure_class}: ") if message else failure_class)
        for key in keys[:SHOWN]:
            typer.echo(f"  {session.jobs.jobs[key].title}")
            typer.echo(f"    log {near(session.home.jobs / key / 'log.txt')}")
        if len(keys) > SHOWN:
            typer.echo(f"  and {len(keys) - SHOWN} more")
