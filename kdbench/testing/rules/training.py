"""Whether it runs at all: a few steps, also with a forward pass in bf16, and without a wait of a device for the host."""

from __future__ import annotations

import math

from kdbench.testing.case import Case
from kdbench.testing.verdict import Verdict, fails, holds, rule
from kdbench.testing.waits import counted
from kdbench.train.stream import Tick


@rule("trains", mend="run it with --debug to see where it stops; every other rule waits for this one")
def trains(case: Case) -> Verdict:
    """A few steps run to their end, and every term is a finite number."""
    means = case.whole.means
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    if bad:
        return fails(f"{', '.join(bad)} is not finite within {case.whole.run.learner.at} steps")
    if not means:
        return fails("no step had a term: there is nothing to learn from")
    return holds("terms " + ", ".join(sorted(means)))


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
