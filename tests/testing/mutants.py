"""Methods with one fault each, as a plugin file: what the conformance suite and the exact gate must see."""

import itertools

from kdbench.api import Config, F, Field, Method, Needs, Owner, Term, divergence, nn, torch

TRANSFER = frozenset({"transfer"})
PROBS = Needs(streams=TRANSFER, signal=frozenset({"probs"}))
VALUES = Needs(streams=TRANSFER, signal=frozenset({"values"}))
EMBEDDING = frozenset({"embedding"})
TAPS = Needs(streams=TRANSFER, student_taps=EMBEDDING, teacher_taps=EMBEDDING)


class Weights(Config):
    weight: float = Field(0.9, ge=0, description="weight of the match")
    task: float = Field(0.1, ge=0, description="weight of the supervised loss")


class Mutant(Method):
    """kd as it is built in, with its one term open to harm. Without a fault it conforms."""

    name = "mutant_without_fault"
    Config = Weights
    needs = PROBS

    def match(self, step):
        student = step.decide()
        return student.mean(divergence(student, step.teacher().decisions, 4.0))

    def terms(self, step):
        return {"task": Term(step.supervised, self.c.task), "kd": Term(lambda: self.match(step), self.c.weight)}


class WithoutSquare(Mutant):
    """T² is dropped."""

    name = "without_square"

    def match(self, step):
        student = step.decide()
        return student.mean(divergence(student, step.teacher().decisions, 4.0, squared=False))


class SwappedArguments(Mutant):
    """KL(student ‖ teacher) instead of KL(teacher ‖ student)."""

    name = "swapped_arguments"

    def match(self, step):
        student = step.decide()
        return student.mean(divergence(step.teacher().decisions, student, 4.0))


class SumForMean(Mutant):
    """A sum over the batch."""

    name = "sum_for_mean"

    def match(self, step):
        return super().match(step) * step.decide().count


class TeacherInTraining(Mutant):
    """The teacher is kept as a submodule, so it goes into training mode with the method."""

    name = "teacher_in_training"

    def adapt(self, net, teachers):
        self.teacher = teachers[0]
        return net


class DetachedRegressor(Mutant):
    """The regressor is detached, so it never learns."""

    name = "detached_regressor"
    needs = TAPS

    def build(self, specs, task):
        self.regressor = nn.Linear(specs.student.taps["embedding"][0], specs.teacher.taps["embedding"][0])

    def match(self, step):
        guided, hint = step.student().taps["embedding"], step.teacher().taps["embedding"]
        frozen = F.linear(guided, self.regressor.weight.detach(), self.regressor.bias.detach())
        return (frozen - hint).pow(2).sum(1).mean()


class IdleTerm(Mutant):
    """The student is detached in the term: a loss that is logged and teaches nothing."""

    name = "idle_term"

    def match(self, step):
        return super().match(step).detach().requires_grad_() + 0 * step.decide().values.sum()


class AdapterAlone(Mutant):
    """The student is detached before the regressor: the regressor learns, and the term teaches the student nothing."""

    name = "adapter_alone"
    needs = TAPS

    def build(self, specs, task):
        self.regressor = nn.Linear(specs.student.taps["embedding"][0], specs.teacher.taps["embedding"][0])

    def match(self, step):
        guided, hint = step.student().taps["embedding"], step.teacher().taps["embedding"]
        return (self.regressor(guided.detach()) - hint).pow(2).sum(1).mean()


class ScaledTeacher(Mutant):
    """The teacher's logits are divided in place, for everybody who reads them afterwards."""

    name = "scaled_teacher"
    needs = VALUES

    def match(self, step):
        step.teacher().decisions.values.div_(2)
        return super().match(step)


class ScaledStudent(Mutant):
    """The student's own values are changed in place, so the other terms see them changed."""

    name = "scaled_student"

    def match(self, step):
        with torch.no_grad():
            step.student().values.mul_(1.5)
        return super().match(step)


class StrayGradient(Mutant):
    """An own backward that lets one player's loss reach the other's parameters."""

    name = "stray_gradient"

    def build(self, specs, task):
        self.gate = nn.Linear(specs.student.outputs, 1)

    def owners(self, net):
        return {"student": Owner(list(net.parameters())), "gate": Owner(list(self.gate.parameters()))}

    def terms(self, step):
        gate = lambda: self.gate(step.decide().log_probs()).mean()
        return {**super().terms(step), "gate": Term(gate, owner="gate")}

    def backward(self, terms, owners):
        values = {name: term.compute() for name, term in terms.items()}
        sum(terms[name].weight * value for name, value in values.items()).backward()
        return {name: value.detach() for name, value in values.items()}


