"""Values that only the rest of kdbench can judge: metrics of claims, augmentations of the tasks."""

from __future__ import annotations

from collections.abc import Iterator

from kdbench.metrics.catalogue import names
from kdbench.suite import metric_names
from kdbench.suite.catalogue import Catalogue, find
from kdbench.suite.document import Cursor
from kdbench.suite.errors import Problem, listing, nearest
from kdbench.suite.references import label

GROUPS = ("truth", "val", "fidelity", "distil", "independent", "companion")  # of a record's metrics, before a dot


def claim_problems(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    """Metrics that the task of a claim does not have."""
    tasks = {label(task, "task").text: task.named("task").text for task in root["tasks"].items()}
    for claim in root["claims"].items():
        metric, task = claim["metric"], find(catalogue, "task", tasks.get(claim["task"].text) or "")
        if metric.text is None or task is None:
            continue
        group, dot, name = metric.text.rpartition(".")
        known = names([task.facts["family"]])
        if dot and group not in GROUPS:
            what = f"'{group}' is no group of metrics"
            yield metric.problem(what, f"one of {listing(GROUPS)}, a dot, and the metric", nearest(group, GROUPS))
        elif name not in known:
            what = f"{claim['task'].text} has no metric '{name}'"
            yield metric.problem(what, f"one of {listing(known)}", metric_names.meant(metric.text, known))


def show_problems(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    """Metrics that no task of the suite has."""
    tasks = [find(catalogue, "task", task.named("task").text or "") for task in root["tasks"].items()]
    known = names(task.facts["family"] for task in tasks if task is not None)
    if None in tasks:
        return
    for name in root["show"].items():
        if name.text is not None and name.text not in known:
            near = metric_names.meant(name.text, known)
            yield name.problem(f"no task here has the metric '{name.text}'", f"one of {listing(known)}", near)


def view_problems(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    """Sets and augmentations of views that no task of the suite has; which view meets which task is looked at later."""
    tasks = [find(catalogue, "task", task.named("task").text or "") for task in root["tasks"].items()]
    facts = [task.facts for task in tasks if task is not None]
    if len(facts) < len(tasks):
        return
    augments = dict.fromkeys(name for own in facts for name in own["augments"])
    sets = dict.fromkeys(name for own in facts for name in (*own["sets"], *own["roles"]))
    for _, view in root["views"].entries():
        for key, what, known in (("augment", "augmentation", augments), ("labelled", "set", sets), ("transfer", "set", sets)):
            use = view[key]
            if use.text is not None and use.text not in known:
                yield use.problem(
                    f"no task here has the {what} '{use.text}'", f"one of {listing(known)}", nearest(use.text, known)
                )
