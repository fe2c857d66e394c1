"""What a table's students and their teacher learned from, and what is tested: from the facts of its task and the arms' views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kdbench.suite.arm import Arm

UNITS = {"segmentation": "images", "retrieval": "queries"}  # what is drawn anew for intervals; of other families, examples


def data_used(arms: Sequence[Arm], facts: Mapping[str, Any], family: str, units: int) -> list[str]:
    """Sentences on most rows; those that see other data are told apart by the view in their names."""
    taught = [arm for arm in arms if arm.view["transfer"]]
    labels, shown = usual([arm.view["labelled"] for arm in taught or arms]), usual([arm.view["transfer"] for arm in taught])
    own = usual([(kind["view"] or {}).get("labelled") for arm in arms for kind in arm.teachers if not kind.get("weights")])
    found = []
    if facts and labels:
        answers = f" and from their teacher's answers to {'the same' if shown == labels else told(shown, facts)}" if shown else ""
        found.append(f"Students learn from the labels of {told(labels, facts)}{answers}.")
        if own:
            found.append(f"The teacher itself learned from {'the same labels' if own == labels else told(own, facts)}.")
    size = f"{units:,} {UNITS.get(family, 'examples')}" if units else ""
    if tested := ", ".join(part for part in (facts.get("tested", ""), size) if part):
        found.append(f"Tested on {tested}.")
    return found


def batches_of_both(arms: Sequence[Arm]) -> str:
    """What the control leaves open where both streams pass through a student together, since it has but one."""
    joint = [arm for arm in arms if arm.recipe["joint"] and arm.view["transfer"] not in (None, arm.view["labelled"])]
    if not joint or not any(arm.method["name"] == "none" and not arm.view["transfer"] for arm in arms):
        return ""
    unseen = usual([arm.view["transfer"] for arm in joint])
    return (
        f"The control never sees '{unseen}', while the batches of the others hold both sets (joint), and so do their batch "
        "statistics. What that does by itself is in every difference; an arm such as "
        "{method: kd, name: unasked, params: {weight: 0, task: 1}} tells it apart."
    )


def told(name: str, facts: Mapping[str, Any]) -> str:
    more = facts["sets"].get(name)
    return f"'{name}' ({more})" if more else f"'{name}'"


def usual(names: Sequence[str | None]) -> str:
    known = Counter(name for name in names if name)
    return known.most_common(1)[0][0] if known else ""
