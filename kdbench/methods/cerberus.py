"""CERBERUS: one encoder, a head for each teacher; what the heads say is averaged when the student is used.

Y. Matsubara, L. Soldaini, E. Lind, A. Moschitti: Ensemble Transformer for Efficient and Accurate Ranking Tasks: an Application to
Question Answering Systems. Findings of EMNLP 2022.

    head j learns from teacher j alone:  L = mean_j (task · loss(y, z_j) + weight · T² · KL(p_j ‖ softmax(z_j / T)))
    answers: class and tag: mean_j of the heads' probabilities;  candidate: mean_j of their scores

The first head is the student's own; the others are its rest behind `tap` with fresh weights, or, for a net of two towers, a
linear map of both towers' vectors and a scale. Scores are averaged over candidates because a ranking of a whole collection has no
list to take a softmax over; the paper's heads each decide about one pair, by its probability. All heads are kept and counted. The
release holds the model only; the form of the loss is recalled. With one teacher this is plain distillation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import divergence
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task
from kdbench.models.cut import anew, tail
from kdbench.models.heads import ManyHeads, OnTap, mixed


class CerberusConfig(Config):
    tap: str = Field("embedding", description="where the heads part")
    T: float = Field(1.0, gt=0, description="temperature")
    weight: float = Field(1.0, ge=0, description="weight of the divergences, a mean over heads")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss, a mean over heads")


class Towers(nn.Module):
    """Cosine of a query's and its documents' vectors, each after a linear map, times a scale. It starts near the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.map = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.map.weight.mul_(0.1).add_(torch.eye(width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, taps: Mapping[str, Tensor]) -> Tensor:
        query, documents = (F.normalize(self.map(taps[name]), dim=-1) for name in ("embedding", "documents"))
        return self.log_scale.exp() * torch.einsum("bd,bkd->bk", query, documents.expand(len(query), -1, -1))


def answer(axis: str, values: Tensor, heads: Mapping[str, Tensor]) -> Tensor:
    """Logits of the mean probability; for candidates the mean score."""
    every = torch.stack((values, *heads.values()))
    return every.mean(0) if axis == "candidate" else mixed(every, axis, [1 / len(every)] * len(every))


class Cerberus(Method):
    """A head for each teacher on one student."""

    name = "cerberus"
    Config = CerberusConfig
    needs = Needs(
        streams=frozenset({"transfer"}), signal=frozenset({"members"}), teachers="many", student_taps=frozenset({"$tap"})
    )
    exempt = {"weight-zero": "the answer is that of several heads, at any weight"}

    def build(self, specs: Specs, task: Task) -> None:
        self.axis, self.sample, self.taps = task.axis, specs.sample, specs.student.taps
        self.names = [f"head{number}" for number in range(1, len(specs.teachers))]

    def head(self, net: Net) -> nn.Module:
        if "documents" in self.taps and self.c.tap == "embedding":
            width = self.taps["embedding"][-1]
            return Towers(width).to(next(net.parameters()).device)
        if self.sample is None:
            raise KdbenchError("cerberus tries its heads on two samples, none were given")
        return OnTap(self.c.tap, anew(tail(net, self.c.tap, self.sample)))

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        if not self.names:
            return net
        return net.rebuilt(ManyHeads(net.backbone, {name: self.head(net) for name in self.names}, partial(answer, self.axis)))

    def terms(self, step: Step) -> dict[str, Term]:
        c, heads = self.c, [None, *self.names]

        def supervised() -> Tensor:
            return torch.stack([step.task.loss(step.decide("labelled", head)) for head in heads]).mean()

        def match(number: int) -> Tensor:
            given = step.teacher()
            members: tuple[Signal, ...] = given.members or (given,)
            student = step.decide("transfer", heads[number])
            return student.mean(divergence(student, members[number].decisions, c.T))

        each = {f"teacher{number}": Term(partial(match, number), c.weight / len(heads)) for number in range(len(heads))}
        return {"task": Term(supervised, c.task), **each}
