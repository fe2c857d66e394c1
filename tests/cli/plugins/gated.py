"""Relational distillation with a gate that looks for the samples where relations differ most."""

from kdbench.api import Config, F, Field, Method, Needs, Owner, Step, Term, nn, torch


class GatedConfig(Config):
    weight: float = Field(5.0, ge=0, description="weight of the relations")
    gate_lr: float = Field(0.01, gt=0, description="learning rate of the gate")
    cost: float = Field(0.1, ge=0, description="what the gate pays for every sample that it stresses")


class Gated(Method):
    """Cosine relations between samples, stressed where a learned gate finds the largest gap."""

    name = "gated"
    Config = GatedConfig
    needs = Needs(
        axes=frozenset({"class"}),
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        student_taps=frozenset({"embedding"}),
        teacher_taps=frozenset({"embedding"}),
    )

    def build(self, specs, task):
        self.gate = nn.Linear(specs.student.outputs, 1)
        self.register_buffer("seen", torch.zeros(specs.student.outputs))  # how much each class was stressed

    def owners(self, net):
        own = {"lr": self.c.gate_lr, "weight_decay": 0.0}
        return {"student": Owner([*net.parameters()]), "gate": Owner([*self.gate.parameters()], own)}

    def terms(self, step: Step):
        teacher, student = step.teacher(), step.student()
        gap = (relation(student.taps["embedding"]) - relation(teacher.taps["embedding"])).pow(2).mean(1)
        gate = self.gate(teacher.decisions.log_probs().exp()).sigmoid().squeeze(1)
        self.seen.index_add_(0, teacher.decisions.predictions(), gate.detach())
        return {
            "task": Term(step.supervised),
            "relation": Term((gate * gap).mean(), self.c.weight),
            "gate": Term(self.c.cost * gate.mean() - (gate * gap).mean(), owner="gate"),
        }


def relation(features):
    features = F.normalize(features.flatten(1), dim=1)
    return features @ features.T
