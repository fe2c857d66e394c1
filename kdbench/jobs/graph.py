"""From a suite's arms to jobs: each arm is a student, and the teachers that it learns from are jobs of their own, shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdbench.jobs.decide import SPLIT
from kdbench.jobs.design import Design
from kdbench.jobs.fit import misfits
from kdbench.jobs.given import given_teacher
from kdbench.jobs.identity import IDENTITY_VERSION, key_of, without_defaults
from kdbench.jobs.job import Cell, Job, JobSet, Refusal
from kdbench.jobs.rounds import round_label, seed_of, start_of, students_asked, trial_label
from kdbench.jobs.start import unshowable, unstartable
from kdbench.registry import PluginInfo, Registry
from kdbench.suite.arm import Arm
from kdbench.suite.label import settings
from kdbench.suite.recipe import RECIPE_DEFAULTS


def graph(arms: Sequence[Arm], registry: Registry, root: Path = Path(".")) -> JobSet:
    """All jobs of the arms. Cells that cannot run become refusals with their reasons; nothing is imported or read but weights."""
    found = JobSet()
    # Seeds of a cell differ in nothing that decides whether it can run, and cells of a pair share their pool of teachers.
    reasons: dict[Cell, list[str]] = {}
    pools: dict[tuple[str, str], list[Job]] = {}
    designs: dict[Cell, list[Design]] = {}  # of each round, the arm's own last
    for arm in arms:
        cell = Cell(*arm.place)
        if cell not in reasons:
            reasons[cell] = refused(arm, registry)
            if reasons[cell]:
                found.refusals.append(Refusal(cell, tuple(reasons[cell])))
        if reasons[cell]:
            continue
        pair = (cell.task, cell.pair)
        if pair not in pools:
            pools[pair] = teacher_jobs(arm, registry, root)
        chain: list[Job] = []
        for part in (*arm.before, arm):
            job, others, refer = round_jobs(part, arm, registry, pools[pair], chain, root, designs.setdefault(cell, []))
            for wanted in (*others, job):
                found.jobs.setdefault(wanted.key, wanted)
            found.reference[(*pair, job.key)] = tuple(t.key for t in refer)
            chain.append(job)
        found.cells.setdefault(cell, []).append(chain[-1].key)
    for pair, pool in pools.items():
        found.teachers[pair] = [teacher.key for teacher in pool if teacher.key in found.jobs]
    return found


def refused(arm: Arm, registry: Registry) -> list[str]:
    """Every reason why an arm cannot run, with the round that it is about where there are several."""
    parts = (*arm.before, arm)
    rounds: dict[str, list[str]] = {}
    for number, part in enumerate(parts):
        for reason in misfits(part, registry, parts[:number]) + unstartable(part, parts[:number]) + unshowable(part, registry):
            rounds.setdefault(reason, []).append(str(number + 1))
    if not arm.before:
        return list(rounds)
    return [f"round{'s' if len(where) > 1 else ''} {', '.join(where)}: {reason}" for reason, where in rounds.items()]


def round_jobs(
    part: Arm, arm: Arm, registry: Registry, pool: Sequence[Job], chain: Sequence[Job], root: Path, designs: list[Design]
) -> tuple[Job, list[Job], list[Job]]:
    """The job of one round of an arm, the teachers that must be there, and those that its fidelity refers to."""
    start = start_of(part, chain, root)
    asked = pick(pool, part.source["teachers"], arm.seed) if part.source else []
    students = students_asked(part, chain, start)
    refer = asked or [s for s in students if s is not start.job] or pick(pool, len(part.teachers), arm.seed)
    if len(designs) == len(chain):
        named = part if part is arm else replace(part, cell=round_label(arm.cell, len(chain) + 1))
        designs.append(student_design(named, registry, [*asked, *students]))
    job = designs[len(chain)].job(seed_of(arm.seed, len(chain)), arm.seed, [*asked, *students], start)
    return job, [t for t in (*asked, *refer) if t.kind == "teacher"], [t for t in refer if not t.foreign]


def pick(pool: Sequence[Job], count: int, seed: int) -> list[Job]:
    """The teachers of a trial: disjoint runs of the pool as long as it lasts, then round again."""
    return [pool[(seed * count + number) % len(pool)] for number in range(count)]


def task_identity(task: dict[str, Any], info: PluginInfo) -> dict[str, Any]:
    """Without the params that only say where the data lie: a set is the same wherever it is."""
    marks = info.schema.get("properties", {})
    params = {name: value for name, value in task["params"].items() if marks.get(name, {}).get("identity", True)}
    return {"name": info.name, "version": info.version, "params": params, "fingerprint": info.facts["fingerprint"]}


def task_spec(task: dict[str, Any], info: PluginInfo) -> dict[str, Any]:
    return {**task_identity(task, info), "params": task["params"]}


def plugin_identity(part: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: part[name], "version": part["version"], "params": part["params"]}


def student_design(arm: Arm, registry: Registry, teachers: Sequence[Job]) -> Design:
    """The design of an arm or of one of its rounds."""
    task = registry.task(arm.task["plugin"])
    method, model = registry.method(arm.method["name"]), registry.model(arm.student["model"])
    targets = {"task": task.target, "method": method.target, **registry.model_targets(model.name)}
    wraps = []
    for wrap in arm.method["wrap"]:
        wrapper = registry.wrapper(wrap["name"])
        targets[f"wrapper:{wrapper.name}"] = wrapper.target
        wraps.append({"name": wrapper.name, "version": wrapper.version, "params": wrap["params"]})
    for teacher in teachers:
        targets |= {name: target for name, target in teacher.targets.items() if name.startswith("model:")}
    source = None
    if arm.source is not None:
        targets["source"] = registry.source(arm.source["plugin"]).target
        source = {"name": arm.source["plugin"], "version": arm.source["version"], "params": arm.source["params"]}
    view = {key: value for key, value in arm.view.items() if key != "name"}
    targets |= {f"stage:{stage['name']}": registry.stage(stage["name"]).target for stage in view.get("stages", ())}
    identity = {
        "identity_version": IDENTITY_VERSION,
        "role": "student",
        "task": task_identity(arm.task, task),
        "student": plugin_identity(arm.student, "model"),
        "method": {"name": method.name, "version": method.version, "params": arm.method["params"], "wrap": wraps},
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
    filled = {"task": task_spec(arm.task, task), "view": with_defaults(view, task)}
    return Design(identity, {**identity, **filled, "recipe": {**RECIPE_DEFAULTS, **arm.recipe}}, labels, targets)


def with_defaults(view: dict[str, Any], task: PluginInfo) -> dict[str, Any]:
    """A view as the training side reads it: sets by name, the policy, and the bank (None: a new view each epoch)."""
    roles, policies = task.facts["roles"], list(task.facts["augments"])
    bank = view.get("bank")
    return {
        "labelled": view.get("labelled") or roles["labelled"],
        "transfer": view.get("transfer") or roles["transfer"],
        "augment": view.get("augment") or policies[0],
        "bank": task.facts["bank"] if bank is None else bank or None,
        "stages": view.get("stages", []),
        "sampler": view.get("sampler", "shuffled"),
        "seed": view.get("seed", "fixed"),
    }


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
    same = sum(other["model"] == teacher["model"] for other in kinds) > 1
    return f"teacher:{teacher['model']}" + (f"[{settings(teacher['params'])}]" if same and teacher["params"] else "")


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
    common = {
        "identity_version": IDENTITY_VERSION,
        "role": "teacher",
        "task": task_identity(arm.task, task),
        "student": plugin_identity(teacher, "model"),
        "teachers": [],
        "method": {"name": none.name, "version": none.version, "params": {}, "wrap": []},
        "source": None,
        "init": "fresh",
        "seed": seed,
    }
    if (given := given_teacher(teacher, seed, root)) is not None:
        identity = {**common, **given.identity, "student": {**plugin_identity(teacher, "model"), **given.network}}
        filled = {"task": task_spec(arm.task, task), "view": with_defaults({}, task)}
        spec = {**identity, **filled, "recipe": {**RECIPE_DEFAULTS, "steps": 0}}
        file = str(given.file)
        return Job(key_of(identity), "teacher", identity, spec, labels, targets, weights=file, origin=given.origin)
    view = {key: value for key, value in (teacher.get("view") or {}).items() if key not in ("name", "transfer")}
    view.setdefault("labelled", task.facts["roles"]["teacher"])
    identity = {**common, "view": view, "recipe": without_defaults(teacher["recipe"], RECIPE_DEFAULTS)}
    recipe = {**RECIPE_DEFAULTS, **teacher["recipe"]}
    spec = {**identity, "task": task_spec(arm.task, task), "view": with_defaults(view, task), "recipe": recipe}
    return Job(key_of(identity), "teacher", identity, spec, labels, targets)
