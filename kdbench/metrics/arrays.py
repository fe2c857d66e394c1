"""Reads the arrays of a set of evaluation outputs and refuses what no metric could use.

Every metric module takes `Outputs`: a mapping from array name to stored array. All that can be wrong with such
a mapping (a NaN, another order of items, a label out of range) is refused here, by name, as a ValueError.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Outputs: TypeAlias = Mapping[str, Any]
Array: TypeAlias = np.ndarray


def finite(outputs: Outputs, name: str, who: str, axes: int) -> Array:
    """Array `name` as float64 with `axes` dimensions; `who` names the net in the error."""
    array = ranked(outputs, name, who, axes).astype(np.float64, copy=False)
    refuse_infinite(array, f"{who} {name}")
    return array


def refuse_infinite(array: Array, title: str) -> None:
    """NaN would win or lose every comparison silently (an argmax of NaN is 0), so it never gets that far."""
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(f"{title}: {bad} of {array.size} values are NaN or infinite")


def ranked(outputs: Outputs, name: str, who: str, axes: int) -> Array:
    """Array `name` as it is stored, with its number of dimensions checked."""
    if name not in outputs:
        raise ValueError(f"{who} outputs have no array {name!r} (there are: {', '.join(sorted(outputs)) or 'none'})")
    array = np.asarray(outputs[name])
    if array.ndim != axes:
        raise ValueError(f"{who} {name}: expected {axes} dimensions, got shape {array.shape}")
    if array.shape[0] == 0:
        raise ValueError(f"{who} {name}: no items")
    return array


def class_labels(outputs: Outputs, items: int, classes: int) -> Array:
    """True classes [items] in 0..classes-1."""
    labels = ranked(outputs, "labels", "student", 1).astype(np.int64)
    if labels.shape[0] != items:
        raise ValueError(f"labels: {labels.shape[0]} labels for {items} items")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels: values {labels.min()}..{labels.max()}, but the logits have {classes} classes")
    return labels


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
