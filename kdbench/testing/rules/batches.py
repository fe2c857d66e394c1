"""What a loss owes to its batch: the order of samples does not matter, and a decision counts for as much as it weighs."""

from __future__ import annotations

import torch

from kdbench.contract.batch import Batch
from kdbench.testing.case import Case
from kdbench.testing.lenses import decided, streamed, weighted
from kdbench.testing.run import Run
from kdbench.testing.verdict import Verdict, fails, holds, rule, skips

CLOSE, TINY = 3e-4, 1e-6  # sums in another order: batch statistics, then many layers in float32
Q = 0.25


@rule("order", mend="a sample's place in the batch must not matter; where it does (pairs of neighbours), say so in `exempt`")
def order(case: Case) -> Verdict:
    """Samples in another order give the same terms."""
    for phase, at in case.stations:
        run = case.at(at)
        before = run.look()
        if drew(run):
            return skips("it draws random numbers by place in the batch")
        after = streamed(case.at(at), lambda name, batch: shuffled(batch)).look()
        for name, seen in before.items():
            a, b = float(seen.value), float(after[name].value)
            if abs(a - b) > CLOSE * max(abs(a), abs(b)) + TINY:
                return fails(f"term {name!r}{case.place(phase)} is {a:.6g}, and {b:.6g} with the same samples in another order")
    return holds()


def drew(run: Run) -> bool:
    """Whether the step took random numbers, from its own generator or from torch's."""
    assert run.step is not None
    return any(
        not torch.equal(g.get_state(), torch.Generator().manual_seed(g.initial_seed()).get_state())
        for g in (run.step.generator, torch.default_generator)
    )


def shuffled(batch: Batch) -> Batch:
    """The samples in another order."""
    rows = torch.randperm(len(batch), generator=torch.Generator().manual_seed(1))
    fields = {name: value[rows] for name, value in batch.fields.items()}
    return batch.but(fields=fields, index=batch.index[rows], view=batch.view[rows])


@rule(
    "decision-weight",
    mend="reduce with decisions.mean(per_row), which multiplies by the weights and does not divide by their sum",
)
def decision_weight(case: Case) -> Verdict:
    """Where every decision weighs q, a loss over decisions is q times as large."""
    needs = case.setting.needs
    if needs.student_taps or needs.teacher_taps:
        return skips("it compares taps, whose rows bear no weight")
    compared = 0
    for phase, at in case.stations:
        whole = {n: s for n, s in case.at(at).look().items() if s.owner == "student" and abs(float(s.value)) > TINY}
        by_student = decided(case.at(at), weighted(Q), teacher=False).look()
        by_teacher = decided(case.at(at), weighted(Q), student=False).look()
        for name, seen in whole.items():
            shares = [float(found[name].value / seen.value) for found in (by_student, by_teacher) if name in found]
            if not any(abs(share - Q) <= CLOSE for share in shares):
                return fails(
                    f"term {name!r}{case.place(phase)} is {shares[0]:.4g} times as large where every decision weighs {Q}"
                )
            compared += 1
    return holds() if compared else skips("every term is 0 here")
