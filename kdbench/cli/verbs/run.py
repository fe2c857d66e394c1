"""kdbench run: do what is missing, then report it and track it; with --decide, also what the gate needs to be sure."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.choices import afresh
from kdbench.cli.exits import Exit, worst
from kdbench.cli.needed import lacking, tell
from kdbench.cli.options import (
    BaselineOption,
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
from kdbench.cli.session import Session, open_suite
from kdbench.cli.stages import stages
from kdbench.cli.verbs.plan import counted, older, show_refusals
from kdbench.cli.work import How, Say, Where, Work

if TYPE_CHECKING:
    from kdbench.cli.decide import Decision
    from kdbench.jobs.plan import Plan
    from kdbench.results.record import Record


def run(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    reports: ReportsOption = Path("reports"),
    workers: Annotated[int | None, typer.Option("--workers", "-w", min=1, help="Jobs at a time; default: one a core.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = None,
    pack: Annotated[bool, typer.Option("--pack", help="Several jobs to a GPU, by the memory measured.")] = False,
    executor: Annotated[
        Where, typer.Option("--executor", help="Here, on a Ray cluster, or inline: all in this process.")
    ] = Where.local,
    address: Annotated[str | None, typer.Option("--address", help="Ray cluster: auto, HOST:PORT or ray://…")] = None,
    stale: StaleOption = Stale.auto,
    keep_going: Annotated[bool, typer.Option("--keep-going/--fail-fast", help="Go on after a failed job, or stop.")] = True,
    max_failures: Annotated[int | None, typer.Option("--max-failures", min=1, help="Stop after so many failures.")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.001, help="Seconds after which a job is ended; default: none.")
    ] = None,
    checkpoint: Annotated[float, typer.Option("--checkpoint", min=0.0, help="Seconds between checkpoints of a job.")] = 60.0,
    gang: Annotated[bool, typer.Option("--gang/--no-gang", help="Ask a teacher once for several jobs, or for each.")] = True,
    decide: Annotated[bool, typer.Option("--decide", help="Then gate; add seeds to cells that are undecided.")] = False,
    baseline: BaselineOption = Path("baselines"),
    tracking_uri: TrackingOption = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record runs in MLflow.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines on stdout, words on stderr.")] = False,
) -> int:
    """Run what has no result yet; then tables, report and MLflow.

    Results are the cache: a second run does only what is missing. Ctrl-C once (or SIGTERM, SIGUSR1) lets jobs save a checkpoint:
    exit code 75. Twice ends them. What another run is at is waited for.
    --decide ends with the gate's verdicts and exit code.

    Example: kdbench run suites/quickstart.yaml
    """
    from kdbench.execute.base import Policy

    leave_when_asked()
    session = open_suite(suite, results, profile, only, plugin)
    if session.jobs.refusals:
        show_refusals(session, err=True)
        typer.echo("kdbench: nothing was run: mend these cells, or leave them out with `exclude:` and a reason", err=True)
        return Exit.usage
    if decide:
        decidable(session)
    resources = session.suite.resources
    device = device or resources.device
    if address is not None:
        addressable(executor)
    if pack:
        packable(device, executor)
    if executor is not Where.ray:  # whose nodes have devices of their own
        existing(device)
    writable(session, results, reports)
    say: Say = (lambda text: typer.echo(text, err=True)) if as_json else typer.echo
    policy = Policy(keep_going=keep_going, max_failures=max_failures)
    workers, timeout = workers or resources.workers, timeout or resources.timeout
    how = How(executor, workers, device, policy, timeout, checkpoint, gang, pack, as_json, say, address)
    session, planned = afresh(session, session.outlines(set_aside=True), stale.value)
    say(counted(planned.jobs, session))
    if executor is not Where.ray and (reasons := lacking(session, [item.job for item in planned.in_state("run")])):
        tell(reasons, "nothing was run: mend this, or leave the task out with `--only`")
        return Exit.usage
    tidy(session, planned, results)
    if planned.in_state("stale") and stale is Stale.fail:
        say("nothing was run: older code made some results; --stale=rerun makes them anew, --stale=keep leaves them")
        return Exit.incomplete
    for line in older(planned.jobs, session):
        say(line)
    session, works = stages(session, planned, how, stale.value)
    decision = decided(session, baseline, how, works) if decide and not stopped(works) and not session.jobs.waiting else None
    code = stopped(works)
    if code is None:
        codes = [Exit.ok if work.whole and not session.jobs.waiting else Exit.incomplete for work in works]
        further = decision.further if decision is not None else {}
        codes.append(publish(session, works, further, reports, tracking_uri, track, say, as_json))
        if decision is not None:
            codes.append(verdicts(session, decision, how))
        code = worst(codes)
    if as_json:
        states = {key: state for work in works for key, state in work.states.items()}
        typer.echo(json.dumps({"t": round(time.time(), 3), "kind": "end", "exit_code": int(code), "states": states}))
    return code


def unreadable(session: Session, works: list[Work], records: Mapping[str, Record]) -> list[str]:
    """Results that were there when this was planned, by the ends of their files, and that could not be read to be reported."""
    states = {key: state for work in works for key, state in work.states.items() if key in session.jobs.jobs}
    there = [key for key, state in states.items() if state in ("cached", "stale", "done", "diverged")]
    return sorted(set(there) - records.keys())


def leave_when_asked() -> None:
    """Before and after the jobs, which have their own way to stop, nothing is lost by leaving at once."""
    from kdbench.execute.interrupts import ASKED

    def leave(signum: int, frame: object) -> None:
        raise SystemExit(Exit.requeue)

    for number in ASKED:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(number, leave)


def tidy(session: Session, planned: Plan, results: Path) -> None:
    """Remove what runs that were killed have left half written."""
    from kdbench.results.leftovers import folders_of, needless, sweep

    sweep(folders_of(session.home, results, [item.job.key for item in planned.in_state("run")]))
    needless(session.home, [item.job.key for item in planned.in_state("cached")])


def stopped(works: list[Work]) -> Exit | None:
    return next((work.stopped for work in works if work.stopped is not None), None)


def decidable(session: Session) -> None:
    """Find out before training whether more seeds may be added at all."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite.only import parse

    if session.only is not None and any(part.field == "seed" for part in parse(session.only)):
        raise KdbenchError("--decide adds seeds, so --only cannot say which seeds there are; leave one of them out")


