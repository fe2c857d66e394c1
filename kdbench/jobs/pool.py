"""The teachers of a pair as jobs: trained by kdbench or given as weights, and which of them a trial takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdbench.jobs.given import given_teacher
from kdbench.jobs.identity import IDENTITY_VERSION, key_of, without_defaults
from kdbench.jobs.job import Job
from kdbench.jobs.parts import network_identity, task_identity, task_spec, view_spec
from kdbench.jobs.start import start_at
from kdbench.registry import Registry
from kdbench.suite.arm import Arm
from kdbench.suite.entry import FRESH
from kdbench.suite.label import changes, settings
from kdbench.suite.recipe import RECIPE_DEFAULTS

STARTS = ("init", "weights")  # what some kinds of a network have and others lack


def teacher_jobs(arm: Arm, registry: Registry, root: Path) -> list[Job]:
    """The pool of a pair, in the order in which trials take from it: all kinds of seed 0, all kinds of seed 1, …"""
    jobs = []
    for seed in range(max((t.get("pool") or 1 for t in arm.teachers), default=0)):
        for teacher in arm.teachers:
            if seed < (teacher.get("pool") or 1):
                jobs.append(teacher_job(arm, teacher, seed, registry, root))
    return jobs


def teacher_label(teacher: dict[str, Any], kinds: Sequence[dict[str, Any]]) -> str:
    """`teacher`, or where a pair has several kinds, as much of this one as tells it from the others."""
    if len(kinds) == 1:
        return "teacher"
    if teacher.get("cards"):
        return f"teacher:{'+'.join(card['name'] for card in teacher['cards'])}"
    alike = [other for other in kinds if other["model"] == teacher["model"] and not other.get("cards")]
    own, others = training(teacher), [training(other) for other in alike]
    told = {name: value for name, value in own.items() if any(_apart(name, value, other) for other in others)}
    params = f"[{settings(teacher['params'])}]" if len(alike) > 1 and teacher["params"] else ""
    return f"teacher:{teacher['model']}{params}" + (f"{{{settings(told)}}}" if told else "")


def _apart(name: str, value: Any, other: dict[str, Any]) -> bool:
    """A start or given weights tell from a kind without; a recipe does not tell from weights that are given, which have none."""
    return other[name] != value if name in other else name.partition(".")[0] in STARTS


def training(teacher: dict[str, Any]) -> dict[str, Any]:
    """What makes a kind of teacher besides its network, flat."""
    given = {name: teacher[name] for name in STARTS if teacher.get(name)}
    view = {"view": teacher["view"]["name"]} if teacher.get("view") else {}
    return changes({}, {**(teacher["recipe"] or {}), **view, **given})  # weights that are given have no recipe


def teacher_job(arm: Arm, teacher: dict[str, Any], seed: int, registry: Registry, root: Path) -> Job:
    """A teacher is a student without a teacher, on the teachers' set; or a file of weights, which is only evaluated."""
    task, model, none = registry.task(arm.task["plugin"]), registry.model(teacher["model"]), registry.method("none")
    targets = {"task": task.target, "method": none.target, **registry.model_targets(model.name)}
    labels = {
        "task": arm.task["name"],
        "pair": arm.pair,
        "method": "teacher",
        "cell": teacher_label(teacher, arm.teachers),
        "source": None,
        "view": "default",
        "seed": seed,
    }
    network = network_identity(teacher, model)
    common = {
        "identity_version": IDENTITY_VERSION,
        "role": "teacher",
        "task": task_identity(arm.task, task),
        "student": network,
        "teachers": [],
        "method": {"name": none.name, "version": none.version, "params": {}, "wrap": []},
        "source": None,
        "init": FRESH,
        "seed": seed,
    }
    if (given := given_teacher(teacher, seed, root)) is not None:
        identity = {**common, **given.identity, "student": {**network, **given.network}}
        filled = {"task": task_spec(arm.task, task), "view": view_spec({}, task)}
        spec = {**identity, **filled, "recipe": {**RECIPE_DEFAULTS, "steps": 0}}
        return Job(key_of(identity), "teacher", identity, spec, labels, targets, weights=str(given.file), origin=given.origin)
    view = {key: value for key, value in (teacher.get("view") or {}).items() if key not in ("name", "transfer")}
    view.setdefault("labelled", task.facts["roles"]["teacher"])
    start = start_at(teacher.get("init", FRESH), root)
    recipe = without_defaults(teacher["recipe"], RECIPE_DEFAULTS)
    identity = {**common, "init": start.identity, "view": view, "recipe": recipe}
    recipe = {**RECIPE_DEFAULTS, **teacher["recipe"]}
    spec = {**identity, "task": task_spec(arm.task, task), "view": view_spec(view, task), "recipe": recipe}
    file = str(start.file) if start.file else None
    return Job(key_of(identity), "teacher", identity, spec, labels, targets, weights=file)


def pick(pool: Sequence[Job], count: int, seed: int) -> list[Job]:
    """The teachers of a trial: disjoint runs of the pool as long as it lasts, then round again."""
    return [pool[(seed * count + number) % len(pool)] for number in range(count)]
