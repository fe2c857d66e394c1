"""The `gate:` part of a suite: how much may be lost, how sure an alarm must be, and at how many seeds one looks."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from kdbench.metrics.catalogue import METRICS
from kdbench.suite.marks import Strict, runtime
from kdbench.suite.metric_names import hint


def _rising(value: tuple[int, ...]) -> tuple[int, ...]:
    if list(value) != sorted(set(value)):
        raise ValueError("looks are numbers of seeds that rise, e.g. [3, 6, 10]")
    return value


def _endpoint(value: str) -> str:
    metric = value.rpartition("/")[2]
    known = {entry.name for entry in METRICS if entry.primary}
    if metric not in known or value.startswith("/"):
        raise ValueError(f"'{value}' is no primary metric, nor task/metric; {hint(metric, sorted(known))}")
    return value


def _positive(value: float) -> float:
    if not value > 0:
        raise ValueError(f"is {value:g}; margins and noise are above 0")
    return value


Looks = Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(strict=False, min_length=1), AfterValidator(_rising)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Positive = Annotated[float, AfterValidator(_positive)]


class Gate(Strict):
    """How `kdbench gate` judges this suite by its baselines. Metrics are named `accuracy`, or `digits/accuracy` for one task."""

    alpha: float = runtime("chance that any endpoint of an unchanged suite alarms, over all looks", 0.05, gt=0, lt=0.5)
    looks: Looks = runtime("seeds of a cell at which it may be judged, while it is undecided", (3, 6, 10))
    tolerance: float = runtime("largest loss that is let pass, of shares: 0.005 is half a point", 0.005, gt=0)
    margins: dict[Endpoint, Positive] = runtime("metric -> largest loss that is let pass, in the metric's own unit", dict)
    noise: dict[Endpoint, Positive] = runtime("metric -> standard deviation over seeds that is known; the least assumed", dict)
