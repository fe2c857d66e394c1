"""What a suite's `gate:` says of one endpoint: the loss that is let pass, and the noise that somebody vouches for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from kdbench.contract.errors import KdbenchError
from kdbench.metrics.catalogue import MetricInfo
from kdbench.suite.errors import listing, nearest
from kdbench.suite.gate import Gate

LOG_MARGIN = math.log(1.10)  # a divergence may grow by a tenth


def tolerance(gate: Gate, task: str, info: MetricInfo) -> float:
    """The largest loss that is let pass, in the metric's own unit."""
    otherwise = LOG_MARGIN if info.unit == "log nats" else gate.tolerance
    return _named(gate.margins, task, info, otherwise)


def known_noise(gate: Gate, task: str, info: MetricInfo) -> float:
    """A standard deviation over seeds that is known; 0 where none is."""
    return _named(gate.noise, task, info, 0.0)


def _named(values: Mapping[str, float], task: str, info: MetricInfo, otherwise: float) -> float:
    return values.get(f"{task}/{info.name}", values.get(info.name, otherwise))


def check(gate: Gate, tasks: Iterable[str]) -> None:
    """A KdbenchError where a margin or a noise is of a task that the suite does not have."""
    known = list(dict.fromkeys(tasks))
    for part, names in (("margins", gate.margins), ("noise", gate.noise)):
        for name in names:
            task = name.rpartition("/")[0]
            if task and task not in known:
                near = nearest(task, known)
                hint = f"did you mean '{near}'?" if near else f"the suite has {listing(known)}"
                raise KdbenchError(f"gate.{part}: no task '{task}' (in '{name}'); {hint}")
