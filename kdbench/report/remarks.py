"""What a comparison can and cannot say, worked out from its seeds, spread, teachers and controls; shown before any number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

from kdbench.report.model import Page, Row, Table
from kdbench.report.numbers import counted, listed, number, points
from kdbench.report.provenance import mixed, mixed_code
from kdbench.report.rows import paired_differences
from kdbench.report.worth import nothing_to_learn, teacher_above, undecided
from kdbench.results.record import Record
from kdbench.results.timing import left_out, side_by_side
from kdbench.stats import detectable, sd

NOISY = 2.0  # φ from which runs truly differ
NAMED = 3  # rows named for one reason


def general_remarks(page: Page, records: Mapping[str, Record]) -> list[str]:
    """Sentences that hold for all tables."""
    if not records:
        return ["No results yet: the tables show what is planned."]
    found = []
    if page.missing:
        found.append(
            f"{page.missing} of {counted(page.planned, 'job')} have no result yet; rows that lack seeds are never set in bold, "
            "or called better or worse."
        )
    trials = {key for decision in page.decisions for key in decision.keys}
    diverged = sum(record.status == "diverged" for key, record in records.items() if key not in trials)
    if diverged:
        found.append(
            f"{counted(diverged, 'job')} diverged. The means are those of the seeds that did not, and flatter their rows."
        )
    if said := intervals(page):
        found.append(said)
    leaks = {f"{record.labels['task']}: {told}" for record in records.values() for told in record.provenance.get("leaks", ())}
    found += [f"The test set is not wholly apart from the training data. {told}." for told in sorted(leaks)]
    found += mixed_code(records)
    unlike = mixed(records)
    if unlike:
        found.append(f"The results do not all come from the same {listed(unlike, 'or')}: see provenance.")
    if timed := left_out(records.values()):
        found.append(timed)
    if side_by_side(records.values()):
        found.append(
            "Jobs ran side by side on one machine: their seconds are no measure of a method's cost, and are not shown. "
            "A run with --no-gang --workers 1 measures."
        )
    return found


def intervals(page: Page) -> str:
    """What the intervals are of, and how many of them chance alone would make look real; empty where there are none."""
    truths = [(table.endpoints.truth.name, row) for table in page.tables for row in table.students if row.complete]
    differences = [row.differences.get(truth) for truth, row in truths]
    compared = sum(difference is not None and difference.interval is not None for difference in differences)
    if not compared:
        return ""
    text = "Intervals are of 95 %, over seeds on a fixed test set: they speak of training again, not of other test data."
    if any(table.crossed for table in page.tables):
        text += (
            " Where the test examples are known, a second interval is over seeds and examples at once, and never the narrower "
            "one: it speaks of other test data too. Quote it; a row is called better or worse only where it excludes zero."
        )
    if compared > 1:
        names = listed(list(dict.fromkeys(table.endpoints.truth.name for table in page.tables)))
        text += (
            f" Each stands alone: if no method did anything, {compared * 0.05:.1f} of the {compared} differences in {names} "
            "would be expected to look real."
        )
    return text


def table_remarks(table: Table) -> list[str]:
    """Sentences about one task and pair."""
    if not any(row.sources for row in table.rows):
        return []
    return [
        text
        for text in (
            *table.data, seeds(table), undecided(table), noise(table), teacher_above(table), teachers(table), controls(table),
            unlike(table), *silent(table),
        )
        if text
    ]  # fmt: skip


def table_warnings(table: Table) -> list[str]:
    """What makes a table worthless for the question that it is made for."""
    return [text] if (text := nothing_to_learn(table)) else []


def seeds(table: Table) -> str:
    """How many seeds there are, and the smallest difference they could show."""
    counts = sorted({row.planned for row in table.students})
    if not counts:
        return ""
    text = counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    if counts[-1] == 1:
        return "One seed a row: no interval can be given, and the order of the rows may be chance."
    truth = table.endpoints.truth
    by_label = {row.label: row for row in table.controls}
    spreads, pairs = [], []
    for row in table.students:
        if row.control is not None and row.complete and by_label[row.control].complete:
            ours, theirs = row.summary(truth.name).by_seed, by_label[row.control].summary(truth.name).by_seed
            differences = paired_differences(ours, theirs)
            if len(differences) > 1:
                spreads.append(sd(differences))
                pairs.append(len(differences))
    if not spreads:
        return f"{text} a row; no row can be compared with the control yet."
    pooled = math.sqrt(sum(s**2 for s in spreads) / len(spreads))
    if pooled == 0:
        return f"{text} a row, of which each gives the very same difference to the control."
    least = detectable(pooled, min(pairs))
    unit = points(truth.unit)
    size, spread = (f"{number(value, truth.unit)} {unit}".strip() for value in (least, pooled))
    return (
        f"{text} a row. A true difference in {truth.name} of {size} is noticed with a chance of 80 %, a smaller one less often "
        f"(paired t test at 5 %, {counted(min(pairs), 'seed')}; a seed's difference to the control has a standard deviation "
        f"of {spread}, pooled over {counted(len(spreads), 'row')}). That no difference is seen does not mean that there is none."
    )


def noise(table: Table) -> str:
    """Whether runs differ by more than the finite test set makes them."""
    found = {row.label: row.overdispersion for row in table.students if not math.isnan(row.overdispersion)}
    if not found:
        return ""
    middle = median(found.values())
    noisy = [f"{label} ({phi:.1f})" for label, phi in found.items() if phi > max(NOISY, 2 * middle)]
    if middle > NOISY:
        text = "Training is unsteady, by its recipe or the teachers: runs of a row differ by more than chance alone has it"
    elif noisy:
        more = f" and {len(noisy) - NAMED} more" if len(noisy) > NAMED else ""
        text = f"Runs of a row differ by about what chance alone has; by much more in {listed(noisy[:NAMED])}{more}"
    else:
        text = "Runs of a row differ by no more than chance alone has it"
    return f"{text} (φ = {middle:.1f}; 1 would be nets that are equally good, each right on other examples)."


def teachers(table: Table) -> str:
    pool = sum(row.planned for row in table.teachers)
    if pool == 0:
        return ""
    if pool == 1:
        return "All students have the same teacher: nothing here speaks of other teachers, and there is no independent control."
    seeds = max((row.planned for row in table.students), default=0)
    if pool < seeds:
        return (
            f"{seeds} seeds share {pool} teachers: seeds of the same teacher are alike in more than chance, so that the "
            "intervals over seeds are somewhat too narrow for what other teachers would give"
            + ("; those over seeds and examples add what teachers differ by." if table.crossed else ".")
        )
    text = f"Students of different seeds have different teachers ({pool} in all): the intervals hold the teachers' spread too."
    if table.shared_teams:
        text += (
            f" Not so for {listed(table.shared_teams)}, where several seeds have the very same teachers: their intervals over "
            "seeds are somewhat too narrow for other teachers"
            + ("; those with examples add what teachers differ by." if table.crossed else ".")
        )
    if table.shared_members:
        text += (
            f" Ensembles of neighbouring seeds share members ({listed(table.shared_members)}), which no interval here counts: "
            "for other teachers those are somewhat too narrow."
        )
    return text


def silent(table: Table) -> list[str]:
    """Terms that were computed and never taught anything: of all that the events tell, each was exactly zero."""
    mute = {
        curve.label: [f"'{name}'" for name, values in curve.terms.items() if values and not any(values)] for curve in table.curves
    }
    return [
        f"The term {listed(names)} of {label} was 0 at every step that was logged: it taught nothing. A threshold that nothing "
        "reaches, or too few steps to reach it, does that."
        for label, names in mute.items()
        if names
    ]


def controls(table: Table) -> str:
    """Which controls stand beside the arms."""
    if not table.controls:
        return "There is no control 'none' in this table: it does not show what distillation adds."
    arms = [row for row in table.students if row.kind == "arm"]
    with_other = [row for row in arms if row.summary("independent").n]
    names = listed([called(row) for row in table.controls])
    text = f"Controls: the student alone ({names})"
    if not arms:
        return text + "."
    if len(with_other) == len(arms):
        return text + ", and for each row an independent student, taught by another teacher."
    if with_other:
        some = f"{len(with_other)} of {counted(len(arms), 'row')}"
        return text + f", and for {some} an independent student, taught by another teacher."
    return text + ". There is no independent student: how much agreement is owed to this teacher cannot be said."


def imported_remark(table: Table) -> str:
    """What rows are worth that this suite did not make."""
    said = f"{counted(len(table.imported), 'row')} marked imported {'was' if len(table.imported) == 1 else 'were'} made elsewhere"
    return (
        f"{said}: only numbers are known, and whether data, recipe and teacher are the same cannot be checked. They enter no "
        "plot, rank or claim."
    )


def called(row: Row) -> str:
    return f"{row.label}, also called {row.alias}" if row.alias else row.label


def unlike(table: Table) -> str:
    other = [row.name for row in table.students if row.control is not None and not row.like_control]
    if not other:
        return ""
    return (
        f"† The control of {listed(other)} had other labelled data or another recipe, "
        "so that the difference is not the method's alone."
    )
