"""Who learns from what: every owner's parameters learn, and a term reaches its owner alone."""

from __future__ import annotations

from collections.abc import Mapping

from kdbench.contract.method import Step, Term
from kdbench.testing.case import Case, several
from kdbench.testing.run import Run
from kdbench.testing.verdict import Verdict, fails, holds, rule
from kdbench.train.stream import Tick

STILL = 1e-9  # norm of a gradient that is rounding and nothing else


@rule("gradient", mend="look for a detach, or a branch that no term reads; requires_grad_(False) for what is not to learn")
def gradient(case: Case) -> Verdict:
    """Within a short budget a gradient reaches the student and every module that claims to learn, and every term has one."""
    whole = case.whole
    learns = {name for name, p in whole.run.names().items() if p.requires_grad}
    idle = learns - whole.owned
    if idle:
        return fails(f"{several(idle)} may learn and belongs to no owner, so it stays as it began")
    unreached = (whole.owned & learns) - whole.reached
    if unreached:
        return fails(f"no gradient reaches {several(unreached)} in {whole.run.learner.at} steps")
    moving: dict[str, float] = {}
    for _, at in case.stations:
        for name, seen in case.at(at).look(gradients=True).items():
            moving[name] = max(seen.slope, moving.get(name, 0.0))
    still = [name for name, slope in moving.items() if slope <= STILL]
    if still:
        return fails(f"term {several(still)} moves nothing: its gradient is 0 wherever it was looked at")
    return holds(f"{len(whole.reached)} parameters learn")


@rule("owners", mend="give each player its own terms, and leave the gradient to the default backward or to inputs=")
def owners(case: Case) -> Verdict:
    """The terms of one owner leave a gradient in this owner's parameters, and in no others nor in a teacher."""
    for phase, at in case.stations:
        players = {seen.owner for seen in case.at(at).look().values()}
        for player in sorted(players):
            run = case.at(at)
            alone(run, player)
            run.learner.update(Tick(run.learner.at, run.streams))
            mine = {id(p) for p in run.learner.owners[player].params}
            strangers = [name for name, p in run.names().items() if p.grad is not None and id(p) not in mine]
            strangers += [f"teacher.{n}" for t in run.teachers for n, p in t.named_parameters() if p.grad is not None]
            if strangers:
                return fails(f"terms of owner {player!r}{case.place(phase)} leave a gradient in {several(strangers)}")
    return holds()


def alone(run: Run, player: str) -> None:
    """Let the method speak for one player only."""
    inner = run.learner.method.terms

    def terms(step: Step) -> Mapping[str, Term]:
        return {name: term for name, term in inner(step).items() if term.owner == player}

    run.learner.method.terms = terms  # type: ignore[method-assign, assignment]
