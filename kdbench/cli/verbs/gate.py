"""kdbench gate: results against the accepted baseline; which cells are worse, which are not, and which cannot be told."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.choices import not_yet
from kdbench.cli.exits import Exit, worst
from kdbench.cli.on_suite import on_suite
from kdbench.cli.options import BaselineOption, JsonOption
from kdbench.cli.pulled import pulled
from kdbench.cli.session import Session
from kdbench.cli.text import width
from kdbench.contract.errors import KdbenchError

if TYPE_CHECKING:
    from kdbench.gate.baseline import Baseline
    from kdbench.gate.candidates import Candidate
    from kdbench.gate.experiments import Experiments
    from kdbench.gate.verdicts import ClaimVerdict, GateReport
    from kdbench.jobs.job import Cell
    from kdbench.results.record import Record

SUMMARY = "GITHUB_STEP_SUMMARY"


@on_suite
def gate(
    session: Session,
    baseline: BaselineOption = Path("baselines"),
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to a file, a test case a cell.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write the report to a file, as Markdown.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Annotations and a step summary for GitHub Actions.")] = False,
    badge: Annotated[Path | None, typer.Option("--badge", help="Write a badge to a file, as JSON for shields.io.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 5 also where something is undecided or drifted.")] = False,
    from_mlflow: Annotated[
        str | None, typer.Option("--from-mlflow", metavar="URI", help="Judge what an MLflow store holds.")
    ] = None,
    experiment: Annotated[str | None, typer.Option("--experiment", help="Its experiment; default: kdbench/<suite>.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Judge results by their baseline, with the noise of training.

    Nothing is trained. Results are those of the folder, or with --from-mlflow those that `kdbench run` or `track sync` wrote to
    a server. Exit codes: 0 nothing worse, 1 regressed or a claim failed, 3 results missing or of older code, 4 nothing comparable
    or no baseline, 5 too few seeds to see any loss; with --strict, anything undecided.

    Example: kdbench gate suites/core.yaml --junit gate.xml
    """
    from kdbench.track.address import Unusable

    if from_mlflow is None and experiment is not None:
        raise KdbenchError("--experiment says what to read --from-mlflow; without that, results are read from --results")
    try:
        with nullcontext(session) if from_mlflow is None else pulled(session, from_mlflow, experiment) as held:
            if not_yet(held):
                return Exit.incomplete
            found = judge(held, baseline)
    except Unusable as error:
        typer.echo(f"kdbench: no results could be read: {error}", err=True)
        return Exit.incomplete
    if junit is not None:
        from kdbench.gate.junit import junit as xml

        write(junit, xml(found, strict))
    if markdown is not None:
        from kdbench.gate.markdown import markdown as page

        write(markdown, page(found).encode())
    if badge is not None:
        from kdbench.gate.badge import endpoint

        write(badge, endpoint(found).encode())
    if as_json:
        typer.echo(json.dumps({**found.data(), "exit_code": int(code(found, strict))}, indent=1, ensure_ascii=False))
    else:
        from kdbench.cli.verdicts import coloured
        from kdbench.gate.terminal import terminal

        typer.echo(terminal(found, width(), session.command("run"), coloured))
    if github:
        tell_github(found, session.path, err=as_json)
    return code(found, strict)


def judge(session: Session, root: Path) -> GateReport:
    """The gate's report on a suite as its results folder stands."""
    from kdbench.gate.build import build

    gathered = gather(session, root)
    claims = judged_claims(session, gathered.records)
    return build(
        session.suite,
        session.jobs,
        gathered.candidates,
        gathered.baseline,
        gathered.experiments,
        gathered.planned,
        claims,
    )


@dataclass
class Gathered:
    """Both sides of a suite: what was accepted, and what the results folder holds. `planned` are the cells of the whole suite."""

    records: Mapping[str, Record]
    baseline: Baseline
    candidates: dict[Cell, Candidate]
    experiments: Experiments
    planned: set[Cell]


def gather(session: Session, root: Path) -> Gathered:
    """Results of seeds that the suite does not plan count too, unless seeds were asked for by --only."""
    from kdbench.gate.baseline import load
    from kdbench.gate.candidates import collect
    from kdbench.gate.experiments import Experiments
    from kdbench.jobs.job import Cell
    from kdbench.jobs.of_suite import jobs_of
    from kdbench.suite.only import parse

    scan = session.store.scan()
    for path, why in scan.broken:
        print(f"kdbench: {path}: {why}", file=sys.stderr)
    records = {key: record for key, record in scan.records.items() if key in session.jobs.jobs}
    whole = session.expansion
    if session.profile is not None or session.only is not None:
        whole, _ = jobs_of(session.suite, session.registry, session.path.parent, None, None, lambda: scan.records)
    arms = {Cell(arm.task["name"], arm.pair, arm.cell): arm for arm in (*whole.arms, *session.expansion.arms)}
    experiments = Experiments.of(session.expansion.arms, session.registry, session.path.parent)
    seeds_asked = session.only is not None and any(part.field == "seed" for part in parse(session.only))
    candidates = collect(
        session.jobs,
        session.plan(records),
        scan.records,
        experiments,
        None if seeds_asked else session.digests(),
    )
    baseline = load(root, session.suite.name, {cell.task for cell in arms})
    return Gathered(records, baseline, candidates, experiments, set(arms))


def judged_claims(session: Session, records: Mapping[str, Record]) -> list[ClaimVerdict]:
    if not session.expansion.claims:
        return []
    from kdbench.gate.build import judged_claims as judge_all

    return judge_all(session.expansion.claims, session.jobs, *session.read(records))


def code(report: GateReport, strict: bool = False) -> Exit:
    """One code for all verdicts. What was not compared or could not be judged is never a pass, and a run without a comparison is
    none either."""
    from kdbench.gate.verdicts import OPEN, Verdict

    verdicts = {part.verdict for cell in report.cells for part in cell.endpoints} | {cell.verdict for cell in report.cells}
    outcomes = {claim.judged.outcome for claim in report.claims}
    held = []
    if verdicts & {Verdict.missing, Verdict.stale}:
        held.append(Exit.incomplete)
    if Verdict.regressed in verdicts or "fails" in outcomes:
        held.append(Exit.claim_failed)
    if verdicts & {Verdict.incomparable, Verdict.removed} or not report.compared:
        held.append(Exit.incomparable)
    blind = any(cell.verdict is Verdict.unjudged for cell in report.cells)
    if blind or (strict and (verdicts & {*OPEN, Verdict.drifted} or "undecided" in outcomes)):
        held.append(Exit.inconclusive)
    return worst(held)


def tell_github(report: GateReport, suite: Path, err: bool) -> None:
    """Annotations where GitHub reads them, on either stream; the summary into the file that it names, if it names one."""
    from kdbench.gate.github import workflow_commands
    from kdbench.gate.markdown import markdown

    for line in workflow_commands(report, suite):
        typer.echo(line, err=err)
    if path := os.environ.get(SUMMARY):
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown(report))


def write(path: Path, content: bytes) -> None:
    from kdbench.results.files import write_atomically

    write_atomically(path, content)
