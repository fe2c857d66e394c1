"""Whether a student can start as its arm says, and be shown what its view says: two more reasons why an arm may not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kdbench.registry import Registry
from kdbench.suite.arm import Arm
from kdbench.suite.entry import EARLIER, FRESH


def unstartable(arm: Arm, before: Sequence[Arm] = ()) -> list[str]:
    """Why a start is not to be had: the teacher or the earlier student whose weights are taken must be the same network."""
    if arm.init == FRESH or "file" in arm.init:
        return []
    if EARLIER in arm.init:
        earlier = before[-arm.init[EARLIER]].student
        if "part" in arm.init or alike(earlier, arm.student):
            return []
        return [f"init takes all weights of {told(earlier)}, and the student is {told(arm.student)}; give it a `part`"]
    if arm.source is None:
        return [f"init mixes in the teacher's weights, but {arm.method['name']} learns without a teacher"]
    reasons = []
    if arm.source["teachers"] != 1 or len(arm.teachers) != 1:
        asked = max(arm.source["teachers"], len(arm.teachers))
        reasons.append(f"init mixes in the weights of one teacher, source {arm.source['name']} has {asked} to choose from")
    others = [t for t in arm.teachers if not alike(t, arm.student)]
    if others:
        reasons.append(
            f"init mixes weights of equal networks, the teacher is {told(others[0])} and the student {told(arm.student)}"
        )
    return reasons


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same network, which sees images as the task shows them and decides among its answers."""
    shown = [[card["normalisation"] for card in net.get("cards", ()) if card["normalisation"]] for net in (one, other)]
    foreign = one.get("outputs") or other.get("outputs")
    return not any(shown) and not foreign and all(one[key] == other[key] for key in ("model", "version", "params"))


def told(network: Mapping[str, Any]) -> str:
    return f"{network['model']} {network['params'] or ''}".strip()


def unshowable(arm: Arm, registry: Registry) -> list[str]:
    """Stages that change fields which the task does not have."""
    fields = registry.task(arm.task["plugin"]).facts["fields"]
    return [
        f"stage {stage['name']} changes {', '.join(sorted(missing))}, task {arm.task['plugin']} has {', '.join(fields)}"
        for stage in arm.view.get("stages", ())
        if (missing := set(registry.stage(stage["name"]).facts["reads"]) - set(fields))
    ]
