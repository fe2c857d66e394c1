"""The filter of --only: 'task=digits,method=kd|dkd,seed=0'. A comma means and, a bar means or; * and ? are wildcards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kdbench.suite.arm import Arm
from kdbench.suite.errors import Problem, SuiteError, listing, nearest

FIELDS = ("task", "pair", "method", "source", "view", "seed", "cell")
OPTION = "--only"


@dataclass(frozen=True)
class Condition:
    """One `field=a|b`; the column is where it starts in the text."""

    field: str
    wanted: tuple[str, ...]
    column: int

    def holds(self, arm: Arm) -> bool:
        # The [ ] of a label are no wildcards, so they are hidden from fnmatch.
        return any(fnmatchcase(name, want.replace("[", "[[]")) for name in arm.names()[self.field] for want in self.wanted)


def keep(arms: Sequence[Arm], only: str | None) -> list[Arm]:
    """The arms that fulfil every condition. Raises SuiteError for a wrong field or a filter that matches nothing."""
    if only is None:
        return list(arms)
    conditions = parse(only)
    kept = [arm for arm in arms if all(condition.holds(arm) for condition in conditions)]
    if not kept:
        raise SuiteError(_nothing(arms, conditions), only)
    return kept


def parse(only: str) -> list[Condition]:
    conditions, problems = [], []
    for start, part in _split(only, ","):
        field, equals, values = part.partition("=")
        column = start + len(field) - len(field.lstrip()) + 1
        wanted = tuple(value.strip() for _, value in _split(values, "|") if value.strip())
        field = field.strip()
        if field not in FIELDS:
            near = nearest(field, FIELDS)
            what = f"unknown field '{field}'" if equals else f"'{part.strip()}' is no condition"
            problems.append(_problem(column, what, f"field=value, field one of {listing(FIELDS)}", near))
        elif not wanted:
            problems.append(_problem(column, f"'{field}' has no value", f"{field}=name, or {field}=one|other"))
        else:
            conditions.append(Condition(field, wanted, column))
    if problems:
        raise SuiteError(problems, only)
    return conditions


def _split(text: str, mark: str) -> list[tuple[int, str]]:
    """The parts between marks, with their start; marks inside the brackets or quotes of a label do not count."""
    parts, start, depth, quoted = [], 0, 0, False
    for i, character in enumerate(text):
        if character == '"' and not text[:i].endswith("\\"):
            quoted = not quoted
        elif not quoted:
            depth += (character in "[({") - (character in "])}")
            if character == mark and depth == 0:
                parts.append((start, text[start:i]))
                start = i + 1
    return [*parts, (start, text[start:])]


def _nothing(arms: Sequence[Arm], conditions: list[Condition]) -> list[Problem]:
    problems = []
    for condition in conditions:
        if not any(condition.holds(arm) for arm in arms):
            known = sorted({name for arm in arms for name in arm.names()[condition.field]})
            near = next((n for want in condition.wanted if (n := nearest(want, known))), None)
            what = f"{condition.field} '{'|'.join(condition.wanted)}' matches no arm"
            problems.append(_problem(condition.column, what, f"one of {listing(known)}", near))
    return problems or [_problem(1, "no arm fulfils all of these conditions together")]


def _problem(column: int, message: str, expected: str | None = None, suggestion: str | None = None) -> Problem:
    return Problem(OPTION, 1, column, None, message, expected, suggestion)
