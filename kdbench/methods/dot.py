"""Distillation-oriented trainer: the distilling gradients keep their momentum longer than the task's.

B. Zhao, Q. Cui, R. Song, J. Liang: DOT: A Distillation-Oriented Trainer. ICCV 2023.

    v_task ← (m − δ) · v_task + g_task + decay · w,    v_kd ← (m + δ) · v_kd + g_kd,    w ← w − lr · (v_task + v_kd)

g_task is the gradient of the terms named task*, g_kd that of all others; a parameter that only one side reaches keeps m. This is
stochastic gradient descent whatever the recipe names, for the student alone: other players keep the recipe's optimiser. It has a
rate of its own, since one for Adam is none for this, and a clip of its own for each side's gradient: the recipe's would see
velocities. Around a method with a backward pass of its own, this one takes its place.

In the long run a gradient moves a weight by 1/(1 − m) times itself: at m .9, δ .075 that is 5.7 for the task and 40 for the rest,
so that a part of the gain is a larger weight. The control is the inner method with its distilling weight times 7. δ is .075 on
CIFAR, .09 on ImageNet.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 82.8 around kd at a
rate of .05, against kd under AdamW: a comparison of optimisers first of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.method import Owner, Term, Wrapper
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs


class DOTConfig(Config):
    delta: float = Field(0.075, ge=0, lt=1, description="what the distilling side's momentum gains and the task's loses")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum between both")
    lr: float | None = Field(None, gt=0, description="learning rate; without one, the recipe's")
    clip: float | None = Field(None, gt=0, description="largest norm of either side's gradient")


def gradients(total: Tensor | None, params: Sequence[nn.Parameter], clip: float | None) -> list[Tensor | None]:
    """Of one side, for each parameter; None where it does not reach."""
    if total is None:
        return [None] * len(params)
    found: list[Tensor | None] = list(torch.autograd.grad(total, params, retain_graph=True, allow_unused=True))
    if clip is not None:
        norm = torch.stack([g.norm() for g in found if g is not None]).norm()
        factor = (clip / (norm + 1e-6)).clamp(max=1.0)
        found = [None if g is None else g * factor for g in found]
    return found


class DOT(Wrapper):
    """Separate momenta for the supervised and the distilling gradients of any method."""

    name = "dot"
    Config = DOTConfig
    own = Needs(streams=frozenset())
    exempt = {"weight-zero": "it is another optimiser than the recipe's: what is left without weights is plain descent"}

    def owners(self, net: Net) -> dict[str, Owner]:
        owners = super().owners(net)
        mine = {"optimiser": "sgd", "momentum": 0.0, "nesterov": False, "clip": None}
        rate = {} if self.c.lr is None else {"lr": self.c.lr}
        owners["student"].settings = {**owners["student"].settings, **mine, **rate}
        return owners

    def backward(self, terms: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | Tensor]:
        values: dict[str, float | Tensor] = {}
        sums: dict[tuple[str, bool], Tensor] = {}  # by owner, and whether the term is supervised
        for name, term in terms.items():
            if term.weight == 0:
                continue
            value = term.compute(name)
            values[name] = value.detach()
            side = (term.owner, name.startswith("task"))
            sums[side] = sums[side] + term.weight * value if side in sums else term.weight * value
        for (owner, _), total in sums.items():
            if owner != "student":
                params = [p for p in owners[owner].params if p.requires_grad]
                torch.autograd.backward(total, inputs=params, retain_graph=True)
        student = owners["student"]
        params = [p for p in student.params if p.requires_grad]
        task = gradients(sums.get(("student", True)), params, self.c.clip)
        rest = gradients(sums.get(("student", False)), params, self.c.clip)
        for p, mine, theirs in zip(params, task, rest, strict=True):
            self.push(p, mine, theirs, student.optimiser)
        return values

    @torch.no_grad()
    def push(self, p: nn.Parameter, task: Tensor | None, rest: Tensor | None, optimiser: torch.optim.Optimizer | None) -> None:
        """Move a parameter's velocities and leave their sum where plain descent reads its gradient."""
        assert optimiser is not None
        if task is None and rest is None:
            return
        state, decay = optimiser.state[p], optimiser.param_groups[0]["weight_decay"]
        delta = self.c.delta if task is not None and rest is not None else 0.0
        # The optimiser will add decay · w to whatever it finds, so that much is taken off beforehand.
        total = -decay * p
        for name, gradient, momentum in (("task", task, self.c.momentum - delta), ("rest", rest, self.c.momentum + delta)):
            if gradient is None:
                continue
            if name == "task":
                gradient = gradient + decay * p
            state[name] = momentum * state[name] + gradient if name in state else gradient.clone()
            total = total + state[name]
        p.grad = total
