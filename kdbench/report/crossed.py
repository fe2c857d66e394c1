"""Intervals over seeds and test examples at once; how sure the order of a table's rows is; how noisy its runs are.

Where the examples of a row's runs are not known (neither in its records nor on this machine), all of this is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kdbench.report.model import Difference, Ranking, Table
from kdbench.results.readings import Reading
from kdbench.results.unit_reader import UnitReader
from kdbench.stats.bootstrap import Crossed
from kdbench.stats.crossed_store import CellRuns, CrossedStore

RANKED = 16  # rows of a ranking: the best by their means


class Crossing:
    """Fills a table in from the units of its runs."""

    def __init__(self, reader: UnitReader) -> None:
        self.reader = reader
        self.store = CrossedStore(reader.home)

    def fill(self, table: Table, readings: Mapping[str, list[Reading]]) -> None:
        """`readings` are those of the rows, by label."""
        arms = {label: CellRuns.of(table.family, found, self.reader) for label, found in readings.items()}
        metrics = [info.name for info in table.endpoints.shown]
        for row in table.students:
            if row.control is None or not row.differences or not row.sources:
                continue
            found = self.store.differences(metrics, arms[row.label], arms[row.control])
            if not any(found.values()):
                continue  # the examples are not known: the seeds alone decide
            for name, difference in row.differences.items():
                row.differences[name] = crossed(difference, found[name])
        table.units = self.units(arms.values())
        table.ranking = self.ranking(table, arms)
        for row in table.students:
            if row.complete and row.planned > 1:
                row.overdispersion = self.store.overdispersion(table.endpoints.truth.name, [arms[row.label]])

    def units(self, arms: Iterable[CellRuns]) -> int:
        """The examples of the test set."""
        first = next(((arm, reading) for arm in arms for reading in arm.readings), None)
        if first is None:
            return 0
        arm, reading = first
        known = self.reader.units(arm.family, reading.key, reading.teachers)
        return 0 if known is None else known.of

    def ranking(self, table: Table, arms: Mapping[str, CellRuns]) -> Ranking | None:
        """Of the rows that have all their seeds; None for fewer than two."""
        truth = table.endpoints.truth
        fit = [row for row in table.students if row.complete and row.planned > 1 and row.summary(truth.name).n == row.planned]
        sign = -1 if truth.direction == "up" else 1
        best = sorted(fit, key=lambda row: sign * row.summary(truth.name).mean)[:RANKED]
        shares = self.store.ranking(truth.name, [arms[row.label] for row in best], truth.direction == "up")
        return None if shares is None else Ranking([row.name for row in best], shares, len(fit) - len(best))


def crossed(found: Difference, wide: Crossed | None) -> Difference:
    """A difference with its wider interval, which decides whether it is real. A metric that cannot be computed anew on other
    examples, beside ones that can, is called neither better nor worse."""
    if wide is None:
        return replace(found, verdict=None)
    real = found.verdict is not None and wide.interval.excludes_zero
    return replace(found, crossed=wide.interval, verdict=found.verdict if real else None)
