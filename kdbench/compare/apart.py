"""Why ours and a published figure cannot be compared: all that is known to move a number and differs, in words.

Budget, data, teacher's signal, recipe, weights, the teacher's own skill, the epoch that is reported, and runs enough to speak of
a spread. What a source does not tell counts as different.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kdbench.compare.cells import Group
from kdbench.compare.likeness import flat, whole
from kdbench.registry import Registry
from kdbench.results.figure import Figure
from kdbench.results.record import Record
from kdbench.stats import mean
from kdbench.suite.label import text as as_in_label
from kdbench.suite.recipe import RECIPE_DEFAULTS

TEACHER_APART = 0.01  # of a share: about three standard deviations of a seed on CIFAR-100
BUDGET_APART = 0.01


def reasons_of(group: Group, figure: Figure, found: Sequence[float], registry: Registry) -> list[str]:
    """Everything that keeps the two apart, the weightiest first."""
    record = group.records[0]
    identity = whole(record.identity)
    reasons = [
        budget(identity, figure),
        *data(record, figure),
        *networks(record, group, figure),
        "" if identity.get("init", "fresh") == "fresh" and not identity.get("before") else "ours does not start afresh",
        *signal(record, group),
        *settings("recipe", stated(identity, figure), figure.recipe or {}),
        "" if figure.recipe is not None else "their recipe is not known",
        *weights(identity, figure, registry),
        f"theirs: {figure.differs}" if figure.differs else "",
        teacher(group, figure),
        epoch(figure),
        group.lacking,
        too_few(found),
    ]
    return [reason for reason in reasons if reason]


def budget(identity: Mapping[str, Any], figure: Figure) -> str:
    steps = identity["recipe"]["steps"]
    theirs = [f"{figure.steps:,} steps" if figure.steps else "", f"{figure.epochs:g} epochs" if figure.epochs else ""]
    if not any(theirs):
        return "their budget is not known"
    if figure.steps is None:
        return f"budget: {steps:,} steps, theirs {theirs[1]} of unknown batches"
    if abs(steps - figure.steps) <= BUDGET_APART * figure.steps:
        return ""
    return f"budget: {steps:,} steps, theirs {theirs[0]}" + (f" ({theirs[1]})" if theirs[1] else "")


def data(record: Record, figure: Figure) -> list[str]:
    """What of the data is not the published set as its task reads it by default."""
    if figure.data is None:
        return ["their data are not known"]
    params = record.identity["task"].get("params", {})
    differing = settings("data", params, figure.data) + [
        f"data: {name} {text(params[name])}, theirs default" for name in params if name not in figure.data
    ]
    view = record.identity.get("view") or {}
    named = record.labels.get("view") or "default"
    if named != "default":
        differing.append(f"view: {named}")
    elif view.get("stages"):
        differing.append("view: " + ", ".join(stage["name"] for stage in view["stages"]))
    return differing


def networks(record: Record, group: Group, figure: Figure) -> list[str]:
    """Networks that are not as their name alone says; `cheap:resnet20` has another name."""
    nets = [("student", record), *(("teacher", teacher) for teacher in group.teachers[:1] if figure.teacher)]
    found = [(role, (net.identity.get("student") or {}).get("params") or {}) for role, net in nets]
    return [f"{role}: {name} {text(params[name])}, theirs default" for role, params in found for name in params]


def signal(record: Record, group: Group) -> list[str]:
    source = record.identity.get("source")
    if source is None:
        return []
    asked = len(record.teachers)
    if source.get("name") != "live" or source.get("params"):
        return [f"signal: {record.labels.get('source') or source.get('name')}, theirs one live teacher"]
    return [f"signal: {asked} teachers"] if asked > 1 else []


def stated(identity: Mapping[str, Any], figure: Figure) -> dict[str, Any]:
    """Our recipe by the names of the figure's; a batch is that of the labelled stream."""
    recipe = {**identity["recipe"], "augment": (identity.get("view") or {}).get("augment")}
    recipe["batch"] = {**RECIPE_DEFAULTS["batch"], **recipe["batch"]}["labelled"]
    return {name: recipe.get(name) for name in figure.recipe or {}}


def settings(what: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return [
        f"{what}: {name} {text(ours.get(name))}, theirs {text(theirs[name])}"
        for name in theirs
        if not same(ours.get(name), theirs[name])
    ]


def same(ours: Any, theirs: Any) -> bool:
    """4 is 4.0, and a list is equal to one of equal parts."""
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (ours, theirs)]
    return math.isclose(ours, theirs, rel_tol=1e-6) if all(numbers) else bool(ours == theirs)


def weights(identity: Mapping[str, Any], figure: Figure, registry: Registry) -> list[str]:
    """Settings of the method; those that a figure does not name are at their default, with all others."""
    method = identity["method"]
    known = registry.find("method", method["name"])
    defaults = known.defaults if known else {}
    if figure.params is None:
        return ["their weights are not known"] if defaults else []
    ours, theirs = {**defaults, **method["params"]}, {**defaults, **figure.params}
    found = settings("weights", flat(ours), flat(theirs))
    return found + [f"weights: {p['name']} has settings of its own" for p in method.get("wrap", ()) if p.get("params")]


def teacher(group: Group, figure: Figure) -> str:
    if figure.teacher_value is None or figure.metric.unit != "share" or not figure.teacher:
        return ""
    metric = figure.metric.name
    found = [record.metrics.get("truth", {}).get(metric, math.nan) for record in group.teachers]
    ours = mean([value for value in found if not math.isnan(value)])
    if math.isnan(ours):
        return "our teacher was not measured"
    if abs(ours - figure.teacher_value) <= TEACHER_APART:
        return ""
    return f"teacher: {100 * ours:.2f} %, theirs {100 * figure.teacher_value:.2f} %"


def epoch(figure: Figure) -> str:
    return {
        "best": "theirs is the best epoch on the test set, ours the last",
        "averaged": "theirs are averaged weights, ours the last",
        "unknown": "whether theirs is the last or the best epoch is not told",
    }.get(figure.epoch, "")


def too_few(found: Sequence[float]) -> str:
    if not found:
        return "ours was not measured in it"
    if not all(map(math.isfinite, found)):
        return "ours is infinite in some runs"
    return "one seed of ours: no spread" if len(found) < 2 else ""


def text(value: Any) -> str:
    return "default" if value is None else as_in_label(value)
