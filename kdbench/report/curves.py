"""Training curves: the terms of each row's loss over its steps, from the events that jobs left on this machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from kdbench.contract.numbers import is_number, is_whole
from kdbench.execute.events import read_events
from kdbench.report.model import Curve, Row, Table
from kdbench.report.svg import Scale, around, drawing, element, line, shortened, titled, words

PREFIX = "loss/"
MOST = 24  # rows whose curves are drawn
COLUMNS, WIDTH, HEIGHT = 4, 270.0, 138.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 8.0, 20.0, 26.0
STYLES = 4  # of lines, in turn


def read_curves(table: Table, jobs: Path) -> list[Curve]:
    """Of the first rows that have any."""
    found = []
    for row in table.students:
        curve = curve_of(row, jobs)
        if curve is not None:
            found.append(curve)
        if len(found) == MOST:
            break
    return found


def curve_of(row: Row, jobs: Path) -> Curve | None:
    """Means over the seeds, at the steps that all of them reported; None without events."""
    runs: list[dict[int, dict[str, float]]] = []
    for source in row.sources:
        run = {}
        for event in read_events(jobs / source.key):
            terms = {
                name.removeprefix(PREFIX): float(value)
                for name, value in event.items()
                if name.startswith(PREFIX) and is_number(value)
            }
            if event.get("event") == "metric" and is_whole(event.get("step")) and terms:
                run[event["step"]] = terms
        if run and source.status == "done":
            runs.append(run)
    if not runs:
        return None
    steps = sorted(set.intersection(*(set(run) for run in runs)))
    names = sorted({name for run in runs for step in steps for name in run[step]})
    series = {name: [mean_at(runs, step, name) for step in steps] for name in names}
    return Curve(row.name, steps, series) if len(steps) > 1 else None


def mean_at(runs: list[dict[int, dict[str, float]]], step: int, name: str) -> float:
    values = [run[step][name] for run in runs if name in run[step]]
    return math.fsum(values) / len(values) if len(values) == len(runs) else math.nan


def curves_plot(table: Table) -> Markup | None:
    if not table.curves:
        return None
    across = min(COLUMNS, len(table.curves))
    down = -(-len(table.curves) // across)
    parts, styles = [], dict(terms(table))
    for number, curve in enumerate(table.curves):
        x, y = (number % across) * WIDTH, (number // across) * HEIGHT
        parts.append(element("g", small(curve, styles), transform=f"translate({x:g} {y:g})"))
    name = f"{table.title}: training loss over steps, {len(table.curves)} cells"
    return drawing(across * WIDTH, down * HEIGHT, name, parts)


def small(curve: Curve, styles: Mapping[str, int]) -> Markup:
    """One chart; every term on one scale from zero."""
    values = [value for series in curve.terms.values() for value in series if math.isfinite(value)]
    low, high = min(0.0, min(values)), max(values)
    x = Scale(0.0, float(curve.steps[-1]), LEFT, WIDTH - RIGHT - 14)
    y = Scale(low, high if high > low else around([low])[1], HEIGHT - BOTTOM, TOP)
    parts = [
        words(shortened(curve.label, 36), LEFT, 11, "name plain"),
        line(LEFT, HEIGHT - BOTTOM, x.stop, HEIGHT - BOTTOM, "axis"),
    ]
    for value, text in y.ticks(3):
        parts += [line(LEFT - 4, y(value), LEFT, y(value), "axis"), words(text, LEFT - 7, y(value) + 4, "tick", "end")]
    parts.append(words("0", LEFT, HEIGHT - BOTTOM + 14, "tick", "middle"))
    parts.append(words(f"{curve.steps[-1]} steps", x.stop, HEIGHT - BOTTOM + 14, "tick", "end"))
    for term, series in curve.terms.items():
        points = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(curve.steps, series, strict=True) if math.isfinite(v))
        drawn = element("polyline", points=points, class_=f"curve style{styles[term]}")
        parts.append(titled("term", f"{curve.label}, {term}: ends at {series[-1]:.4g}", drawn))
    return Markup("").join(parts)


def terms(table: Table) -> list[tuple[str, int]]:
    """Names of all terms, each with its line style."""
    names = dict.fromkeys(name for curve in table.curves for name in curve.terms)
    return [(name, number % STYLES) for number, name in enumerate(names)]


def shares(curve: Curve) -> Mapping[str, float]:
    """The share of each term in the loss at the end; empty where there is one term, or they do not add up to something."""
    last = {name: series[-1] for name, series in curve.terms.items() if math.isfinite(series[-1])}
    total = math.fsum(last.values())
    if len(last) < 2 or total <= 0 or min(last.values()) < 0:
        return {}
    return {name: value / total for name, value in last.items()}
