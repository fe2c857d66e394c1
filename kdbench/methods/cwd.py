"""Channel-wise distillation: where on the map each channel is high, as a distribution over positions.

C. Shu, Y. Liu, J. Gao, Z. Yan, C. Shen: Channel-Wise Knowledge Distillation for Dense Prediction. ICCV 2021.

    φ(F)_c = softmax over positions of F_c / T,    L = task · CE + weight · T² · mean_{i, c} KL(φ(F_t)_c ‖ φ(F_s)_c)

`cwd` compares the maps of answers, one channel a class. `cwd_features` compares taps (there, T is called spread), with a 1×1
convolution on the student where widths differ, at the smaller of both sizes; a list's channels lie over its candidates. A
constant added to a channel changes nothing. Maps of answers come at one size (bilinear, before the softmax); positions that are
not valid have no share and no loss, and a position's weight multiplies its part.

The paper's T is 4, its weights 3 for answers and 50 for features (from memory). MMRazor publishes T 1 and weight 5 for answers on
Cityscapes, T 1 and weight 10 for features on COCO. One release counts only the first sample of a batch unless told otherwise.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): cwd_features at stage2
80.6, below the control.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.taps import Shape, meet, pointwise, width
from kdbench.methods.features import FeatureConfig, FeatureMethod, as_map, positions


class CWDConfig(Config):
    T: float = Field(4.0, gt=0, description="temperature of the softmax over positions")
    weight: float = Field(3.0, ge=0, description="weight of the divergence between maps of answers")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")


class CWDFeaturesConfig(FeatureConfig):
    weight: float = Field(50.0, ge=0, description="weight of the divergence, summed over taps")
    student_taps: list[str] = Field(["stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(["stage3"], min_length=1, description="the teacher's taps, compared with them one by one")
    spread: float = Field(4.0, gt=0, description="temperature of the softmax over positions")


def channel_divergence(
    student: Tensor, teacher: Tensor, T: float, valid: Tensor | None = None, weight: Tensor | None = None
) -> Tensor:
    """T² times the mean over samples and channels of KL over positions; maps [B,C,H,W], valid and weight [B,H,W]."""
    s, t = student.flatten(2) / T, teacher.flatten(2) / T
    if valid is not None:
        kept = valid.flatten(1)[:, None]
        # The lowest finite number: an image without a valid position then has a harmless uniform softmax instead of NaN.
        s, t = s.masked_fill(~kept, torch.finfo(s.dtype).min), t.masked_fill(~kept, torch.finfo(t.dtype).min)
    s, t = torch.log_softmax(s, -1), torch.log_softmax(t, -1)
    per = t.exp() * (t - s)
    if valid is not None:
        per = torch.where(kept, per, torch.zeros_like(per))
    if weight is not None:
        per = per * weight.flatten(1)[:, None]
    return T * T * per.sum(-1).mean()


def on_grid(decisions: Decisions, rows: Tensor | None) -> Tensor | None:
    """A value per decision [N], where there is one, as a map [B,H,W]."""
    return rows if rows is None or decisions.grid is None else rows.view(decisions.grid)


class CWD(Method):
    """Each class's map of answers, as a distribution over positions."""

    name = "cwd"
    Config = CWDConfig
    needs = Needs(streams=frozenset({"transfer"}), signal=frozenset({"probs"}), grid=True)

    def terms(self, step: Step) -> dict[str, Term]:
        def match() -> Tensor:
            student, teacher = step.decide(), step.teacher().decisions
            valid, weight = on_grid(student, student.valid), on_grid(student, student.weight)
            return channel_divergence(student.maps(), teacher.maps(), self.c.T, valid, weight)

        return {"task": Term(step.supervised, self.c.task), "cwd": Term(match, self.c.weight)}


class CWDFeatures(FeatureMethod):
    """Each channel of a tap, as a distribution over positions."""

    name = "cwd_features"
    Config = CWDFeaturesConfig

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        if min(positions(student), positions(teacher)) < 2:
            raise KdbenchError("a distribution over one position says nothing")
        own, wanted = width(student), width(teacher)
        return nn.Identity() if own == wanted else pointwise(student, own, wanted)

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        student, teacher = meet(layers(student), teacher)
        return channel_divergence(as_map(student), as_map(teacher), self.c.spread)
