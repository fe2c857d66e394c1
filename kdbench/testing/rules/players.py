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
    """Soon a gradient reaches the student and every module that claims to learn, and every term moves whom it is for."""
    whole = case.whole
    learns = {name for name, p in whole.run.names().items() if p.requires_grad}
    idle = learns - whole.owned
    if idle:
        return fails(f"{several(idle)} may learn and belongs to no owner, so it stays as it began")
    unreached = (whole.owned & learns) - whole.reached
    if unreached:
        return fails(f"no gradient reaches {several(unreached)} in {whole.run.learner.at} steps")
    moved: dict[str, set[str]] = {}
    meant: dict[str, set[str]] = {}
    for _, at in case.stations:
        run = case.at(at)
        for name, seen in run.look(gradients=True).items():
            if seen.strange:
                return fails(f"term {name!r} has parameters that nobody owns, so they never learn", "make modules in build()")
            moved.setdefault(name, set()).update(n for n, g in seen.gradient.items() if float(g.double().norm()) > STILL)
            meant.setdefault(name, set()).update(meant_for(run, seen.owner))
    still = [name for name, found in moved.items() if not found]
    if still:
        return fails(f"term {several(still)} moves nothing: its gradient is 0 wherever it was looked at")
    for name, found in moved.items():
        if not found & meant[name]:
            whose = next(iter(meant[name])).partition(".")[0]
            return fails(f"term {name!r} moves {several(found)} and nothing of the {whose}: it is logged, and teaches nothing")
    return holds(f"{len(whole.reached)} parameters learn")


def meant_for(run: Run, owner: str) -> set[str]:
    """Whom a term of this owner is to teach: the network that the owner has, else all that it has (a method's own player)."""
    mine = {id(p) for p in run.learner.owners[owner].params}
    names = {name for name, p in run.names().items() if id(p) in mine}
    return {name for name in names if not name.startswith("method.")} or names


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
