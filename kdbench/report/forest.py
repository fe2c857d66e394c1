"""Differences to the control with their intervals, a row a cell and a panel a primary metric."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from kdbench.metrics.catalogue import MetricInfo
from kdbench.report.model import Difference, Row, Table
from kdbench.report.numbers import number, points, scaled, span
from kdbench.report.scatter import look
from kdbench.report.svg import CHARACTER, Scale, drawing, element, line, shortened, titled, words

WIDTH, GAP, ROW, HEAD, FOOT = 1118.0, 26.0, 21.0, 40.0, 26.0
LONGEST = 36
REACH = 4.0  # intervals are cut at so many times the largest difference, lest two seeds' intervals hide everything else


def forest(table: Table) -> Markup | None:
    """None where nothing can be compared with the control."""
    rows = [row for row in table.students if any(found.n for found in row.differences.values())]
    if not rows:
        return None
    labels = [shortened(row.label, LONGEST) for row in rows]
    left = max(map(len, labels)) * CHARACTER + 10
    panels = [info for info in table.endpoints.primary if any(compared(row, info) for row in rows)]
    room = (WIDTH - left) / len(panels) - GAP
    height = HEAD + len(rows) * ROW + FOOT
    parts = []
    for i, (row, text) in enumerate(zip(rows, labels, strict=True)):
        parts.append(words(text, 0, HEAD + (i + 0.5) * ROW + 4, f"name {look(row, table.endpoints.truth)}"))
        if i:
            parts.append(line(0, HEAD + i * ROW, WIDTH - GAP, HEAD + i * ROW, "hair"))
    for i, info in enumerate(panels):
        at = left + i * (room + GAP)
        parts += panel(rows, info, at, at + room, height)
    name = f"{table.title}: differences to the control with 95 % intervals, {len(rows)} cells"
    return drawing(WIDTH, height, name, parts)


def panel(rows: Sequence[Row], info: MetricInfo, left: float, right: float, height: float) -> list[Markup]:
    x = Scale(*reach([row.differences[info.name] for row in rows if compared(row, info)], info), left, right)
    better = {"up": "better →", "down": "← better", "zero": ""}[info.direction]
    parts = [
        words(f"Δ {info.name}{', ' + points(info.unit) if points(info.unit) else ''}", left, 13, "title"),
        words(better, right if info.direction == "up" else left, 28, "tick", "end" if info.direction == "up" else "start"),
        line(left, height - FOOT, right, height - FOOT, "axis"),
        line(x(0), HEAD - 4, x(0), height - FOOT, "zero"),
    ]
    for value, text in x.ticks(4):
        parts += [
            line(x(value), height - FOOT, x(value), height - FOOT + 4, "axis"),
            words(text, x(value), height - FOOT + 16, "tick", "middle"),
        ]
    for i, row in enumerate(rows):
        if compared(row, info):
            parts.append(mark(row, info, x, HEAD + (i + 0.5) * ROW))
    return parts


def compared(row: Row, info: MetricInfo) -> bool:
    return info.name in row.differences and row.differences[info.name].n > 0


def reach(found: Sequence[Difference], info: MetricInfo) -> tuple[float, float]:
    """The panel's bounds: zero, every difference, and the intervals as far as REACH allows."""
    values = [0.0, *(scaled(one.mean, info.unit) for one in found)]
    most = REACH * max(map(abs, values))
    for one in found:
        if one.interval is not None:
            values += [max(scaled(one.interval.low, info.unit), -most), min(scaled(one.interval.high, info.unit), most)]
    room = (max(values) - min(values)) * 0.04 or 1.0
    return min(values) - room, max(values) + room


def mark(row: Row, info: MetricInfo, x: Scale, y: float) -> Markup:
    found = row.differences[info.name]
    said = f"{row.label} − {row.control}, {info.title}: {number(found.mean, info.unit, sign=True)}"
    parts = []
    if found.interval is not None:
        low, high = (scaled(end, info.unit) for end in (found.interval.low, found.interval.high))
        said += f" {span(found.interval.low, found.interval.high, info.unit)}, {found.n} seeds"
        parts.append(line(x(x.clamp(low)), y, x(x.clamp(high)), y, "bar"))
        if low < x.low:
            parts.append(arrow(x.start, y, 5))
        if high > x.high:
            parts.append(arrow(x.stop, y, -5))
    parts.append(element("circle", cx=float(x(scaled(found.mean, info.unit))), cy=float(y), r=4.0, class_="mean"))
    return titled(f"cell {look(row, info)}", said, *parts)


def arrow(x: float, y: float, back: float) -> Markup:
    """The end of an interval that goes on beyond the panel."""
    return element("polyline", points=f"{x + back:.1f},{y - 4:.1f} {x:.1f},{y:.1f} {x + back:.1f},{y + 4:.1f}", class_="bar")
