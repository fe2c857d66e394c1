"""What a card says and how it stands now: admitted, or what is in the way; as plain data for a program or a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.models.weight_files import WeightsError, content_of
from kdbench.suite.card import Card
from kdbench.suite.cards import path_of, read_card, weights_of
from kdbench.suite.catalogue import Catalogue


def said(name: str, catalogue: Catalogue) -> dict[str, Any]:
    path = path_of(name)
    try:
        card = read_card(path, catalogue)
    except KdbenchError as error:
        return {"state": "broken", "why": str(error)}
    plain = card.model_dump(mode="json", exclude_none=True, exclude={"version", "weights"})
    weights = {"weights": str(weights_of(card, path)), "sha256": card.weights.sha256}
    return {"state": standing(card, path), **plain, **weights}


def standing(card: Card, path: Path) -> str:
    try:
        if content_of(weights_of(card, path)) != card.weights.sha256:
            return "weights are not those that were admitted"
    except WeightsError as error:
        return str(error)
    return "; ".join(card.faults()) or "admitted"


def lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a card says, label by label."""
    if "model" not in facts:  # it cannot be read
        yield "why", facts["why"]
        return
    yield "network", " ".join([facts["model"], *(f"{name}={value}" for name, value in facts["params"].items())])
    yield "task", " ".join([facts["task"], *(f"{name}={value}" for name, value in facts["task_params"].items())])
    claims = (f"{c['metric']} {c['value']:g}" + (f" ±{c['tolerance']:g}" if "tolerance" in c else "") for c in facts["claims"])
    yield "claimed", f"{', '.join(claims)} on {facts['split']}"
    if measured := facts.get("measured"):
        scores = ", ".join(f"{metric} {score['value']:.5g}" for metric, score in measured["scores"].items())
        yield "measured", f"{scores} (n {measured['n']:,}, {measured['date']}, {measured['code']})"
    yield "source", facts["source"]
    yield "weights", facts["weights"]
