"""kdbench run: do what is missing, then report it and track it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdbench.cli.exits import Exit, worst
from kdbench.cli.options import (
    OnlyOption,
    PluginOption,
    ProfileOption,
    ReportsOption,
    ResultsOption,
    Stale,
    StaleOption,
    SuiteArgument,
    TrackingOption,
)
from kdbench.cli.outcomes import interrupted, tell_ends
from kdbench.cli.plan import counted, show_refusals
from kdbench.cli.session import Session, open_suite

if TYPE_CHECKING:
    from kdbench.execute.base import Executor, JobSpec, Outcome
    from kdbench.jobs.job import Job

Say = Callable[[str], None]


class Where(StrEnum):
    """Who runs the jobs."""

    local = "local"
    inline = "inline"


def run(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    reports: ReportsOption = Path("reports"),
    workers: Annotated[int | None, typer.Option("--workers", "-w", min=1, help="Jobs at a time; default: one a core.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = None,
    executor: Annotated[Where, typer.Option("--executor", help="A process a job, or all in this process.")] = Where.local,
    stale: StaleOption = Stale.keep,
    keep_going: Annotated[bool, typer.Option("--keep-going/--fail-fast", help="Go on after a failed job, or stop.")] = True,
    max_failures: Annotated[int | None, typer.Option("--max-failures", min=1, help="Stop after so many failures.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds after which a job is ended.")] = None,
    checkpoint: Annotated[float, typer.Option("--checkpoint", min=0.0, help="Seconds between checkpoints of a job.")] = 60.0,
    tracking_uri: TrackingOption = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record runs in MLflow.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines on stdout, words on stderr.")] = False,
) -> int:
    """Run what has no result yet; then tables, report and MLflow.

    Results are the cache: a second run does only what is missing. Ctrl-C once lets jobs save a checkpoint, twice ends them.

    Example: kdbench run suites/quickstart.yaml
    """
    from kdbench.execute.base import Policy

    session = open_suite(suite, results, profile, only, plugin)
    if session.jobs.refusals:
        show_refusals(session, err=True)
        typer.echo("kdbench: nothing was run: mend these cells, or leave them out with `exclude:` and a reason", err=True)
        return Exit.usage
    resources = session.suite.resources
    device = existing(device or resources.device)
    writable(session, results, reports)
    planned = session.plan(session.records(set_aside=True), stale.value)
    waiting = planned.in_state("run")
    runner = make_runner(session, executor, workers or resources.workers, device, [p.job for p in waiting])
    say: Say = (lambda text: typer.echo(text, err=True)) if as_json else typer.echo
    say(counted(planned.jobs, session))
    if planned.in_state("stale") and stale is Stale.fail:
        say("nothing was run: older code made some results; --stale=rerun makes them anew, --stale=keep leaves them")
        return Exit.incomplete
    specs = [spec(session, p.job, timeout or resources.timeout, checkpoint) for p in waiting]
    began = time.monotonic()
    outcomes = execute(runner, specs, Policy(keep_going=keep_going, max_failures=max_failures), as_json) if specs else {}
    tell_ends(outcomes, planned, session, time.monotonic() - began, say)
    code = interrupted(outcomes)
    if code is None:
        incomplete = [o for o in outcomes.values() if o.state not in ("done", "diverged")] + planned.in_state("blocked")
        done = Exit.incomplete if incomplete else Exit.ok
        code = worst([done, publish(session, reports, tracking_uri, track, say, as_json)])
    if as_json:
        states = {p.job.key: outcomes[p.job.key].state if p.job.key in outcomes else p.state for p in planned.jobs}
        typer.echo(json.dumps({"t": round(time.time(), 3), "kind": "end", "exit_code": int(code), "states": states}))
    return code


def writable(session: Session, *folders: Path) -> None:
    """Find out before training whether what comes out of it can be written at all."""
    from kdbench.results.files import HomeError, explained

    session.home.ensure()
    for folder in folders:
        with explained(folder, HomeError):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".kdbench-write-test"
            probe.write_text("")
            probe.unlink()


def existing(device: str) -> str:
    """The device as it was asked for; an error that says what there is, where it does not exist."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.execute.devices import DeviceError, resolve

    try:
        resolve(device)
    except DeviceError as error:
        raise KdbenchError(str(error)) from error
    return device


def make_runner(session: Session, executor: Where, workers: int | None, device: str, jobs: list[Job]) -> Executor:
    from kdbench.cli.warm import modules

    if executor is Where.local:
        from kdbench.execute.local import LocalExecutor

        return LocalExecutor(session.home.path, workers=workers, device=device, preload=modules(job.targets for job in jobs))
    from kdbench.execute.child import limit_threads
    from kdbench.execute.inline import InlineExecutor

    limit_threads(1)  # as a job has in its own process: the number of threads changes the last digits of a result
    return InlineExecutor(session.home.path, device=device)


def spec(session: Session, job: Job, timeout: float, checkpoint: float) -> JobSpec:
    from kdbench.execute.base import JobSpec, Resources
    from kdbench.jobs.plan import payload

    data = payload(job, session.jobs, session.home.path.absolute(), session.store.folder.absolute(), checkpoint)
    resources = Resources(gpu=session.suite.resources.gpu, timeout=timeout)
    steps = job.spec["recipe"]["steps"]
    return JobSpec(job.key, job.title, data, job.teachers, job.kind, steps, resources, group=job.labels["task"])


def execute(runner: Executor, specs: list[JobSpec], policy: Any, as_json: bool) -> dict[str, Outcome]:
    """Run the jobs, with progress for a person on stderr or events for a program on stdout."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.execute.local import ExecutorError
    from kdbench.execute.progress import reporter

    with reporter("json", sys.stdout) if as_json else reporter() as on_event:
        try:
            return runner.run(specs, on_event, policy)
        except ExecutorError as error:
            raise KdbenchError(str(error)) from error


def publish(session: Session, reports: Path, tracking_uri: str | None, track: bool, say: Say, as_json: bool) -> Exit:
    """The tables, the report and MLflow, from the results folder alone."""
    from kdbench.cli.report import make_report
    from kdbench.cli.track import sync_session

    records = session.records()
    built = make_report(session, records, reports)
    say(built.terminal)
    say(f"report: {built.html}")
    where = {"report": str(built.html), "markdown": str(built.markdown)}
    if track:
        synced = sync_session(session, records, tracking_uri, (built.html, built.markdown))
        if synced.failed:
            typer.echo(f"kdbench: MLflow was not updated: {synced.failed}", err=True)
            typer.echo(f"kdbench: all results are kept; {session.command('track sync')} repeats only this", err=True)
        else:
            say(f"mlflow: {synced.uri}")
            where["mlflow"] = synced.uri
    if as_json:
        typer.echo(json.dumps({"t": round(time.time(), 3), "kind": "published", **where}))
    return Exit.claim_failed if built.failed_claims else Exit.ok
