"""Methods with mistakes that authors make while they write, one each: what the suite says of them is what the test reads."""

from kdbench.api import Config, Field, Method, Needs, Term, divergence, nn

print("a plugin says something")


class Params(Config):
    weight: float = Field(1.0, ge=0, description="weight of the match")
    features: float = Field(1.0, ge=0, description="weight of the features")
    tap: str = Field("embedding", description="tap of both")


class Sound(Method):
    """A term on answers and one on features."""

    name = "sound"
    Config = Params
    needs = Needs(
        axes=frozenset({"class"}),
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        student_taps=frozenset({"$tap"}),
        teacher_taps=frozenset({"$tap"}),
    )

    def build(self, specs, task):
        ours, theirs = specs.student.taps[self.c.tap], specs.teacher.taps[self.c.tap]
        wide = len(ours) == 3
        self.project = nn.Conv2d(ours[0], theirs[0], 1) if wide else nn.Linear(ours[-1], theirs[-1])

    def match(self, step):
        student = step.decide()
        return student.mean(divergence(student, step.teacher().decisions, 4.0))

    def features(self, step):
        ours, theirs = step.student().taps[self.c.tap], step.teacher().taps[self.c.tap]
        return (self.project(ours) - theirs).pow(2).mean()

    def terms(self, step):
        return {
            "task": Term(step.supervised, 1.0),
            "match": Term(lambda: self.match(step), self.c.weight),
            "features": Term(lambda: self.features(step), self.c.features),
        }


class Guessed(Params):
    tap: str = Field("penultimate", description="tap of both")


class GuessedTap(Sound):
    name = "guessed_tap"
    Config = Guessed


class Misspelt(Sound):
    name = "misspelt"

    def match(self, step):
        return super().match(step) * self.c.feature


class PlainNumber(Sound):
    name = "plain_number"

    def match(self, step):
        return super().match(step).item()


class AList(Sound):
    name = "a_list"

    def terms(self, step):
        return list(super().terms(step).values())


class RootOfNothing(Sound):
    name = "root_of_nothing"

    def features(self, step):
        return (0 * super().features(step)).sqrt()


class MadeInTheStep(Sound):
    name = "made_in_the_step"

    def features(self, step):
        self.__dict__["fresh"] = nn.Linear(4, 1)  # known to nobody
        return super().features(step) + 0 * self.__dict__["fresh"].weight.sum()


class Talks(Sound):
    name = "talks"

    def match(self, step):
        print("a step says something")
        return super().match(step)
