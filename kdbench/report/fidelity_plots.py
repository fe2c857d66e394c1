"""What fidelity is made of, a line a cell: who was right, what is owed to this teacher, what of it reaches the test set."""

from __future__ import annotations

import math

from markupsafe import Markup

from kdbench.report.model import Row, Table
from kdbench.report.numbers import in_percent, number, points, scaled, span
from kdbench.report.scatter import look
from kdbench.report.strips import Panel, arrow, bounds, dot, few, span_of, strips
from kdbench.report.svg import Scale, element, line, titled
from kdbench.stats import paired

# Shares that sum to one, in the order in which they are stacked, with the class that colours them.
STACKS = {
    "classification": ("both_right", "gained", "both_wrong_different", "both_wrong_same", "lost"),
    "segmentation": ("both_right", "gained", "both_wrong_different", "both_wrong_same", "lost"),
    "retrieval": ("query_wins", "query_ties", "query_losses"),
}
TITLES = {
    "both_right": "both right",
    "gained": "only the student right",
    "both_wrong_different": "both wrong, apart",
    "both_wrong_same": "both wrong, alike",
    "lost": "only the teacher right",
    "query_wins": "student ahead",
    "query_ties": "equal",
    "query_losses": "teacher ahead",
}
MOST = 4.0  # intervals are cut at so many times the largest gain


def fidelity_plot(table: Table) -> Markup | None:
    """None where nothing of it was measured."""
    rows = few(table, [row for row in table.students if row.summary(table.endpoints.agreement.name).n])
    panels = [panel for panel in (stack(table, rows), gain(table, rows), transfer(table, rows)) if panel is not None]
    name = f"{table.title}: what agreement is made of, {len(rows)} cells"
    return strips(rows, panels, name, lambda row: look(row, table.endpoints.truth))


def stacked(table: Table) -> tuple[str, ...]:
    """The parts of the stacked bars; empty where the family has none, or no row does."""
    names = STACKS.get(table.family, ())
    return names if names and any(row.summary(names[0]).n for row in table.students) else ()


def stack(table: Table, rows: list[Row]) -> Panel | None:
    names = stacked(table)
    if not names:
        return None

    def mark(row: Row, x: Scale, y: float) -> Markup | None:
        shares = [row.summary(name).mean for name in names]
        if not all(map(math.isfinite, shares)):
            return None
        parts, at = [], 0.0
        for name, share in zip(names, shares, strict=True):
            start, stop = x(at), x(at + share * 100)
            parts.append(element("rect", x=start, y=y - 6.5, width=max(stop - start, 0.0), height=13.0, class_=name))
            at += share * 100
        said = ", ".join(f"{TITLES[name]} {number(share, 'share')} %" for name, share in zip(names, shares, strict=True))
        return titled("stack", f"{row.name}: {said}", *parts)

    what = {"retrieval": "who is ahead, % of queries", "segmentation": "who is right, % of pixels"}
    return Panel(what.get(table.family, "who is right, % of the test set"), 0.0, 100.0, mark, weight=1.35)


def gain(table: Table, rows: list[Row]) -> Panel | None:
    """Agreement beyond that of the independent student, with its interval over seeds."""
    info = table.endpoints.agreement
    found = {row.label: row.summary("above_independent") for row in rows if row.has("above_independent")}
    if not found:
        return None
    means = [scaled(summary.mean, info.unit) for summary in found.values()]
    intervals = {label: paired(list(summary.by_seed.values())) for label, summary in found.items()}
    reaches = [max(abs(scaled(end, info.unit)) for end in (i.low, i.high)) for i in intervals.values() if i is not None]
    most = max(MOST * max(map(abs, means)), min(reaches, default=1e-9))  # one interval at least is drawn whole
    ends = [scaled(end, info.unit) for i in intervals.values() if i is not None for end in (i.low, i.high)]

    def mark(row: Row, x: Scale, y: float) -> Markup | None:
        if row.label not in found:
            return None
        middle, interval = scaled(found[row.label].mean, info.unit), intervals[row.label]
        said = f"{row.name}: {number(found[row.label].mean, info.unit, sign=True)} {points(info.unit)}".rstrip()
        parts = []
        if interval is not None:
            said += f" {span(interval.low, interval.high, info.unit)}"
            parts += span_of(x, scaled(interval.low, info.unit), scaled(interval.high, info.unit), y)
        state = "control" if row.kind == "control" else "better" if interval is not None and interval.low > 0 else "plain"
        return titled(f"cell {state}", said, *parts, dot(x(middle), y))

    low, high = bounds([*means, *(min(max(end, -most), most) for end in ends)], 0.0, 0.0)
    return Panel(f"{info.name} above the independent student{in_percent(info.unit)}", low, high, mark, zero=True)


def transfer(table: Table, rows: list[Row]) -> Panel | None:
    """An arrow from agreement on the distillation set to agreement on the test set."""
    info = table.endpoints.agreement
    shown = [row for row in rows if row.has("distil") and row.has(info.name)]
    if not shown:
        return None

    def ends(row: Row) -> tuple[float, float]:
        return scaled(row.summary("distil").mean, info.unit), scaled(row.summary(info.name).mean, info.unit)

    def mark(row: Row, x: Scale, y: float) -> Markup | None:
        if not (row.has("distil") and row.has(info.name)):
            return None
        start, stop = ends(row)
        back = 5.0 if stop < start else -5.0
        said = f"{row.name}: {number(row.summary('distil').mean, info.unit)} on the distillation set, "
        said += f"{number(row.summary(info.name).mean, info.unit)} on the test set"
        parts = [line(x(start), y, x(stop), y, "bar"), dot(x(start), y, "mean", 2.5), arrow(x(stop), y, back)]
        return titled(f"cell {look(row, table.endpoints.truth)}", said, *parts)

    low, high = bounds([end for row in shown for end in ends(row)])
    title = f"{info.name}: distillation set → test set{in_percent(info.unit)}"
    return Panel(title, low, min(high, 100.5) if info.unit == "share" else high, mark)