class SmoothedTeacher(Mutant):
    """A match whose minimum is not at the teacher."""

    name = "smoothed_teacher"

    def match(self, step):
        student, teacher = step.decide(), step.teacher().decisions
        softer = 0.7 * teacher.log_probs().exp() + 0.3 / teacher.answers
        return student.mean(-(softer * student.log_probs()).sum(-1))


class EagerTerm(Mutant):
    """The match is computed whatever it weighs, so its forward pass moves the batch statistics."""

    name = "eager_term"

    def terms(self, step):
        return {**super().terms(step), "kd": Term(self.match(step), self.c.weight)}


class Forgetful(Mutant):
    """A running mean that no state holds."""

    name = "forgetful"
    seen = 0.0

    def match(self, step):
        value = super().match(step)
        self.seen = 0.9 * self.seen + 0.1 * float(value.detach())
        return value * (1 + self.seen)


class HeadOfItsOwn(Mutant):
    """The exported net is not the student."""

    name = "head_of_its_own"

    def export(self, net):
        net.backbone.add_module("left_over", nn.Linear(2, 2))
        return net


class Neighbours(Mutant):
    """Samples are compared with whoever comes next."""

    name = "neighbours"

    def match(self, step):
        s, t = step.decide().log_probs().exp(), step.teacher().decisions.log_probs().exp()
        return ((s[1:] - s[:-1]) - (t[1:] - t[:-1])).pow(2).sum()


class Normalised(Mutant):
    """Weights are divided by their sum, so that a uniform one does nothing."""

    name = "normalised"

    def match(self, step):
        student = step.decide()
        rows = divergence(student, step.teacher().decisions, 4.0)
        weight = torch.ones_like(rows) if student.weight is None else student.weight
        return (rows * weight).sum() / weight.sum()


class LogOfRest(Mutant):
    """The probability of all other answers, which is 0 where there is only one."""

    name = "log_of_rest"

    def match(self, step):
        s, t = (d.log_probs().exp().amax(-1) for d in (step.decide(), step.teacher().decisions))
        return ((1 - s).log() - (1 - t).log()).pow(2).mean()


class SpreadOfBatch(Mutant):
    """A deviation over the batch, which one sample does not have."""

    name = "spread_of_batch"

    def match(self, step):
        s, t = step.decide().log_probs(), step.teacher().decisions.log_probs()
        return (s.std(0) - t.std(0)).pow(2).sum()


class LogOfSoftmax(Mutant):
    """log(softmax) instead of log_softmax."""

    name = "log_of_softmax"

    def match(self, step):
        s, t = (torch.softmax(d.logits(), -1) for d in (step.decide(), step.teacher().decisions))
        return step.decide().mean((t * (t.log() - s.log())).sum(-1))


class CountsEverything(Mutant):
    """A mean over all rows, whichever are valid."""

    name = "counts_everything"

    def match(self, step):
        return divergence(step.decide(), step.teacher().decisions, 4.0).mean()


class UndeclaredTap(Mutant):
    """A tap that the needs do not name: a plan would accept nets and stores that lack it."""

    name = "undeclared_tap"

    def match(self, step):
        return super().match(step) + 0.1 * step.teacher().taps["embedding"].mean()


class RoundsAway(Mutant):
    """A division by what is lost to bf16: nothing, where the forward pass ran in bf16."""

    name = "rounds_away"

    def match(self, step):
        values = step.decide().values
        lost = (values - values.to(torch.bfloat16).float()).abs().mean()
        return super().match(step) + 1e-3 * values.pow(2).mean() / lost


class ReadsItsLoss(Mutant):
    """A branch on a value: a GPU has to finish everything before it."""

    name = "reads_its_loss"

    def match(self, step):
        value = super().match(step)
        return value if value > -1 else -value


class AsksAList(Mutant):
    """Answers as a list, which no operation shows."""

    name = "asks_a_list"

    def match(self, step):
        return super().match(step) + 0 * len(step.teacher().decisions.predictions().tolist())


class CopiesNumbers(Mutant):
    """A tensor that is made of numbers at each step."""

    name = "copies_numbers"

    def match(self, step):
        values = step.decide().values
        return super().match(step) + 0 * (values[:, :2] * values.new_tensor([1.0, 2.0])).mean()


class Masks(Mutant):
    """Rows picked by a mask: how many there are must be known before the next operation begins."""

    name = "masks"

    def match(self, step):
        values = step.decide().values
        return super().match(step) + 0 * values[values[:, 0] > -1e9].mean()


class NotANumber(Mutant):
    """A loss that is no number."""

    name = "not_a_number"

    def match(self, step):
        return super().match(step) * float("nan")


class Counter(Mutant):
    """Draws from a generator of its own, which no position gives back."""

    name = "own_generator"
    drawn = itertools.count()

    def match(self, step):
        return super().match(step) * (1 + 0.1 * (next(self.drawn) % 7))
