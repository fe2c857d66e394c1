"""Norm and direction: the student's feature shall point where the teacher's class lies, and be no shorter than the teacher's.

Y. Wang, L. Cheng, M. Duan, Y. Wang, Z. Feng, S. Kong: Improving Knowledge Distillation via Regularizing Feature Norm and
Direction. 2023, arXiv 2305.17007. (KD++, DKD++, DIST++ and ReviewKD++ are this around kd, dkd, dist and reviewkd.)

    e_k: direction of the mean of the teacher's features over class k
    ND_i = 1 − ⟨f_s, e_y⟩ / max(‖f_s‖, ‖f_t‖),    L = inner loss + weight · mean_i ND_i

A shorter feature is pushed along e_y alone, a longer one is only turned. Where widths differ, f_s passes through BatchNorm,
dropout and a linear layer that leave with the method. The paper averages classes over the training set before training; here a
class's mean is over all that was shown so far, this batch included, so that no pass of its own is needed and a run resumes
exactly. y is the label, and the teacher's answer on a stream without labels. On maps every position is a sample, with the label
of its nearest decision. Weights of KD++ on CIFAR-100: .5 to 2, beside w_kd 1 to 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Specs, Step, Term, Wrapper
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task
from kdbench.methods.features import meet, width
from kdbench.methods.taps import as_vector


class NDConfig(Config):
    student_tap: str = Field("embedding", description="the student's tap")
    teacher_tap: str = Field("embedding", description="the teacher's tap")
    weight: float = Field(2.0, ge=0, description="weight of norm and direction beside the inner method's terms")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout before the linear layer, which is there where widths differ")


def norm_and_direction(student: Tensor, teacher: Tensor, direction: Tensor) -> Tensor:
    """ND per row [N], between 0 and 2; `direction` holds the unit vector of each row's class."""
    longer = torch.maximum(student.norm(dim=1), teacher.norm(dim=1)).clamp(min=1e-6)
    return 1 - (student * direction).sum(1) / longer


def at_positions(decisions: Decisions, size: tuple[int, int]) -> Decisions:
    """Decisions on a grid, read at the nearest positions of a map of this size."""
    assert decisions.grid is not None
    grid = count, tall, wide = decisions.grid
    rows = torch.arange(size[0], device=decisions.values.device) * tall // size[0]
    columns = torch.arange(size[1], device=decisions.values.device) * wide // size[1]

    def nearest(per_decision: Tensor | None) -> Tensor | None:
        return None if per_decision is None else per_decision.view(grid)[:, rows][:, :, columns].flatten()

    return decisions.but(
        labels=nearest(decisions.labels),
        valid=nearest(decisions.valid),
        weight=nearest(decisions.weight),
        grid=(count, *size),
    )


class NormAndDirection(Wrapper):
    """A term of norm and direction towards the teacher's class means, around any method on classes."""

    name = "nd_loss"
    Config = NDConfig
    own = Needs(
        axes=frozenset({"class"}),
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        student_taps=frozenset({"$student_tap"}),
        teacher_taps=frozenset({"$teacher_tap"}),
    )
    sums: Tensor  # [K,D] of the teacher's features of each class

    def build(self, specs: Specs, task: Task) -> None:
        super().build(specs, task)
        own = width(specs.student.taps[self.c.student_tap])
        wanted = width(specs.teacher.taps[self.c.teacher_tap])
        self.register_buffer("sums", torch.zeros(specs.student.outputs, wanted))
        layers = (nn.BatchNorm1d(own), nn.Dropout(self.c.dropout), nn.Linear(own, wanted))
        self.project: nn.Module = nn.Identity() if own == wanted else nn.Sequential(*layers)

    def extra(self, step: Step) -> dict[str, Term]:
        return {"nd": Term(lambda: self.distance(step), self.c.weight)}

    def distance(self, step: Step) -> Tensor:
        said, signal = step.decide(), step.teacher()
        if said.labels is None:
            taught = signal.decisions
            said = said.but(labels=taught.labels if taught.labels is not None else taught.predictions())
        student, teacher = step.student().taps[self.c.student_tap], signal.taps[self.c.teacher_tap]
        if said.grid is not None and student.dim() == teacher.dim() == 4:
            student, teacher = meet(student, teacher)
            said = at_positions(said, (student.shape[2], student.shape[3]))
            student, teacher = student.permute(0, 2, 3, 1).flatten(0, 2), teacher.permute(0, 2, 3, 1).flatten(0, 2)
        else:
            student, teacher = as_vector(student), as_vector(teacher)
        assert said.labels is not None
        self.remember(teacher.detach(), said)
        return said.mean(norm_and_direction(self.project(student), teacher, F.normalize(self.sums[said.labels], dim=1)))

    @torch.no_grad()
    def remember(self, teacher: Tensor, said: Decisions) -> None:
        """Add the teacher's features to their classes'. A matrix product, since it adds in the same order on every device."""
        assert said.labels is not None
        member = F.one_hot(said.labels, len(self.sums)).to(teacher.dtype)
        if said.valid is not None:
            member = member * said.valid[:, None]
        self.sums = self.sums + member.t() @ teacher
