"""Puts the page's model together from what a suite plans and what the results folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from kdbench.compare.beside import Beside
from kdbench.compare.cells import Group
from kdbench.jobs.job import Cell, Job, JobSet, where
from kdbench.metrics.catalogue import MetricInfo, metric, unlisted
from kdbench.report.crossed import Crossing
from kdbench.report.curves import read_curves
from kdbench.report.learned_from import batches_of_both, data_used
from kdbench.report.model import NONE_OLDER, Endpoints, JudgedClaim, Page, Part, Row, RowKind, Source, Table
from kdbench.report.outside_teachers import outside_teachers
from kdbench.report.provenance import provenance
from kdbench.report.remarks import general_remarks, imported_remark, table_remarks, table_warnings
from kdbench.report.rows import compare, endpoints, mark_best, measure
from kdbench.results.garbage import no_garbage_collection
from kdbench.results.older import Older
from kdbench.results.readings import Reading, Readings
from kdbench.results.record import Record
from kdbench.results.timing import side_by_side
from kdbench.results.unit_reader import UnitReader
from kdbench.stats.suite_claims import judge_claim
from kdbench.suite.arm import Arm, ArmClaim, Expansion
from kdbench.suite.schema import Suite

CONTROL = "none"


def assemble(
    suite: Suite,
    part: Part,
    expansion: Expansion,
    jobs: JobSet,
    readings: Readings,
    records: Mapping[str, Record],
    reader: UnitReader | None = None,
    published: Sequence[Beside] = (),
    imported: Sequence[Group] = (),
    older: Older = NONE_OLDER,
) -> Page:
    """The model of the whole report. `reader` adds what examples and events tell beyond the means; `published` are figures of the
    literature beside ours, `imported` runs made elsewhere."""
    crossing = Crossing(reader) if reader is not None else None
    arms = {Cell(arm.task["name"], arm.pair, arm.cell): arm for arm in reversed(expansion.arms)}
    places = dict.fromkeys((arm.task["name"], arm.pair) for arm in expansion.arms)
    with no_garbage_collection():
        tables = [
            table(place, arms, jobs, readings, crossing, older, suite.show) for place in places if place[0] in readings.families
        ]
    known = {key: records[key] for key in jobs.jobs if key in records}
    whole = older.all_of(known)
    alone = not side_by_side(known.values())
    for built in tables:
        built.timed = alone
        for each in built.rows:
            each.marked = not whole
        built.imported = [
            imported_row(group, built.endpoints) for group in imported if (group.task, group.pair) == (built.task, built.pair)
        ]
        built.remarks += [imported_remark(built)] if built.imported else []
    diverged = sum(record.status == "diverged" for record in known.values())
    page = Page(
        name=suite.name,
        part=part,
        description=suite.description.strip(),
        tables=tables,
        claims=[judged(claim, jobs, readings, reader, NONE_OLDER if whole else older) for claim in expansion.claims],
        refused=[(refusal.cell.title, refusal.reasons) for refusal in jobs.refusals],
        excluded=list(expansion.excluded),
        remarks=[],
        provenance=[*provenance(known), *outside_teachers(jobs, known)],
        planned=len(jobs.jobs) + sum(jobs.waiting.values()),
        done=len(known) - diverged,
        diverged=diverged,
        suite_text=suite.document.text,
        decisions=jobs.decisions,
        published=list(published),
    )
    page.warnings = [said] if (said := older.said({key: in_words(jobs.jobs[key]) for key in known})) else []
    page.remarks = general_remarks(page, known)
    return page


def table(
    place: tuple[str, str],
    arms: Mapping[Cell, Arm],
    jobs: JobSet,
    readings: Readings,
    crossing: Crossing | None = None,
    older: Older = NONE_OLDER,
    show: Sequence[str] = (),
) -> Table:
    """The table of one task and pair; `show` are further metrics that the suite asks for."""
    task, pair = place
    family = readings.families[task]
    ends = endpoints(family, show)
    rows = teacher_rows(place, jobs, readings, ends, older)
    here = [cell for cell in jobs.cells if (cell.task, cell.pair) == place]
    students = {cell: student_row(cell, arms[cell], jobs, readings, ends, older) for cell in here}
    controls = {cell: row for cell, row in students.items() if row.kind == "control"}
    for cell, row in students.items():
        if row.kind == "control" or not controls:
            continue
        reference = control_of(arms[cell], {control: arms[control] for control in controls})
        row.control, row.like_control = controls[reference].label, alike(arms[cell], arms[reference])
        row.differences = compare(row, controls[reference], ends.shown)
    rows += [*controls.values(), *(row for row in students.values() if row.kind != "control")]
    mark_best([row for row in rows if row.kind != "teacher"], ends.shown)
    built = Table(task, pair, family, ends, rows)
    taught = {cell: found for cell in here if (found := [r for r in readings.cells.get(cell, []) if r.teachers])}
    built.shared_members = [students[cell].name for cell, found in taught.items() if overlapping(found)]
    built.shared_teams = [students[cell].name for cell, found in taught.items() if len({r.teachers for r in found}) < len(found)]
    if crossing is not None:
        crossing.fill(built, {cell.cell: readings.cells.get(cell, []) for cell in here})
        built.curves = read_curves(built, crossing.reader.home.jobs)
    own, facts = [arms[cell] for cell in here], facts_of(arms[here[0]].task["plugin"]) if here else {}
    built.data = [" ".join(data_used(own, facts, family, built.units)), batches_of_both(own)]
    built.warnings, built.remarks = table_warnings(built), table_remarks(built)
    return built


def teacher_rows(place: tuple[str, str], jobs: JobSet, readings: Readings, ends: Endpoints, older: Older) -> list[Row]:
    """A row for each kind of teacher in the pool."""
    by_key = {reading.key: reading for reading in readings.teachers.get(place, [])}
    kinds: dict[str, list[str]] = {}
    for key in jobs.teachers.get(place, []):
        kinds.setdefault(jobs.jobs[key].labels["cell"], []).append(key)
    return [
        row(label, "teacher", None, keys, [by_key[key] for key in keys if key in by_key], ends, older)
        for label, keys in kinds.items()
    ]


def student_row(cell: Cell, arm: Arm, jobs: JobSet, readings: Readings, ends: Endpoints, older: Older) -> Row:
    control = arm.method["name"] == CONTROL and not arm.method["wrap"]
    alias = arm.alias or (family_alias(arm.task["plugin"]) if control else None)
    kind: RowKind = "control" if control else "arm"
    made = row(cell.cell, kind, alias, jobs.cells[cell], readings.cells.get(cell, []), ends, older)
    made.written = arm.written
    return made


def row(
    label: str, kind: RowKind, alias: str | None, keys: list[str], found: list[Reading], ends: Endpoints, older: Older
) -> Row:
    sources = [Source(reading.seed, reading.key, reading.status, reading.key in older.reasons) for reading in found]
    return Row(label, kind, alias if alias != label else None, len(keys), sources, measure(found, ends))


def imported_row(group: Group, ends: Endpoints) -> Row:
    """Runs made elsewhere as a row: their numbers, and nothing that would be read off beside ours."""
    return row(group.cell, "imported", None, [r.key for r in group.readings], list(group.readings), ends, NONE_OLDER)


def family_alias(plugin: str) -> str | None:
    """What the task's field calls the control, e.g. source_only."""
    return next((alias for alias, method in facts_of(plugin).get("aliases", {}).items() if method == CONTROL), None)


