"""Whether a student can start as its arm says, and be shown what its view says: two more reasons why an arm may not run."""

from __future__ import annotations

from kdbench.registry import Registry
from kdbench.suite.arm import Arm
from kdbench.suite.schema import FRESH


def unstartable(arm: Arm) -> list[str]:
    """Why a start from the teacher's weights is not to be had: there must be one teacher, and it must be the same network."""
    if arm.init == FRESH:
        return []
    if arm.source is None:
        return [f"init mixes in the teacher's weights, but {arm.method['name']} learns without a teacher"]
    reasons = []
    if arm.source["teachers"] != 1 or len(arm.teachers) != 1:
        asked = max(arm.source["teachers"], len(arm.teachers))
        reasons.append(f"init mixes in the weights of one teacher, source {arm.source['name']} has {asked} to choose from")
    others = [t for t in arm.teachers if any(t[key] != arm.student[key] for key in ("model", "version", "params"))]
    if others:
        theirs, own = (f"{part['model']} {part['params'] or ''}".strip() for part in (others[0], arm.student))
        reasons.append(f"init mixes weights of equal networks, the teacher is {theirs} and the student {own}")
    return reasons


def unshowable(arm: Arm, registry: Registry) -> list[str]:
    """Stages that change fields which the task does not have."""
    fields = registry.task(arm.task["plugin"]).facts["fields"]
    return [
        f"stage {stage['name']} changes {', '.join(sorted(missing))}, task {arm.task['plugin']} has {', '.join(fields)}"
        for stage in arm.view.get("stages", ())
        if (missing := set(registry.stage(stage["name"]).facts["reads"]) - set(fields))
    ]
