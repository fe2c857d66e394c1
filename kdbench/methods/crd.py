"""Contrastive representation distillation: tell the teacher's embedding of this sample from those of many others.

Y. Tian, D. Krishnan, P. Isola: Contrastive Representation Distillation. ICLR 2020.

    v = normalise(W f) of either net; m_j: what a memory of all n samples holds of the other net's embedding of sample j
    x_j = exp(⟨v, m_j⟩ / T) / Z,    c = negatives / n,    Z = n · mean of exp over the first batch, one for each side, then fixed
    side = −log(x_0 / (x_0 + c)) − Σ_{j ≥ 1} log(c / (x_j + c))        0: the sample itself, j: the negatives
    L = task · CE + weight · mean_i (side of the student + side of the teacher) [+ kd · KD]
    after scoring:  m_i ← normalise(momentum · m_i + (1 − momentum) · v_i)

Both projections are learned and leave with the method. Maps are averaged over positions first, so a dense net contrasts images.
Negatives are drawn with replacement from samples of another class. In a set without labels (or with several a sample: pixels,
tags, lists) they are drawn from all other samples, which is the paper's unsupervised variant. The release draws without
replacement and adds 1e-7 inside the logarithms. Positives are the sample itself (the release's mode `exact`).

Scores against the whole memory are one matrix product from which the drawn ones are read: at 50,000 samples and 16,384 negatives
this needs 13 MB a batch of 64 where gathering rows needs 537. Published with kd 1 as CRD+KD.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 84.6 at 512
negatives, 86.9 with kd 1 beside it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.taps import width
from kdbench.contract.task import Task
from kdbench.methods.features import as_vector, softened

UNKNOWN = -1


class CRDConfig(Config):
    student_tap: str = Field("embedding", description="the student's tap")
    teacher_tap: str = Field("embedding", description="the teacher's tap")
    width: int = Field(128, ge=2, description="dimensions in which the two are compared")
    negatives: int = Field(16384, ge=1, description="samples that each one is told from")
    same_class: bool = Field(False, description="whether negatives may be of the sample's own class")
    temperature: float = Field(0.07, gt=0, description="temperature of the similarities")
    momentum: float = Field(0.5, ge=0, lt=1, description="share of the old embedding in the memory's new one")
    weight: float = Field(0.8, ge=0, description="weight of both sides together")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    kd: float = Field(0.0, ge=0, description="weight of softened answers beside the contrast")
    T: float = Field(4.0, gt=0, description="temperature of kd")


def classes_of(specs: Specs, task: Task, same_class: bool) -> Tensor:
    """The class of each sample of the distillation set where each has one and it matters, else UNKNOWN."""
    labels = specs.labels
    if labels is None or labels.dim() > 1 or task.axis != "class" or same_class:
        return torch.full((specs.samples,), UNKNOWN)
    if len(labels.unique()) == 1:
        raise ValueError("crd has no negatives in a set of one class; same_class: true tells each sample from all others")
    return labels.long().clamp(min=UNKNOWN)


def draw_negatives(labels: Tensor, index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """[B,count] samples that differ in class from those of `index`, uniform and with replacement.

    Samples sorted by class: a class is a block, and a draw beyond its start skips the block. Where the class is unknown, the
    block is the sample alone.
    """
    order = labels.argsort(stable=True)
    ranked, mine = labels[order], labels[index]
    start, end = torch.searchsorted(ranked, mine), torch.searchsorted(ranked, mine, right=True)
    own = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))[index]
    start, end = torch.where(mine == UNKNOWN, own, start), torch.where(mine == UNKNOWN, own + 1, end)
    pool = (len(labels) - (end - start))[:, None]
    places = torch.rand(len(index), count, generator=generator, device=labels.device) * pool
    chosen = places.long().minimum(pool - 1)  # a float close below `pool` may round up to it
    return order[chosen + (chosen >= start[:, None]) * (end - start)[:, None]]


def contrast(anchor: Tensor, memory: Tensor, index: Tensor, negative: Tensor, T: float, log_z: Tensor) -> tuple[Tensor, Tensor]:
    """One side's loss [B] of anchors [B,D] against a memory [n,D], and log Z: as given, or this batch's if that is infinite."""
    total, count = len(memory), negative.shape[1]
    scores = anchor @ memory.t() / T
    drawn = scores.gather(1, torch.cat((index[:, None], negative), 1))
    fresh = torch.logsumexp(drawn.detach().flatten(), 0) + math.log(total / drawn.numel())
    log_z = torch.where(torch.isinf(log_z), fresh.to(log_z.dtype), log_z)
    over_noise = drawn - log_z - math.log(count / total)  # log(x / c)
    return F.softplus(-over_noise[:, 0]) + F.softplus(over_noise[:, 1:]).sum(1), log_z


def remembered(memory: Tensor, index: Tensor, vectors: Tensor, momentum: float) -> Tensor:
    """A new memory in which these rows moved. A sample that is twice in the batch counts as its last occurrence."""
    same = index[:, None] == index[None, :]
    last = (same * torch.arange(len(index), device=index.device)).amax(1)
    rows = F.normalize(momentum * memory[index] + (1 - momentum) * vectors[last].to(memory.dtype), dim=1)
    return memory.index_copy(0, index, rows)


class CRD(Method):
    """Contrast of embeddings against memories of the whole distillation set."""

    name = "crd"
    Config = CRDConfig
    needs = Needs(
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        signal_by="kd",
        student_taps=frozenset({"$student_tap"}),
        teacher_taps=frozenset({"$teacher_tap"}),
        index=True,
    )
    of_student: Tensor  # memory of the student's embeddings [n,width]
    of_teacher: Tensor
    classes: Tensor  # of each sample, or UNKNOWN
    log_z: Tensor  # of the student's side and of the teacher's; infinite until the first batch

    def build(self, specs: Specs, task: Task) -> None:
        c = self.c
        if specs.samples < 2:
            raise ValueError(f"crd tells a sample from others, the distillation set has {specs.samples}")
        self.project_student = nn.Linear(width(specs.student.taps[c.student_tap]), c.width)
        self.project_teacher = nn.Linear(width(specs.teacher.taps[c.teacher_tap]), c.width)
        bound = 1 / math.sqrt(c.width / 3)
        for name in ("of_student", "of_teacher"):
            self.register_buffer(name, torch.empty(specs.samples, c.width).uniform_(-bound, bound))
        self.register_buffer("classes", classes_of(specs, task, c.same_class), persistent=False)
        self.register_buffer("log_z", torch.full((2,), math.inf))

    def terms(self, step: Step) -> dict[str, Term]:
        return {
            "task": Term(step.supervised, self.c.task),
            "crd": Term(lambda: self.sides(step), self.c.weight),
            "kd": Term(lambda: softened(step, self.c.T), self.c.kd),
        }

    def sides(self, step: Step) -> Tensor:
        """Mean of both sides over the batch; the memories move on."""
        c, index = self.c, step.batch().index
        negative = draw_negatives(self.classes, index, c.negatives, step.generator)
        student = F.normalize(self.project_student(as_vector(step.student().taps[c.student_tap])), dim=1)
        teacher = F.normalize(self.project_teacher(as_vector(step.teacher().taps[c.teacher_tap])), dim=1)
        mine, my_z = contrast(student, self.of_teacher, index, negative, c.temperature, self.log_z[0])
        theirs, their_z = contrast(teacher, self.of_student, index, negative, c.temperature, self.log_z[1])
        self.log_z = torch.stack((my_z, their_z))
        # New tensors, since the backward pass still reads the memories that were scored against.
        self.of_student = remembered(self.of_student, index, student.detach(), c.momentum)
        self.of_teacher = remembered(self.of_teacher, index, teacher.detach(), c.momentum)
        return (mine + theirs).mean()
