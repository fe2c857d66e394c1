"""Differences to the control with their intervals, a row a cell and a panel a primary metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from statistics import median

from markupsafe import Markup

from kdbench.metrics.catalogue import MetricInfo
from kdbench.report.model import Difference, Row, Table
from kdbench.report.numbers import number, points, scaled, span
from kdbench.report.scatter import look
from kdbench.report.strips import Panel, arrow, dot, few, span_of, strips
from kdbench.report.svg import Scale, titled, words
from kdbench.stats import Interval

FAR = 6.0  # a difference so many times the middle one is told by an arrow and its number, lest the others be one dot
REACH = 4.0  # intervals are cut at so many times the largest difference, lest two seeds' intervals hide everything else


def forest(table: Table) -> Markup | None:
    """None where nothing can be compared with the control."""
    rows = few(table, [row for row in table.students if any(found.n for found in row.differences.values())])
    metrics = [info for info in table.endpoints.primary if any(compared(row, info) for row in rows)]
    panels = [panel(rows, info) for info in metrics]
    name = f"{table.title}: differences to the control with 95 % intervals, {len(rows)} cells"
    return strips(rows, panels, name, lambda row: look(row, table.endpoints.truth))


def panel(rows: Sequence[Row], info: MetricInfo) -> Panel:
    low, high = reach([row.differences[info.name] for row in rows if compared(row, info)], info)
    return Panel(
        f"Δ {info.name}{', ' + points(info.unit) if points(info.unit) else ''}",
        low,
        high,
        partial(mark, info),
        left="← better" if info.direction == "down" else "",
        right="better →" if info.direction == "up" else "",
        zero=True,
    )


def compared(row: Row, info: MetricInfo) -> bool:
    return info.name in row.differences and row.differences[info.name].n > 0


def reach(found: Sequence[Difference], info: MetricInfo) -> tuple[float, float]:
    """The panel's bounds: zero, every difference, and the intervals as far as REACH allows."""
    means = [scaled(one.mean, info.unit) for one in found]
    limit = FAR * median(map(abs, means)) if len(means) > 2 else math.inf
    near = [mean for mean in means if abs(mean) <= limit] or means
    values = [0.0, *near]
    most = REACH * max(map(abs, values))
    for one, mean in zip(found, means, strict=True):
        if mean not in near:
            continue
        for interval in (one.interval, one.crossed):
            if interval is not None:
                values += [min(max(end, -most), most) for end in ends(interval, info)]
    room = (max(values) - min(values)) * 0.04 or 1.0
    return min(values) - room, max(values) + room


def ends(interval: Interval, info: MetricInfo) -> tuple[float, float]:
    return scaled(interval.low, info.unit), scaled(interval.high, info.unit)


def mark(info: MetricInfo, row: Row, x: Scale, y: float) -> Markup | None:
    if not compared(row, info):
        return None
    found = row.differences[info.name]
    said = f"{row.name} − {row.control}, {info.title}: {number(found.mean, info.unit, sign=True)}"
    middle = scaled(found.mean, info.unit)
    if not x.low <= middle <= x.high:
        side, anchor, step = (x.start, "start", 5.0) if middle < x.low else (x.stop, "end", -5.0)
        text = words(number(found.mean, info.unit, sign=True), side + 2 * step, y + 4, look(row, info), anchor)
        return titled(f"cell {look(row, info)}", said, arrow(side, y, step), text)
    parts = []
    if found.interval is not None:
        said += f" {span(found.interval.low, found.interval.high, info.unit)}, {found.n} seeds"
        parts += span_of(x, *ends(found.interval, info), y)
    if found.crossed is not None:
        said += f"; over examples too {span(found.crossed.low, found.crossed.high, info.unit)}"
        parts += span_of(x, *ends(found.crossed, info), y, "wide")
    parts.append(dot(x(middle), y))
    return titled(f"cell {look(row, info)}", said, *parts)
