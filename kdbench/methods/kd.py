"""Knowledge distillation: match the teacher's softened answers.

G. Hinton, O. Vinyals, J. Dean: Distilling the Knowledge in a Neural Network. NIPS 2014 workshop.

    L = task · CE(y, s) + weight · T² · mean_i D(p_t(i; T) ‖ p_s(i; T)),    p(i; T) = softmax(z_i / T)

    D:  fkl   KL(t ‖ s)                      the paper's: covers all of the teacher's answers
        rkl   KL(s ‖ t)                      keeps to the teacher's best answers
        js    ½ KL(t ‖ m) + ½ KL(s ‖ m)      m = (t + s) / 2; at most ln 2
        skew  KL(t ‖ skew · t + (1−skew) · s)    at most −ln(skew)
        tvd   ½ Σ |t − s|                    at most 1

On tags, p is a Bernoulli per tag and D the mean over tags; on candidates, p is the softmax over a query's list (list KL).
An ensemble's p_t is its mean probability, to which T is applied afterwards. Released codes differ in the reduction: a mean over
the batch here, a mean over batch × classes elsewhere (K times smaller). T² keeps the gradient's size at any T for the KLs and
js; for tvd, whose gradient falls as 1/T, it grows with T: use T 1.

js and tvd for sequences: Y. Wen, Z. Li, W. Du, L. Mou: f-Divergence Minimization for Sequence-Level Knowledge Distillation.
ACL 2023. skew: J. Ko, S. Kim, T. Chen, S.-Y. Yun: DistiLLM: Towards Streamlined Distillation for Large Language Models.
ICML 2024 (its skew is .1; TAID's code mixes in the same sense).

Defaults are those of the CRD comparison (task .1, weight .9, T 4), which most published CIFAR tables use.
"""

from __future__ import annotations

from pydantic import Field

from kdbench.contract.decisions import Kind, divergence
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class KDConfig(Config):
    T: float = Field(4.0, gt=0, description="temperature")
    weight: float = Field(0.9, ge=0, description="weight of the divergence to the teacher")
    task: float = Field(0.1, ge=0, description="weight of the supervised loss; 0 reads no label")
    divergence: Kind = Field("fkl", description="KL(t‖s), KL(s‖t), Jensen–Shannon, skewed KL, total variation")
    skew: float = Field(0.1, gt=0, lt=1, description="the teacher's share in the mixture of divergence skew; read by it alone")


class KD(Method):
    """Divergence between softened answers, on any axis."""

    name = "kd"
    Config = KDConfig
    needs = Needs(streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        def match():
            teacher = step.teacher().decisions
            student = step.decide()
            return student.mean(divergence(student, teacher, self.c.T, self.c.divergence, skew=self.c.skew))

        return {
            "task": Term(step.supervised, self.c.task),
            "kd": Term(match, self.c.weight),
        }
