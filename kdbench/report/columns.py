"""The columns of the two tables of a task, as text with the number behind it, for Markdown and the page alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from kdbench.metrics.catalogue import MetricInfo
from kdbench.report.model import Row, Table
from kdbench.report.numbers import MISSING, SCORE, listed, number, points, scaled, seconds, short, span, spread
from kdbench.report.rows import BOUNDED


@dataclass(frozen=True)
class Entry:
    """One place of a table: its text, the number that it sorts by (NaN goes last), and how it is set."""

    text: str
    value: float = math.nan
    exact: str = ""  # all digits, for a tooltip
    marks: tuple[str, ...] = ()

    @property
    def order(self) -> str:
        """The value as JavaScript reads it; empty where there is none."""
        return "" if math.isnan(self.value) else repr(float(self.value)).replace("inf", "Infinity")

    @property
    def strong(self) -> bool:
        """Whether it is set in bold."""
        return bool(self.text) and not {"best", "better", "worse"}.isdisjoint(self.marks)


@dataclass(frozen=True)
class Column:
    head: str
    unit: str
    meaning: str
    read: Callable[[Row], Entry] = field(repr=False)
    legend: bool = False  # whether its meaning is written below the table, too

    @property
    def title(self) -> str:
        return f"{self.head} {self.unit}".strip()


def outcome_columns(table: Table, one_interval: bool = False) -> list[Column]:
    """Truth, its difference to the control, fidelity, calibration. With `one_interval` the difference has the one to quote."""
    ends = table.endpoints
    truth = ends.truth
    found = [
        Column("seeds", "", "seeds with a result, of those planned where some lack one", seeds),
        Column(truth.name, percent(truth), meaning(truth), lambda row: measured(row, truth)),
        Column(
            "Δ to none",
            points(truth.unit),
            f"{truth.title} minus the control's, with 95 % interval",
            lambda row: change(row, truth, one_interval),
        ),
    ]
    if table.crossed and not one_interval:
        more = "with other test examples too: 95 % interval over seeds and examples, the one to quote"
        found.append(Column("Δ, examples too", points(truth.unit), more, lambda row: crossed(row, truth)))
    for info in ends.shown[1:]:
        found.append(Column(info.name, percent(info), meaning(info), partial(measured, info=info)))
    return found


def control_columns(table: Table) -> list[Column]:
    """What agreement is worth (the independent student, the distillation set), and what a student costs."""
    ends = table.endpoints
    unit = ends.agreement.unit
    name = ends.agreement.name

    def plain(key: str, sign: bool = False, unit: str = unit) -> Callable[[Row], Entry]:
        return lambda row: simple(row, key, lambda value: number(value, unit, sign))

    mark = "%" if unit == "share" else ""
    gain = (
        "what share of the agreement that the accuracies still allow is owed to this teacher: 0 none, 1 all of it; no accuracy; "
        "n/a where those of a seed leave no room"
    )
    gap = "what agreement loses from there to the test set; below zero, the test set is the easier one to agree on"
    other = "agreement with this teacher of a student of the same row that learned from another teacher"
    owed = "agreement beyond that of the independent student: what is owed to this teacher"
    taught = f"{ends.agreement.title}, on the data that the teacher was asked about in training"
    return [
        Column(name, mark, f"{ends.agreement.title}, on the test set", plain(name)),
        Column("independent", mark, other, plain("independent"), True),
        Column(
            "above it",
            points(unit),
            owed,
            plain("above_independent", True),
            True,
        ),
        *([Column("gain", "", gain, plain("gain", unit=SCORE), True)] if table.family in BOUNDED else []),
        Column(
            "distil",
            mark,
            taught,
            plain("distil"),
            True,
        ),
        Column("distil − test", points(unit), gap, plain("gap", True), True),
        Column("parameters", "", "weights of the network", lambda row: simple(row, "parameters", short)),
        Column("MACs", "", "multiply-adds of one forward pass of one example", lambda row: simple(row, "macs", short)),
        *([Column("train s", "", "seconds of training, as they passed on that machine", timed)] if table.timed else []),
    ]


def lower_is_better(table: Table) -> str:
    """One sentence on the columns in which less is more."""
    names = [info.name for info in table.endpoints.shown if info.direction == "down"]
    return f"Of {listed(names)}, less is better." if names else ""


def percent(info: MetricInfo) -> str:
    return "%" if info.unit == "share" else ""


def meaning(info: MetricInfo) -> str:
    good = {"up": "higher is better", "down": "lower is better", "zero": f"nearest {info.ideal:g} is best"}[info.direction]
    unit = "" if info.unit in ("share", "") else f" in {info.unit}"
    return f"{info.title}{unit}, mean ± standard deviation over seeds; {good}"


def seeds(row: Row) -> Entry:
    if row.complete:
        return Entry(str(row.done), row.done)
    text = f"{row.done} of {row.planned}"
    return Entry(text + (f", diverged {row.diverged}" if row.diverged else ""), row.done, marks=("lacking",))


def measured(row: Row, info: MetricInfo) -> Entry:
    summary = row.summary(info.name)
    if not summary.n:
        return Entry("" if row.kind == "teacher" else MISSING)
    text = spread(summary.mean, summary.sd, info.unit)
    if summary.n < row.done:
        text += f" ({summary.n} of {row.done})"
    marks = ("best",) if info.name in row.best else ()
    exact = ", ".join(f"seed {seed}: {scaled(value, info.unit):.6g}" for seed, value in summary.by_seed.items())
    return Entry(text, summary.mean, exact, marks)


def change(row: Row, info: MetricInfo, quoted: bool = False) -> Entry:
    found = row.differences.get(info.name)
    if found is None:
        return Entry("")
    if not found.n:
        return Entry(MISSING)
    text = number(found.mean, info.unit, sign=True)
    exact = f"to {row.control}, {found.n} seeds" if found.n > 1 else f"to {row.control}, 1 seed: no interval"
    interval = found.quoted if quoted else found.interval
    if interval is not None:
        text += " " + span(interval.low, interval.high, info.unit)
        exact += f", {interval.how}"
    marks = (found.verdict,) if found.verdict and row.complete else ()
    return Entry(text + ("" if row.like_control else " †"), found.mean, exact, marks)


def crossed(row: Row, info: MetricInfo) -> Entry:
    found = row.differences.get(info.name)
    if found is None or found.crossed is None:
        return Entry("" if found is None else MISSING)
    interval = found.crossed
    return Entry(span(interval.low, interval.high, info.unit), found.mean, f"{interval.how}, to {row.control}")


def timed(row: Row) -> Entry:
    """Seconds of the runs that had their device to themselves; of how many, where not of all."""
    entry, known = simple(row, "seconds", seconds), row.summary("seconds").n
    return replace(entry, text=f"{entry.text} ({known} of {row.done})") if 0 < known < row.done else entry


def simple(row: Row, key: str, write: Callable[[float], str]) -> Entry:
    summary = row.summary(key)
    if not summary.n:
        return Entry("" if row.kind == "teacher" else MISSING)
    exact = ", ".join(f"seed {seed}: {value:.6g}" for seed, value in summary.by_seed.items())
    return Entry(write(summary.mean), summary.mean, exact)
