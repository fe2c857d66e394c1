"""The history of a suite as one page that loads nothing: a small plot a cell and metric, with noise band and steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from kdbench.gate.steps import Level, Track
from kdbench.gate.words import bare, level
from kdbench.jobs.job import where
from kdbench.metrics.catalogue import MetricInfo, by_name

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 150, 62, 14, 12, 34
COMMIT = 52  # what a commit's short name takes
TICKS = 4  # of the vertical axis, at most
BAND = 2.0  # standard deviations of a run to either side of its level
Place = Callable[[float], float]
STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #777; --band: #4a7fb533; --line: #2b6cb0; --paper: #fff }
:root { --worse: #c53030; --better: #2f855a }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --soft: #999; --band: #6ea8e033; --line: #7fb3e6; --paper: #16181c }
  :root { --worse: #fc8181; --better: #68d391 }
}
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
body { max-width: 900px; margin: 2em auto; padding: 0 1em }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif }
svg text { fill: var(--soft) } .band { fill: var(--band) } .mean { stroke: var(--line); stroke-width: 1.5; fill: none }
path { fill: none }
.run { fill: var(--soft); opacity: .6 } .point { fill: var(--line) } .axis { stroke: var(--soft); stroke-width: .5 }
.step { stroke-dasharray: 3 2 } .break { stroke: var(--soft); stroke-dasharray: 1 3 }
path.worse { stroke: var(--worse) } path.better { stroke: var(--better) }
svg text.worse { fill: var(--worse) } svg text.better { fill: var(--better) }
h2 { font-size: 1.05em; margin: 1.6em 0 .2em } p { color: var(--soft); margin: .2em 0 }
"""


def page(suite: str, tracks: list[Track], notes: list[str]) -> str:
    """The whole page; the same history gives the same bytes."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(suite)}: history</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
        f"<h1>{escape(suite)}: history</h1>",
        "<p>Small dots are runs, large ones the mean of what a commit brought. The band is the level ± two standard deviations "
        "of a run. A dashed line is a step (red: for the worse, green: for the better): a change that the gate's rule proves, "
        "with 5 % shared over all comparisons of this history. A dotted line begins another experiment, to which nothing before "
        "it is compared.</p>",
        *(f"<p>{escape(note)}</p>" for note in notes),
    ]
    for track in tracks:
        cell = track.series.cell
        info = by_name(track.series.metric)
        unit = " (%)" if info.unit == "share" else f" ({info.unit})" if info.unit else ""
        title = f"{where(cell.task, cell.pair)} {cell.cell}: {info.title}{unit}"
        parts += [f"<h2>{escape(title)}</h2>", drawn(track, info, title)]
    return "\n".join([*parts, "</body></html>", ""])


def drawn(track: Track, info: MetricInfo, title: str) -> str:
    """One plot: commits from left to right at equal distances."""
    points = track.series.points
    values = [value.value for point in points for value in point.values]
    bands = [edge for one in track.levels for edge in band(one)]
    low, high = min([*values, *bands]), max([*values, *bands])
    room = (high - low) * 0.08 or abs(high) * 0.02 or 0.5
    low, high = low - room, high + room

    def x(place: float) -> float:
        return LEFT + (place + 0.5) * (WIDTH - LEFT - RIGHT) / len(points)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for number, one in enumerate(track.levels):
        stop = track.levels[number + 1].start if number + 1 < len(track.levels) else len(points)
        left, right = x(one.start - 0.5), x(stop - 0.5)
        if not math.isnan(one.noise):
            bottom, top = band(one)
            size = f'width="{right - left:.1f}" height="{y(bottom) - y(top):.1f}"'
            parts.append(f'<rect class="band" x="{left:.1f}" y="{y(top):.1f}" {size}/>')
        parts.append(f'<path class="mean" d="M{left:.1f} {y(one.mean):.1f}H{right:.1f}"/>')
        if one.began:
            kind = "break" if one.began != "step" else "step worse" if one.worse(info) else "step better"
            parts.append(f'<path class="{kind}" d="M{left:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        if one.began == "step":
            parts.append(f'<text class="{kind}" x="{left + 3:.1f}" y="{TOP + 9}">{escape(one.said(info))}</text>')
    for place, point in enumerate(points):
        runs = [value.value for value in point.values]
        parts += [f'<circle class="run" cx="{x(place):.1f}" cy="{y(value):.1f}" r="1.8"/>' for value in runs]
        middle = sum(runs) / len(runs)
        told = f"{point.day} {point.commit[:9]} {point.subject}: {level(middle, info)}, {len(runs)} runs ({point.origin})"
        parts.append(
            f'<circle class="point" cx="{x(place):.1f}" cy="{y(middle):.1f}" r="3.5"><title>{escape(told)}</title></circle>'
        )
    parts += axes([(point.day, point.commit) for point in points], low, high, x, y, info)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def axes(commits: Sequence[tuple[str, str]], low: float, high: float, x: Place, y: Place, info: MetricInfo) -> list[str]:
    """Both axes: round values; the first and the last day, and every commit where there is room for its name."""
    base = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{base}H{WIDTH - RIGHT}"/>']
    for value in ticks(low, high):
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{bare(value, info.unit)}</text>')
    days = {0: commits[0][0], len(commits) - 1: commits[-1][0]}
    named = len(commits) * COMMIT <= WIDTH - LEFT - RIGHT
    for place, (_, commit) in enumerate(commits):
        told = ([commit[:7]] if named else []) + ([days[place]] if place in days else [])
        for line, words in enumerate(told):
            parts.append(f'<text x="{x(place):.1f}" y="{base + 14 + 13 * line}" text-anchor="middle">{words}</text>')
    return parts


def ticks(low: float, high: float) -> list[float]:
    """Round values within the bounds, a few of them."""
    power = 10.0 ** math.floor(math.log10(high - low))
    sizes = [size * power for size in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)]
    step = next(size for size in sizes if math.floor(high / size) - math.ceil(low / size) < TICKS)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def band(one: Level) -> tuple[float, float]:
    wide = 0.0 if math.isnan(one.noise) else BAND * one.noise
    return one.mean - wide, one.mean + wide
