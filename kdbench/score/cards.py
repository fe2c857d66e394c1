"""What each card wants in its files: number and order of axes, and which of them must be of one length."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kdbench.contract.errors import DataError, KdbenchError
from kdbench.score.rows import Rows

LOGITS, PROBS, LABELS, SCORES = "logits", "probs", "labels", "scores"


@dataclass(frozen=True)
class Card:
    """One family as a file holds it. Axes are named as errors and help name them."""

    letter: str
    family: str
    title: str
    unit: str  # what is counted as n
    values: tuple[str, ...]  # axes of a net's outputs
    truth: tuple[str, ...]  # axes of the labels, and of a net's answers where only these are known
    inputs: tuple[str, ...]  # the first is the default
    resized: bool = False  # outputs may have a coarser grid than the labels

    def read_as(self, asked: str | None) -> str:
        """The kind of input: as asked, or the card's own."""
        if asked is not None and asked not in self.inputs:
            raise KdbenchError(f"--input {asked}: card {self.letter} reads {' or '.join(self.inputs)}")
        return asked or self.inputs[0]


CARDS = {
    card.letter: card
    for card in (
        Card(
            letter="C",
            family="classification",
            title="single-label classification",
            unit="items",
            values=("items", "classes"),
            truth=("items",),
            inputs=(LOGITS, PROBS, LABELS),
        ),
        Card(
            letter="S",
            family="segmentation",
            title="dense segmentation",
            unit="images",
            values=("images", "classes", "height", "width"),
            truth=("images", "height", "width"),
            inputs=(LOGITS, PROBS, LABELS),
            resized=True,
        ),
        Card(
            letter="R",
            family="retrieval",
            title="retrieval, the same candidates for all nets",
            unit="queries",
            values=("queries", "candidates"),
            truth=("queries", "candidates"),
            inputs=(SCORES,),
        ),
        Card(
            letter="A",
            family="tagging",
            title="multi-label tagging",
            unit="clips",
            values=("clips", "tags"),
            truth=("clips", "tags"),
            inputs=(LOGITS, PROBS),
        ),
    )
}


@dataclass(frozen=True)
class File:
    """One file of the command line: what it is for, how it was named, and what is in it."""

    role: str
    spec: str
    rows: Rows

    def __str__(self) -> str:
        return f"{self.role:12}{self.spec}  {shown(self.rows.shape)} {'bfloat16' if self.rows.brain else self.rows.dtype}"


def shown(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(f"{length:,}" for length in shape) + "]"


def with_axes(file: File, axes: tuple[str, ...]) -> File:
    """The file, if it has these axes; a table of one column is a list where a list is wanted."""
    shape = file.rows.shape
    if len(axes) == 1 and len(shape) == 2 and shape[1] == 1:
        return replace(file, rows=replace(file.rows, shape=shape[:1]))
    if len(shape) != len(axes):
        raise DataError(f"{file.role} {file.spec}: its shape is {shown(shape)}, expected [{', '.join(axes)}]")
    return file


def same_lengths(file: File, model: File, axes: tuple[str, ...], which: range) -> None:
    """Some axes must be as long as those of `model`."""
    for place in which:
        here, there = file.rows.shape[place], model.rows.shape[place]
        if here != there:
            shapes = f"{file.role} {file.spec} {shown(file.rows.shape)}, {model.role} {model.spec} {shown(model.rows.shape)}"
            raise DataError(f"{here:,} {axes[place]} against {there:,}: {shapes}")
