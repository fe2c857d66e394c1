"""One line of a table of published figures, checked against what kdbench has: every name, number and setting in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.metrics.catalogue import METRICS, MetricInfo
from kdbench.registry import PluginInfo, Registry
from kdbench.results.figure import Figure
from kdbench.results.names import FOREIGN, check, unknown
from kdbench.results.settings import parse
from kdbench.suite.errors import listing
from kdbench.suite.recipe import RECIPE_DEFAULTS

EPOCHS = ("last", "best", "averaged", "unknown")
RECIPE = (*(name for name in RECIPE_DEFAULTS if name != "steps"), "augment")
UNKNOWN = "?"
METHOD = re.compile(r"(?P<wrap>(?:[\w/+-]+\()*)(?P<name>~?[\w/+.-]+)(?P<end>\)*)")


@dataclass(frozen=True)
class Row:
    """One line, on its way to a figure."""

    place: str
    row: Mapping[str, str]
    stem: str
    registry: Registry

    def figure(self) -> Figure:
        if self.row["task"] != self.stem:
            raise self.fault("task", f"'{self.row['task']}', but the file is that of '{self.stem}'")
        metric = self.metric()
        wrap, method = self.method()
        teacher = self.row["teacher"]
        for column in ("teacher", "student"):
            if column == "student" or teacher not in ("", UNKNOWN):
                check(f"{self.place}: {column}", "model", self.row[column], self.registry)
        if not self.row["source"]:
            raise self.fault("source", "is empty; a figure without its source is none")
        value = self.number("value", metric)
        if value is None:
            raise self.fault("value", "is empty")
        runs, spread = self.whole("runs"), self.number("spread", metric)
        if spread is not None and (runs is None or runs < 2 or spread < 0):
            raise self.fault("spread", "is a standard deviation over runs, of which there must be at least two")
        if self.row["epoch"] not in EPOCHS:
            raise self.fault("epoch", f"'{self.row['epoch']}' is none of {listing(EPOCHS)}")
        plugin = self.plugin("method", self.registry.aliases().get(method, method))
        task = self.plugin("task", self.stem)
        return Figure(
            task=self.stem,
            teacher=None if teacher == UNKNOWN else teacher,
            student=self.row["student"],
            method=method,
            wrap=wrap,
            metric=metric,
            value=value,
            rounding=rounding(self.row["value"], metric),
            spread=spread,
            runs=runs,
            teacher_value=self.number("teacher_value", metric),
            student_value=self.number("student_value", metric),
            epochs=self.count("epochs"),
            steps=self.whole("steps"),
            epoch=self.row["epoch"],
            params=self.settings("params", plugin.schema.get("properties", {}) if plugin else None),
            recipe=self.settings("recipe", RECIPE),
            data=self.settings("data", task.schema.get("properties", {}) if task else None),
            differs=self.row["differs"],
            source=self.row["source"],
            place=self.place,
        )

    def fault(self, column: str, what: str) -> DataError:
        return DataError(f"{self.place}: {column}: {what}")

    def plugin(self, kind: str, name: str) -> PluginInfo | None:
        return self.registry.find(kind, name)

    def metric(self) -> MetricInfo:
        """Of the task's own family, where that has it; what only another family measures is told, and never compared."""
        task = self.plugin("task", self.stem)
        truth = [entry for entry in METRICS if entry.kind == "truth"]
        own = {entry.name: entry for entry in truth if task and entry.family == task.facts["family"]}
        known = {**{entry.name: entry for entry in reversed(truth)}, **own}
        name = self.row["metric"]
        if name not in known:
            raise DataError(unknown(f"{self.place}: metric", "measure of truth", name, known))
        return known[name]

    def method(self) -> tuple[tuple[str, ...], str]:
        found = METHOD.fullmatch(self.row["method"])
        wrap = tuple(found["wrap"].split("(")[:-1]) if found else ()
        if found is None or len(found["end"]) != len(wrap):
            raise self.fault("method", f"'{self.row['method']}' is no method, nor wrapper(method)")
        for kind, name in (*(("wrapper", name) for name in wrap), ("method", found["name"])):
            check(f"{self.place}: method", kind, name, self.registry)
        return wrap, found["name"].removeprefix(FOREIGN)

    def number(self, column: str, metric: MetricInfo) -> float | None:
        """A value in the metric's own unit."""
        value = self.count(column)
        if value is None or metric.unit != "share":
            return value
        if column != "spread" and 0 < value <= 1:
            raise self.fault(column, f"{self.row[column]} looks like a fraction; shares are in percent here: {100 * value:g}")
        if not 0 <= value <= 100:
            raise self.fault(column, f"{self.row[column]} is no share in percent")
        return value / 100

    def count(self, column: str) -> float | None:
        text = self.row[column]
        if text in ("", UNKNOWN):
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.fault(column, f"'{text}' is no number")
        return value

    def whole(self, column: str) -> int | None:
        value = self.count(column)
        if value is not None and (value != int(value) or value < 1):
            raise self.fault(column, f"'{self.row[column]}' is no whole number above 0")
        return None if value is None else int(value)

    def settings(self, column: str, names: Iterable[str] | None) -> dict[str, Any] | None:
        """Settings by our names; those of what kdbench does not have are taken as they are."""
        if self.row[column] == UNKNOWN:
            return None
        try:
            found = parse(self.row[column])
        except ValueError as error:
            raise self.fault(column, str(error)) from None
        for name in found:
            if names is not None and name not in names:
                raise DataError(unknown(f"{self.place}: {column}", "setting", name, names))
        return found


def rounding(text: str, metric: MetricInfo) -> float:
    """Half a unit of the last digit that was printed."""
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    return half / 100 if metric.unit == "share" else half