def decided(session: Session, baseline: Path, how: How, works: list[Work]) -> Decision:
    """More seeds where the gate wants them; what was run joins `works`."""
    from kdbench.cli.decide import decide

    decision = decide(session, baseline, how)
    works += decision.rounds
    return decision


def verdicts(session: Session, decision: Decision, how: How) -> Exit:
    """The gate's report and its exit code."""
    from kdbench.cli.decide import counted
    from kdbench.cli.text import width
    from kdbench.cli.verbs.gate import code
    from kdbench.cli.verdicts import coloured
    from kdbench.gate.terminal import terminal

    if further := counted(decision.report, session):
        how.say(further)
    how.say(terminal(decision.report, width(), session.command("run"), coloured))
    if how.as_json:
        typer.echo(json.dumps({"t": round(time.time(), 3), "kind": "gate", **decision.report.data()}))
    return code(decision.report)


def writable(session: Session, *folders: Path) -> None:
    """Find out before training whether what comes out of it can be written at all."""
    from kdbench.results.files import HomeError, explained

    session.home.ensure()
    for folder in folders:
        with explained(folder, HomeError):
            folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()  # of a fixed name, a link could stand there already, and empty what it shows


def existing(device: str) -> None:
    """An error that says what there is, where a device does not exist."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.execute.devices import DeviceError, resolve

    try:
        resolve(device)
    except DeviceError as error:
        raise KdbenchError(str(error)) from error


def addressable(executor: Where) -> None:
    """Refuse an address where nothing is called on."""
    from kdbench.contract.errors import KdbenchError

    if executor is not Where.ray:
        raise KdbenchError(f"--address names a Ray cluster, and --executor {executor} uses none; add --executor ray")


def packable(device: str, executor: Where) -> None:
    """Refuse to pack where there is nothing to pack into."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.execute.devices import resolve

    if executor is Where.ray:
        raise KdbenchError("--pack measures the GPUs of this machine; on a cluster give jobs a share: `resources: {gpu: 0.25}`")
    if executor is Where.inline:
        raise KdbenchError("--pack puts several jobs on a GPU at a time, and --executor inline runs one")
    if not resolve(device):
        raise KdbenchError("--pack puts several jobs on a GPU, and this run is on CPU, where a job a core runs anyway")


def publish(
    session: Session,
    works: list[Work],
    further: Mapping[str, Record],
    reports: Path,
    tracking_uri: str | None,
    track: bool,
    say: Say,
    as_json: bool,
) -> Exit:
    """The tables, the report and MLflow, from the results folder alone. MLflow gets the results of `further` seeds, too."""
    from kdbench.cli.text import count
    from kdbench.cli.verbs.report import make_report
    from kdbench.cli.verbs.track import sync_session

    records = session.records(set_aside=True)
    built = make_report(session, records, reports)
    say(built.terminal)
    say(f"report: {built.html}")
    where = {"report": str(built.html), "markdown": str(built.markdown)}
    if track:
        synced = sync_session(session, {**records, **further}, tracking_uri, (built.html, built.markdown))
        if synced.failed:
            typer.echo(f"kdbench: MLflow was not updated: {synced.failed}", err=True)
            typer.echo(f"kdbench: all results are kept; {session.command('track sync')} repeats only this", err=True)
        else:
            say(f"mlflow: {synced.uri}")
            where["mlflow"] = synced.uri
    if as_json:
        typer.echo(json.dumps({"t": round(time.time(), 3), "kind": "published", **where}))
    if lost := unreadable(session, works, records):
        say(f"{count(len(lost), 'result')} could not be read; {session.command('run')} again makes what is missing")
        return Exit.incomplete
    return Exit.claim_failed if built.failed_claims else Exit.ok
