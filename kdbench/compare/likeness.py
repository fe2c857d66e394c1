"""Whether two sets of runs may be compared at all: what of their identities differs, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kdbench.compare.cells import Group
from kdbench.jobs.identity import canonical, unseeded
from kdbench.results.record import Record
from kdbench.suite.recipe import RECIPE_DEFAULTS

NAMES = {
    "task.fingerprint": "the task's data",
    "task.version": "the task's version",
    "method.version": "the method's version",
    "source.version": "the source's version",
    "student.version": "the student model's version",
    "identity_version": "the version of identities",
}
SHOWN = 4


def unlike(first: Record, second: Record, parts: Sequence[str] = ()) -> list[str]:
    """What differs between two runs beside seed and teacher, or in parts of their identities: `recipe.lr: 0.1 against 0.05`."""
    identities = (whole(unseeded(record.identity)) for record in (first, second))
    ours, theirs = ({name: value for name, value in one.items() if not parts or name in parts} for one in identities)
    return differing(ours, theirs)


def whole(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity with its recipe's defaults, which are left out where it is written."""
    recipe = identity.get("recipe")
    return {**identity, "recipe": {**RECIPE_DEFAULTS, **recipe}} if isinstance(recipe, Mapping) else identity


def differing(first: Mapping[str, Any], second: Mapping[str, Any], lead: str = "") -> list[str]:
    ours, theirs = flat(first), flat(second)
    return [
        f"{lead}{NAMES.get(path, path)}: {text(ours.get(path))} against {text(theirs.get(path))}"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    ]


def unlike_teachers(first: Group, second: Group) -> list[str]:
    """What differs between the teachers of two groups, where their records are known; seeds aside."""
    identities = ([unseeded(teacher.identity) for teacher in group.teachers] for group in (first, second))
    kinds = [{canonical(kind): kind for kind in known} for known in identities]
    if not kinds[0] or not kinds[1] or kinds[0].keys() == kinds[1].keys():
        return []
    ours, theirs = (whole(next(iter(kind.values()))) for kind in kinds)
    return differing(ours, theirs, "teachers: ") or ["teachers of other kinds"]


def identical(first: Group, second: Group) -> bool:
    """Whether both hold the same runs with the same outcome, bit for bit."""
    ours, theirs = ({record.key: record for record in group.records} for group in (first, second))
    if not ours or ours.keys() != theirs.keys():
        return False
    return all(same(ours[key], theirs[key]) for key in ours)


def same(first: Record, second: Record) -> bool:
    """Whether two runs came to the same: end, metrics, and those outputs that both kept.

    Labels, costs and further outputs are what later code tells more of.
    """
    kept = first.outputs.keys() & second.outputs.keys()
    ours, theirs = ({name: record.outputs[name] for name in kept} for record in (first, second))
    return ours == theirs and outcome(first) == outcome(second)


def outcome(record: Record) -> str:
    """Written out, so that an undefined metric equals itself."""
    return repr((record.status, sorted((group, sorted(values.items())) for group, values in record.metrics.items())))


def brief(reasons: list[str]) -> str:
    more = len(reasons) - SHOWN
    return "; ".join(reasons[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def flat(value: Any, under: str = "") -> dict[str, Any]:
    """{"recipe.lr": 0.1}"""
    if not isinstance(value, Mapping):
        return {under: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= flat(inner, f"{under}.{name}" if under else str(name))
    return found


def text(value: Any) -> str:
    """Params are left out of identities where they equal their default."""
    return "default" if value is None else value if isinstance(value, str) else canonical(value)
