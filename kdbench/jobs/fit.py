"""Whether an arm can run at all: what its method needs against what its task, networks and source offer, from plain data."""

from __future__ import annotations

from kdbench.contract.needs import Gives, Needs, Offer, check
from kdbench.registry import Registry
from kdbench.suite.arm import Arm


def misfits(arm: Arm, registry: Registry) -> list[str]:
    """Every reason why this arm cannot run; empty where it can."""
    task = registry.task(arm.task["plugin"])
    student = registry.model(arm.student["model"])
    teachers = [registry.model(t["model"]) for t in arm.teachers]
    reasons = [
        f"model {model.name} reads {', '.join(sorted(missing))}, task {task.name} has {', '.join(task.facts['fields'])}"
        for model in {m.name: m for m in (student, *teachers)}.values()
        if (missing := set(model.facts["reads"]) - set(task.facts["fields"]))
    ]
    method = registry.method(arm.method["name"])
    needs = Needs.read(method.facts["needs"]).resolved({**method.defaults, **arm.method["params"]})
    for wrap in reversed(arm.method["wrap"]):
        needs = needs | Needs.read(registry.wrapper(wrap["name"]).facts["needs"])
    taps = [frozenset(t.facts["taps"]) for t in teachers]
    offer = Offer(
        axis=task.facts["axis"],
        fields=frozenset(task.facts["fields"]),
        grid=task.facts["grid"],
        student_taps=frozenset(student.facts["taps"]),
        teacher_taps=frozenset.intersection(*taps) if taps else frozenset(),
    )
    if arm.source is not None:
        source = registry.source(arm.source["plugin"])
        kinds, asked = len(arm.teachers), arm.source["teachers"]
        params = {**source.defaults, **arm.source["params"]}
        offer, wrong = Gives.read(source.facts["gives"]).adds(params, offer, asked)
        reasons += wrong
        if kinds > 1 and asked % kinds:
            reasons.append(
                f"the pair has {kinds} kinds of teachers, so a source that asks {asked} would ask other kinds in every seed; "
                f"give it `teachers: {kinds}`"
            )
    return reasons + check(needs, offer)
