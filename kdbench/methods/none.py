"""The control: the student alone, same recipe, same data order, no teacher.

    L = task loss on the labelled stream

Fidelity means little without it: how far would the student agree with the teacher anyhow?
"""

from __future__ import annotations

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.needs import Needs


class NoTeacher(Method):
    """The student alone (the control that every suite has)."""

    name = "none"
    needs = Needs(streams=frozenset({"labelled"}), teachers="any")

    def terms(self, step: Step) -> dict[str, Term]:
        return {"task": Term(step.supervised)}
