"""kdbench run: do what is missing, then track it and report it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdbench.cli.exits import Exit, worst
from kdbench.cli.plan import StaleOption, counted, show_refusals
from kdbench.cli.session import (
    OnlyOption,
    PluginOption,
    ProfileOption,
    ReportsOption,
    ResultsOption,
    Session,
    SuiteArgument,
    TrackingOption,
    open_suite,
)

if TYPE_CHECKING:
    from kdbench.execute.base import JobSpec, Outcome
    from kdbench.jobs.plan import Plan


def run(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    reports: ReportsOption = Path("reports"),
    workers: Annotated[int | None, typer.Option("--workers", "-w", min=1, help="Jobs at a time; default: one a core.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = None,
    executor: Annotated[str, typer.Option("--executor", help="local (a process a job) or inline (this process).")] = "local",
    stale: StaleOption = "keep",
    keep_going: Annotated[bool, typer.Option("--keep-going/--fail-fast", help="Go on after a failed job, or stop.")] = True,
    max_failures: Annotated[int | None, typer.Option("--max-failures", min=1, help="Stop after so many failures.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds after which a job is ended.")] = None,
    checkpoint: Annotated[float, typer.Option("--checkpoint", help="Seconds between checkpoints of a job.")] = 60.0,
    tracking_uri: TrackingOption = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record runs in MLflow.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> int:
    """Run a suite: every job that has no result yet, then MLflow, the tables and the report page.

    Example: kdbench run suites/quickstart.yaml
    """
    from kdbench.contract.errors import KdbenchError

    if stale not in ("keep", "rerun", "fail"):
        raise KdbenchError(f"--stale {stale!r}: expected keep, rerun or fail")
    session = open_suite(suite, results, profile, only, plugin)
    show_refusals(session)
    if session.jobs.refusals:
        typer.echo("nothing was run: exclude the refused cells (with a reason), or mend them", err=True)
        return Exit.usage
    writable(results, session)
    planned = session.plan(session.records(session.scan(set_aside=True)), stale)
    say = (lambda text: typer.echo(text, err=True)) if as_json else typer.echo
    say(counted(planned.jobs, session))
    old = planned.in_state("stale")
    if old and stale == "fail":
        say("results made by older code stay as they are; --stale=rerun makes them anew")
        return Exit.incomplete
    outcomes = execute(session, planned, executor, workers, device, keep_going, max_failures, timeout, checkpoint, as_json)
    codes = [failures_code(outcomes, session, say)]
    codes.append(publish(session, reports, tracking_uri, track, say))
    stopped = interrupted(outcomes)
    return stopped if stopped is not None else worst(codes)


def writable(results: Path, session: Session) -> None:
    """Find out before training whether results can be written at all."""
    from kdbench.results.files import HomeError, explained

    session.home.ensure()
    with explained(results, HomeError):
        results.mkdir(parents=True, exist_ok=True)
        probe = results / ".kdbench-write-test"
        probe.write_text("")
        probe.unlink()


def execute(
    session: Session,
    planned: Plan,
    executor: str,
    workers: int | None,
    device: str | None,
    keep_going: bool,
    max_failures: int | None,
    timeout: float | None,
    checkpoint: float,
    as_json: bool,
) -> dict[str, Outcome]:
    """Run what the plan says, with progress on the terminal."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.execute.base import Policy
    from kdbench.execute.devices import DeviceError
    from kdbench.execute.progress import reporter

    resources = session.suite.resources
    specs = [spec(session, p.job, timeout or resources.timeout, checkpoint) for p in planned.in_state("run")]
    if not specs:
        return {}
    try:
        if executor == "local":
            from kdbench.execute.local import LocalExecutor

            slots = workers or resources.workers
            runner: Any = LocalExecutor(session.home.path, workers=slots, device=device or resources.device)
        elif executor == "inline":
            from kdbench.execute.inline import InlineExecutor

            runner = InlineExecutor(session.home.path, device=device or resources.device)
        else:
            raise KdbenchError(f"--executor {executor!r}: expected local or inline")
    except DeviceError as error:
        raise KdbenchError(str(error)) from error
    with reporter("json" if as_json else "auto") as on_event:
        return runner.run(specs, on_event, Policy(keep_going=keep_going, max_failures=max_failures))


def spec(session: Session, job: Any, timeout: float, checkpoint: float) -> JobSpec:
    from kdbench.execute.base import JobSpec, Resources
    from kdbench.jobs.plan import payload

    data = payload(job, session.jobs, session.home.path.absolute(), session.store.folder.absolute(), checkpoint)
    resources = Resources(gpu=session.suite.resources.gpu, timeout=timeout)
    steps = job.spec["recipe"]["steps"]
    return JobSpec(job.key, job.title, data, job.teachers, job.kind, steps, resources, group=job.labels["task"])


def failures_code(outcomes: dict[str, Outcome], session: Session, say: Any) -> Exit:
    """Say what failed, equal causes together."""
    from kdbench.execute.failures import group_failures

    groups = group_failures(outcomes.values())
    for failure, message, keys in groups:
        say(f"failed ({failure}): {message.splitlines()[0] if message else 'no message'}")
        for key in keys[:5]:
            say(f"   {session.jobs.jobs[key].title}  log: {session.home.jobs / key / 'log.txt'}")
        if len(keys) > 5:
            say(f"   and {len(keys) - 5} more")
    bad = [o for o in outcomes.values() if o.state not in ("done", "diverged")]
    return Exit.incomplete if bad else Exit.ok


def interrupted(outcomes: dict[str, Outcome]) -> Exit | None:
    """A run that was stopped: 75 where checkpoints lie ready to go on from, 130 where jobs were ended at once."""
    states = {o.state for o in outcomes.values()}
    if "interrupted" not in states:
        return None
    killed = any(o.state == "failed" and o.failure is not None and o.failure.value == "killed" for o in outcomes.values())
    return Exit.interrupted if killed else Exit.requeue


def publish(session: Session, reports: Path, tracking_uri: str | None, track: bool, say: Any) -> Exit:
    """The tables, the report and MLflow, from the results folder alone."""
    from kdbench.cli.report import make_report
    from kdbench.cli.track import sync_session

    built = make_report(session, reports)
    say(built.terminal)
    say(f"report: {built.html}")
    if track:
        report = sync_session(session, tracking_uri, (built.html, built.markdown))
        if report.failed:
            typer.echo(f"kdbench: MLflow was not updated: {report.failed} (kdbench track sync repeats it)", err=True)
        else:
            say(f"mlflow: {report.uri}")
    sys.stdout.flush()
    return Exit.claim_failed if built.failed_claims else Exit.ok
