"""Several sources, each weighed by how like its features are to the target task: DistillWeighted and DistillNearest.

K. Borup, C. P. Phoo, B. Hariharan: Distilling from Similar Tasks for Transfer Learning on a Budget. ICCV 2023.

    L = share · CE(y, s) + (1 − share) · Σ_m α_m · mean_i CE(p_m(i), softmax(g_m(f_s(i))))
    α_m = e_m^power / Σ_j e_j^power,    g_m: one linear head for each source on the student's embedding, dropped at the end
    e_m: PARC of source m, the rank correlation of (1 − Pearson of its features) with (1 − Pearson of one-hot labels) over all
         pairs of labelled probes; below 0 it is 0

A source answers in classes of its own, so its head has as many outputs as it has. Power 0 weighs all alike, a large one takes
the nearest alone (choose: nearest, the limit). Where all are 0 they count alike. Share and power are recalled, not read (.8 and 9
to 12), and no code was found. PARC is taken without its principal components; ties have mean ranks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import MethodError
from kdbench.contract.method import Method, Specs, Step, Sweep, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task


class DistillWeightedConfig(Config):
    share: float = Field(0.8, ge=0, le=1, description="share of the supervised loss; the sources have the rest")
    power: float = Field(9.0, ge=0, description="how sharply likeness decides")
    choose: Literal["weighted", "nearest"] = Field("weighted", description="all sources, or the most alike one alone")
    probes: int = Field(500, ge=3, description="labelled samples on which likeness is measured, at most")
    tap: str = Field("embedding", description="tap of the student and of the sources")


def parc(features: np.ndarray, labels: np.ndarray) -> float:
    """Likeness of features [n,d] to classes [n]: 1 where distances fall in the same order, 0 for none and for the opposite."""
    from scipy.stats import spearmanr

    below = np.tril_indices(len(labels), -1)
    classes = np.unique(labels)
    one_hot = (labels[:, None] == classes).astype(np.float64)
    if len(classes) < 2:
        return 0.0
    with np.errstate(invalid="ignore"):  # a sample without any variation has no correlation, and then there is no likeness
        apart = [1 - np.asarray(np.corrcoef(rows.astype(np.float64)))[below] for rows in (features, one_hot)]
    found = spearmanr(*apart).statistic
    return float(max(found, 0.0)) if np.isfinite(found) else 0.0


def shares(likeness: Tensor, power: float, nearest: bool) -> Tensor:
    """Weights of the sources, which sum to 1."""
    if nearest:
        return torch.zeros_like(likeness).scatter(0, likeness.argmax(0, keepdim=True), 1.0)
    if not bool(likeness.any()):
        return torch.full_like(likeness, 1 / len(likeness))
    return torch.softmax(power * torch.log(likeness), 0) if power else torch.full_like(likeness, 1 / len(likeness))


class DistillWeighted(Method):
    """Soft labels of several sources on heads of their own, weighed by task similarity."""

    name = "distill_weighted"
    Config = DistillWeightedConfig
    needs = Needs(
        axes=frozenset({"class"}),
        streams=frozenset({"labelled", "transfer"}),
        signal=frozenset({"members", "member_taps"}),
        teachers="many",
        foreign=True,
        before=True,
        student_taps=frozenset({"$tap"}),
        flat=True,
    )
    alpha: Tensor
    heads: nn.ModuleList
    exempt = {"weight-zero": "its weights are shares: at share 1 it is `none`"}

    def build(self, specs: Specs, task: Task) -> None:
        shape = specs.student.taps[self.c.tap]
        if len(shape) != 1:
            raise MethodError(f"{self.name} puts heads on one vector a sample, the tap {self.c.tap!r} is {list(shape)}")
        self.heads = nn.ModuleList(nn.Linear(shape[0], teacher.outputs) for teacher in specs.teachers)
        self.register_buffer("alpha", torch.full((len(self.heads),), 1 / max(len(self.heads), 1)))

    def prepare(self, sweep: Sweep) -> None:
        likeness = sweep.kept(f"parc {self.c.probes} {self.c.tap}", lambda: {"likeness": self.measure(sweep)}, "labelled")
        self.alpha.copy_(shares(likeness["likeness"], self.c.power, self.c.choose == "nearest"))

    def measure(self, sweep: Sweep) -> Tensor:
        """PARC of each source on the first labelled samples."""
        features: list[list[Tensor]] = [[] for _ in self.heads]
        labels: list[Tensor] = []
        for batch in sweep("labelled"):
            assert batch.signal is not None
            labels.append(batch["label"])
            for found, member in zip(features, batch.signal.members, strict=True):
                if self.c.tap not in member.taps:
                    raise MethodError(f"{self.name}: a source has no tap {self.c.tap!r}, it has {', '.join(sorted(member.taps))}")
                found.append(member.taps[self.c.tap].flatten(1))
            if sum(map(len, labels)) >= self.c.probes:
                break
        truth = torch.cat(labels)[: self.c.probes].cpu().numpy()
        likeness = [parc(torch.cat(found)[: self.c.probes].float().cpu().numpy(), truth) for found in features]
        return torch.tensor(likeness, device=self.alpha.device)

    def terms(self, step: Step) -> dict[str, Term]:
        def sources() -> Tensor:
            vector, student = step.student().taps[self.c.tap], step.decide()
            total = vector.new_zeros(())
            for alpha, head, member in zip(self.alpha, self.heads, step.teacher().members, strict=True):
                rows = -(member.decisions.log_probs().exp() * head(vector).log_softmax(-1)).sum(-1)
                total = total + alpha * student.mean(rows)
            return total

        return {"task": Term(step.supervised, self.c.share), "sources": Term(sources, 1 - self.c.share)}
