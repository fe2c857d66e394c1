"""What one arm or one of its rounds is told to do, before names are looked up: one value of everything that an entry lists."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kdbench.suite.entry import Arm, Init, Round, Wrap, rounds
from kdbench.suite.recipe import merged


@dataclass(frozen=True)
class Choice:
    """One value of everything that an arm says; `told` are the fields that the arm or the round itself writes."""

    method: str
    params: Mapping[str, Any]
    wrap: tuple[Wrap, ...]
    source: str
    view: str
    init: Init
    recipe: Mapping[str, Any]
    student: str = "student"
    count: int | None = None  # how often the rounds under `each` are done, where there are rounds
    told: frozenset[str] = frozenset()


def of_round(choice: Choice, own: Round) -> Choice:
    """An arm's choice as one of its rounds changes it."""
    given = {name: getattr(own, name) for name in own.model_fields_set if getattr(own, name) is not None}
    recipe = merged(choice.recipe, own.recipe.given())
    another = "method" in given and given["method"] != choice.method
    params = {**({} if another else choice.params), **given.get("params", {})}
    wrap = given.get("wrap", () if another else choice.wrap)
    told = frozenset(given) | choice.told & {"init"}  # where an arm starts, its rounds start, unless they say another place
    return replace(choice, **{**given, "params": params, "wrap": wrap, "recipe": recipe, "told": told})


def in_order(choice: Choice, entry: Arm) -> list[Choice]:
    """The rounds of an arm, the last one its own; a list of one where it has no rounds."""
    if entry.rounds is None or choice.count is None:
        return [choice]
    return [of_round(choice, own) for own in rounds(entry.rounds, choice.count)]


def chain_length(entry: Arm, count: int | None) -> int:
    """How many `in_order` gives."""
    return len(entry.rounds.first) + len(entry.rounds.each) * count if entry.rounds is not None and count is not None else 1


def choices(entry: Arm, combinations: Iterator[dict[str, Any]], alone: bool) -> Iterator[Choice]:
    """Every combination of what an entry lists. Where the method learns alone, its sources are one and the same."""
    sources = entry.source[:1] if alone and entry.rounds is None else entry.source
    counts: tuple[int | None, ...] = entry.rounds.count if entry.rounds else (None,)
    told, recipe = frozenset(entry.model_fields_set), entry.recipe.given()
    for params, source, view, init, count in itertools.product(combinations, sources, entry.view, entry.init, counts):
        yield Choice(entry.method, params, entry.wrap, source, view, init, recipe, count=count, told=told)
