"""From files to a card: the arrays are opened, checked against each other, and handed to the metrics that reports use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdbench.contract.errors import DataError, KdbenchError
from kdbench.metrics import card as metrics
from kdbench.metrics import catalogue, controls
from kdbench.metrics.arrays import refuse_infinite, teacher_name
from kdbench.metrics.catalogue import MetricInfo
from kdbench.metrics.exaggeration import MOST_PAIRED
from kdbench.score.cards import CARDS, LABELS, PROBS, Card, File, same_lengths, with_axes
from kdbench.score.files import open_array

COMPARED = ("agreement", "positive_agreement", "tau_ap", "kl")  # with the independent student, where the card has them
STREAMED = ("classification", "segmentation")  # read some rows at a time; other cards are read whole


@dataclass(frozen=True)
class Score:
    """A card with what it was made from."""

    card: Card
    read_as: str
    files: list[File]
    metrics: dict[str, float]
    notes: list[str]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.files[0].rows.shape


def score(
    letter: str,
    teachers: Sequence[str],
    student: str,
    labels: str | None = None,
    independent: str | None = None,
    read_as: str | None = None,
) -> Score:
    """The card `letter` of a student against one teacher or the mean of several, with the truth metrics where there are
    labels and the gain over an independent student where there is one."""
    card = CARDS[letter]
    kind = card.read_as(read_as)
    if kind == LABELS and len(teachers) > 1:
        raise KdbenchError("--input labels: labels have no mean probability, so give one --teacher")
    nets = _nets(card, kind, teachers, student, independent)
    truth = _truth(card, kind, labels, nets[0]) if labels else None
    files = [*nets, *([truth] if truth else [])]
    try:
        found = _measure(card, kind, nets, truth, independent is not None)
    except ValueError as error:
        raise DataError("\n".join([str(error), *(f"  {file}" for file in files)])) from None
    return Score(card, kind, files, found, _notes(card, kind, nets[0], truth, found))


def _nets(card: Card, kind: str, teachers: Sequence[str], student: str, independent: str | None) -> list[File]:
    """Student, teachers and independent student, opened and of one shape; segmentation may differ in stride."""
    named = [("student", student), *((teacher_name(i, len(teachers)), spec) for i, spec in enumerate(teachers))]
    if independent:
        named.append(("independent", independent))
    axes = card.truth if kind == LABELS else card.values
    nets = [with_axes(File(role, spec, open_array(spec)), axes) for role, spec in named]
    for net in nets[1:]:
        same_lengths(net, nets[0], axes, range(2 if card.resized and kind != LABELS else len(axes)))
    if card.letter == "C" and kind != LABELS and nets[0].rows.shape[1] == 1:
        raise DataError(f"{student}: one class only; a sigmoid output of its own is a tag: --card A")
    return nets


def _truth(card: Card, kind: str, labels: str, student: File) -> File:
    """The labels: as many as the outputs, and, unless these are resized to them, of the same axes throughout."""
    truth = with_axes(File("labels", labels, open_array(labels)), card.truth)
    resized = card.resized and kind != LABELS
    same_lengths(truth, student, card.truth, range(1 if resized else len(card.truth)))
    if card.resized and truth.rows.dtype.kind == "f":
        raise DataError(f"labels {truth.spec}: holds {truth.rows.dtype}; maps of classes must be of an integer type")
    return truth


def _measure(card: Card, kind: str, files: Sequence[File], truth: File | None, independent: bool) -> dict[str, float]:
    student, *teachers = [_outputs(card, kind, file) for file in files]
    other = teachers.pop() if independent else None
    found: dict[str, float] = {}
    known: dict[str, Any] = {}
    if truth is not None:
        name = "grades" if card.family == "retrieval" else "labels"
        known = {name: _array(truth, card)}
        if name == "grades":
            refuse_infinite(known[name], "labels")
        found = metrics.truth(card.family, student | known)
    found |= metrics.fidelity(card.family, student | known, teachers)
    if other is not None:  # with the labels too, since they say which pixels count
        found |= _controls(card.family, found, other | known, teachers)
    return found


def _controls(
    family: str, found: Mapping[str, float], other: Mapping[str, Any], teachers: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """What the independent student reaches, and what the student has beyond it."""
    try:
        base = metrics.fidelity(family, other, teachers)
    except ValueError as error:
        raise ValueError(str(error).replace("student", "independent", 1)) from None
    gains = {f"independent_{name}": base[name] for name in COMPARED if name in base}
    if "kl" in base:
        gains["kl_gain"] = controls.kl_gain(found["kl"], base["kl"])
    if "both_right" in found:
        accuracies = found["both_right"] + found["lost"], found["both_right"] + found["gained"]
        gains["fidelity_gain"] = controls.fidelity_gain(found["agreement"], base["agreement"], *accuracies)
    return gains


def _outputs(card: Card, kind: str, file: File) -> dict[str, Any]:
    """One net as the metrics know it."""
    values = _array(file, card)
    if card.family == "retrieval":
        return {kind: values, "candidates": np.broadcast_to(np.arange(values.shape[1]), values.shape)}
    return {"decisions" if kind == LABELS else kind: values}


def _array(file: File, card: Card) -> Any:
    """The rows as they lie in the file where the card reads some at a time, else all of them."""
    return file.rows if card.family in STREAMED and file.rows.ndim > 1 else np.asarray(file.rows)


def describe(family: str, name: str) -> MetricInfo:
    """The catalogue's entry of a metric, or that of a comparison with the independent student."""
    if name == "fidelity_gain":
        title = "agreement gained over the independent student, of what the accuracies allow"
        return MetricInfo(name, title, "up", "fidelity", family, "share", primary=True)
    if name == "kl_gain":
        return MetricInfo(name, "KL of the independent student minus that of the student", "up", "fidelity", family, "nats", True)
    if name.startswith("independent_"):
        known = catalogue.metric(family, name.removeprefix("independent_"))
        return known._replace(name=name, title=f"{known.title}, of the independent student", primary=False)
    return catalogue.metric(family, name)


def entries(found: Score) -> list[MetricInfo]:
    """The entries of all metrics of a score: primary ones first, then in the order of the catalogue."""
    place = {entry.name: number for number, entry in enumerate(catalogue.metrics(found.card.family))}
    described = [describe(found.card.family, name) for name in found.metrics]
    return sorted(described, key=lambda entry: (not entry.primary, place.get(entry.name, len(place))))


def _notes(card: Card, kind: str, student: File, truth: File | None, found: Mapping[str, float]) -> list[str]:
    """What a reader could take wrongly."""
    notes = []
    if truth is None:
        notes.append("without --labels there is nothing about truth, and no cells" + " or gain" * ("kl_gain" in found))
    if "exaggeration_theil_sen" in found and len(student.rows) > MOST_PAIRED:
        notes.append(f"exaggeration_theil_sen is the median over all pairs of {MOST_PAIRED:,} items at equal distances")
    if math.isnan(found.get("fidelity_gain", 0.0)):
        notes.append("fidelity_gain is n/a: the accuracies leave less than .01 between the independent student and the best")
    infinite = [name for name, value in found.items() if math.isinf(value)]
    if infinite:
        notes.append(f"{', '.join(infinite)}: infinite, since a net gives probability 0 to what occurs")
    if kind == PROBS and math.isnan(found.get("logit_mse", 0.0)):
        notes.append("logit_mse and logit_pearson are n/a, since a probability of 0 has no logit")
    if card.family == "retrieval":
        notes.append("of equal scores the candidate in the higher column comes first")
    return notes
