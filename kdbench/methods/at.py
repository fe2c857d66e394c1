"""Attention transfer: match where the energy of a feature map lies.

S. Zagoruyko, N. Komodakis: Paying More Attention to Attention. ICLR 2017. (The activation form, as in the release.)

    a(F) = normalise(vec(mean_c F²)),    L = task · CE + weight · Σ_taps mean_{i, position} (a(F_s) − a(F_t))²  [+ kd · KD]

The mean runs over samples and positions, so one weight means different things at different map sizes: 1000 is the CRD
comparison's weight for 32×32 to 8×8 maps; on 8×8 to 2×2 maps it is 16 times as strong and destroys a student. Calibrate it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import divergence
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class ATConfig(Config):
    weight: float = Field(1000.0, ge=0, description="weight of the attention maps' distance, summed over taps")
    taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=1, description="taps, the same names in both nets")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    kd: float = Field(0.0, ge=0, description="weight of softened answers beside the maps")
    T: float = Field(4.0, gt=0, description="temperature of kd")


def attention(feature: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, H·W] map of energy over positions, of unit norm; invariant to the feature's scale and to its channels' order."""
    energy = feature.pow(2).mean(1, keepdim=True)
    if tuple(energy.shape[2:]) != size:
        energy = F.adaptive_avg_pool2d(energy, size)
    return F.normalize(energy.flatten(1), dim=1)


class AT(Method):
    """Distance between normalised energy maps at several stages."""

    name = "at"
    Config = ATConfig
    needs = Needs(
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        student_taps=frozenset({"$taps"}),
        teacher_taps=frozenset({"$taps"}),
    )

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def maps() -> Tensor:
            student, teacher = step.student().taps, step.teacher().taps
            gaps = []
            for tap in c.taps:
                s, t = student[tap], teacher[tap]
                size = (min(s.shape[2], t.shape[2]), min(s.shape[3], t.shape[3]))
                gaps.append((attention(s, size) - attention(t, size)).pow(2).mean())
            return torch.stack(gaps).sum()

        def match() -> Tensor:
            student = step.decide()
            return student.mean(divergence(student, step.teacher().decisions, c.T))

        return {
            "task": Term(step.supervised, c.task),
            "at": Term(maps, c.weight),
            "kd": Term(match, c.kd),
        }
