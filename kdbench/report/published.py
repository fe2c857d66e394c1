"""Ours beside published figures, as the report shows it: one table for Markdown and the page, one line for the terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kdbench.compare.beside import Beside, Verdict
from kdbench.compare.likeness import brief
from kdbench.report.numbers import MINUS, MISSING, counted, listed, points

TITLE = "Beside published figures"
HEADS = ("verdict", "cell", "metric", "ours", "theirs", "ours − theirs", "why", "source")
VERDICTS: tuple[Verdict, ...] = ("above", "within", "below", "not comparable")
EPOCHS = {"last": "last epoch", "best": "best epoch", "averaged": "averaged weights", "unknown": "epoch not told"}
ABOUT = (
    "Figures are as their sources print them, with the epoch that was reported: the best epoch on the test set flatters. Ours "
    "are means of the last epoch with the standard deviation over seeds. Above and below mean that a 95 % interval of the "
    "difference excludes zero, each by itself; where a source tells no spread, as after a single run, that of ours stands in.",
    "What differs in budget, data, recipe, weights, teacher or epoch, and what a source does not tell, is not comparable: no "
    "word on which is better.",
)


@dataclass(frozen=True)
class PublishedRow:
    """One line of the table, as text; `cell` is what the suite calls it."""

    verdict: str
    place: str
    cell: str
    metric: str
    ours: str
    seeds: str
    theirs: str
    made: str  # which epoch of how many runs
    difference: str
    why: str
    source: str


def rows(lines: Sequence[Beside]) -> list[PublishedRow]:
    """What can be compared first, then the rest; within each in the suite's order."""
    return [row(line) for line in sorted(lines, key=lambda line: line.verdict == "not comparable")]


def row(line: Beside) -> PublishedRow:
    figure, unit = line.figure, line.metric.unit
    ours = printed(line.ours.mean, unit) + ("" if math.isnan(line.ours.sd) else f" ± {printed(line.ours.sd, unit)}")
    theirs = printed(figure.value, unit) + ("" if figure.spread is None else f" ± {printed(figure.spread, unit)}")
    runs = "runs not told" if figure.runs is None else counted(figure.runs, "run")
    why = brief(list(line.reasons)) if line.reasons else line.interval.how if line.interval else ""
    return PublishedRow(
        verdict=line.verdict,
        place=line.place,
        cell=line.ours.name,
        metric=f"{line.metric.name} %" if unit == "share" else line.metric.name,
        ours=ours,
        seeds=counted(line.ours.seeds, "seed"),
        theirs=theirs,
        made=f"{EPOCHS[figure.epoch]}, {runs}",
        difference=difference(line),
        why=why,
        source=figure.source,
    )


def difference(line: Beside) -> str:
    """+0.31 [−0.20, +0.82] pp; nothing where it would say what cannot be said."""
    if line.interval is None:
        return ""
    unit, interval = line.metric.unit, line.interval
    low, high = (printed(value, unit, sign=True) for value in (interval.low, interval.high))
    return f"{printed(line.difference, unit, sign=True)} [{low}, {high}] {points(unit)}".rstrip()


def printed(value: float, unit: str, sign: bool = False) -> str:
    """With two decimals of a percentage, as papers have it."""
    if math.isnan(value):
        return MISSING
    text = f"{abs(100 * value):.2f}" if unit == "share" else f"{abs(value):.3f}"
    zero = float(text) == 0
    return ("" if zero else MINUS if value < 0 else "+" if sign else "") + text


def in_short(lines: Sequence[Beside]) -> str:
    """One line for a terminal; empty where nothing stands beside ours."""
    if not lines:
        return ""
    counts = Counter(line.verdict for line in lines)
    text = (
        f"published: {counted(len(lines), 'figure')} beside ours, {listed([f'{counts[v]} {v}' for v in VERDICTS if counts[v]])}"
    )
    first = Counter(line.reasons[0] for line in lines if line.reasons).most_common(1)
    return text + (f" (mostly {first[0][0]})" if first else "")
