"""Fidelity against generalisation: where each cell stands between agreeing with its teacher and being right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from kdbench.metrics.catalogue import MetricInfo
from kdbench.report.model import Row, Table
from kdbench.report.numbers import in_percent, number, scaled, spread
from kdbench.report.strips import MOST
from kdbench.report.svg import CHARACTER, Scale, around, drawing, element, line, shortened, titled, words

WIDTH, HEIGHT = 548.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 10.0, 12.0, 44.0
LONGEST = 30
FAR = 6.0  # times as far from the middle as anything else


def scatter(table: Table, across: MetricInfo) -> Markup | None:
    """The truth metric over a fidelity metric: a dot a cell with ± one standard deviation, small dots for seeds.

    None where no cell has both metrics.
    """
    ends = table.endpoints
    rows = [row for row in table.students if row.has(across.name) and row.has(ends.truth.name)]
    if not rows:
        return None
    references = reference_lines(table)
    rows, far = near_and_far(rows, [(across, ()), (ends.truth, [value for _, value, _ in references])])
    x = Scale(*bounds(rows, across), LEFT, WIDTH - RIGHT)
    y = Scale(*bounds(rows, ends.truth, [value for _, value, _ in references]), HEIGHT - BOTTOM, TOP)
    parts = [infeasible(table, across, x, y), *axes(x, y, across, ends.truth)]
    taken: list[Box] = []
    for name, value, class_ in references:
        at = y(value)
        parts.append(line(LEFT, at, WIDTH - RIGHT, at, f"reference {class_}"))
        # The higher line's words stand above it and the lower one's below, so that two near lines stay legible.
        above = value >= max(other for _, other, _ in references) and at > TOP + 14
        text_y = at - 4 if above else at + 12
        parts.append(words(name, WIDTH - RIGHT - 4, text_y, f"name {class_}", "end"))
        width = len(name) * CHARACTER
        taken.append(Box(WIDTH - RIGHT - 4 - width, text_y - 10, WIDTH - RIGHT - 4, text_y + 3))
    centres = [(x(mean_of(row, across)), y(mean_of(row, ends.truth))) for row in rows]
    taken += [Box(cx - 5, cy - 5, cx + 5, cy + 5) for cx, cy in centres]
    taken += [Box(cx - 2, cy - 2, cx + 2, cy + 2) for row in rows for cx, cy in seed_places(row, across, ends.truth, x, y)]
    for row, (cx, cy) in zip(rows, centres, strict=True):
        parts.append(dot(row, across, ends.truth, x, y, cx, cy, len(rows) <= MOST))
    for row, (cx, cy) in zip(rows, centres, strict=True):
        if row.kind == "control" and row is table.controls[0]:
            continue  # its line bears the name
        text = shortened(row.name, LONGEST)
        place = free_place(cx, cy, len(text) * CHARACTER, taken)
        if place is not None:
            box, at_x, at_y, anchor = place
            taken.append(box)
            parts.append(words(text, at_x, at_y, f"name {look(row, ends.truth)}", anchor))
    for i, row in enumerate(far):
        where = ", ".join(number(row.summary(info.name).mean, info.unit) for info in (across, ends.truth))
        text = f"far off: {shortened(row.name, LONGEST)} ({where})"
        parts.append(words(text, LEFT + 6, HEIGHT - BOTTOM - 8 - 14 * i, f"name {look(row, ends.truth)}"))
    name = f"{table.title}: {ends.truth.title} against {across.title}, {len(rows)} cells"
    return drawing(WIDTH, HEIGHT, name, parts)


def near_and_far(rows: Sequence[Row], axes: Sequence[tuple[MetricInfo, Sequence[float]]]) -> tuple[list[Row], list[Row]]:
    """A row that lies so far from all else on an axis that nothing else could be told apart is named rather than drawn."""
    near, far = list(rows), []
    while len(near) > 3:  # of three, two may be near each other by chance
        for info, lines in axes:
            middle = median(mean_of(row, info) for row in near)
            away = sorted(near, key=lambda row: abs(mean_of(row, info) - middle))
            others = [abs(mean_of(row, info) - middle) for row in away[:-1]] + [abs(value - middle) for value in lines]
            if abs(mean_of(away[-1], info) - middle) > FAR * max(others) > 0 and away[-1].kind != "control":
                near.remove(away[-1])
                far.append(away[-1])
                break
        else:
            break
    return near, far


def look(row: Row, info: MetricInfo) -> str:
    """The class that a row is drawn with: control, better, worse, plain, and lacking where seeds are missing."""
    if row.kind == "control":
        return "control"
    if not row.complete:
        return "lacking"
    found = row.differences.get(info.name)
    return found.verdict if found is not None and found.verdict else "plain"


def mean_of(row: Row, info: MetricInfo) -> float:
    return scaled(row.summary(info.name).mean, info.unit)


def deviation(row: Row, info: MetricInfo) -> float:
    sd = row.summary(info.name).sd
    return 0.0 if math.isnan(sd) else scaled(sd, info.unit)


def bounds(rows: Sequence[Row], info: MetricInfo, more: Sequence[float] = ()) -> tuple[float, float]:
    values = list(more)
    for row in rows:
        middle, sd = mean_of(row, info), deviation(row, info)
        values += [middle - sd, middle + sd]
        values += [scaled(value, info.unit) for value in row.summary(info.name).by_seed.values()]
    low, high = around(values)
    return (max(low, 0.0), min(high, 100.5)) if info.unit == "share" else (low, high)


def reference_lines(table: Table) -> list[tuple[str, float, str]]:
    """The teachers and the control, as horizontal lines."""
    truth = table.endpoints.truth
    found = [(row.label, mean_of(row, truth), "teacher") for row in table.teachers if row.has(truth.name)]
    found += [(row.label, mean_of(row, truth), "control") for row in table.controls[:1] if row.has(truth.name)]
    return found


def axes(x: Scale, y: Scale, across: MetricInfo, up: MetricInfo) -> list[Markup]:
    parts = [line(x.start, y.start, x.stop, y.start, "axis"), line(x.start, y.start, x.start, y.stop, "axis")]
    for value, text in x.ticks(6):
        parts += [line(x(value), y.start, x(value), y.start + 4, "axis"), words(text, x(value), y.start + 16, "tick", "middle")]
    for value, text in y.ticks(6):
        parts += [line(x.start - 4, y(value), x.start, y(value), "axis"), words(text, x.start - 8, y(value) + 4, "tick", "end")]
    parts.append(words(axis_title(across), (x.start + x.stop) / 2, HEIGHT - 8, "title", "middle"))
    middle = (y.start + y.stop) / 2
    parts.append(words(axis_title(up), 11, middle, "title", "middle", transform=f"rotate(-90 11 {middle:g})"))
    return parts


def axis_title(info: MetricInfo) -> str:
    return info.title + in_percent(info.unit)


def infeasible(table: Table, across: MetricInfo, x: Scale, y: Scale) -> Markup:
    """The region that accuracies rule out: two nets of accuracies a and b agree at most on 1 - |a - b|."""
    ends = table.endpoints
    bounded = (ends.truth.name, across.name) == ("accuracy", "agreement")
    if not bounded or len(table.teachers) != 1 or not table.teachers[0].has(ends.truth.name):
        return Markup("")
    teacher = mean_of(table.teachers[0], ends.truth)
    heights = [y.low + (y.high - y.low) * i / 60 for i in range(61)]
    edge = [(100.0 - abs(teacher - height), height) for height in heights]
    if all(at >= x.high for at, _ in edge):
        return Markup("")
    corners = [(x.high, y.low), *((x.clamp(at), height) for at, height in edge), (x.high, y.high)]
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in corners)
    title = element("title", "not possible with these accuracies")
    return element("g", title + element("polygon", points=points), class_="infeasible")


def dot(row: Row, across: MetricInfo, up: MetricInfo, x: Scale, y: Scale, cx: float, cy: float, seeds: bool = True) -> Markup:
    over, truth = row.summary(across.name), row.summary(up.name)
    parts = []
    if seeds:
        places = seed_places(row, across, up, x, y)
        parts += [element("circle", cx=float(at), cy=float(height), r=1.6, class_="seed") for at, height in places]
    dx, dy = deviation(row, across), deviation(row, up)
    middle, height = mean_of(row, across), mean_of(row, up)
    if dx:
        parts.append(line(x(x.clamp(middle - dx)), cy, x(x.clamp(middle + dx)), cy, "bar"))
    if dy:
        parts.append(line(cx, y(y.clamp(height - dy)), cx, y(y.clamp(height + dy)), "bar"))
    parts.append(element("circle", cx=float(cx), cy=float(cy), r=4.5, class_="mean"))
    said = (f"{info.name} {spread(s.mean, s.sd, info.unit)}" for s, info in ((truth, up), (over, across)))
    return titled(f"cell {look(row, up)}", f"{row.name}: {', '.join(said)}", *parts)


def seed_places(row: Row, across: MetricInfo, up: MetricInfo, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Where the runs of a row lie; of a single one its mean tells."""
    over, truth = row.summary(across.name).by_seed, row.summary(up.name).by_seed
    both = sorted(over.keys() & truth.keys()) if row.planned > 1 else []
    return [(x(scaled(over[seed], across.unit)), y(scaled(truth[seed], up.unit))) for seed in both]


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def free_place(cx: float, cy: float, width: float, taken: Sequence[Box]) -> tuple[Box, float, float, str] | None:
    """Where a name can stand beside its dot without covering anything; None: the dot's tooltip has to do."""
    frame = Box(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    for dx, dy, anchor in (
        (8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 17, "middle"),
        (7, -7, "start"), (7, 15, "start"), (-7, -7, "end"), (-7, 15, "end"),
    ):  # fmt: skip
        x, y = cx + dx, cy + dy
        left = x - {"start": 0.0, "end": width, "middle": width / 2}[anchor]
        box = Box(left, y - 10, left + width, y + 3)
        inside = box.left >= frame.left and box.right <= frame.right and box.top >= frame.top and box.bottom <= frame.bottom
        if inside and not any(box.meets(other) for other in taken):
            return box, x, y, anchor
    return None
