"""Relational distillation with a gate that looks for the samples where relations differ most (made up for this example).

    R_ij = cos(f_i, f_j) over the batch,   gap_i = mean_j (R^s_ij − R^t_ij)²,   g_i = sigmoid(w · p_t(i) + b)
    student:  L = task · CE + weight · mean_i g_i gap_i          gate:  L = cost · mean_i g_i − mean_i g_i gap_i

The gate is a player of its own: it raises g where the gap is large, and pays for every g. Nothing has to be detached, since a
term reaches its owner's parameters and no others.
"""

import functools

from kdbench.api import Config, F, Field, Method, Needs, NetSpec, Owner, Specs, Step, Task, Tensor, Term, nn, torch


class GatedConfig(Config):
    weight: float = Field(5.0, ge=0, description="weight of the relations")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    cost: float = Field(0.1, ge=0, description="what the gate pays for every sample that it stresses")
    gate_lr: float = Field(0.01, gt=0, description="learning rate of the gate")


def relations(features: Tensor) -> Tensor:
    """[B,B] cosines."""
    features = F.normalize(features, dim=1)
    return features @ features.T


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

    def build(self, specs: Specs, task: Task) -> None:
        for whose, net in (("student", specs.student), ("teacher", specs.teacher)):
            self.check(whose, net)
        self.gate = nn.Linear(specs.teacher.outputs, 1)
        self.register_buffer("stressed", torch.zeros(()))  # how much it has stressed so far; a buffer, so it is resumed

    def check(self, whose: str, net: NetSpec) -> None:
        if len(net.taps["embedding"]) != 1:
            raise ValueError(f"gated relates one vector a sample, the {whose}'s embedding is {net.taps['embedding']}")

    def owners(self, net: nn.Module) -> dict[str, Owner]:
        own = {"lr": self.c.gate_lr, "weight_decay": 0.0}
        return {"student": Owner([*net.parameters()]), "gate": Owner([*self.gate.parameters()], own)}

    def terms(self, step: Step) -> dict[str, Term]:
        @functools.cache  # both players look at the same numbers
        def looked() -> tuple[Tensor, Tensor]:
            teacher = step.teacher()
            gap = relations(step.student().taps["embedding"]) - relations(teacher.taps["embedding"])
            gate = self.gate(teacher.decisions.log_probs().exp()).sigmoid().squeeze(1)
            self.stressed += gate.detach().sum()
            return gate, gap.pow(2).mean(1)

        def relation() -> Tensor:
            gate, gap = looked()
            return (gate * gap).mean()

        return {
            "task": Term(step.supervised, self.c.task),
            "relation": Term(relation, self.c.weight),
            # Without the relations the gate has nothing to do, and no forward pass is made for it.
            "gate": Term(lambda: self.c.cost * looked()[0].mean() - relation(), float(self.c.weight > 0), owner="gate"),
        }
