"""Plots with a line a cell and several panels side by side: the frame that they share, and the marks that stand in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kdbench.report.model import Row, Table
from kdbench.report.svg import CHARACTER, Scale, drawing, element, line, shortened, titled, words

WIDTH, GAP, ROW, HEAD, FOOT = 1118.0, 26.0, 21.0, 40.0, 26.0
LONGEST = 36
MOST = 60  # lines of a plot
ROOM = 0.04  # beyond the outermost values, of the way between them


@dataclass(frozen=True)
class Panel:
    """`mark` draws a row on the panel's scale at a height, or nothing where the row has no value. `left` and `right` are said at
    the ends of the axis; `lines` are values with a class and a name that stand for all rows."""

    title: str
    low: float
    high: float
    mark: Callable[[Row, Scale, float], Markup | None]
    left: str = ""
    right: str = ""
    zero: bool = False
    lines: tuple[tuple[float, str, str], ...] = ()
    weight: float = 1.0


def strips(rows: Sequence[Row], panels: Sequence[Panel], name: str, look: Callable[[Row], str]) -> Markup | None:
    """None without rows or panels."""
    if not rows or not panels:
        return None
    labels = [shortened(row.name, LONGEST) for row in rows]
    left = max(map(len, labels)) * CHARACTER + 10
    unit = (WIDTH - left) / sum(panel.weight for panel in panels)
    height = HEAD + len(rows) * ROW + FOOT
    parts = []
    for i, (row, text) in enumerate(zip(rows, labels, strict=True)):
        parts.append(words(text, 0, HEAD + (i + 0.5) * ROW + 4, f"name {look(row)}"))
        if i:
            parts.append(line(0, HEAD + i * ROW, WIDTH - GAP, HEAD + i * ROW, "hair"))
    at = left
    for panel in panels:
        end = at + unit * panel.weight
        parts += frame(panel, rows, Scale(panel.low, panel.high, at, end - GAP), height)
        at = end
    return drawing(WIDTH, height, name, parts)


def few(table: Table, rows: Sequence[Row]) -> list[Row]:
    """All rows, or of many the controls and the best by truth, in their order: more lines than a plot has room for."""
    if len(rows) <= MOST:
        return list(rows)
    truth = table.endpoints.truth
    sign = -1 if truth.direction == "up" else 1
    means = {id(row): row.summary(truth.name).mean for row in rows}
    arms = [row for row in rows if row.kind != "control"]
    arms.sort(key=lambda row: math.inf if math.isnan(means[id(row)]) else sign * means[id(row)])
    controls = sum(row.kind == "control" for row in rows)
    kept = {id(row) for row in arms[: max(0, MOST - controls)]}
    return [row for row in rows if row.kind == "control" or id(row) in kept]


def frame(panel: Panel, rows: Sequence[Row], x: Scale, height: float) -> list[Markup]:
    floor = height - FOOT
    parts = [words(panel.title, x.start, 13, "title"), line(x.start, floor, x.stop, floor, "axis")]
    for text, at, anchor in ((panel.left, x.start, "start"), (panel.right, x.stop, "end")):
        if text:
            parts.append(words(text, at, 28, "tick", anchor))
    if panel.zero:
        parts.append(line(x(0), HEAD - 4, x(0), floor, "zero"))
    for value, class_, said in panel.lines:
        at = x(x.clamp(value))
        parts.append(titled(f"reference {class_}", said, line(at, HEAD - 4, at, floor, f"reference {class_}")))
    for value, text in x.ticks(4):
        parts += [line(x(value), floor, x(value), floor + 4, "axis"), words(text, x(value), floor + 16, "tick", "middle")]
    for i, row in enumerate(rows):
        drawn = panel.mark(row, x, HEAD + (i + 0.5) * ROW)
        if drawn is not None:
            parts.append(drawn)
    return parts


def dot(x: float, y: float, class_: str = "mean", r: float = 4.0) -> Markup:
    return element("circle", cx=float(x), cy=float(y), r=r, class_=class_)


def span_of(x: Scale, low: float, high: float, y: float, class_: str = "bar") -> list[Markup]:
    """A bar from low to high, with arrows where it goes on beyond the panel."""
    parts = [line(x(x.clamp(low)), y, x(x.clamp(high)), y, class_)]
    if low < x.low:
        parts.append(arrow(x.start, y, 5))
    if high > x.high:
        parts.append(arrow(x.stop, y, -5))
    return parts


def arrow(x: float, y: float, back: float) -> Markup:
    """A head whose point is at x, and whose ends lie `back` from it."""
    return element("polyline", points=f"{x + back:.1f},{y - 4:.1f} {x:.1f},{y:.1f} {x + back:.1f},{y + 4:.1f}", class_="bar")


def bounds(values: Sequence[float], low: float = math.inf, high: float = -math.inf) -> tuple[float, float]:
    """Of the finite values, with room, and at least from `low` to `high` where these are given."""
    present = [value for value in values if math.isfinite(value)]
    first, last = min([*present, low]), max([*present, high])
    if not (math.isfinite(first) and math.isfinite(last)):
        return 0.0, 1.0
    margin = (last - first) * ROOM or 1.0
    return first - margin, last + margin
