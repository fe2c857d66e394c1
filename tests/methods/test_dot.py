"""DOT against values worked out step by step, and against plain descent where its delta is zero."""

from types import SimpleNamespace

import pytest
import torch

from kdbench.contract.method import Method, Term
from kdbench.methods.dot import DOT, DOTConfig
from kdbench.train.recipe import optimiser

RECIPE = {"optimiser": "adamw", "lr": 0.1, "weight_decay": 0.0, "momentum": 0.5, "nesterov": True}


class Pull(Method):
    """A weight between two wishes, and one that only the second knows."""

    name = "pull"

    def __init__(self):
        super().__init__()
        self.own = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

    def terms(self, step):
        return {"task": Term(0.5 * step.w**2), "pull": Term(lambda: (step.w - 3) ** 2 + 0.5 * self.own**2)}


def descend(steps, recipe=RECIPE, **params):
    net = torch.nn.Module()
    net.w = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
    method = DOT(DOTConfig(**params), Pull())
    owners = method.owners(net)
    owners["student"].optimiser = optimiser(owners["student"], recipe)
    path = []
    for _ in range(steps):
        owners["student"].optimiser.zero_grad(set_to_none=True)
        method.backward(method.terms(SimpleNamespace(w=net.w)), owners)
        owners["student"].optimiser.step()
        path.append((net.w.item(), method.method.own.item()))
    return path


@pytest.mark.parametrize(("delta", "second", "third"), [(0.0, 1.78, 2.278), (0.075, 1.8175, 2.4086875)])
def test_the_known_values(delta, second, third):
    path = [w for w, _ in descend(3, delta=delta)]
    assert path[1:] == pytest.approx([second, third], abs=1e-12)


def by_hand(steps, delta, decay, lr=0.1, m=0.9):
    w, v_task, v_rest, own, v_own = 1.0, None, None, 1.0, None
    path = []
    for _ in range(steps):
        g_task, g_rest = w + decay * w, 2 * (w - 3)
        v_task = g_task if v_task is None else (m - delta) * v_task + g_task
        v_rest = g_rest if v_rest is None else (m + delta) * v_rest + g_rest
        v_own = own if v_own is None else m * v_own + own
        w, own = w - lr * (v_task + v_rest), own - lr * v_own
        path.append((w, own))
    return path


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_the_update_written_out(decay):
    found = descend(6, {**RECIPE, "weight_decay": decay}, delta=0.075)
    expected = by_hand(6, 0.075, decay)
    assert [w for w, _ in found] == pytest.approx([w for w, _ in expected], abs=1e-12)
    assert [own for _, own in found] == pytest.approx([own for _, own in expected], abs=1e-12)


def test_without_delta_it_is_plain_descent_with_momentum(bench):
    recipe = {"optimiser": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3}
    made = bench("digits", "kd", wrap=["dot"], steps=5, recipe=recipe)
    made.learner.method.c = DOTConfig(delta=0.0)
    plain = bench("digits", "kd", steps=5, recipe=recipe).train().learner.net.state_dict()
    for name, value in made.train().learner.net.state_dict().items():
        torch.testing.assert_close(value, plain[name], rtol=1e-4, atol=1e-6)
    made = bench("digits", "kd", wrap=["dot"], steps=5, recipe=recipe).train()
    assert not torch.allclose(made.learner.net.backbone.head.weight, plain["backbone.head.weight"], rtol=1e-2)


def test_each_side_is_clipped_apart():
    (w, _), *_ = descend(1, clip=0.5)
    # task: gradient 1 → .5; the rest: (−4, own 1) → −4 · .5/√17
    assert w == pytest.approx(1 - 0.1 * (0.5 - 4 * 0.5 / 17**0.5), abs=1e-6)


def test_the_recipe_s_optimiser_rate_and_clip_are_replaced_for_the_student_alone():
    net = torch.nn.Linear(1, 1)
    settings = DOT(DOTConfig(lr=0.3), Pull()).owners(net)["student"].settings
    assert settings == {"optimiser": "sgd", "momentum": 0.0, "nesterov": False, "clip": None, "lr": 0.3}
    assert "lr" not in DOT(DOTConfig(), Pull()).owners(net)["student"].settings
