"""A plugin file for tests of the verbs: methods of lists alone (the family that runs fastest), sound and not."""

from kdbench.api import Config, Field, Method, Needs, Step, Term

LISTS = Needs(axes=frozenset({"candidate"}), streams=frozenset({"transfer"}), signal=frozenset({"values"}))


class Weights(Config):
    weight: float = Field(1.0, ge=0, description="weight of the scores' distance")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")


class Scores(Method):
    """Squared distance of scores."""

    name = "scores"
    Config = Weights
    needs = LISTS

    def terms(self, step: Step) -> dict[str, Term]:
        def match():
            student, teacher = step.decide(), step.teacher().decisions
            return student.mean((student.logits() - teacher.logits()).pow(2).mean(1))

        return {"task": Term(step.supervised, self.c.task), "scores": Term(match, self.c.weight)}


class Careless(Scores):
    """The same as a plain mean, with an exemption that names no rule."""

    name = "careless"
    exempt = {"weight_zero": "this is how it was called elsewhere"}

    def terms(self, step: Step) -> dict[str, Term]:
        def match():
            return (step.decide().logits() - step.teacher().decisions.logits()).pow(2).mean()

        return {"task": Term(step.supervised, self.c.task), "scores": Term(match, self.c.weight)}


class Excused(Careless):
    """The same with an exemption that holds."""

    name = "excused"
    exempt = {
        "nothing-valid": "it counts every list, for the sake of this test",
        "decision-weight": "it counts every list alike, for the sake of this test",
    }
