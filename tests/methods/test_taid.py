"""TAID: the two ends of its target, how its share moves against a plain loop, and that its state is state."""

import math
from types import SimpleNamespace

import pytest
import scipy.special
import torch

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import Decisions, divergence
from kdbench.methods.taid import TAID, TAIDConfig, blend, cross_entropy

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)


def gradient(loss, z):
    (found,) = torch.autograd.grad(loss.sum(), z)
    return found


@pytest.mark.parametrize("axis", ["class", "tag", "candidate"])
@pytest.mark.parametrize("T", [1.0, 3.0])
def test_the_teacher_s_end_is_kl_and_the_student_s_end_is_rest(axis, T):
    z = STUDENT.clone().requires_grad_()
    student, teacher = Decisions(z, axis), Decisions(TEACHER, axis)
    full = cross_entropy(student, blend(student, teacher, torch.tensor(1.0, dtype=torch.float64)), T)
    kl = divergence(student, teacher, T, squared=False)
    torch.testing.assert_close(gradient(full, z), gradient(kl, z))
    none = cross_entropy(student, blend(student, teacher, torch.tensor(0.0, dtype=torch.float64)), T)
    assert gradient(none, z).abs().max() < 1e-12


def test_the_blend_is_of_logits_and_an_ensemble_is_one_teacher():
    share = torch.tensor(0.3, dtype=torch.float64)
    target = blend(Decisions(STUDENT, "class"), Decisions(TEACHER, "class"), share).log_probs().exp()
    expected = scipy.special.softmax(0.7 * STUDENT.numpy() + 0.3 * TEACHER.numpy(), 1)
    torch.testing.assert_close(target, torch.from_numpy(expected))
    twins = Decisions(torch.stack((TEACHER, TEACHER)), "class", reduce="prob")
    torch.testing.assert_close(blend(Decisions(STUDENT, "class"), twins, share).log_probs().exp(), target)


def by_hand(losses, progress, start=0.4, end=1.0, rate=5e-4, momentum=0.99):
    share, trend, before, found = start, 0.0, None, []
    for loss, u in zip(losses, progress):
        if before is not None:
            trend = momentum * trend + (1 - momentum) * (before - loss) / before
            faster = share + rate / (1 + math.exp(-trend)) * (1 - share)
            share = min(end, max(start + (end - start) * u, faster))
        before = loss
        found.append(share)
    return found


def test_the_share_follows_the_rule():
    losses = [2.0, 1.5, 1.6, 0.4, 0.39, 0.2]
    for progress in ([0, 0, 0, 0, 0, 0], [0, 0.1, 0.2, 0.5, 0.9, 1.0]):
        method = TAID(TAIDConfig(rate=0.05, momentum=0.5)).double()
        found = []
        for loss, u in zip(losses, progress):
            method.follow(torch.tensor(loss, dtype=torch.float64), u)
            found.append(method.share.item())
        assert found == pytest.approx(by_hand(losses, progress, rate=0.05, momentum=0.5), abs=1e-7)
        assert found == sorted(found)


def test_a_constant_loss_moves_the_share_by_half_the_rate():
    method = TAID(TAIDConfig(rate=0.1)).double()
    method.follow(torch.tensor(1.0), 0.0)
    assert method.share.item() == pytest.approx(0.4)
    method.follow(torch.tensor(1.0), 0.0)
    assert method.share.item() == pytest.approx(0.4 + 0.1 / 2 * 0.6)


def test_the_share_ends_at_its_end():
    method = TAID(TAIDConfig(start=0.2, end=0.7, rate=10))
    for _ in range(3):
        method.follow(torch.tensor(1.0), 0.0)
    assert method.share.item() == pytest.approx(0.7)


def step(z, progress=0.5):
    teacher = Signal(Decisions(TEACHER, "class"))
    return SimpleNamespace(
        decide=lambda: Decisions(z, "class"), teacher=lambda: teacher, progress=progress, supervised=lambda: z.sum()
    )


def test_the_state_moves_after_the_loss_and_only_if_the_term_counts():
    method = TAID()
    z = STUDENT.clone().requires_grad_()
    term = method.terms(step(z))["taid"]
    assert math.isinf(method.before)
    first, second, third = term.compute(), *(method.terms(step(z))["taid"].compute() for _ in range(2))
    assert first.item() == second.item()  # nothing to compare with after the first step
    assert third.item() != second.item()  # the share went up in between
    first.backward()  # and the graph of the first survives the buffer's change
    other = TAID()
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.share, method.share)
    assert torch.equal(other.before, method.before)
