"""ONE: the student grows branches that learn from their own gated ensemble, and keeps one of them.

X. Lan, X. Zhu, S. Gong: Knowledge Distillation by On-the-Fly Native Ensemble. NeurIPS 2018.

    z_i: logits of branch i (the student's own rest of the network is the first),  g = softmax(ReLU(BatchNorm(W · avg(f))))
    z_e = Σ_i g_i z_i,     f: the tap where the branches part
    L = Σ_i loss(z_i) + loss(z_e) + w(t) · Σ_i T² KL(p(z_e) ‖ p(z_i)),    w = exp(−5 (1 − min(t / ramp, 1))²)

The divergence sends nothing to the gate or through z_e. Branches start from fresh weights (torch's own starts) and leave with the
method: the exported student is the plain network. The release adds 1e-7 to the target inside the logarithm, and ramps over 80 of
300 epochs. The network must be cuttable at the tap: its rest reads this tap alone.

On digits, in the trials of the papers' page, one branch was no better than the student alone (93.2 against 93.1, eight seeds,
fully connected nets): branches hardly differ there.
"""

from __future__ import annotations

import copy
import math

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import divergence
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task
from kdbench.methods.features import as_vector
from kdbench.methods.vector_norm import VectorNorm
from kdbench.models.cut import anew, tail


class ONEConfig(Config):
    tap: str = Field("stage2", description="where the branches part")
    branches: int = Field(3, ge=2, description="branches, the student's own among them")
    T: float = Field(3.0, gt=0, description="temperature")
    weight: float = Field(1.0, ge=0, description="weight of the divergences to the ensemble")
    peers: float = Field(1.0, ge=0, description="weight of the supervised losses of the other branches and of the ensemble")
    task: float = Field(1.0, ge=0, description="weight of the student's own supervised loss")
    ramp: float = Field(80 / 300, ge=0, le=1, description="share of the steps over which the divergences' weight rises")


class Gate(nn.Module):
    """Shares of the branches [B,n] from the tap where they part."""

    def __init__(self, width: int, branches: int):
        super().__init__()
        self.layer, self.norm = nn.Linear(width, branches), VectorNorm(branches)

    def forward(self, tap: Tensor) -> Tensor:
        return torch.relu(self.norm(self.layer(as_vector(tap)))).softmax(1)


def ensemble(values: list[Tensor], shares: Tensor) -> Tensor:
    """Σ g_i z_i of values [B,…] and shares [B,n]."""
    stacked = torch.stack(values, 1)
    return (stacked * shares.view(*shares.shape, *[1] * (stacked.dim() - 2))).sum(1)


class ONE(Method):
    """Branches with a gate; the student alone is kept."""

    name = "one"
    Config = ONEConfig
    needs = Needs(axes=frozenset({"class", "tag"}), student_taps=frozenset({"$tap"}))
    exempt = {"weight-zero": "the branches learn from labels at any weight, and share the layers below with the student"}

    def build(self, specs: Specs, task: Task) -> None:
        shape = specs.student.taps[self.c.tap]
        self.gate = Gate(shape[0] if len(shape) == 3 else shape[-1], self.c.branches)
        self.sample = specs.sample

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        if self.sample is None:
            raise KdbenchError("one tries its branches on two samples, none were given")
        rest = tail(net, self.c.tap, self.sample)
        self.others = nn.ModuleList(anew(copy.deepcopy(rest)) for _ in range(self.c.branches - 1))
        return net

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c
        if c.weight == 0 and c.peers == 0:
            return {"task": Term(step.supervised, c.task)}
        batch, outputs = step.batch("labelled"), step.student("labelled")
        tap = outputs.taps[c.tap]
        values = [outputs.values, *(branch(tap) for branch in self.others)]
        shares = self.gate(tap)
        joint = ensemble(values, shares)

        def supervised() -> Tensor:
            return torch.stack([step.task.loss(step.task.decide(z, batch)) for z in (*values[1:], joint)]).sum()

        def follow() -> Tensor:
            teacher = step.task.decide(joint.detach(), batch)
            students = [step.task.decide(z, batch) for z in values]
            return torch.stack([s.mean(divergence(s, teacher, c.T)) for s in students]).sum()

        ramp = math.exp(-5 * (1 - min(1.0, step.progress / c.ramp)) ** 2) if c.ramp else 1.0
        return {
            "task": Term(step.supervised, c.task),
            "task_branches": Term(supervised, c.peers),
            "one": Term(follow, c.weight * ramp),
        }
