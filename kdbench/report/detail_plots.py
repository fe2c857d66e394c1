"""Calibration beside the teacher's, and agreement on parts of the test set from the hardest on, a line a cell."""

from __future__ import annotations

import math

from markupsafe import Markup

from kdbench.metrics.catalogue import metric
from kdbench.report.model import Row, Table
from kdbench.report.numbers import in_percent, number, scaled
from kdbench.report.scatter import look
from kdbench.report.strips import Panel, bounds, dot, few, span_of, strips
from kdbench.report.svg import Scale, line, titled

# Agreement by part of the test set, the hardest first: what a row of dots shows.
SHOWN_PARTS = {
    "classification": ("class_agreement_teacher_min", "class_agreement_teacher_p10", "class_agreement_teacher_mean"),
    "segmentation": ("class_agreement_teacher_min", "class_agreement_teacher_p10", "class_agreement_teacher_mean"),
    "retrieval": ("overlap@1", "overlap@10", "overlap@100"),
    "tagging": ("positive_agreement_rare", "positive_agreement_middle", "positive_agreement_frequent"),
}
PART_TITLES = {
    "classification": "agreement by teacher class: worst, 10th percentile, mean, %",
    "segmentation": "agreement by teacher class: worst, 10th percentile, mean, %",
    "retrieval": "common documents: top 1, top 10, top 100, %",
    "tagging": "positive agreement: rare, middle, frequent tags, %",
}


def detail_plot(table: Table) -> Markup | None:
    """Calibration beside the teacher's, and agreement where it is lowest; None where neither was measured."""
    rows = few(table, [row for row in table.students if row.sources])
    panels = [panel for panel in (calibration(table, rows), by_part(table, rows)) if panel is not None]
    name = f"{table.title}: calibration, and agreement by part, {len(rows)} cells"
    return strips(rows, panels, name, lambda row: look(row, table.endpoints.truth))


def calibration(table: Table, rows: list[Row]) -> Panel | None:
    info = table.endpoints.ece
    if info is None or not any(row.has(info.name) for row in rows):
        return None
    teachers = [(row.label, row.summary(info.name).mean) for row in table.teachers if row.has(info.name)]
    lines = tuple((scaled(ece, info.unit), "teacher", f"{label}: {number(ece, info.unit)} %") for label, ece in teachers)

    def mark(row: Row, x: Scale, y: float) -> Markup | None:
        summary = row.summary(info.name)
        if not row.has(info.name):
            return None
        middle, sd = scaled(summary.mean, info.unit), scaled(summary.sd, info.unit)
        parts = [] if math.isnan(sd) else span_of(x, middle - sd, middle + sd, y)
        if row.planned > 1:
            parts += [dot(x(scaled(value, info.unit)), y, "seed", 1.6) for value in summary.by_seed.values()]
        said = f"{row.name}: {number(summary.mean, info.unit)} %"
        return titled(f"cell {look(row, info)}", said, *parts, dot(x(middle), y))

    values = [scaled(value, info.unit) for row in rows for value in row.summary(info.name).by_seed.values()]
    _, high = bounds([*values, *(value for value, _, _ in lines)], 0.0, 0.0)
    right = "line: teacher" if lines else ""
    return Panel(f"{info.title}{in_percent(info.unit)}", 0.0, high, mark, left="← better", right=right, lines=lines)


def by_part(table: Table, rows: list[Row]) -> Panel | None:
    names = SHOWN_PARTS[table.family]
    if not any(row.summary(names[0]).n for row in rows):
        return None

    def mark(row: Row, x: Scale, y: float) -> Markup | None:
        values = [scaled(row.summary(name).mean, "share") for name in names]
        if not all(map(math.isfinite, values)):
            return None
        said = ", ".join(f"{metric(table.family, name).title} {number(row.summary(name).mean, 'share')} %" for name in names)
        parts = [line(x(min(values)), y, x(max(values)), y, "bar")]
        parts += [dot(x(value), y, "mean", size) for value, size in zip(values, (2.2, 3.1, 4.0), strict=True)]
        return titled(f"cell {look(row, table.endpoints.agreement)}", f"{row.name}: {said}", *parts)

    low, high = bounds([scaled(row.summary(name).mean, "share") for row in rows for name in names])
    return Panel(PART_TITLES[table.family], max(low, 0.0), min(high, 100.5), mark, right="larger dot: easier part")
