"""Squared errors of probabilities and generations built on them: hand values, and kernel ridge regression as an exact case."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import Decisions
from kdbench.methods.brier import Brier, answers, error
from kdbench.methods.brier_kd import BrierKD, BrierKDConfig, guided

# The release's toy: 11 noisy points of a sine (those of Mobahi, Farajtabar, Bartlett 2020), a Gaussian kernel of gamma 80 and a
# penalty of .2; mean squared error to the sine on 101 points, generations 1 to 6 and the limit.
NOISY = [0.384766, 1.233397, 1.332322, 0.692016, -0.297561, -0.241893, -0.796449, -0.961648, -0.496725, -0.346907, 0.558951]
GOLDEN = {
    0.0: ([0.16477, 0.15076, 0.14915, 0.15561, 0.16735, 0.18251], 0.49505),
    0.35: ([0.16477, 0.15424, 0.15089, 0.14983, 0.14954, 0.14948], 0.14959),
    0.25: ([0.16477, 0.15309, 0.14958, 0.14903, 0.14946, 0.15011], 0.15250),
}
PENALTY = 0.2
PLACES = np.linspace(0, 1, 11)


def kernel(x):
    return np.exp(-80 * (x[:, None] - PLACES[None]) ** 2)


def generations(alpha, count, at=PLACES):
    """Each fits the target that `guided` makes of the labels and of what the one before says; their values `at` some places."""
    gram, labels = kernel(PLACES), np.array(NOISY)
    ridge = np.linalg.inv(gram + PENALTY * np.eye(11))
    said, found = torch.tensor(labels), []
    for _ in range(count):
        coefficients = ridge @ guided(torch.tensor(labels), said, alpha).numpy()
        said = torch.tensor(gram @ coefficients)
        found.append(kernel(at) @ coefficients)
    return found


@pytest.mark.parametrize("alpha", list(GOLDEN))
def test_the_releases_eighteen_numbers_and_the_limits(alpha):
    fine = np.linspace(0, 1, 101)
    golden, limit = GOLDEN[alpha]
    said = generations(alpha, 3000 if alpha == 0 else 200, fine)
    errors = [float(np.mean((values - np.sin(2 * np.pi * fine)) ** 2)) for values in (*said[:6], said[-1])]
    np.testing.assert_allclose(errors, [*golden, limit], atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.35, 1.0])
def test_generations_of_kernel_ridge_equal_the_closed_form(alpha):
    values, vectors = np.linalg.eigh(kernel(PLACES))
    shrink = values / (values + PENALTY)
    factor = shrink.copy()  # of the first generation, which alpha does not change
    for said in generations(alpha, 6):
        np.testing.assert_allclose(said, vectors @ (factor * (vectors.T @ NOISY)), atol=1e-10)
        factor = shrink * ((1 - alpha) * factor + alpha)


def test_the_limit_is_one_ridge_of_penalty_over_alpha():
    gram = kernel(PLACES)
    np.testing.assert_allclose(
        generations(0.35, 400)[-1], gram @ np.linalg.solve(gram + PENALTY / 0.35 * np.eye(11), NOISY), atol=1e-9
    )
    first, *later = generations(1.0, 3)
    assert all(np.allclose(first, said) for said in later)


def test_hand_values():
    z = torch.tensor([[2.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    p = 1 / (1 + np.exp(-2.0))
    labels = Decisions(z, "class", torch.tensor([0, 1]))
    np.testing.assert_allclose(error(labels, answers(labels)), [(1 - p) ** 2, 0.25], atol=1e-12)
    tags = Decisions(z, "tag", torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64))
    np.testing.assert_allclose(error(tags, answers(tags)), [((1 - p) ** 2 + 0.25) / 2, 0.25], atol=1e-12)


def step(student, teacher, labelled):
    return SimpleNamespace(
        decide=lambda on="transfer": labelled if on == "labelled" else student, teacher=lambda on="transfer": Signal(teacher)
    )


def total(terms):
    return sum(term.weight * term.compute() for term in terms.values() if term.weight)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_two_terms_are_one_squared_error_to_the_guided_target_but_for_a_constant(alpha):
    generator = torch.Generator().manual_seed(0)
    z, t = (torch.randn(7, 4, dtype=torch.float64, generator=generator) * scale for scale in (1, 20))
    label = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    z.requires_grad_()
    student = Decisions(z, "class", label)
    terms = BrierKD(BrierKDConfig(alpha=alpha)).terms(step(student, Decisions(t, "class"), student))
    [grad] = torch.autograd.grad(total(terms), z)
    target = guided(F.one_hot(label, 4).double(), torch.softmax(t, 1), alpha)
    [expected] = torch.autograd.grad(F.mse_loss(torch.softmax(z, 1), target), z)
    torch.testing.assert_close(grad, expected, atol=1e-12, rtol=0)


def test_the_first_generation_is_alpha_one_and_reads_no_teacher():
    z = torch.randn(5, 3, dtype=torch.float64)
    student = Decisions(z, "class", torch.tensor([0, 1, 2, 0, 1]))
    alone = total(Brier().terms(step(student, None, student)))
    torch.testing.assert_close(total(BrierKD(BrierKDConfig(alpha=1)).terms(step(student, None, student))), alone)
    assert Brier.needs.signal == frozenset()


def test_nothing_valid_and_wild_logits():
    z = torch.tensor([[50.0, -50.0], [-50.0, 50.0]], requires_grad=True)
    student = Decisions(z, "class", torch.tensor([1, 1]), valid=torch.zeros(2, dtype=torch.bool))
    assert student.mean(error(student, answers(student))).item() == 0
    error(student, answers(student)).sum().backward()
    assert torch.isfinite(z.grad).all()
    with pytest.raises(ValueError, match="needs labels"):
        answers(Decisions(z, "class"))
