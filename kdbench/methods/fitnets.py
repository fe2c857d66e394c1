"""FitNets: first learn to reproduce a middle layer of the teacher, then distil.

A. Romero, N. Ballas, S. E. Kahou, A. Chassang, C. Gatta, Y. Bengio: FitNets: Hints for Thin Deep Nets. ICLR 2015.

    phase hint:   L = weight · ½ · mean ‖h − r(g)‖²    h: teacher's hint layer, g: student's guided layer, r: 1×1 regressor
    phase distil: L = task · CE + kd · T² · KL(p_t ‖ p_s)

The norm is a sum over channels and a mean over samples and positions, as in the release. Layers above the guided one have no
gradient in the first phase and are not stepped. The regressor is the method's own and never leaves with the student. Both phases
share the one budget of steps (`hint` is the first one's share), so the arm costs what its neighbours cost.

The paper weighs KD from 4 down to 1 without T² and trains with RMSProp; here KD has the weights of the CRD comparison, and the
recipe's optimiser. Its claim is that thin, deep nets train at all; where a student trains anyway, expect nothing, or harm.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Phase, Specs, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.taps import meet, pointwise, width
from kdbench.contract.task import Task
from kdbench.methods.features import softened


class FitNetsConfig(Config):
    guided: str = Field("stage2", description="the student's tap that learns the hint")
    hint: str = Field("stage2", description="the teacher's tap that is the hint")
    share: float = Field(0.3, ge=0, lt=1, description="share of the steps spent on the hint")
    weight: float = Field(1.0, ge=0, description="weight of the hint")
    T: float = Field(4.0, gt=0, description="temperature of the second phase")
    kd: float = Field(0.9, ge=0, description="weight of distillation in the second phase")
    task: float = Field(0.1, ge=0, description="weight of the supervised loss in the second phase")


class FitNets(Method):
    """A hint phase through a regressor, then distillation."""

    name = "fitnets"
    Config = FitNetsConfig
    needs = Needs(
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        signal_by="kd",
        student_taps=frozenset({"$guided"}),
        teacher_taps=frozenset({"$hint"}),
    )

    def build(self, specs: Specs, task: Task) -> None:
        guided, hint = specs.student.taps[self.c.guided], specs.teacher.taps[self.c.hint]
        if len(guided) != len(hint):
            raise KdbenchError(f"taps {self.c.guided} {guided} and {self.c.hint} {hint} must both be maps or both be vectors")
        self.regressor = pointwise(hint, width(guided), width(hint))

    def phases(self) -> list[Phase]:
        # Without weight there is no hint phase: the second one is then all there is (the weight-zero rule).
        if self.c.share == 0 or self.c.weight == 0:
            return [Phase("distil")]
        return [Phase("hint", self.c.share), Phase("distil", 1 - self.c.share)]

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c
        if step.phase == "hint":
            return {"hint": Term(lambda: self.distance(step), c.weight)}

        return {"task": Term(step.supervised, c.task), "kd": Term(lambda: softened(step, c.T), c.kd)}

    def distance(self, step: Step) -> Tensor:
        guided, hint = meet(step.student().taps[self.c.guided], step.teacher().taps[self.c.hint])
        channels = 1 if guided.dim() == 4 else -1
        return 0.5 * (self.regressor(guided) - hint).pow(2).sum(channels).mean()