def facts_of(plugin: str) -> Mapping[str, Any]:
    """What is told of a task that comes with kdbench; nothing of others."""
    from kdbench.registry import builtin

    return next((info.facts for info in builtin() if info.kind == "task" and info.name == plugin), {})


def control_of(arm: Arm, controls: Mapping[Cell, Arm]) -> Cell:
    """The control that an arm is compared with: of the same data and recipe, else the same data, else the first."""
    return next(
        (cell for cell, control in controls.items() if alike(arm, control)),
        next((cell for cell, control in controls.items() if labelled(arm) == labelled(control)), next(iter(controls))),
    )


def overlapping(found: Sequence[Reading]) -> bool:
    """Whether ensembles of different seeds share some members and not all."""
    teams = {frozenset(reading.teachers) for reading in found}
    return any(one & other for one, other in combinations(teams, 2))


def alike(arm: Arm, control: Arm) -> bool:
    return labelled(arm) == labelled(control) and arm.recipe == control.recipe and arm.student == control.student


def labelled(arm: Arm) -> dict[str, Any]:
    """What an arm reads of labelled data: its view without its name and what only the distillation stream shows."""
    return {key: value for key, value in arm.view.items() if key not in ("name", "transfer", "stages")}


def judged(
    claim: ArmClaim, jobs: JobSet, readings: Readings, reader: UnitReader | None = None, older: Older = NONE_OLDER
) -> JudgedClaim:
    about = info(readings.families.get(claim.task, ""), claim.metric)
    stands_on = {key for place in claim.places() for key in jobs.cells.get(Cell(*place), ())}
    return JudgedClaim(claim, about, judge_claim(claim, jobs, readings, reader), not stands_on.isdisjoint(older.reasons))


def in_words(job: Job) -> str:
    """The row that a job is in."""
    return f"{where(job.labels['task'], job.labels['pair'])} {job.labels['cell']}"


def info(family: str, name: str) -> MetricInfo:
    """The catalogue's entry of a metric; a plain number where a claim names one that it does not hold."""
    plain = name.rpartition(".")[2]
    try:
        return metric(family, plain)
    except KeyError:
        return unlisted(plain, family)
