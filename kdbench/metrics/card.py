"""The door to the metrics: truth, fidelity and resampling blocks of a family's stored outputs, by the family's name."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from kdbench.metrics.arrays import Array, Outputs
from kdbench.metrics.catalogue import FAMILIES


def truth(family: str, outputs: Outputs) -> dict[str, float]:
    """All truth and calibration metrics of one net's outputs on one set."""
    return _module(family).truth(outputs)


def fidelity(family: str, student_outputs: Outputs, teacher_outputs: Sequence[Outputs]) -> dict[str, float]:
    """The family's fidelity card of a student against one teacher, or against the mean of several."""
    return _module(family).fidelity(student_outputs, teacher_outputs)


def blocks(family: str, student_outputs: Outputs, teacher_outputs: Sequence[Outputs] = ()) -> dict[str, Array]:
    """Per-unit statistics (image, query, clip) from which blocks.py recomputes each primary metric on a resample.

    Without teachers, those of the truth metrics only.
    """
    return _module(family).blocks(student_outputs, teacher_outputs)


def _module(family: str) -> ModuleType:
    if family not in FAMILIES:
        raise ValueError(f"no family {family!r} (there are: {', '.join(FAMILIES)})")
    return import_module(f"kdbench.metrics.{family}")
