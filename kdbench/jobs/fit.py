"""Whether an arm can run at all: what its method needs against what its task, networks and source offer, from plain data."""

from __future__ import annotations

from collections.abc import Sequence

from kdbench.contract.gives import Gives
from kdbench.contract.needs import Needs, Offer, abroad, behind, check
from kdbench.registry import Registry
from kdbench.suite.arm import Arm
from kdbench.suite.catalogue import needs_of
from kdbench.suite.entry import EARLIER
from kdbench.suite.presets import read_preset


def misfits(arm: Arm, registry: Registry, before: Sequence[Arm] = ()) -> list[str]:
    """Every reason why this arm cannot run; empty where it can. `before` are the rounds before it."""
    task = registry.task(arm.task["plugin"])
    student = registry.model(arm.student["model"])
    teachers = [registry.model(name) for name in answering(arm, before)]
    reasons = [
        f"model {model.name} reads {', '.join(sorted(missing))}, task {task.name} has {', '.join(task.facts['fields'])}"
        for model in {m.name: m for m in (student, *teachers)}.values()
        if (missing := set(model.facts["reads"]) - set(task.facts["fields"]))
    ]
    method = registry.method(arm.method["name"])
    needs = needs_of(method, arm.method["params"])
    if arm.preset is not None:
        requires = read_preset(registry.preset(arm.preset), registry).requires
        needs = needs | Needs(axes=frozenset(requires.axes), streams=frozenset(), grid=requires.grid)
    for wrap in reversed(arm.method["wrap"]):
        needs = needs | needs_of(registry.wrapper(wrap["name"]), wrap["params"])
    taps = [frozenset(t.facts["taps"]) for t in teachers]
    stages = [registry.stage(stage["name"]) for stage in arm.view.get("stages", ())]
    offer = Offer(
        axis=task.facts["axis"],
        fields=frozenset(task.facts["fields"]),
        grid=task.facts["grid"],
        student_taps=frozenset(student.facts["taps"]),
        teacher_taps=frozenset.intersection(*taps) if taps else frozenset(),
        mixes=frozenset(stage.name for stage in stages if stage.facts["mixes"] and not stage.facts.get("after")),
    )
    if arm.source is not None:
        source = registry.source(arm.source["plugin"])
        also = arm.source.get("also", ())
        kinds, asked = len(arm.teachers), arm.source["teachers"] + len(also)
        params = {**source.defaults, **arm.source["params"]}
        offer, wrong = Gives.read(source.facts["gives"]).adds(params, offer, asked)
        reasons += wrong
        for theirs in {t["outputs"] for t in arm.teachers if t.get("outputs")}:
            offer = abroad(offer, needs, theirs)
        if kinds > 1 and arm.source["teachers"] % kinds:
            each = f"a source that asks {arm.source['teachers']} would ask other kinds in every seed"
            reasons.append(f"the pair has {kinds} kinds of teachers, so {each}; give it `teachers: {kinds}`")
    for stage in stages:
        if stage.facts.get("after"):
            offer, wrong = behind(stage.facts, stage.name, offer)
            reasons += wrong
    return reasons + check(needs, offer)


def answering(arm: Arm, before: Sequence[Arm]) -> list[str]:
    """The models that answer: the pool's, the students of earlier rounds, or where a source has none of these the student itself.
    An arm without a source has its pool's, which its fidelity refers to."""
    found = [t["model"] for t in arm.teachers] if arm.source is None or arm.source["teachers"] else []
    for name in arm.source.get("also", ()) if arm.source else ():
        found.append(before[-1 if name == EARLIER else -arm.init[EARLIER]].student["model"])
    return found or [arm.student["model"]]


def unshowable(arm: Arm, registry: Registry) -> list[str]:
    """Every stage that changes fields which the task does not have."""
    fields = registry.task(arm.task["plugin"]).facts["fields"]
    return [
        f"stage {stage['name']} changes {', '.join(sorted(missing))}, task {arm.task['plugin']} has {', '.join(fields)}"
        for stage in arm.view.get("stages", ())
        if (missing := set(registry.stage(stage["name"]).facts["reads"]) - set(fields))
    ]
