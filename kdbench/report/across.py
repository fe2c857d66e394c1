"""Methods over tasks: how much of the way from the student alone to its teacher each goes, and its mean rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kdbench.report.model import Row, Table
from kdbench.report.numbers import listed
from kdbench.stats.ranks import LEAST_BLOCKS, TooFewBlocks, critical_difference, friedman_p, mean_ranks
from kdbench.stats.scores import Middle, informative, middle, normalised


@dataclass(frozen=True)
class AcrossRow:
    """One method: its mean score on each task, the middle of them, and its mean rank."""

    label: str
    scores: tuple[float, ...]
    middle: Middle
    rank: float


@dataclass(frozen=True)
class Across:
    """`tasks` are those that count; `remarks` say which do not, which rows are lacking, and what ranks can show."""

    tasks: tuple[str, ...]
    rows: list[AcrossRow]
    remarks: list[str]


def across(tables: Sequence[Table]) -> Across | None:
    """None for fewer than two tasks with a teacher, a control and the same methods on them."""
    whole = [table for table in tables if fit(table)]
    flat = [table for table in whole if not informative(values(table.controls[0], table), values(table.teachers[0], table))]
    used = [table for table in whole if table not in flat]
    if len(used) < 2:
        return None
    arms = [{called(row): row for row in table.students if row.kind == "arm"} for table in used]
    everywhere = [label for label in arms[0] if all(label in found for found in arms)]
    labels = [label for label in everywhere if all(complete(found[label], t) for found, t in zip(arms, used, strict=True))]
    if not labels:
        return None
    blocks = [block(found, labels, table) for found, table in zip(arms, used, strict=True)]
    ranks = mean_ranks(blocks).ranks
    rows = [made for label in labels if (made := across_row(label, [found[label] for found in arms], used, ranks[label]))]
    rows.sort(key=lambda row: -row.middle.iqm.estimate)
    lacking = [label for label in everywhere if label not in labels]
    remarks = [f"Without {listed(lacking)}, which lack results on some task."] if lacking else []
    some = list(dict.fromkeys(label for found in arms for label in found if label not in everywhere))
    if some:
        remarks.append(f"Without {listed(some)}, which are not on every one of these tasks; ranks are among the rows shown.")
    if flat:
        names = listed([table.title for table in flat])
        remarks.append(f"Without {names}: the teacher stands within two standard deviations of the student alone.")
    return Across(tuple(table.title for table in used), rows, [*remarks, rank_remark(blocks, len(labels))]) if rows else None


def called(row: Row) -> str:
    """The same on every task: an arm whose setting was chosen on validation data goes by what the suite writes."""
    return row.name if row.written is None or row.alias else f"{row.written}, tuned"


def fit(table: Table) -> bool:
    """Whether a table has both ends of the scale."""
    ends = (table.teachers[:1], table.controls[:1])
    return all(rows and complete(rows[0], table) for rows in ends)


def complete(row: Row, table: Table) -> bool:
    found = row.summary(table.endpoints.truth.name)
    return row.complete and found.n == row.planned and all(map(math.isfinite, found.by_seed.values()))


def values(row: Row, table: Table) -> list[float]:
    return list(row.summary(table.endpoints.truth.name).by_seed.values())


def block(arms: dict[str, Row], labels: Sequence[str], table: Table) -> dict[str, float]:
    """Truth of each method on one task, up being good."""
    truth = table.endpoints.truth
    sign = 1 if truth.direction == "up" else -1
    return {label: sign * arms[label].summary(truth.name).mean for label in labels}


def across_row(label: str, rows: Sequence[Row], tables: Sequence[Table], rank: float) -> AcrossRow | None:
    """None where a row has one seed: no interval, and so no claim over tasks."""
    scores = {}
    for row, table in zip(rows, tables, strict=True):
        truth = table.endpoints.truth.name
        plain, teacher = table.controls[0].summary(truth).mean, table.teachers[0].summary(truth).mean
        scores[table.title] = [normalised(value, plain, teacher) for value in values(row, table)]
    found = middle(scores)
    means = tuple(math.fsum(runs) / len(runs) for runs in scores.values())
    return None if found is None else AcrossRow(label, means, found, rank)


def rank_remark(blocks: Sequence[dict[str, float]], methods: int) -> str:
    """What a test of the ranks says, or why there is none."""
    try:
        p, apart = friedman_p(blocks), critical_difference(methods, len(blocks))
    except TooFewBlocks:
        return f"{len(blocks)} tasks are too few for a test of ranks, which needs {LEAST_BLOCKS}: they only describe this table."
    return f"Friedman's test that all rank alike: p = {p:.3g}; mean ranks more than {apart:.2f} apart differ (Nemenyi, 5 %)."
