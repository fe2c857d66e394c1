"""What the seeds of a cell have in common, made once and shared by their jobs: in a large suite cells are many and jobs more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdbench.jobs.decide import SPLIT
from kdbench.jobs.identity import IDENTITY_VERSION, key_of, without_defaults
from kdbench.jobs.job import Job
from kdbench.jobs.parts import full_params, network_identity, task_identity, task_spec, view_spec
from kdbench.jobs.rounds import trial_label
from kdbench.jobs.start import Start
from kdbench.registry import Registry
from kdbench.suite.arm import Arm
from kdbench.suite.recipe import RECIPE_DEFAULTS


@dataclass(frozen=True)
class Design:
    """A student's identity, spec and labels without its seed, teachers and start. Jobs share what is in them and change none."""

    identity: dict[str, Any]
    spec: dict[str, Any]
    labels: dict[str, Any]
    targets: dict[str, str]

    def job(self, seed: int, told: int, teachers: Sequence[Job], start: Start) -> Job:
        """The job of one seed, the one that is computed with; `told` is the one by which the arm is known."""
        own = {"teachers": [teacher.key for teacher in teachers], "init": start.identity, "seed": seed}
        identity = {**self.identity, **own}
        return Job(
            key=key_of(identity),
            kind="student",
            identity=identity,
            spec={**self.spec, **own},
            labels={**self.labels, "seed": told},
            targets=self.targets,
            teachers=tuple(own["teachers"]),
            weights=str(start.file) if start.file else None,
            start=start.job.key if start.job else None,
        )


def student_design(arm: Arm, registry: Registry, teachers: Sequence[Job]) -> Design:
    """The design of an arm or of one of its rounds."""
    task = registry.task(arm.task["plugin"])
    method, model = registry.method(arm.method["name"]), registry.model(arm.student["model"])
    targets = {"task": task.target, "method": method.target, **registry.model_targets(model.name)}
    wraps = []
    for wrap in arm.method["wrap"]:
        wrapper = registry.wrapper(wrap["name"])
        targets[f"wrapper:{wrapper.name}"] = wrapper.target
        wraps.append({"name": wrapper.name, "version": wrapper.version, "params": full_params(wrap["params"], wrapper)})
    for teacher in teachers:
        targets |= {name: target for name, target in teacher.targets.items() if name.startswith("model:")}
    source = None
    if arm.source is not None:
        asked = registry.source(arm.source["plugin"])
        targets["source"] = asked.target
        source = {"name": asked.name, "version": asked.version, "params": full_params(arm.source["params"], asked)}
    view = {key: value for key, value in arm.view.items() if key != "name"}
    if stages := view.get("stages"):
        plugins = [registry.stage(stage["name"]) for stage in stages]
        targets |= {f"stage:{stage.name}": stage.target for stage in plugins}
        view["stages"] = [{**told, "params": full_params(told["params"], stage)} for told, stage in zip(stages, plugins)]
    params = full_params(arm.method["params"], method)
    identity = {
        "identity_version": IDENTITY_VERSION,
        "role": "student",
        "task": task_identity(arm.task, task),
        "student": network_identity(arm.student, model),
        "method": {"name": method.name, "version": method.version, "params": params, "wrap": wraps},
        "source": source,
        "view": view,
        "recipe": without_defaults(arm.recipe, RECIPE_DEFAULTS),
        **({"trial": SPLIT} if arm.trial else {}),
    }
    names = {"tuning": arm.written} if arm.trial else {"alias": arm.alias, "preset": arm.preset}
    labels = {
        "task": arm.task["name"],
        "pair": arm.pair,
        "method": method.name,
        "cell": trial_label(arm.cell) if arm.trial else arm.cell,
        "source": arm.source["name"] if arm.source else None,
        "view": arm.view["name"],
        **{name: value for name, value in names.items() if value},
    }
    filled = {"task": task_spec(arm.task, task), "view": view_spec(view, task)}
    return Design(identity, {**identity, **filled, "recipe": {**RECIPE_DEFAULTS, **arm.recipe}}, labels, targets)
