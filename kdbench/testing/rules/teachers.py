"""What may not be touched: a frozen teacher, and what a gang shares; and where a student that is its teacher stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.contract.errors import MethodError
from kdbench.testing.case import Case, several
from kdbench.testing.lenses import answered, streamed
from kdbench.testing.run import Run, Seen
from kdbench.testing.setting import misfits
from kdbench.testing.verdict import Verdict, fails, holds, rule, skips
from kdbench.train.stream import Tick

STATIONARY = 1e-3  # of the gradient that the same term has towards another teacher


@rule(
    "teacher", mend="never call train() on a teacher, and do not keep one as a submodule: it would be switched and saved with you"
)
def teacher(case: Case) -> Verdict:
    """A frozen teacher stays in evaluation mode, bit for bit as it was, and gets no gradient."""
    run = case.start()
    if not run.teachers:
        return skips("it has no frozen teacher")
    before = [{name: value.clone() for name, value in net.state_dict().items()} for net in run.teachers]
    modes: set[str] = set()

    def watch() -> None:
        modes.update(name or "the net" for net in run.teachers for name, module in net.named_modules() if module.training)

    run.train(after=watch)
    if modes:
        return fails(f"the teacher was put into training mode ({several(modes)})")
    for net, old in zip(run.teachers, before):
        changed = [name for name, value in net.state_dict().items() if not torch.equal(value, old[name])]
        if changed:
            return fails(f"the teacher's {several(changed)} changed while the student trained")
        taught = [name for name, p in net.named_parameters() if p.grad is not None or p.requires_grad]
        if taught:
            return fails(f"the teacher's {several(taught)} may learn or got a gradient")
    return holds()


@rule("in-place", mend="make a new tensor instead (x = x + y, not x += y or x.add_(y)); clone what you must write to")
def in_place(case: Case) -> Verdict:
    """What other learners read too (batches, signals) and the student's own outputs are not changed in place."""
    run = case.start()
    seen: dict[str, tuple[Tensor, int]] = {}

    def keep(items: Iterable[tuple[str, Tensor]]) -> None:
        for name, tensor in items:
            seen.setdefault(f"{name} #{id(tensor)}", (tensor, tensor._version))

    watch(run, keep)
    for _ in range(run.learner.recipe["steps"]):
        try:
            run.learner.update(Tick(run.learner.at, run.streams))
        except Exception as error:
            if not (isinstance(error, MethodError) and "in place" in str(error)):
                return skips(f"it does not train here: {type(error).__name__}")
        harmed = {name.partition(" #")[0] for name, (tensor, version) in seen.items() if tensor._version != version}
        if harmed:
            return fails(f"{several(harmed)} changed in place at step {run.learner.at}")
        seen.clear()
    return holds()


def watch(run: Run, keep: Any) -> None:
    """Show `keep` every batch, every signal and every output of the student as it is handed out."""

    def batch(name: str, shown: Batch) -> Batch:
        keep([(f"field {field!r} of the {name} batch", value) for field, value in shown.fields.items()])
        keep([(f"the index of the {name} batch", shown.index)])
        return shown

    def signal(shown: Signal, whose: str = "the teacher's") -> Signal:
        keep([(f"{whose} values", shown.decisions.values)])
        keep([(f"{whose} tap {name!r}", tap) for name, tap in shown.taps.items()])
        for member in shown.members:
            signal(member, "a member's")
        return shown

    def outputs(module: Any, inputs: Any, shown: Outputs) -> None:
        keep([("the student's values", shown.values)])
        keep([(f"the student's tap {name!r}", tap) for name, tap in shown.taps.items()])

    answered(streamed(run, batch), signal)
    run.learner.net.register_forward_hook(outputs)


@rule("fixed-point", mend="where a student that equals its teacher still has something to learn, say so in `exempt`")
def fixed_point(case: Case) -> Verdict:
    """A student that is its teacher has nothing to learn from it: own terms are zero there, or stationary."""
    setting = case.setting.but(teacher=case.setting.student)
    whole = case.whole.run
    if not whole.teachers or whole.learner.own is not None:
        return skips("it has no frozen teacher")
    if whole.own():
        return skips(f"own modules stand between student and teacher ({several(whole.own(), 1)})")
    if whole.rewritten:
        return skips("the student is rewritten, so it cannot equal its teacher")
    if misfits(setting):
        return skips("a teacher of the student's own form lacks the taps that it needs")
    same = Case(setting)
    for phase, at in case.stations:
        far = {name: seen for name, seen in case.start().jump(at).look(gradients=True).items() if matched(name, seen)}
        near = same.start(twins=True).jump(at).look(gradients=True)
        for name, seen in far.items():
            if name not in near or abs(float(near[name].value)) <= 1e-6 * max(1.0, abs(float(seen.value))):
                continue
            if near[name].slope > STATIONARY * max(seen.slope, 1e-12):
                share = near[name].slope / max(seen.slope, 1e-12)
                return fails(
                    f"term {name!r}{case.place(phase)} pulls a student away from equality ({share:.2g} of its usual pull)"
                )
    return holds()


def matched(name: str, seen: Seen) -> bool:
    """Whether a term is the student's own wish to resemble a teacher."""
    return not name.startswith("task") and seen.owner == "student"
