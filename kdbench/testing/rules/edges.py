"""The ends of what may come in: one answer, one sample, nothing that counts, logits of ±50. Zero, finite, or a named refusal."""

from __future__ import annotations

from collections.abc import Callable

from kdbench.testing.case import Case, refusal, several
from kdbench.testing.lenses import OneAnswer, decided, extreme, invalid
from kdbench.testing.run import Run
from kdbench.testing.verdict import Verdict, fails, holds, rule

ZERO = 1e-12
MEND = "guard logarithms and divisions; where it has no meaning, raise ValueError with a sentence that says why"


@rule("one-answer", mend=MEND)
def one_answer(case: Case) -> Verdict:
    """One class, one tag or one candidate: terms and gradients are finite, or it is refused with a reason."""
    return finite(case, lambda: case.start(lens=OneAnswer))  # type: ignore[arg-type, return-value]


@rule("batch-of-one", mend=MEND)
def batch_of_one(case: Case) -> Verdict:
    """A batch of one sample: terms and gradients are finite, or it is refused with a reason."""
    return finite(case, lambda: case.start(batch=1))


@rule("extreme-logits", mend="work with log_probs and logsumexp, never with the logarithm of a softmax")
def extreme_logits(case: Case) -> Verdict:
    """Logits of ±50 in student and teacher: terms and gradients are finite."""
    return finite(case, lambda: decided(case.start(), extreme), refusals=False)


@rule("nothing-valid", mend="reduce with decisions.mean, which is 0 where no row is valid")
def nothing_valid(case: Case) -> Verdict:
    """Where no decision counts, terms over decisions are 0 and everything is finite, or it is refused with a reason."""
    ended = finite(case, lambda: decided(case.start(), invalid))
    needs = case.setting.needs
    if ended.state == "fail" or ended.sentence or needs.student_taps or needs.teacher_taps:
        return ended
    for phase, at in case.stations:
        terms = decided(case.start(), invalid).jump(at).look()
        left = {
            name: float(seen.value) for name, seen in terms.items() if seen.owner == "student" and abs(float(seen.value)) > ZERO
        }
        if left:
            name, value = next(iter(left.items()))
            return fails(f"term {name!r}{case.place(phase)} is {value:.4g} where no decision is valid")
    return ended


def finite(case: Case, begin: Callable[[], Run], refusals: bool = True) -> Verdict:
    """Whether every term and every gradient is finite, in every phase."""
    for phase, at in case.stations:
        try:
            terms = begin().jump(at).look(gradients=True)
        except Exception as error:
            if refusals and (words := refusal(error)) is not None:
                return holds(f"refused: {words}")
            return fails(f"it breaks{case.place(phase)}: {case.told(error)}")
        for name, seen in terms.items():
            if not bool(seen.value.isfinite().all()):
                return fails(f"term {name!r}{case.place(phase)} is {float(seen.value)}")
            wild = [p for p, g in seen.gradient.items() if not bool(g.isfinite().all())]
            if wild:
                return fails(f"the gradient of term {name!r}{case.place(phase)} is not finite at {several(wild)}")
    return holds()
