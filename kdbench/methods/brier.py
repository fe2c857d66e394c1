"""Squared error of probabilities (the Brier score) in place of cross-entropy: the first generation of `gt_self`.

G. W. Brier: Verification of Forecasts Expressed in Terms of Probability. Monthly Weather Review 78 (1950).

    L = mean_i mean_k (p_k − y_k)²,    p = softmax(z) on classes, sigmoid(z) on tags

The mean runs over answers too, as the release of `gt_self` has it; Brier's own score is the sum. The error of a probability is
bounded, so a hopeless sample pulls less than under cross-entropy.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.needs import Needs


def probabilities(decisions: Decisions) -> Tensor:
    """[N,K]: of a class, or of each tag."""
    log_probs = decisions.log_probs()
    return (log_probs[..., 0] if decisions.axis == "tag" else log_probs).exp()


def answers(decisions: Decisions) -> Tensor:
    """The labels as probabilities [N,K]."""
    if decisions.labels is None:
        raise ValueError("the squared error of labels needs labels, this stream has none")
    if decisions.axis == "tag":
        return decisions.labels.to(decisions.values.dtype)
    return F.one_hot(decisions.labels, decisions.answers).to(decisions.values.dtype)


def error(decisions: Decisions, target: Tensor) -> Tensor:
    """Mean squared error of the probabilities per row [N]."""
    return (probabilities(decisions) - target).pow(2).mean(-1)


class Brier(Method):
    """Squared error of the student's probabilities against the labels; no teacher."""

    name = "brier"
    needs = Needs(axes=frozenset({"class", "tag"}), streams=frozenset({"labelled"}))
    exempt = {"weight-zero": "it has no other term than its own"}

    def terms(self, step: Step) -> dict[str, Term]:
        def squared() -> Tensor:
            student = step.decide("labelled")
            return student.mean(error(student, answers(student)))

        return {"task": Term(squared)}
