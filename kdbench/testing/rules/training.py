"""Whether it runs at all: a few steps, also with a forward pass in bf16, and without a wait of a device for the host."""

from __future__ import annotations

import math

from kdbench.testing.case import Case
from kdbench.testing.verdict import Verdict, fails, holds, rule
from kdbench.testing.waits import counted
from kdbench.train.stream import Tick


@rule("trains", mend="guard logarithms, divisions and roots against 0: clamp what stands in them, before and not after")
def trains(case: Case) -> Verdict:
    """A few steps run to their end, and every term is a finite number."""
    whole = case.whole
    means = whole.means
    if whole.lost is not None:
        return fails(first_lost(case, *whole.lost))
    if not means:
        return fails("no step had a term: there is nothing to learn from", "return at least one Term from terms()")
    return holds("terms " + ", ".join(sorted(means)))


def first_lost(case: Case, step: int, names: list[str]) -> str:
    """Which term was the first that is no number. Weights that a gradient made NaN make every term one at the next step."""
    for name, seen in case.start().train(step - 1).look(gradients=True).items() if step else ():
        if not all(bool(g.isfinite().all()) for g in seen.gradient.values()):
            return f"the gradient of term {name!r} is not finite at step {step - 1}, and everything after it"
    return f"term {', '.join(map(repr, names))} is not finite at step {step}"


@rule("bf16", mend="keep sums, logarithms and divisions in float32, and bound what is divided by")
def bf16(case: Case) -> Verdict:
    """Finite where the forward pass runs under bf16 autocast."""
    run = case.start(recipe={"precision": "bf16"}).train()
    sums = run.learner.sums
    bad = [name for name, total in sums.items() if not math.isfinite(float(total))]
    lost = [name for name, p in run.names().items() if not bool(p.isfinite().all())]
    if bad or lost:
        return fails(f"{', '.join(bad or lost[:1])} is not finite under autocast")
    return holds()


@rule(
    "no-wait", mend="leave numbers on the device: torch.where for an if, tensors for what is kept; what is constant, in a buffer"
)
def no_wait(case: Case) -> Verdict:
    """No step reads a number from the device or copies one to it: on a GPU that is a wait."""
    for phase, at in case.stations:
        run = case.at(at).train(at + 1)  # the first step of a run may prepare something
        if run.learner.done:
            run = case.at(at)
        with counted() as found:
            run.learner.update(Tick(run.learner.at, run.streams))
        if found:
            return fails(f"{found[0]} in a step{case.place(phase)}, and {len(found) - 1} more")
    return holds()
