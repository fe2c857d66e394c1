"""Reads the arrays of a set of evaluation outputs and refuses what no metric could use.

Every metric module takes `Outputs`: a mapping from array name to stored array. All that can be wrong with such
a mapping (a NaN, another order of items, a label out of range) is refused here, by name, as a ValueError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Outputs: TypeAlias = Mapping[str, Any]
Array: TypeAlias = np.ndarray
SUM_TOLERANCE = 0.01


def finite(outputs: Outputs, name: str, who: str, axes: int) -> Array:
    """Array `name` as float64 with `axes` dimensions; `who` names the net in the error."""
    array = ranked(outputs, name, who, axes).astype(np.float64, copy=False)
    refuse_infinite(array, f"{who} {name}")
    return array


@dataclass(frozen=True)
class Scores:
    """The stored `logits` or `probs` of a net, of which some items are read at a time as float64."""

    array: Array
    name: str
    who: str

    @classmethod
    def read(cls, outputs: Outputs, who: str, axes: int) -> "Scores":
        name = "probs" if "probs" in outputs else "logits"
        return cls(ranked(outputs, name, who, axes), name, who)

    @property
    def probable(self) -> bool:
        return self.name == "probs"

    def logits(self, part: slice = slice(None)) -> Array:
        """Logits as stored, or the logarithms of the probabilities, which are logits too: -inf where one is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.values(part)) if self.probable else self.values(part)

    def values(self, part: slice = slice(None)) -> Array:
        """What is stored; probabilities are made to sum to 1."""
        first, title = part.start or 0, f"{self.who} {self.name}"
        values = np.asarray(self.array[part]).astype(np.float64, copy=False)
        refuse_infinite(values, title, first)
        return _shares(values, title, first) if self.probable else values


def _shares(values: Array, title: str, first: int) -> Array:
    """Values over their sum along axis 1. A sum may miss 1 by what half precision costs, not by more."""
    sums = values.sum(axis=1, keepdims=True)
    wrong = (values < 0).any(axis=1, keepdims=True) | (np.abs(sums - 1.0) > SUM_TOLERANCE)
    if wrong.any():
        row = tuple(np.argwhere(wrong)[0])
        raise ValueError(f"{title}: row {first + row[0]} has the sum {sums[row]:.6g}, or a negative value: no probabilities")
    return values / sums


def refuse_infinite(array: Array, title: str, first: int = 0) -> None:
    """NaN would win or lose every comparison silently (an argmax of NaN is 0), so it never gets that far.

    `first` is the number of the first row, where the array is a part of a longer one.
    """
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        bad, where = array.size - np.count_nonzero(finite), f" (rows {first} to {first + len(array) - 1})"
        raise ValueError(f"{title}: {bad} of {array.size} values{where} are NaN or infinite, the first in row {first + row}")


def ranked(outputs: Outputs, name: str, who: str, axes: int) -> Array:
    """Array `name` as it is stored (it may still lie in a file), with its number of dimensions checked."""
    if name not in outputs:
        raise ValueError(f"{who} outputs have no array {name!r} (there are: {', '.join(sorted(outputs)) or 'none'})")
    array = outputs[name] if hasattr(outputs[name], "ndim") else np.asarray(outputs[name])
    if array.ndim != axes:
        raise ValueError(f"{who} {name}: expected {axes} dimensions, got shape {array.shape}")
    if array.shape[0] == 0:
        raise ValueError(f"{who} {name}: no items")
    return array


def class_labels(outputs: Outputs, items: int, classes: int) -> Array:
    """True classes [items] in 0..classes-1."""
    labels = whole_numbers(outputs, "labels", "student")
    if labels.shape[0] != items:
        raise ValueError(f"labels: {labels.shape[0]} labels for {items} items")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels: values {labels.min()}..{labels.max()}, but the logits have {classes} classes")
    return labels


def whole_numbers(outputs: Outputs, name: str, who: str, axes: int = 1) -> Array:
    """Array `name` of class numbers, none of them negative."""
    array = np.asarray(ranked(outputs, name, who, axes))
    if array.dtype.kind not in "iub" and not (array == np.floor(array)).all():
        raise ValueError(f"{who} {name}: not whole numbers")
    if array.min() < 0:
        raise ValueError(f"{who} {name}: negative class numbers")
    return array.astype(np.int64)


def same_items(student: Outputs, teachers: Sequence[Outputs], names: Sequence[str]) -> None:
    """Student and teachers must have seen the same items in the same order: what can be compared is compared."""
    if not teachers:
        raise ValueError("fidelity needs the outputs of at least one teacher")
    for number, teacher in enumerate(teachers):
        for name in names:
            if name in student and name in teacher and not np.array_equal(student[name], teacher[name]):
                raise ValueError(f"teacher {number} and student differ in {name!r}: other items, or another order")


def same_shape(arrays: Sequence[Array], title: str) -> None:
    """All of `arrays` must have one shape."""
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"{title}: shapes differ: {sorted(shapes)}")


def teacher_name(number: int, count: int) -> str:
    """How error messages call a teacher."""
    return "teacher" if count == 1 else f"teacher {number}"
