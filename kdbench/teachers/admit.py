"""Admits teachers: a card stands in the folder of cards once its claims were measured, and every later measurement is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.metrics.catalogue import metrics
from kdbench.registry import Registry
from kdbench.suite.card import Card, Claimed, Measured
from kdbench.suite.cards import card_in, path_of, weights_of
from kdbench.suite.errors import Problem, SuiteError
from kdbench.suite.metric_names import meant
from kdbench.suite.yaml import load, loads
from kdbench.teachers.causes import causes
from kdbench.teachers.measure import measure
from kdbench.teachers.writing import plain, save, text_of, with_measured


@dataclass(frozen=True)
class Verdict:
    """A card with what was measured now; `faults` where that is not what is claimed, with likely `causes`."""

    name: str
    card: Card
    measured: Measured
    faults: Sequence[str]
    causes: Sequence[str]
    written: Path | None = None


def add(name: str, said: Mapping[str, Any], registry: Registry, root: str, device: str) -> Verdict:
    """Measure a new card, and write it if it is right; if it is not, nothing is written."""
    path = path_of(name)
    text = text_of(said)
    try:
        card = card_in(loads(text, str(path)), registry)
    except SuiteError as error:  # whose places are in a file that there is not: what was typed is what is wrong
        raise KdbenchError("\n".join(map(untyped, error.problems))) from None
    wanted = registry.task(card.task).schema.get("properties", {}).get("content", {})
    if wanted.get("default") == "" and "content" not in card.task_params:
        raise KdbenchError(f"--task-param content=...: expected the {wanted['description']}")
    found = judged(name, card, path, registry, root, device)
    if found.faults:
        return found
    save(path, text_of({**said, "measured": plain(found.measured)}))
    return Verdict(name, found.card, found.measured, (), (), path)


def untyped(problem: Problem) -> str:
    """A mistake in what was said on the command line."""
    hint = f"; did you mean '{problem.suggestion}'?" if problem.suggestion else f"; expected {problem.expected}"
    return problem.message + (hint if problem.suggestion or problem.expected else "")


def verify(name: str, registry: Registry, root: str, device: str) -> Verdict:
    """Measure a card again. What it says of its measurement is filled in or replaced only where it is not admitted by it."""
    path = path_of(name)
    document = load(path)
    card = card_in(document, registry)
    found = judged(name, card, path, registry, root, device)
    if found.faults or not card.faults():
        return found
    save(path, with_measured(document.text, found.measured))
    return Verdict(name, found.card, found.measured, (), (), path)


def judged(name: str, card: Card, path: Path, registry: Registry, root: str, device: str) -> Verdict:
    for claim in card.claims:
        if wrong := unclaimable(claim, registry.task(card.task).facts["family"], card.split):
            raise KdbenchError(f"teacher '{name}': {wrong}")
    found = measure(card, weights_of(card, path), registry, root, device)
    now = card.model_copy(update={"measured": found.measured})
    faults = now.faults()
    return Verdict(name, now, found.measured, faults, causes(card, found.family, found.metrics, found.outputs) if faults else ())


def unclaimable(claim: Claimed, family: str, split: str) -> str:
    """Why a claim cannot be judged; empty where it can."""
    known = {info.name: info for info in metrics(family) if info.kind != "fidelity"}
    if claim.metric not in known:
        near = meant(claim.metric, known)
        return f"{family} has no metric '{claim.metric}'" + (f"; did you mean '{near}'?" if near else "")
    if known[claim.metric].unit == "share" and not 0 <= claim.value <= 1:
        return f"{claim.metric} is a share from 0 to 1, not {claim.value:g}; of 100, that is {claim.metric}={claim.value:g}%"
    if claim.tolerance is None and split != "test":
        said = f"{claim.metric}={claim.value:g}"
        return f"the claim {said} on {split} needs a tolerance, as in {said}±0.002: only test scores have intervals"
    return ""
