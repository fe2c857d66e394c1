"""One for all: exits at several stages of the student learn the teacher's answers, which any two architectures share.

Z. Hao, J. Guo, K. Han, Y. Tang, H. Hu, Y. Wang, C. Xu: One-for-All: Bridge the Gap Between Heterogeneous Architectures in
Knowledge Distillation. NeurIPS 2023.

    l(z) = mean_i −Σ_k w_ik log softmax(z_i)_k
    w:  released   (p_t,k + [k = y])^gamma − [k = y]
        paper      (1 + p_t,y)^gamma for the label, p_t,k for the others
    L = task · CE + weight · (l(z_s) + exits · Σ_taps l(exit(tap)))

With gamma 1 the released l is the cross-entropy to the teacher. The default is `released`, since the paper's tables come from it:
it also raises the other classes' probabilities to gamma, which lets them fade, and holds no label's cross-entropy of its own. The
paper's w does hold one (its leading 1): set task 0 beside it, or the label counts twice. Answers are not softened and there is no
T². On a stream without labels, y is the teacher's best answer.

An exit halves a map as often as taps follow it, by separable convolutions that double its channels, takes the mean over
positions, and ends in a linear layer; the last tap's has a 1×1 convolution instead, a vector's a linear layer. On tasks that
decide on maps nothing is halved and no mean is taken: the exit gives a map of answers. Exits are the method's own and never leave
with the student. Here they normalise over one sample's channels and positions (the release: over the batch), so that no sample's
loss depends on its company, and a batch of one trains. The release's exits for transformers keep their tokens; here a
transformer's taps are maps, and treated as such.

Seen on digits, three seeds, a pair of one architecture: .871 ± .008, without exits .870 ± .010: the exits show no effect there.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task


class OFAConfig(Config):
    taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=1, description="the student's taps with an exit, in order")
    gamma: float = Field(1.5, ge=1, description="how much more the label counts where the teacher is sure of it; 1: not at all")
    weight: float = Field(1.0, ge=0, description="weight of the student's answer and of its exits")
    exits: float = Field(1.0, ge=0, description="weight of the exits beside the answer, summed over taps")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    variant: Literal["released", "paper"] = Field("released", description="whether the other classes are raised to gamma too")


def modulated(teacher: Tensor, label: Tensor, gamma: float, variant: str) -> Tensor:
    """The weights w [N,K] of −log p_s, from the teacher's probabilities [N,K] and labels [N]."""
    right = F.one_hot(label, teacher.shape[1]).to(teacher.dtype)
    if variant == "released":
        return (teacher + right) ** gamma - right
    return torch.where(right.bool(), (1 + teacher) ** gamma, teacher)


def halved(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Two separable convolutions, the first of this stride."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.Conv2d(inputs, inputs, 1, bias=False),
        nn.GroupNorm(1, inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.GroupNorm(1, outputs),
        nn.ReLU(),
    )


def exit_for(shape: tuple[int, ...], width: int, outputs: int, after: int, dense: bool) -> nn.Sequential:
    """From a tap of this shape, which `after` others follow, to values as the student itself gives them."""
    channels = shape[0]
    if len(shape) == 1 and not dense:
        return nn.Sequential(nn.Linear(channels, width), nn.Linear(width, outputs))
    if len(shape) != 3:
        raise KdbenchError(f"ofa: an exit reads a map, or a vector on tasks without maps, not a tap of shape {shape}")
    layers: list[nn.Module] = [] if after else [nn.Conv2d(channels, width, 1)]
    for left in range(after, 0, -1):
        out = width if left == 1 else 2 * channels
        layers.append(halved(channels, out, 1 if dense else 2))
        channels = out
    if dense:
        return nn.Sequential(*layers, nn.Conv2d(width, outputs, 1))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))


class OFA(Method):
    """Exits along the student that learn the teacher's answers; for teachers of another architecture."""

    name = "ofa"
    Config = OFAConfig
    needs = Needs(
        axes=frozenset({"class"}),
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        student_taps=frozenset({"$taps"}),
    )

    def build(self, specs: Specs, task: Task) -> None:
        shapes = [specs.student.taps[tap] for tap in self.c.taps]
        theirs = [teacher.taps["embedding"][0] for teacher in specs.teachers if "embedding" in teacher.taps]
        width = max(shapes[-1][0], *theirs) if theirs else shapes[-1][0]
        last = len(shapes) - 1
        self.exits = nn.ModuleList(
            exit_for(shape, width, specs.student.outputs, last - place, task.grid) for place, shape in enumerate(shapes)
        )

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def answer() -> Tensor:
            return self.loss(step.decide(), step.teacher().decisions)

        def exits() -> Tensor:
            taps, teacher, batch = step.student().taps, step.teacher().decisions, step.batch()
            said = [step.task.decide(leave(taps[tap]), batch) for tap, leave in zip(c.taps, self.exits)]
            return torch.stack([self.loss(decisions, teacher) for decisions in said]).sum()

        return {
            "task": Term(step.supervised, c.task),
            "answer": Term(answer, c.weight),
            "exits": Term(exits, c.weight * c.exits),
        }

    def loss(self, student: Decisions, teacher: Decisions) -> Tensor:
        label = student.labels if student.labels is not None else teacher.predictions()
        weights = modulated(teacher.log_probs().exp(), label, self.c.gamma, self.c.variant)
        return student.mean(-(weights * student.log_probs()).sum(-1))
