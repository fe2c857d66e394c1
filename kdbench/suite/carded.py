"""A suite's teacher that is named by cards, as plain data; a card that is not there or not admitted is a problem at its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kdbench.suite import cards
from kdbench.suite.card import WEIGHTS_VARIABLE, Card
from kdbench.suite.catalogue import Catalogue, Plugin
from kdbench.suite.document import Loc
from kdbench.suite.errors import Problem, SuiteError, listing, nearest


class Reporting(Protocol):
    """The resolver of a suite, as far as cards need it."""

    catalogue: Catalogue
    problems: list[Problem]

    def report(self, loc: Loc, message: str, expected: str | None = None, suggestion: str | None = None) -> None: ...
    def part(self, kind: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]: ...


def carded(resolver: Reporting, task: Plugin, names: Sequence[str], loc: Loc) -> dict[str, Any]:
    """A kind of teacher whose pool are these cards, in their order; they are of one network."""
    found = {name: card for name in names if (card := admitted(resolver, task, name, loc)) is not None}
    parts = {name: resolver.part("model", card.model, card.params) for name, card in found.items()}
    first = next(iter(parts.values()), {"model": "", "version": 0, "params": {}})
    for name, part in parts.items():
        if part != first:
            what = (
                f"cards of one pool are of one network, '{name}' has {part['model']} and '{next(iter(parts))}' {first['model']}"
            )
            resolver.report(loc, what, "a list of teachers, {card: ...} each, for different kinds")
    given = [taken(name, card, cards.weights_of(card, cards.path_of(name)), origin(card, name)) for name, card in found.items()]
    # Of cards that are missing it was told why; that the pool is then too small for a source would be a second complaint.
    return {**pool_of(first, given), "pool": len(names)}


def pool_of(network: Mapping[str, Any], given: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A kind of teacher of that network, whose pool are these: `taken` cards, whose weights nobody trains here."""
    return {**network, "recipe": None, "view": None, "pool": len(given), "weights": None, "cards": list(given)}


def taken(name: str, card: Card, weights: Path, origin: dict[str, Any] | None) -> dict[str, Any]:
    """What the jobs of a card's teacher must know of it."""
    shown = None if card.normalisation is None else card.normalisation.model_dump(mode="json")
    return {"name": name, "weights": str(weights), "sha256": card.weights.sha256, "normalisation": shown, "origin": origin}


def origin(card: Card, name: str) -> dict[str, Any]:
    """What a result says of a teacher that was not made here."""
    assert card.measured is not None
    measured = card.measured.model_dump(mode="json", exclude_none=True)
    claims = [claim.model_dump(mode="json", exclude_none=True) for claim in card.claims]
    return {"card": name, "source": card.source, "split": card.split, "claims": claims, "measured": measured}


def admitted(resolver: Reporting, task: Plugin, name: str, loc: Loc) -> Card | None:
    """The card of that name, if a teacher of this task may be made of it."""
    path, before = cards.path_of(name), len(resolver.problems)
    if not path.is_file():
        known = cards.names()
        expected = f"one of {listing(known)}" if known else "a card that `kdbench teacher add` made"
        resolver.report(loc, f"there is no teacher's card {path}", expected, nearest(name, known))
        return None
    try:
        card = cards.read_card(path, resolver.catalogue)
    except SuiteError as error:
        resolver.problems += error.problems
        return None
    for fault in card.faults():
        resolver.report(loc, f"teacher '{name}' is not admitted: {fault}", f"what `kdbench teacher verify {name}` finds right")
    if resolver.catalogue.task(card.task).name != task.name:
        resolver.report(loc, f"teacher '{name}' is of task '{card.task}', this one is '{task.name}'")
    file = cards.weights_of(card, path)
    if not file.is_file():
        expected = f"the file in its place, or {WEIGHTS_VARIABLE} set to the folder under which it is {card.weights.file}"
        resolver.report(loc, f"the weights of teacher '{name}' are not at {file}", expected)
    return card if len(resolver.problems) == before else None
