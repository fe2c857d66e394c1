"""Teacher-free KD and label smoothing: worked values, PyTorch's own smoothing, and what is left at nothing to smooth."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdbench.contract.decisions import Decisions
from kdbench.methods.label_smoothing import LabelSmoothing, LabelSmoothingConfig, flat
from kdbench.methods.tf_kd import divergence_from, virtual

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
LABEL = torch.tensor([0, 2])
CE = 0.28872599


def test_the_made_up_teacher():
    q = virtual(LABEL, 3, 0.99, 20).exp()
    np.testing.assert_allclose(q[0], [0.34436611, 0.32781695, 0.32781695], atol=1e-7)
    q = virtual(torch.tensor([7]), 100, 0.99, 20).exp()[0]
    assert q[7].item() == pytest.approx(0.01050207, abs=1e-7)
    assert q[8].item() == pytest.approx(0.00999493, abs=1e-7)


def test_tf_kd_value_and_the_released_form_of_it():
    kl = divergence_from(LABEL, STUDENT.log_softmax(1), 0.99, 20).mean().item()
    assert kl == pytest.approx(0.50165389, abs=1e-7)
    assert 0.9 * CE + 0.1 * 100 * kl / 3 == pytest.approx(1.93203302, abs=1e-6)  # a mean over batch and classes, times 100


def test_tf_kd_is_at_rest_at_its_own_teacher_and_finite_elsewhere():
    z = virtual(LABEL, 3, 0.99, 20).clone().requires_grad_()
    divergence_from(LABEL, z.log_softmax(1), 0.99, 20).sum().backward()
    assert z.grad.abs().max() < 1e-6
    wild = torch.tensor([[50.0, -50, 0]], requires_grad=True)
    divergence_from(LABEL[:1], wild.log_softmax(1), 0.99, 20).sum().backward()
    assert torch.isfinite(wild.grad).all()
    assert divergence_from(LABEL[:1] * 0, torch.zeros(1, 1), 0.99, 20).item() == 0


def smoothed(decisions, **config):
    """The whole loss, as the loop adds it up."""
    method = LabelSmoothing(LabelSmoothingConfig(**config))
    log_probs = decisions.log_probs()
    if decisions.axis == "tag":
        supervised = F.binary_cross_entropy_with_logits(decisions.values, decisions.labels)
    else:
        supervised = decisions.mean(F.nll_loss(log_probs, decisions.labels, reduction="none"))
    terms = method.terms(SimpleNamespace(supervised=lambda: supervised, decide=lambda on: decisions))
    return sum(term.weight * term.compute() for term in terms.values())


def test_label_smoothing_values():
    decisions = Decisions(STUDENT, "class", LABEL)
    assert smoothed(decisions).item() == pytest.approx(0.42205933, abs=1e-8)
    assert smoothed(decisions).item() == pytest.approx(F.cross_entropy(STUDENT, LABEL, label_smoothing=0.1).item(), abs=1e-12)
    assert smoothed(decisions, spread="others").item() == pytest.approx(0.48872599, abs=1e-8)


@pytest.mark.parametrize(("spread", "off"), [("all", 0.05), ("others", 0.1)])
def test_label_smoothing_of_tags_is_cross_entropy_to_soft_tags(spread, off):
    z = torch.randn(4, 3, dtype=torch.float64)
    labels = torch.tensor([[0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=torch.float64)
    soft = labels * (1 - off) + (1 - labels) * off
    expected = F.binary_cross_entropy_with_logits(z, soft)
    torch.testing.assert_close(smoothed(Decisions(z, "tag", labels), spread=spread), expected)


def test_without_a_share_nothing_is_smoothed():
    terms = LabelSmoothing(LabelSmoothingConfig(epsilon=0)).terms(SimpleNamespace(supervised=None, decide=None))
    assert [term.weight for term in terms.values()] == [1, 0]


def test_pixels_without_a_label_are_not_smoothed():
    valid = torch.tensor([True, False])
    decisions = Decisions(STUDENT, "class", LABEL * 0, valid=valid)
    expected = flat(Decisions(STUDENT[:1], "class", LABEL[:1]), False).item()
    assert decisions.mean(flat(decisions, False)).item() == pytest.approx(expected)


def test_label_smoothing_needs_labels():
    with pytest.raises(ValueError, match="needs labels"):
        flat(Decisions(STUDENT, "class"), False)
