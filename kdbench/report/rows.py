"""Turns readings into rows: summaries over seeds, differences to the control, and what is best among complete rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

from kdbench.metrics.catalogue import MetricInfo, metric, metrics, primary
from kdbench.metrics.controls import fidelity_gain
from kdbench.report.model import Difference, Endpoints, Row, Summary
from kdbench.results.readings import Reading
from kdbench.stats import mean, paired, sd

# agreement-type metric -> (student's and teacher's share of right decisions, agreement on the same decisions): what the bound
# of agreement, 1 - |a_t - a_s|, is made of. Families whose decisions are ranks have no such bound.
BOUNDED = {
    "classification": ("truth.accuracy", "fidelity.teacher_accuracy", "agreement"),
    "segmentation": ("truth.pixel_accuracy", "fidelity.teacher_pixel_accuracy", "agreement"),
}
COSTS = ("parameters", "macs")
_CELLS = ("both_right", "lost", "gained", "both_wrong_same", "both_wrong_different")
_CLASSES = ("class_agreement_teacher_min", "class_agreement_teacher_p10", "class_agreement_teacher_mean")
PARTS = {  # what agreement is made of, for the plots
    "classification": (*_CELLS, *_CLASSES),
    "segmentation": (*_CELLS, *_CLASSES),
    "retrieval": ("query_wins", "query_ties", "query_losses", "overlap@1", "overlap@10", "overlap@100"),
    "tagging": ("positive_agreement_rare", "positive_agreement_middle", "positive_agreement_frequent"),
}


def endpoints(family: str, show: Sequence[str] = ()) -> Endpoints:
    """The primary metrics of a family by their part in the report, and of those asked for the ones that the family has."""
    found = primary(family)
    truth = next(entry for entry in found if entry.kind == "truth")
    agreement = next(entry for entry in found if entry.kind == "fidelity" and entry.direction == "up")
    ece = next((entry for entry in found if entry.kind == "calibration"), None)
    more = tuple(entry for name in dict.fromkeys(show) for entry in metrics(family) if entry.name == name)
    return Endpoints(truth, agreement, metric(family, "log_kl"), metric(family, "kl"), ece, more)


def summarise(values: Iterable[tuple[int, float]]) -> Summary:
    """Mean and spread of the seeds that have a value."""
    by_seed = {seed: value for seed, value in sorted(values) if not math.isnan(value)}
    present = list(by_seed.values())
    finite = all(map(math.isfinite, present))
    middle = mean(present) if finite else sum(present)  # of infinities: themselves, or NaN where both signs meet
    return Summary(middle, sd(present) if finite else math.nan, len(present), by_seed)


def measure(readings: Sequence[Reading], ends: Endpoints) -> dict[str, Summary]:
    """All numbers of a row. Diverged runs count nowhere: what they left is no measurement of the method."""
    family = ends.truth.family
    done = [reading for reading in readings if reading.status == "done"]

    def over(value: Callable[[Reading], float]) -> Summary:
        return summarise((reading.seed, value(reading)) for reading in done)

    def of(metric: str) -> Summary:
        return over(lambda reading: reading.value(metric))

    found = {entry.name: of(entry.name) for entry in ends.shown}
    agreement = ends.agreement.name
    found["independent"] = of(f"independent.{agreement}")
    found["above_independent"] = over(lambda r: r.value(f"fidelity.{agreement}") - r.value(f"independent.{agreement}"))
    found["gain"] = whole(over(partial(gain, family=family)), found["above_independent"])
    found["distil"] = of(f"distil.{agreement}")
    found["gap"] = over(lambda r: r.value(f"distil.{agreement}") - r.value(f"fidelity.{agreement}"))
    for name in PARTS[family]:
        found[name] = of(f"fidelity.{name}")
    for name in COSTS:
        found[name] = over(partial(cost, name=name))
    found["seconds"] = over(lambda r: r.seconds)
    return found


def whole(found: Summary, known: Summary) -> Summary:
    """Nothing where a seed lacks it that has the other: gain has no value where the accuracies leave no room, and the mean of the
    seeds that are left would be another one."""
    return found if found.n >= known.n else Summary()


def cost(reading: Reading, name: str) -> float:
    value = reading.cost.get(name)
    return math.nan if value is None else float(value)


def gain(reading: Reading, family: str) -> float:
    """Fidelity gain of one student over the independent one; NaN where agreement has no known bound."""
    if family not in BOUNDED:
        return math.nan
    student, teacher, agreement = BOUNDED[family]
    parts = [reading.value(name) for name in (f"fidelity.{agreement}", f"independent.{agreement}", teacher, student)]
    return math.nan if any(map(math.isnan, parts)) else fidelity_gain(*parts)


def compare(row: Row, control: Row, metrics: Sequence[MetricInfo]) -> dict[str, Difference]:
    """Row minus control, paired by seed."""
    return {entry.name: difference(row.summary(entry.name), control.summary(entry.name), entry) for entry in metrics}


def difference(ours: Summary, theirs: Summary, info: MetricInfo) -> Difference:
    pairs = paired_differences(ours.by_seed, theirs.by_seed)
    interval = paired(pairs)
    verdict: Literal["better", "worse"] | None = None
    if interval is not None and interval.excludes_zero and info.direction != "zero":
        verdict = "better" if (interval.estimate > 0) == (info.direction == "up") else "worse"
    return Difference(mean(pairs), interval, len(pairs), verdict)


def paired_differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """ours - theirs for every seed of which both have a finite value."""
    both = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    return [a - b for a, b in both if math.isfinite(a) and math.isfinite(b)]


def mark_best(rows: Sequence[Row], metrics: Sequence[MetricInfo]) -> None:
    """Mark the best mean of each metric among complete rows of at least two seeds, where there is a choice."""
    for entry in metrics:
        if entry.direction == "zero":
            continue
        fit = [row for row in rows if row.planned > 1 and row.summary(entry.name).n == row.planned]
        if len(fit) < 2:
            continue
        means = [row.summary(entry.name).mean for row in fit]
        top = max(means) if entry.direction == "up" else min(means)
        for row, value in zip(fit, means, strict=True):
            if value == top:
                row.best.add(entry.name)
